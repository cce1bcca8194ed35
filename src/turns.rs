//! Turns: one process works at a time, and the others wait.

use std::path::Path;
use std::time::Duration;

use crate::fs::{FileError, FileLock};
use crate::process;
use crate::report::Reporter;

/// How often a lock that another process holds is tried.
const TICK: Duration = Duration::from_millis(50);

/// Waits for a lock, and notes what it waits for. Returns `None` if an interrupt ends the wait.
pub(crate) fn take(path: &Path, whom: &str, reporter: &dyn Reporter) -> Result<Option<FileLock>, FileError> {
    let mut told = false;
    loop {
        if let Some(lock) = FileLock::try_exclusive(path)? {
            return Ok(Some(lock));
        }
        // Work of this process is shown as such.
        if !told && !FileLock::is_own(path) {
            reporter.note(&format!("waiting for {whom}"));
            told = true;
        }
        if process::wait(TICK).is_err() {
            return Ok(None);
        }
    }
}
