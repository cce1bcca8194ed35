//! What the program tells while it works.
//!
//! Work reports [`Event`]s; a [`Reporter`] owns standard error while work goes on and decides what a
//! person sees. An [`Activity`] is a stretch of work.

mod lines;

use std::time::{Duration, Instant};

pub(crate) use lines::{Lines, Verbosity};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Resolve,
    Fetch,
    Layer,
    Rootfs,
    Push,
}

impl Stage {
    /// What is being done, and what was.
    pub(crate) fn verbs(self) -> (&'static str, &'static str) {
        match self {
            Self::Resolve => ("resolving", "resolved"),
            Self::Fetch => ("fetching", "fetched"),
            Self::Layer => ("packing", "packed"),
            Self::Rootfs => ("unpacking", "unpacked"),
            Self::Push => ("pushing", "pushed"),
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    Started {
        stage: Stage,
        subject: &'a str,
    },
    /// Ended well. What ended otherwise is told by its error.
    Done {
        stage: Stage,
        subject: &'a str,
        elapsed: Duration,
    },
    /// Something a person should know.
    Note {
        text: &'a str,
    },
    /// Something that may be a mistake; told to those too who want it quiet.
    Warning {
        text: &'a str,
    },
    /// Something for those who asked for more.
    Detail {
        text: &'a str,
    },
}

/// Whoever shows events.
pub(crate) trait Reporter: Send + Sync {
    fn report(&self, event: Event<'_>);
}

impl dyn Reporter + '_ {
    /// Begins a stretch of work on `subject`.
    pub(crate) fn begin(&self, stage: Stage, subject: impl Into<String>) -> Activity<'_> {
        let subject = subject.into();
        self.report(Event::Started { stage, subject: &subject });
        Activity { reporter: self, stage, subject, started: Instant::now() }
    }

    pub(crate) fn note(&self, text: &str) {
        self.report(Event::Note { text });
    }

    pub(crate) fn warning(&self, text: &str) {
        self.report(Event::Warning { text });
    }

    pub(crate) fn detail(&self, text: &str) {
        self.report(Event::Detail { text });
    }
}

/// A stretch of work; one that is dropped before [`Activity::done`] failed.
pub(crate) struct Activity<'a> {
    reporter: &'a dyn Reporter,
    stage: Stage,
    subject: String,
    started: Instant,
}

impl Activity<'_> {
    /// It went well.
    pub(crate) fn done(self) {
        let Self { stage, subject, .. } = &self;
        self.reporter.report(Event::Done { stage: *stage, subject, elapsed: self.started.elapsed() });
    }
}
