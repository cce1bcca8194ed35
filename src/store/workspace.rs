//! Work in progress: a folder for each process, removed once the process is gone. Its lock also tells that the process
//! lives, and since when.
//!
//! ```text
//! tmp/.oci-tmp-XXXX/lock     held by the process while it lives, and never written
//! tmp/.oci-tmp-XXXX/…        what it has not finished
//! ```

use std::fs::DirEntry;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fs::{FileContext, FileError, FileLock};

/// The name of the lock in a folder.
const LOCK: &str = "lock";

/// The folder of this process. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: tempfile::TempDir,
    started: SystemTime,
    _lock: FileLock,
}

impl Workspace {
    /// Makes a folder in `parent`. `gate` keeps a sweep from removing it before it is locked.
    pub(super) fn new(parent: &Path, gate: &Path) -> Result<Self, FileError> {
        let _gate = FileLock::shared(gate)?;
        let folder = tempfile::Builder::new()
            .prefix(crate::fs::TEMPORARY_PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(|error| FileError::new("create a folder in", parent, error))?;
        let path = folder.path().join(LOCK);
        let lock = FileLock::exclusive(&path, || {})?;
        let started = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).context("look at", &path)?;
        Ok(Self { folder, started, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// When the folder was made, by the clock that files' times are from.
    pub(super) fn started(&self) -> SystemTime {
        self.started
    }
}

/// When the oldest living process other than the one whose folder is `own` began to work; `None` if no other lives. The
/// caller holds the gate alone, so that no process begins meanwhile.
pub(super) fn oldest(parent: &Path, own: &Path) -> Option<SystemTime> {
    let now = SystemTime::now();
    let started = folders(parent).into_iter().filter(|folder| folder != own).filter_map(|folder| {
        let lock = folder.join(LOCK);
        let modified = std::fs::metadata(&lock).and_then(|metadata| metadata.modified()).ok()?;
        // The clock was set back since, so files that the process has marked look older than they are.
        let started = if modified > now { SystemTime::UNIX_EPOCH } else { modified };
        // If the lock cannot be asked, the process may live.
        FileLock::is_held(&lock).unwrap_or(true).then_some(started)
    });
    started.min()
}

/// The folders of all processes, of those that have ended, too.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let is_one = |entry: &DirEntry| {
        entry.file_name().as_encoded_bytes().starts_with(crate::fs::TEMPORARY_PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    std::fs::read_dir(parent).into_iter().flatten().flatten().filter(is_one).map(|entry| entry.path()).collect()
}

/// Removes the folders of processes that are gone. A folder that cannot be removed is left for the next sweep.
pub(super) fn sweep(parent: &Path, gate: &Path) {
    let folders = folders(parent);
    if folders.is_empty() {
        return;
    }
    let Ok(Some(_gate)) = FileLock::try_exclusive(gate) else { return };
    for folder in folders {
        if let Ok(Some(_lock)) = FileLock::try_exclusive(&folder.join(LOCK)) {
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
        std::fs::create_dir_all(parent.join(".oci-tmp-dead")).unwrap();
        std::fs::write(parent.join(".oci-tmp-dead/half"), b"half").unwrap();
        std::fs::create_dir_all(parent.join("thesis")).unwrap();
        std::fs::create_dir_all(root.path().join("elsewhere")).unwrap();
        std::fs::write(root.path().join("elsewhere/precious"), b"").unwrap();
        std::os::unix::fs::symlink("../elsewhere", parent.join(".oci-tmp-link")).unwrap();
        let nobody = Path::new("");
        assert_eq!(oldest(&parent, nobody), None);
        let alive = Workspace::new(&parent, &gate).unwrap();
        let younger = Workspace::new(&parent, &gate).unwrap();
        assert!(younger.started() >= alive.started() && oldest(&parent, nobody) == Some(alive.started()));
        drop(younger);
        sweep(&parent, &gate);
        assert!(alive.path().exists() && !parent.join(".oci-tmp-dead").exists());
        assert_eq!(oldest(&parent, alive.path()), None, "no other");
        let ahead = SystemTime::now() + std::time::Duration::from_secs(3600);
        std::fs::File::open(alive.path().join(LOCK)).unwrap().set_modified(ahead).unwrap();
        assert_eq!(oldest(&parent, nobody), Some(SystemTime::UNIX_EPOCH), "the clock was set back");
        drop(alive);
        assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 2, "what is no folder of a process stays");
        assert_eq!(
            std::fs::read_dir(root.path().join("elsewhere")).unwrap().count(),
            1,
            "not even a lock is made there"
        );
    }
}
