//! Locks between processes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::fs::{FileContext, FileError, open_own};

/// A lock between processes, and between threads of one process, held until it is dropped. The file stays, and is
/// always empty.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

/// How many times this process holds each lock, by device and inode of the file. A thread that waits for one of these
/// locks waits for another thread of this process.
static OWN: Mutex<BTreeMap<(u64, u64), usize>> = Mutex::new(BTreeMap::new());

impl FileLock {
    /// Waits for the lock; `waiting` is called once, before the wait, if another process holds it.
    pub(crate) fn exclusive(path: &Path, waiting: impl FnOnce()) -> Result<Self, FileError> {
        if let Some(lock) = Self::try_exclusive(path)? {
            return Ok(lock);
        }
        if !Self::is_own(path) {
            waiting();
        }
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockExclusive)).context("lock", path)?;
        Ok(Self::noted(file))
    }

    /// The open file, which is the lock's as long as the lock lives.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// True if this process holds it, alone or shared.
    pub(crate) fn is_own(path: &Path) -> bool {
        path.metadata().is_ok_and(|found| own().contains_key(&(found.dev(), found.ino())))
    }

    /// A lock that was just taken.
    fn noted(file: File) -> Self {
        note(&mut own(), &file);
        Self { file }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, FileError> {
        Self::attempt(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock together with others that share it; waits for a process that holds it alone.
    pub(crate) fn shared(path: &Path) -> Result<Self, FileError> {
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockShared)).context("lock", path)?;
        Ok(Self::noted(file))
    }

    /// True if any process holds it, alone or shared. Makes no file if there is none.
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
        // Taking and noting the lock is one step: a thread that fails to take it finds it noted.
        let mut own = own();
        match retry(|| flock(&file, operation)) {
            Ok(()) => {
                note(&mut own, &file);
                Ok(Some(Self { file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(FileError::new("lock", path, error.into())),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The lock is freed first, and then no longer noted.
        let _ = flock(&self.file, FlockOperation::Unlock);
        if let Ok(found) = self.file.metadata() {
            let key = (found.dev(), found.ino());
            let mut own = own();
            match own.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(own.remove(&key)),
            }
        }
    }
}

fn own() -> MutexGuard<'static, BTreeMap<(u64, u64), usize>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(own: &mut BTreeMap<(u64, u64), usize>, file: &File) {
    if let Ok(found) = file.metadata() {
        *own.entry((found.dev(), found.ino())).or_default() += 1;
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    // The name is one of ours: a link under it is not followed, and a pipe is not waited for.
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
            FileLock::exclusive(&path(name), || {}).unwrap_err();
            FileLock::shared(&path(name)).unwrap_err();
            FileLock::is_held(&path(name)).unwrap_err();
        }
        assert!(!path("elsewhere").exists());
    }

    #[test]
    fn a_lock_excludes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!FileLock::is_held(&path).unwrap() && !path.exists());
        let held = FileLock::exclusive(&path, || panic!("nobody holds it")).unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none() && FileLock::is_held(&path).unwrap());
        drop(held);
        assert!(!FileLock::is_held(&path).unwrap());
        assert!(FileLock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn only_another_process_is_told_to_be_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (one, other) = (FileLock::shared(&path).unwrap(), FileLock::shared(&path).unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| FileLock::exclusive(&path, || panic!("no other process holds it")).unwrap());
            drop(one);
            assert!(FileLock::is_own(&path));
            drop(other);
            waiting.join().unwrap();
        });
        assert!(!FileLock::is_own(&path));
        // The lock belongs to the open file, which only the other process has once it has started.
        let file = std::fs::File::open(&path).unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "read line"]).stdin(std::process::Stdio::piped()).stderr(file);
        let mut holder = command.spawn().unwrap();
        drop(command);
        let input = holder.stdin.take();
        let mut told = false;
        FileLock::exclusive(&path, || {
            told = true;
            drop(input);
        })
        .unwrap();
        assert!(told);
        holder.wait().unwrap();
    }
}
