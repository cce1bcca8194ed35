//! Work in progress: a folder for each process, swept once the process is gone. It also says that the
//! process lives, and since when.
//!
//! ```text
//! tmp/.oci-tmp-XXXX/lock     held by the process while it lives, and never written
//! tmp/.oci-tmp-XXXX/…        what it has not finished
//! ```

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fs::{FileContext, FileError, Lock};

/// The name of the lock in a folder.
const LOCK: &str = "lock";

/// The folder of this process. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: tempfile::TempDir,
    started: SystemTime,
    _lock: Lock,
}

impl Workspace {
    /// Makes a folder in `parent`. `gate` keeps a sweep from taking it before it is locked.
    pub(super) fn new(parent: &Path, gate: &Path) -> Result<Self, FileError> {
        let _gate = Lock::shared(gate)?;
        let folder = tempfile::Builder::new()
            .prefix(crate::fs::TEMPORARY_PREFIX)
            .tempdir_in(parent)
            .map_err(|error| FileError::new("create a folder in", parent, error))?;
        let path = folder.path().join(LOCK);
        let lock = Lock::exclusive(&path, || {})?;
        let started = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).context("look at", &path)?;
        Ok(Self { folder, started, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// When it was made, by the clock that files' times are from.
    pub(super) fn started(&self) -> SystemTime {
        self.started
    }
}

/// When the process that has lived longest began to work; nothing if none does. Whoever asks holds the
/// gate alone, so that none begins meanwhile.
pub(super) fn oldest(parent: &Path) -> Option<SystemTime> {
    let locks = std::fs::read_dir(parent).ok()?.flatten().map(|entry| entry.path().join(LOCK));
    let started = locks.filter_map(|lock| {
        let modified = std::fs::metadata(&lock).and_then(|metadata| metadata.modified()).ok()?;
        // What cannot be asked may live.
        Lock::is_held(&lock).unwrap_or(true).then_some(modified)
    });
    started.min()
}

/// Removes the folders of processes that are gone. What cannot be removed is left for another day.
pub(super) fn sweep(parent: &Path, gate: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        return;
    }
    let Ok(Some(_gate)) = Lock::try_exclusive(gate) else { return };
    for folder in folders {
        if let Ok(Some(_lock)) = Lock::try_exclusive(&folder.join(LOCK)) {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_is_left_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let (parent, gate) = (root.path().join("tmp"), root.path().join("gate"));
        std::fs::create_dir_all(parent.join("dead")).unwrap();
        std::fs::write(parent.join("dead/half"), b"half").unwrap();
        assert_eq!(oldest(&parent), None);
        let alive = Workspace::new(&parent, &gate).unwrap();
        let younger = Workspace::new(&parent, &gate).unwrap();
        assert!(younger.started() >= alive.started() && oldest(&parent) == Some(alive.started()));
        drop(younger);
        sweep(&parent, &gate);
        assert!(alive.path().exists() && !parent.join("dead").exists());
        drop(alive);
        assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 0);
    }
}
