//! Opens files of this machine that were looked at before, and may have become anything since.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};

use crate::fs::stamp;
use crate::layer::LayerError;
use crate::layer::tree::HostFile;
use crate::model::LayerPath;

/// Opens the files of a tree. It keeps a descriptor of the folder that the last file was in.
#[derive(Default)]
pub(crate) struct Files {
    folder: Option<(Arc<Path>, OwnedFd)>,
}

impl Files {
    /// Opens the file of an entry: not through a link at its end, unless its package `follows` links.
    pub(crate) fn open(&mut self, file: &HostFile, entry: &LayerPath, follows: bool) -> io::Result<File> {
        let (_, folder) = match self.folder.take().filter(|(path, _)| Arc::ptr_eq(path, file.folder())) {
            Some(known) => self.folder.insert(known),
            None => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = open(&**file.folder(), flags, Mode::empty())?;
                self.folder.insert((Arc::clone(file.folder()), folder))
            }
        };
        let flags = if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
        stamp::reopen_at(folder, file.name(entry), flags)
    }
}

/// The error of a file that could not be read. If it is no file any more, it changed since the scan.
pub(crate) fn unreadable(path: String, source: io::Error) -> LayerError {
    match stamp::is_replaced(&source) {
        true => LayerError::Changed { path },
        false => LayerError::Unreadable { path, source },
    }
}
