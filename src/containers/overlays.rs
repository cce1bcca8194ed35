//! Whether overlays can be mounted in the cache folder: tried once, and remembered while the machine is up.
//!
//! ```text
//! <cache>/records/overlays/<key>   what they are good for; the key is of all that may decide it
//! ```

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::containers::runs::LiveRun;
use crate::containers::unstarted::refusal;
use crate::fs::{FileContext as _, FileError, write_private};
use crate::model::{Digest, canonical_json};
use crate::process::{IdMap, Namespaces, ProcessError, shell_status};
use crate::report::Reporter;
use crate::sandbox::{self, HelperTask, Overlays, Refusal};
use crate::store::{Shelf, Store};

const RECORDS: Shelf<Overlays> = Shelf::new("overlays", 1);

/// What overlays in the cache folder are good for. The first time that limits are found, a note says so.
///
/// If the trial itself cannot be started, nothing is recorded, and the run reports why.
pub(crate) fn find(store: &Store, map: &IdMap, reporter: &dyn Reporter) -> Result<Overlays, FileError> {
    let key = key(store.root(), map)?;
    if let Some(known) = RECORDS.recall(store, &key)? {
        return Ok(known);
    }
    let Ok((found, _)) = probe(&store.runs(), map)? else { return Ok(Overlays::OnDisk) };
    match found {
        Overlays::OnDisk => {}
        Overlays::InMemory => reporter.note(
            "the cache folder can hold no overlay: steps copy the image, and what runs change is in memory; \
             see `oci doctor`",
        ),
        Overlays::Unusable => {
            reporter.note("no overlay can be mounted: runs and steps copy the image; see `oci doctor`");
        }
    }
    RECORDS.note(store, &key, &found)?;
    Ok(found)
}

/// The key of everything that may change the answer: the boot of the machine, the ID map, the capabilities of this
/// process, and the file system.
fn key(cache: &Path, map: &IdMap) -> Result<Digest, FileError> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let rights = status.lines().find(|line| line.starts_with("CapEff:")).unwrap_or_default();
    let device = std::fs::metadata(cache).context("look at", cache)?.dev();
    let boot = read("/proc/sys/kernel/random/boot_id");
    Ok(Digest::of(&canonical_json(&(boot.trim(), map.to_string(), rights, device))))
}

/// Tries to mount overlays. The result says what they are good for, and why not for more. The inner error is a failure
/// that every run would have.
pub(crate) fn probe(runs: &Path, map: &IdMap) -> Result<Result<(Overlays, Option<Refusal>), ProcessError>, FileError> {
    let live = LiveRun::new(runs, Path::new(""), map)?;
    let path = live.folder.task();
    let task = serde_json::to_vec(&HelperTask::Probe(live.folder.path.clone(), map.clone()));
    write_private(&path, &task.map_err(|error| FileError::new("write", &path, error.into()))?)?;
    let finished = sandbox::invocation(&path).namespaces(Namespaces::sandbox(map)).capture();
    Ok(finished.map(|finished| (Overlays::of_status(shell_status(finished.status)), refusal(&live.folder))))
}
