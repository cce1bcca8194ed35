//! Locks between processes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::fs::{FileContext, FileError, open_own};

/// A lock between processes, held until it is dropped. The file stays, empty, and means nothing.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; `waiting` is called once, before the wait, if another process holds it.
    pub(crate) fn exclusive(path: &Path, waiting: impl FnOnce()) -> Result<Self, FileError> {
        if let Some(lock) = Self::try_exclusive(path)? {
            return Ok(lock);
        }
        waiting();
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockExclusive)).context("lock", path)?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if nobody holds it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, FileError> {
        Self::attempt(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock together with others that share it; waits for one that holds it alone.
    pub(crate) fn shared(path: &Path) -> Result<Self, FileError> {
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockShared)).context("lock", path)?;
        Ok(Self { _file: file })
    }

    /// True if someone holds it, alone or with others. Makes no file where there is none.
    pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
        let file = match open_own(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match retry(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            free => Ok(free.map(|()| false)?),
        }
    }

    fn attempt(path: &Path, operation: FlockOperation) -> Result<Option<Self>, FileError> {
        let file = open_lock(path)?;
        match retry(|| flock(&file, operation)) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(FileError::new("lock", path, error.into())),
        }
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    // The name of a lock is one of ours: a link there is not followed, and a pipe not waited for.
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path).context("open the lock", path)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(&mut call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_no_lock_and_makes_no_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("elsewhere", path("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["link", "pipe"] {
            Lock::exclusive(&path(name), || {}).unwrap_err();
            Lock::shared(&path(name)).unwrap_err();
            Lock::is_held(&path(name)).unwrap_err();
        }
        assert!(!path("elsewhere").exists());
    }

    #[test]
    fn a_lock_excludes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!Lock::is_held(&path).unwrap() && !path.exists());
        let held = Lock::exclusive(&path, || panic!("nobody holds it")).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none() && Lock::is_held(&path).unwrap());
        drop(held);
        assert!(!Lock::is_held(&path).unwrap());
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }
}
