//! How the program fails: what it returns to the shell, and the only place that renders an error.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, JSONReportHandler, Report};

/// What the program returns to the shell (`oci run` returns the container's own status instead).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// What was asked was done.
    Done,
    /// What was asked failed, or is not so.
    Failed,
    /// Wrong usage, or an invalid manifest or lockfile.
    Invalid,
    /// `oci run` failed itself, before or beside the container.
    RunFailed,
    /// The container's program cannot be executed.
    NotExecutable,
    /// The container's program does not exist.
    NotFound,
}

impl Status {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::RunFailed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// One or more errors, and what the program returns because of them.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reports: Vec<Report>,
    pub(crate) status: Status,
}

impl Failure {
    pub(crate) fn new(status: Status, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { reports: vec![Report::new(error)], status }
    }

    /// The same errors with another status.
    pub(crate) fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// All of several failures; the gravest status counts. Nothing for none.
    pub(crate) fn all(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures.into_iter().reduce(|mut all, next| {
            all.reports.extend(next.reports);
            if next.status.code() > all.status.code() {
                all.status = next.status;
            }
            all
        })
    }
}

/// An error of the program's work; [`Failure::new`] and a status for any other.
impl<E: Diagnostic + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Status::Failed, error)
    }
}

/// How errors are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people, with or without colour.
    Text { colour: bool },
    /// For programs: a JSON object a line.
    Json,
}

impl Format {
    /// Decides on colour as everyone does: the flag, then `NO_COLOR`, then whether this is a terminal.
    pub(crate) fn decide(json: bool, colour: Option<bool>) -> Self {
        let automatic =
            || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
        if json { Self::Json } else { Self::Text { colour: colour.unwrap_or_else(automatic) } }
    }
}

/// Shows errors on standard error.
pub(crate) fn render(reports: &[Report], format: Format) {
    let mut text = String::new();
    for report in reports {
        match format {
            // Writing to a string does not fail.
            Format::Json => drop(JSONReportHandler::new().render_report(&mut text, report.as_ref())),
            Format::Text { colour } => drop(handler(colour).render_report(&mut text, report.as_ref())),
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    // Nobody is left to tell if standard error is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn handler(colour: bool) -> GraphicalReportHandler {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
    GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_wrap_lines(true)
        .with_break_words(false)
}
