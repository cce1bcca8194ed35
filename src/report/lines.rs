//! Events as plain lines on standard error: for logs, pipes and people who like it quiet.

use std::io::Write;
use std::time::Duration;

use crate::report::{Event, Reporter, Stage};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Writes a line for what is worth one.
pub(crate) struct Lines {
    verbosity: Verbosity,
}

impl Lines {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity }
    }

    fn line(&self, wanted: Verbosity, text: &str) {
        if self.verbosity >= wanted {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

impl Reporter for Lines {
    fn report(&self, event: Event<'_>) {
        match event {
            // Only what may take long is announced; the rest is told when it is done.
            Event::Started { stage: stage @ (Stage::Fetch | Stage::Rootfs | Stage::Push), subject, .. } => {
                self.line(Verbosity::Normal, &format!("{} {subject}", stage.verbs().0));
            }
            Event::Started { stage, subject, .. } => {
                self.line(Verbosity::Verbose, &format!("{} {subject}", stage.verbs().0));
            }
            Event::Done { stage, subject, elapsed, .. } => {
                self.line(Verbosity::Normal, &format!("{} {subject} ({})", stage.verbs().1, seconds(elapsed)));
            }
            Event::Note { text } => self.line(Verbosity::Normal, text),
            Event::Warning { text } => self.line(Verbosity::Quiet, &format!("warning: {text}")),
            Event::Detail { text } => self.line(Verbosity::Verbose, text),
        }
    }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}
