//! The folders of runs, and the removal of runs whose `oci` was killed.
//!
//! ```text
//! <cache>/runs/                0700, as is every folder in it
//! <cache>/runs/lock            shared while a folder is made, held alone to look for dead ones
//! <cache>/runs/<identifier>/   a run's, see [`crate::sandbox`]
//! <cache>/runs/<identifier>/lock  held while its `oci` lives
//! <cache>/runs/name-<name>     held while a container has the name
//! ```

use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext as _, FileError, FileLock, UNIQUE_CHARACTERS, create_private_folder, create_unique_folder,
};
use crate::process::IdMap;
use crate::sandbox::{self, RunFolder};
use crate::tools::Runc;

/// Begins the name of a run, which is also the name of its cgroups.
const PREFIX: &str = "oci-";
const LOCK: &str = "lock";

/// The folder of a living run. It is removed with all that is in it when this value is dropped.
pub(super) struct LiveRun {
    pub(super) folder: RunFolder,
    pub(super) identifier: String,
    runc: PathBuf,
    map: IdMap,
    _lock: FileLock,
}

impl LiveRun {
    pub(super) fn new(runs: &Path, runc: &Path, map: &IdMap) -> Result<Self, FileError> {
        // Set-uid programs of images, and the files that containers get, must not be reached by other users.
        create_private_folder(runs)?;
        let runs = &std::path::absolute(runs).context("find", runs)?;
        // A folder whose lock is free belongs to a dead run.
        let _no_sweep = FileLock::shared(&runs.join(LOCK))?;
        let path = create_unique_folder(runs, PREFIX)?;
        let lock = FileLock::exclusive(&path.join(LOCK), || {})?;
        let identifier = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { folder: RunFolder { path }, identifier, runc: runc.to_owned(), map: map.clone(), _lock: lock })
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        // A later sweep removes a folder that stays.
        let _ = clean(&self.folder, &self.runc, &self.map);
    }
}

/// Removes cgroups and folders of killed runs. Their processes and mounts died with them.
///
/// Any command may call this at any time. If there is no dead run, it only reads one folder.
pub(crate) fn sweep(runs: &Path, runc: &Path, map: &IdMap) -> Result<(), FileError> {
    for dead in dead(runs)? {
        clean(&RunFolder { path: dead.path }, runc, map)?;
    }
    Ok(())
}

/// Removes cgroup and folder of a run whose processes are dead.
fn clean(folder: &RunFolder, program: &Path, map: &IdMap) -> Result<(), FileError> {
    let identifier = folder.path.file_name().unwrap_or_default().to_string_lossy();
    let runc = Runc::new(program, folder.runc_state());
    // runc removes the cgroup itself if it lives to the end. A run of an ordinary user has no cgroup, and its state
    // goes with the folder. If the removal fails, the folder stays for a later sweep.
    let deleted = map.is_namespaced()
        || !runc.has_state(&identifier)
        || match runc.is_of_crun(&identifier) {
            true => sandbox::delete_of_crun(program, &folder.path, &identifier),
            false => {
                runc.delete(&identifier).is_ok_and(|finished| finished.status.success())
                    && Runc::remove_cgroups(&identifier).is_ok()
            }
        };
    if deleted { sandbox::remove_tree(&folder.path, map).context("remove", &folder.path) } else { Ok(()) }
}

/// True if a run's folder may have this name. A folder with another name stays.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| {
        random.len() == UNIQUE_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// A run whose `oci` is dead, and the lock which that `oci` held.
struct Dead {
    path: PathBuf,
    _lock: FileLock,
}

fn dead(runs: &Path) -> Result<Vec<Dead>, FileError> {
    let entries = match std::fs::read_dir(runs) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context("read the folder", runs)?,
    };
    let folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| is_ours(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    // Another process starts a run or sweeps at this moment. The next command looks again.
    let Some(_alone) = FileLock::try_exclusive(&runs.join(LOCK))? else { return Ok(Vec::new()) };
    // Another process may have removed a folder by now.
    let lock =
        |path: PathBuf| FileLock::try_exclusive(&path.join(LOCK)).ok().flatten().map(|lock| Dead { path, _lock: lock });
    Ok(folders.into_iter().filter_map(lock).collect())
}
