//! Runs a tool for a [`ToolTask`]: what turns a process that failed into an error that people can use.

use crate::process::Invocation;
use crate::tools::registry::credentials;
use crate::tools::{ToolError, ToolTask};

impl ToolTask<'_> {
    /// Runs it to its end: what it wrote on standard output, if it returned 0.
    pub(crate) fn run(&self, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
        let ended = invocation.capture();
        match ended {
            Ok(finished) if finished.status.success() => Ok(finished.stdout),
            ended => {
                // What the tool says is shown and logged, and may quote the credentials that it sent.
                credentials::learn_all();
                Err(match ended {
                    Ok(finished) => ToolError::failed(self, invocation, &finished),
                    Err(error) => ToolError::not_finished(self, invocation, error),
                })
            }
        }
    }
}
