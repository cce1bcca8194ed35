//! Why no container came about, whether it was to be a run's or a step's.
//!
//! The helper ([`crate::sandbox`]) is a process of ours: either it cannot be started, or it is, and leaves
//! word in the run's folder of what it refused.

use crate::process::ProcessError;
use crate::process::namespace::NamespaceError;
use crate::sandbox::{Refusal, RunFolder};

/// What kept a container from being started.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum Unstarted {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("could not start the sandbox")]
    #[diagnostic(code(oci::run::sandbox))]
    Sandbox { source: ProcessError },
}

impl From<ProcessError> for Unstarted {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Namespace(error) => Self::Namespace(error),
            source => Self::Sandbox { source },
        }
    }
}

/// What the helper of a run that has ended refused; nothing if it did what it was to do.
pub(super) fn refusal(folder: &RunFolder) -> Option<Refusal> {
    serde_json::from_slice(&std::fs::read(folder.refusal()).ok()?).ok()
}

/// An error if the helper of a run that has ended refused to start the container.
pub(super) fn check(folder: &RunFolder) -> Result<(), Unstarted> {
    refusal(folder).map_or(Ok(()), |refusal| Err(refusal.into()))
}
