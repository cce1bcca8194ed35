//! Runs a tool for a [`ToolTask`], and turns a process that failed into an error that people can use.

use crate::process::Invocation;
use crate::tools::registry::credentials;
use crate::tools::{ToolError, ToolTask};

impl ToolTask<'_> {
    /// Runs the tool to its end. Returns what it wrote on standard output, if its exit status is 0.
    pub(crate) fn run(&self, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
        let ended = invocation.capture();
        match ended {
            Ok(finished) if finished.status.success() => Ok(finished.stdout),
            ended => {
                // The tool's own words are shown and logged, and may quote the credentials that it sent.
                credentials::learn_all();
                Err(match ended {
                    Ok(finished) => ToolError::failed(self, invocation, &finished),
                    Err(error) => ToolError::not_finished(self, invocation, error),
                })
            }
        }
    }
}
