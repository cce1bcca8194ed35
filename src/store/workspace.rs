//! Work in progress: a folder for each process, swept once the process is gone.
//!
//! ```text
//! tmp/.oci-tmp-XXXX/lock     held by the process while it lives
//! tmp/.oci-tmp-XXXX/…        what it has not finished
//! ```

use std::path::{Path, PathBuf};

use crate::fs::{FileError, Lock};

/// The folder of this process. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: tempfile::TempDir,
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
        let lock = Lock::exclusive(&folder.path().join("lock"), || {})?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
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
        if let Ok(Some(_lock)) = Lock::try_exclusive(&folder.join("lock")) {
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
        let alive = Workspace::new(&parent, &gate).unwrap();
        sweep(&parent, &gate);
        assert!(alive.path().exists() && !parent.join("dead").exists());
        drop(alive);
        assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 0);
    }
}
