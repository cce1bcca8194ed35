//! One call of a tool, and what it is for: what turns a process that failed into an error people can use.

use std::fmt;
use std::path::Path;

use crate::model::{Reference, Repository};
use crate::tools::registry::credentials;
use crate::tools::{Invocation, ToolError};

/// What a tool is at work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Image(Reference),
    Repository(Repository),
    /// As it is to be shown.
    Other(String),
}

impl Subject {
    pub(crate) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Image(reference) => Some(reference.repository()),
            Self::Repository(repository) => Some(repository),
            Self::Other(_) => None,
        }
    }

    /// The registry's `host[:port]`, if a registry is involved.
    pub(crate) fn registry(&self) -> Option<&str> {
        self.repository().map(Repository::registry)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference) => reference.fmt(formatter),
            Self::Repository(repository) => repository.fmt(formatter),
            Self::Other(name) => formatter.write_str(name),
        }
    }
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    /// The tool as people know it, and as its package is called.
    pub(crate) tool: &'static str,
    /// The verb that the error uses: `resolve`, `fetch`, `push`.
    pub(crate) stage: &'static str,
    pub(crate) subject: Subject,
    /// The folder that keeps the whole output of what failed.
    pub(crate) logs: &'a Path,
}

impl Task<'_> {
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
