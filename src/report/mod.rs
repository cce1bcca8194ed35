//! What the program tells while it works.
//!
//! Work reports [`Event`]s; a [`Reporter`] owns standard error while work goes on and decides what a
//! person sees. An [`Activity`] is a stretch of work that ends when it is dropped.

mod lines;

use std::sync::atomic::{AtomicU64, Ordering};
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
        activity: u64,
        stage: Stage,
        subject: &'a str,
    },
    /// Ended well.
    Done {
        activity: u64,
        stage: Stage,
        subject: &'a str,
        elapsed: Duration,
    },
    /// Ended in an error, which is shown elsewhere.
    Stopped {
        activity: u64,
    },
    /// Something a person should know.
    Note {
        text: &'a str,
    },
    /// Something a person should look at.
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
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let activity = Activity {
            reporter: self,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            stage,
            subject: subject.into(),
            started: Instant::now(),
            done: false,
        };
        self.report(Event::Started { activity: activity.number, stage, subject: &activity.subject });
        activity
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

/// A stretch of work. Dropped before [`Activity::done`], it failed.
pub(crate) struct Activity<'a> {
    reporter: &'a dyn Reporter,
    number: u64,
    stage: Stage,
    subject: String,
    started: Instant,
    done: bool,
}

impl Activity<'_> {
    /// It went well.
    pub(crate) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        let activity = self.number;
        self.reporter.report(match self.done {
            true => {
                Event::Done { activity, stage: self.stage, subject: &self.subject, elapsed: self.started.elapsed() }
            }
            false => Event::Stopped { activity },
        });
    }
}
