//! Opens files of this machine that were looked at before, and may have become anything since.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, open, openat};
use rustix::io::Errno;

use crate::layer::LayerError;
use crate::layer::path::LayerPath;
use crate::layer::tree::HostFile;

/// Opens the files of a tree. Of the folder that the last one was in it keeps a descriptor.
#[derive(Default)]
pub(super) struct Files {
    folder: Option<(Arc<Path>, OwnedFd)>,
}

impl Files {
    /// Opens the file of an entry: not through a link at its end, unless its package `follows` links.
    pub(super) fn open(&mut self, file: &HostFile, entry: &LayerPath, follows: bool) -> io::Result<File> {
        let (_, folder) = match self.folder.take().filter(|(path, _)| Arc::ptr_eq(path, file.folder())) {
            Some(known) => self.folder.insert(known),
            None => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = open(&**file.folder(), flags, Mode::empty())?;
                self.folder.insert((Arc::clone(file.folder()), folder))
            }
        };
        let flags = if follows { FLAGS } else { FLAGS | OFlags::NOFOLLOW };
        Ok(openat(folder, file.name(entry), flags, Mode::empty())?.into())
    }
}

/// Opening a FIFO must not wait for its other end.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a file by its path.
pub(super) fn open_path(host: &Path) -> io::Result<File> {
    Ok(openat(CWD, host, FLAGS, Mode::empty())?.into())
}

/// Why it could not be read; what is no file any more was one when it was scanned.
pub(super) fn unreadable(path: String, source: io::Error) -> LayerError {
    match Errno::from_io_error(&source) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NXIO) => LayerError::Changed { path },
        _ => LayerError::Unreadable { path, source },
    }
}
