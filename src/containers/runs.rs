//! The folders of runs, and the end of those whose `oci` was killed.
//!
//! ```text
//! <cache>/runs/                0700, as is every folder in it
//! <cache>/runs/lock            shared while a folder is made, held alone to look for dead ones
//! <cache>/runs/<identifier>/   a run's, see [`crate::sandbox`]
//! <cache>/runs/<identifier>/lock  held while its `oci` lives
//! <cache>/runs/name-<name>     held while a container has the name
//! ```

use std::path::{Path, PathBuf};

use crate::fs::{FileContext as _, FileError, Lock, UNIQUE_CHARACTERS, create_private_folder, create_unique_folder};
use crate::process::IdMap;
use crate::sandbox::{self, RunFolder};
use crate::tools::Runc;

/// Begins the name of a run, which is also the name of its cgroups.
const PREFIX: &str = "oci-";
const LOCK: &str = "lock";

/// The folder of a living run; removed with all in it when it is dropped.
pub(super) struct LiveRun {
    pub(super) folder: RunFolder,
    pub(super) identifier: String,
    runc: PathBuf,
    map: IdMap,
    _lock: Lock,
}

impl LiveRun {
    pub(super) fn new(runs: &Path, runc: &Path, map: &IdMap) -> Result<Self, FileError> {
        // Programs of images with set-uid bits, and what containers are given, are for no other user.
        create_private_folder(runs)?;
        let runs = &std::path::absolute(runs).context("find", runs)?;
        // A folder without a locked lock is a dead run's.
        let _no_sweep = Lock::shared(&runs.join(LOCK))?;
        let path = create_unique_folder(runs, PREFIX)?;
        let lock = Lock::exclusive(&path.join(LOCK), || {})?;
        let identifier = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { folder: RunFolder { path }, identifier, runc: runc.to_owned(), map: map.clone(), _lock: lock })
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        // A folder that stays is swept later.
        let _ = clean(&self.folder, &self.runc, &self.map);
    }
}

/// Removes what killed runs left: cgroups and folders. Their processes and mounts died with them.
///
/// Any command may call it, at any time; without dead runs it reads one folder.
pub(crate) fn sweep(runs: &Path, runc: &Path, map: &IdMap) -> Result<(), FileError> {
    for dead in dead(runs)? {
        clean(&RunFolder { path: dead.path }, runc, map)?;
    }
    Ok(())
}

/// Removes what is left of a run whose processes are dead.
fn clean(folder: &RunFolder, program: &Path, map: &IdMap) -> Result<(), FileError> {
    let identifier = folder.path.file_name().unwrap_or_default().to_string_lossy();
    let runc = Runc::new(program, folder.runc_state());
    // runc has done so itself if it lived to the end. An ordinary user's run has no cgroups, and its
    // state goes with the folder. Where it fails, the folder stays for another time.
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

/// True if a run's folder may have the name; what has another stays.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| {
        random.len() == UNIQUE_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// A run without an `oci`, and the lock that its `oci` lost.
struct Dead {
    path: PathBuf,
    _lock: Lock,
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
    // Someone starts a run, or sweeps: the next command looks again.
    let Some(_alone) = Lock::try_exclusive(&runs.join(LOCK))? else { return Ok(Vec::new()) };
    // A folder may be gone by now, which is as well.
    let lock =
        |path: PathBuf| Lock::try_exclusive(&path.join(LOCK)).ok().flatten().map(|lock| Dead { path, _lock: lock });
    Ok(folders.into_iter().filter_map(lock).collect())
}
