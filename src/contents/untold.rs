//! What of a layer is not in its unpacked tree: what it deletes (OCI image spec, "Whiteouts"), and
//! whether it says anything of the root folder.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::contents::blob::{BaseLayerError, decompressed};
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
pub(crate) fn untold(blob: impl Read, media_type: &str) -> Result<Untold, BaseLayerError> {
    let mut archive = tar::Archive::new(decompressed(blob, media_type)?);
    let mut found = Untold::default();
    for entry in archive.entries()? {
        let entry: io::Result<_> = entry;
        let entry = entry?;
        let path = Path::new(OsStr::from_bytes(&entry.path_bytes())).to_owned();
        if path.file_name().is_some_and(|name| name.as_bytes().starts_with(WHITEOUT.as_bytes())) {
            found.whiteouts.push(path);
        } else if path.components().all(|component| matches!(component, Component::CurDir | Component::RootDir)) {
            found.has_root = true;
        }
    }
    Ok(found)
}
