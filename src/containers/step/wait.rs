//! Waits for another step.

use std::path::Path;
use std::time::Duration;

use crate::containers::step::{StepError, Steps};
use crate::fs::FileLock;
use crate::process;

/// How often a lock that another process holds is tried.
const TICK: Duration = Duration::from_millis(50);

impl Steps<'_> {
    /// Waits for a lock; an interrupt ends the wait.
    pub(super) fn wait(&self, path: &Path, whom: &str) -> Result<FileLock, StepError> {
        let mut told = false;
        loop {
            if let Some(lock) = FileLock::try_exclusive(path)? {
                return Ok(lock);
            }
            // A step of this process is shown as running.
            if !told && !FileLock::is_own(path) {
                self.reporter.note(&format!("waiting for {whom}"));
                told = true;
            }
            process::wait(TICK).map_err(|_| StepError::Interrupted)?;
        }
    }
}
