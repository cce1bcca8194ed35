//! What a layer deletes (OCI image spec, "Whiteouts").

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::layer::capture::WHITEOUT;
use crate::layer::{LinkError, decompressed};

/// The paths of a layer's whiteouts, as they are in it.
pub(crate) fn whiteouts(blob: impl Read, media_type: &str) -> Result<Vec<PathBuf>, LinkError> {
    let mut archive = tar::Archive::new(decompressed(blob, media_type)?);
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let entry: io::Result<_> = entry;
        let entry = entry?;
        let path = Path::new(OsStr::from_bytes(&entry.path_bytes())).to_owned();
        if path.file_name().is_some_and(|name| name.as_bytes().starts_with(WHITEOUT.as_bytes())) {
            found.push(path);
        }
    }
    Ok(found)
}
