//! Shows what the program does while it works.
//!
//! Work reports [`Event`]s; a [`Reporter`] owns standard error while work goes on and decides what a
//! person sees: [`Lines`], or on a terminal [`Terminal`]. An [`Activity`] is a stretch of work, and ends
//! when it is dropped; a [`Meter`] says how far it is.

mod lines;
mod meter;
mod terminal;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) use lines::{Lines, Verbosity};
pub(crate) use meter::Meter;
use terminal::Terminal;

use crate::sanitize;

/// The kinds of work of a build, a run or a publication: progress shows them, and a plan names those of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {
    /// Asking a registry which digest a tag stands for.
    Resolve,
    /// Bringing a base's manifest and config, or its layers.
    Fetch,
    /// Packing one layer.
    Layer,
    /// Making a packaged target.
    Target,
    /// Unpacking layers into a root filesystem.
    Rootfs,
    /// Running a step.
    Step,
    /// Making config and manifest of an image for one platform.
    Assemble,
    /// Making the index of an image for several platforms.
    Index,
    /// Pushing an image to a registry.
    Push,
}

impl WorkKind {
    /// The name of a kind of work that a plan has, in text and in JSON: `docs/metadata.md` has them all. Unpacking and
    /// pushing are in no plan.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Layer => "layer",
            Self::Target => "target",
            Self::Rootfs => "unpack",
            Self::Step => "step",
            Self::Assemble => "assemble",
            Self::Index => "index",
            Self::Push => "push",
        }
    }

    /// The words for the work while it goes on, and once it is done.
    pub(crate) fn verbs(self) -> (&'static str, &'static str) {
        match self {
            Self::Resolve => ("resolving", "resolved"),
            Self::Fetch => ("fetching", "fetched"),
            Self::Layer => ("packing", "packed"),
            Self::Target => ("making", "made"),
            Self::Rootfs => ("unpacking", "unpacked"),
            Self::Step => ("running", "ran"),
            Self::Assemble => ("assembling", "assembled"),
            Self::Index => ("indexing", "indexed"),
            Self::Push => ("pushing", "pushed"),
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    Started {
        activity: u64,
        kind: WorkKind,
        subject: &'a str,
        meter: &'a Arc<Meter>,
    },
    /// The activity ended well. If it failed, its error is shown instead.
    Done {
        kind: WorkKind,
        subject: &'a str,
        elapsed: Duration,
    },
    /// The activity ended, well or not. This is always its last event.
    Ended {
        activity: u64,
    },
    /// Something a person should know.
    Note {
        text: &'a str,
    },
    /// Something that may be a mistake. It is shown with `--quiet`, too.
    Warning {
        text: &'a str,
    },
    /// A line that a step printed.
    Output {
        subject: &'a str,
        line: &'a str,
    },
    /// Something that is shown with `-v` only.
    Detail {
        text: &'a str,
    },
}

/// Shows events, or drops them.
pub(crate) trait Reporter: Send + Sync {
    fn report(&self, event: Event<'_>);
}

/// How work that goes on is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// As bars on a terminal that can show them to a person, else as lines.
    Auto,
    Lines,
    /// Notes, warnings and errors alone.
    Nothing,
}

/// The reporter that fits standard error.
pub(crate) fn reporter(verbosity: Verbosity, progress: Progress) -> Arc<dyn Reporter> {
    match progress {
        Progress::Auto if verbosity > Verbosity::Quiet && is_watched() => Arc::new(Terminal::new(verbosity)),
        Progress::Auto | Progress::Lines => Arc::new(Lines::new(verbosity)),
        Progress::Nothing => Arc::new(Lines::without_progress(verbosity)),
    }
}

/// True if standard error is a terminal with a person before it.
fn is_watched() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false");
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stderr().is_terminal() && !is_set("CI") && !is_dumb
}

impl dyn Reporter + '_ {
    /// Begins a stretch of work on `subject`.
    pub(crate) fn begin(&self, kind: WorkKind, subject: impl AsRef<str>) -> Activity<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let activity = Activity {
            reporter: self,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            kind,
            subject: sanitize::name(subject.as_ref()),
            meter: Arc::default(),
            started: Instant::now(),
        };
        let Activity { number, ref subject, ref meter, .. } = activity;
        self.report(Event::Started { activity: number, kind, subject, meter });
        activity
    }

    pub(crate) fn note(&self, text: &str) {
        self.report(Event::Note { text });
    }

    pub(crate) fn warning(&self, text: &str) {
        self.report(Event::Warning { text });
    }

    pub(crate) fn output(&self, subject: &str, line: &str) {
        self.report(Event::Output { subject, line });
    }

    pub(crate) fn detail(&self, text: &str) {
        self.report(Event::Detail { text });
    }
}

/// A stretch of work; one that is dropped before [`Activity::done`] failed.
pub(crate) struct Activity<'a> {
    reporter: &'a dyn Reporter,
    number: u64,
    kind: WorkKind,
    subject: String,
    meter: Arc<Meter>,
    started: Instant,
}

impl Activity<'_> {
    /// How far it is.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// It went well.
    pub(crate) fn done(self) {
        let Self { kind, subject, .. } = &self;
        self.reporter.report(Event::Done { kind: *kind, subject, elapsed: self.started.elapsed() });
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        self.reporter.report(Event::Ended { activity: self.number });
    }
}
