//! What a dry run says: each piece of work of a build, whether its result is there, why not, and the commands that it
//! takes.

use crate::model::Platform;
use crate::report::WorkKind;

/// One piece of work of a build, whether or not its result is there.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) kind: WorkKind,
    /// The image or base that it is for.
    pub(crate) name: String,
    pub(crate) platform: Option<Platform>,
    /// What the layer is made of; what the step runs.
    pub(crate) layer: Option<String>,
    pub(crate) state: Readiness,
    /// What would be started, as lines for a shell: tools, or a step's command in its container.
    pub(crate) commands: Vec<String>,
}

/// Whether there is something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Its result is there.
    Cached,
    /// It is to be done, for these reasons.
    Needed(Vec<String>),
    /// It depends on what is not known yet.
    Unknown(String),
}

impl Readiness {
    /// Something is to be done, for this one reason.
    pub(super) fn needed(reason: impl Into<String>) -> Self {
        Self::Needed(vec![reason.into()])
    }
}
