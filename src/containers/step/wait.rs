//! Waits for another step.

use std::path::Path;

use crate::containers::step::{StepError, Steps};
use crate::fs::FileLock;
use crate::turns;

impl Steps<'_> {
    /// Waits for a lock; an interrupt ends the wait.
    pub(super) fn wait(&self, path: &Path, whom: &str) -> Result<FileLock, StepError> {
        turns::take(path, whom, self.reporter)?.ok_or(StepError::Interrupted)
    }
}
