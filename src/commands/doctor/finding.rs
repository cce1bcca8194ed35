//! A finding: what was found out about one part of the machine.

use crate::sanitize;

/// The state of a part of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Good,
    /// Something is slower, or something does not work that the project does not need.
    Warning,
    /// Something does not work that the project needs.
    Missing,
}

impl State {
    /// The state of something that does not work as it should.
    pub(super) fn bad(is_needed: bool) -> Self {
        if is_needed { Self::Missing } else { Self::Warning }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

/// What was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) topic: String,
    pub(super) state: State,
    pub(super) found: String,
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn good(topic: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(topic, State::Good, found, None)
    }

    pub(super) fn bad(
        topic: impl Into<String>,
        state: State,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(topic, state, found, Some(fix.into()))
    }

    /// The text of a finding, and the advice that comes with an error, may be foreign.
    pub(super) fn new(topic: impl Into<String>, state: State, found: impl Into<String>, fix: Option<String>) -> Self {
        let fix = fix.map(|fix| sanitize::name(&fix));
        Self { topic: topic.into(), state, found: sanitize::name(&found.into()), fix }
    }
}

/// An error and its causes as one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
