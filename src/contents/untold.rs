//! What of a layer is not in its unpacked tree: what it deletes (OCI image spec, "Whiteouts"), and
//! whether it says anything of the root folder.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::contents::blob::{BaseLayerError, each_member_of_base};
use crate::model::layer_path::WHITEOUT;

/// What a layer's tree alone does not tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    /// The paths of its whiteouts, as they are in it.
    pub(crate) whiteouts: Vec<PathBuf>,
    /// It has an entry for the root folder.
    pub(crate) has_root: bool,
}

/// Reads all names of a layer.
pub(crate) fn untold(blob: File, media_type: &str) -> Result<Untold, BaseLayerError> {
    let mut untold = Untold::default();
    each_member_of_base(blob, media_type, &mut |_, found| {
        let path = Path::new(OsStr::from_bytes(&found.member.name.0));
        if path.file_name().is_some_and(|name| name.as_bytes().starts_with(WHITEOUT.as_bytes())) {
            untold.whiteouts.push(path.to_owned());
        } else if path.components().all(|component| matches!(component, Component::CurDir | Component::RootDir)) {
            untold.has_root = true;
        }
        Ok(())
    })?;
    Ok(untold)
}
