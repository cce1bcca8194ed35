//! A task for a tool: what the tool does, and to what.

use std::fmt;
use std::path::Path;

use crate::model::{Reference, Repository};

/// What a tool works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Image(Reference),
    Repository(Repository),
    /// The name to show for it.
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

/// A task for a tool. Several calls may be made for it, until one succeeds.
#[derive(Clone, Debug)]
pub(crate) struct ToolTask<'a> {
    /// The tool as people know it, and as its package is called.
    pub(crate) tool: &'static str,
    /// The verb in the error: `resolve`, `fetch`, `push`.
    pub(crate) stage: &'static str,
    pub(crate) subject: Subject,
    /// The folder for logs, with the whole output of calls that failed.
    pub(crate) logs: &'a Path,
}
