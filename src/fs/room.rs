//! How much room a file system has to keep free.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::fs::{FileContext as _, FileError};

/// How much is kept free: this many bytes, or this part of the file system, whichever is less.
const LEAST: u64 = 1 << 30;
const PART: u64 = 20;

/// A file system, and how much has to stay free on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    folder: PathBuf,
    /// In bytes.
    least: u64,
}

impl Room {
    /// The file system that a folder is on.
    pub(crate) fn of(folder: &Path) -> Result<Self, FileError> {
        let found = look(folder).context("look at the file system of", folder)?;
        let size = found.f_blocks.saturating_mul(found.f_frsize);
        Ok(Self { folder: folder.to_owned(), least: LEAST.min(size / PART) })
    }

    /// The folder that was asked about.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How much has to stay free, in bytes.
    pub(crate) fn least(&self) -> u64 {
        self.least
    }

    /// True if writing so many bytes more would leave less than that. A file system that cannot be asked is not short
    /// of room.
    pub(crate) fn is_short_of(&self, bytes: u64) -> bool {
        look(&self.folder)
            .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) < self.least.saturating_add(bytes))
    }
}

/// How much is written before the disk is asked again, in bytes.
const UNSEEN: usize = 8 << 20;

/// A writer that fails with [`StorageFull`](io::ErrorKind::StorageFull) as soon as too little room would stay free.
pub(crate) struct WithinRoom<W> {
    inner: W,
    room: Room,
    unseen: usize,
}

impl<W: Write> WithinRoom<W> {
    pub(crate) fn new(inner: W, room: Room) -> Self {
        Self { inner, room, unseen: UNSEEN }
    }
}

impl<W: Write> Write for WithinRoom<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unseen >= UNSEEN {
            self.unseen = 0;
            if self.room.is_short_of(UNSEEN as u64) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let length = self.inner.write(bytes)?;
        self.unseen += length;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn look(folder: &Path) -> io::Result<rustix::fs::StatVfs> {
    Ok(rustix::fs::statvfs(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_small_file_system_is_kept_free() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of(folder.path()).unwrap();
        assert!(room.least() > 0 && room.least() <= LEAST);
        assert!(room.is_short_of(u64::MAX / 2));
        assert!(!Room { folder: folder.path().join("none"), least: 1 }.is_short_of(u64::MAX));
        let write = |room: Room| WithinRoom::new(Vec::new(), room).write_all(b"x").map_err(|error| error.kind());
        assert_eq!(write(Room { least: u64::MAX, ..room.clone() }), Err(io::ErrorKind::StorageFull));
        assert_eq!(write(Room { least: 0, ..room.clone() }), Ok(()));
        assert!(!Room { least: 0, ..room }.is_short_of(0));
    }
}
