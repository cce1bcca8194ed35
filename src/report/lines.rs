//! Events as plain lines on standard error: for logs, for pipes, and for people who like it quiet.

use std::io::Write;

use crate::report::{Event, Reporter, WorkKind};
use crate::{sanitize, secrets};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Writes a line for each event that deserves one.
pub(crate) struct Lines {
    verbosity: Verbosity,
    /// Of what goes on, and not only of what a person should know.
    progress: bool,
}

impl Lines {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, progress: true }
    }

    pub(crate) fn without_progress(verbosity: Verbosity) -> Self {
        Self { verbosity, progress: false }
    }
}

impl Reporter for Lines {
    fn report(&self, event: Event<'_>) {
        let is_progress = matches!(event, Event::Started { .. } | Event::Done { .. });
        let line = line(event).filter(|(wanted, _)| self.verbosity >= *wanted);
        if let Some((_, line)) = line.filter(|_| self.progress || !is_progress) {
            // If standard error is closed, the line cannot be shown anywhere.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}

/// The line for an event, and the least verbosity at which it is shown.
///
/// Foreign text in it is made safe here, and credentials are struck out.
pub(super) fn line(event: Event<'_>) -> Option<(Verbosity, String)> {
    let (wanted, text) = words(event)?;
    Some((wanted, sanitize::composed_line(&secrets::strike_out(&text))))
}

fn words(event: Event<'_>) -> Option<(Verbosity, String)> {
    Some(match event {
        // Only work that may take long is announced. Other work is shown when it is done.
        Event::Started {
            kind: kind @ (WorkKind::Fetch | WorkKind::Rootfs | WorkKind::Step | WorkKind::Push),
            subject,
            ..
        } => (Verbosity::Normal, format!("{} {subject}", kind.verbs().0)),
        Event::Started { kind, subject, .. } => (Verbosity::Verbose, format!("{} {subject}", kind.verbs().0)),
        Event::Done { kind, subject, elapsed } => {
            (Verbosity::Normal, format!("{} {subject} ({:.1} s)", kind.verbs().1, elapsed.as_secs_f64()))
        }
        Event::Note { text } => (Verbosity::Normal, text.to_owned()),
        Event::Warning { text } => (Verbosity::Quiet, format!("warning: {text}")),
        Event::Output { subject, line } => (Verbosity::Normal, format!("{subject} | {line}")),
        Event::Detail { text } => (Verbosity::Verbose, text.to_owned()),
        Event::Ended { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_one_line_and_moves_no_cursor() {
        let told = |event| line(event).unwrap().1;
        let text = "a\u{1b}[2J\u{202e}b\nwarning: c";
        assert_eq!(told(Event::Note { text }), "a[2Jb warning: c");
        assert_eq!(told(Event::Warning { text }), "warning: a[2Jb warning: c");
        assert_eq!(told(Event::Detail { text }), "a[2Jb warning: c");
        assert_eq!(told(Event::Output { subject: text, line: text }), "a[2Jb warning: c | a[2Jb warning: c");
    }
}
