//! Finds what a name in a folder stands for.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use crate::layer::LayerError;
use crate::pack::walk::Reader;
use crate::pack::walk::pending::Pending;
use crate::sanitize;

/// A name in the folder that is read.
pub(crate) struct Listed<'n> {
    pub(crate) fd: &'n Arc<OwnedFd>,
    pub(crate) name: &'n [u8],
    /// The path from the package's folder.
    pub(crate) relative: &'n [u8],
    /// The kind of file that the folder's listing has for the name.
    pub(crate) kind: FileType,
}

impl Reader<'_, '_> {
    /// Finds what the name stands for, with its stat if that was needed. Returns `None` if it is not to be packed.
    pub(crate) fn kind(&mut self, folder: &Pending, listed: &Listed<'_>) -> Option<(FileType, Option<Stat>)> {
        let Listed { fd, name, relative, kind: listed } = *listed;
        // Most file systems list the kind of each name. Only a file needs a stat.
        if listed == FileType::Directory || (listed == FileType::Symlink && !self.walk.follow) {
            return Some((listed, None));
        }
        let flags = if self.walk.follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        match statat(fd, name, flags) {
            Ok(stat) => Some((FileType::from_raw_mode(stat.st_mode), Some(stat))),
            // The file was deleted since the folder was listed.
            Err(Errno::NOENT) if listed != FileType::Symlink => None,
            Err(_) if self.walk.filter.excludes(relative, name, listed) => None,
            Err(errno) => {
                let path = sanitize::path(&folder.host.join(OsStr::from_bytes(name)), self.walk.folder);
                self.problem(match errno {
                    Errno::LOOP => LayerError::LinkLoop { path },
                    Errno::NOENT => LayerError::NotFound { path, help: Some("it is a link to nothing".to_owned()) },
                    errno => LayerError::Unreadable { path, source: errno.into() },
                });
                None
            }
        }
    }
}

/// Whether a link in the folder `relative` of a package points out of the package.
///
/// Its text alone decides: where it leads on this machine does not matter in an image.
pub(crate) fn leaves(relative: &[u8], target: &[u8]) -> bool {
    let mut depth = relative.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    if target.starts_with(b"/") {
        return true;
    }
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}
