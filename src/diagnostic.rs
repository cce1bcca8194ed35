//! How the program fails: its exit status, and the only place that renders errors.

mod excerpt;
mod shown;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, JSONReportHandler, Report};
use textwrap::core::Word;
use textwrap::{WordSeparator, WordSplitter};

use crate::sanitize;
use shown::{Shown, Snippets};

/// The exit status of the program. (`oci run` returns the container's own status instead.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The command did what was asked.
    Done,
    /// The command failed, or what it was to check does not hold.
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

/// One or more errors, and the exit status that they lead to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reports: Vec<Report>,
    pub(crate) status: Status,
}

impl Failure {
    pub(crate) fn new(status: Status, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { reports: vec![Report::new(error)], status }
    }

    /// A failure of these errors with another exit status.
    pub(crate) fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// One failure with the errors of all these. The gravest status counts. Returns `None` if there are no failures.
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

/// An error while a command works. [`Failure::new`] makes a failure with another status.
impl<E: Diagnostic + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Status::Failed, error)
    }
}

/// How errors are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: with or without colour, and with everything that is related to an error if they ask for it.
    Text { colour: bool, verbose: bool },
    /// For programs: a JSON object a line.
    Json,
}

impl Format {
    /// Decides on colour as is usual: by the flag, then by `NO_COLOR`, then by whether standard error is a terminal.
    pub(crate) fn decide(json: bool, verbose: bool, colour: Option<bool>) -> Self {
        let automatic =
            || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
        if json { Self::Json } else { Self::Text { colour: colour.unwrap_or_else(automatic), verbose } }
    }
}

/// Shows errors on standard error.
pub(crate) fn render(reports: &[Report], format: Format) {
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH);
    let (shown, more) = match format {
        Format::Json => (reports, 0),
        Format::Text { .. } => (&reports[..reports.len().min(MOST)], reports.len().saturating_sub(MOST)),
    };
    let texts = shown.iter().map(|report| text_of(report.as_ref(), format, width).trim_end().to_owned() + "\n");
    // An empty line separates several errors; JSON has a line for each.
    let more = (more > 0).then(|| format!("… and {more} more like these\n"));
    let text = texts.chain(more).collect::<Vec<_>>().join(if format == Format::Json { "" } else { "\n" });
    // If standard error is closed, the error cannot be shown anywhere.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn text_of(error: &dyn Diagnostic, format: Format, width: usize) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match format {
        Format::Json => {
            let shown = Shown::of(error, Snippets::Places);
            let written = JSONReportHandler::new().render_report(&mut text, &shown);
            text = sanitize::json(&text).into_owned();
            written
        }
        Format::Text { colour, verbose } => {
            let (shown, related) = Shown::of(error, Snippets::Cut).without_related();
            let written = handler(colour, width).render_report(&mut text, &shown);
            if verbose && !related.is_empty() {
                text = format!("{}\n", text.trim_end());
                related.iter().for_each(|related| text += &format!("  also: {related}\n"));
            }
            written
        }
    };
    text
}

/// How many errors people are shown at once.
const MOST: usize = 100;
/// The width of messages, in columns, if the width of the terminal is not known.
const WIDTH: usize = 100;

fn handler(colour: bool, width: usize) -> GraphicalReportHandler {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_wrap_lines(true)
        .with_break_words(false)
        .with_word_separator(WordSeparator::Custom(words))
        .with_word_splitter(WordSplitter::NoHyphenation)
}

/// Lines are broken at spaces alone, and not at spaces between backticks: a command, a path or an address stays in one
/// piece, to be copied.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut words = Vec::new();
    let (mut start, mut in_code, mut behind_space) = (0, false, false);
    for (offset, character) in line.char_indices() {
        if behind_space && character != ' ' {
            words.push(Word::from(&line[start..offset]));
            start = offset;
        }
        // A backtick without a second one is an ordinary character.
        if character == '`' && (in_code || line[offset + 1..].contains('`')) {
            in_code = !in_code;
        }
        behind_space = character == ' ' && !in_code;
    }
    words.push(Word::from(&line[start..]));
    Box::new(words.into_iter())
}

/// An error as a person sees it, without colour and as wide as [`WIDTH`]: for tests that show errors.
#[cfg(test)]
pub(crate) fn rendered(error: &dyn Diagnostic) -> String {
    rendered_within(WIDTH, error)
}

#[cfg(test)]
fn rendered_within(width: usize, error: &dyn Diagnostic) -> String {
    let text = text_of(error, Format::Text { colour: false, verbose: false }, width);
    // Editors and reviewers dislike spaces at the end of a snapshot's lines.
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Every code that the source text of a module names. Tests check that snapshots show all of them.
#[cfg(test)]
pub(crate) fn codes_of(module: &str) -> std::collections::BTreeSet<String> {
    fn collect(folder: &std::path::Path, prefix: &str, codes: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && path.file_name().unwrap() != "tests" {
                collect(&path, prefix, codes);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for (offset, _) in text.match_indices(prefix) {
                    let name = &text[offset + prefix.len()..];
                    let length = name.find(|letter: char| letter != '_' && !letter.is_ascii_lowercase());
                    codes.insert(format!("{prefix}{}", &name[..length.unwrap_or(name.len())]));
                }
            }
        }
    }
    let mut codes = std::collections::BTreeSet::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
    collect(&folder, &format!("oci::{module}::"), &mut codes);
    codes
}

#[cfg(test)]
mod rare;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use crate::source::Source;

    #[test]
    fn what_is_copied_stays_in_one_piece() {
        let command = "`skopeo inspect --raw docker://registry.example.com/acme/a-long-name:3.12-slim`";
        let address = "https://example.com/a-page/with-hyphens/and/slashes-that-are-many";
        let path = "/var/cache/oci/some-folder/with-a-long/path-in-it";
        let help = format!("look at what is there with {command}, read {address} about it, and then look into {path}");
        let place = Source::new("oci.toml", "text").place(0..4);
        for width in [20, 40, 60, 80] {
            let problem = Problem::new("oci::test", help.clone(), &place, "").help(help.clone());
            let text = rendered_within(width, &problem);
            for whole in [command, address, path] {
                assert_eq!(text.matches(whole).count(), 2, "{width}: {whole} is broken in\n{text}");
            }
            assert!(text.lines().count() > 8, "nothing was wrapped in\n{text}");
        }
    }

    /// Foreign text in any part of an error moves no cursor, and stays on its own lines.
    #[test]
    fn what_others_wrote_is_harmless_in_every_part_of_an_error() {
        #[derive(Debug, thiserror::Error, Diagnostic)]
        #[error("message {0}")]
        #[diagnostic(code(oci::test), help("help {0}"))]
        struct Outer(String, #[source] Inner, #[related] Vec<Beside>);
        #[derive(Debug, thiserror::Error)]
        #[error("cause {0}")]
        struct Inner(String);
        #[derive(Debug, thiserror::Error, Diagnostic)]
        #[error("beside {0}")]
        struct Beside(String);

        let evil = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{200b}\u{feff}\rend\u{1b}[31m";
        let place = Source::new(format!("{evil}.toml"), format!("a = \"{evil}\"")).place(4..8);
        let outer = Outer(format!("{evil}\nhelp: forged"), Inner(evil.to_owned()), vec![Beside(evil.to_owned())]);
        let error = crate::source::At::new(outer, &place, format!("label {evil}"));
        for format in [Format::Text { colour: false, verbose: true }, Format::Json] {
            let text = text_of(&error, format, WIDTH);
            for part in ["message", "cause", "beside", "help", "label"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains(sanitize::is_hidden), "{text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("help: forged")), "{text}");
            if format == Format::Json {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&value["code"], &value["labels"][0]["span"]["offset"]), (&"oci::test".into(), &4.into()));
            }
        }
    }

    #[test]
    fn a_message_is_bounded_and_keeps_its_end() {
        let place = Source::new("oci.toml", "x").place(0..1);
        let text = rendered(&Problem::new("oci::test", format!("`{}` is it", "a ".repeat(100_000)), &place, ""));
        assert!(text.len() < 10_000 && text.contains("is it"), "{}", text.len());
    }

    #[test]
    fn credentials_that_are_known_are_not_shown() {
        crate::secrets::learn("hunter2-of-diagnostics");
        let place = Source::new("oci.toml", "x").place(0..1);
        let problem = Problem::new("oci::test", "it said hunter2-of-diagnostics", &place, "hunter2-of-diagnostics");
        for format in [Format::Text { colour: false, verbose: true }, Format::Json] {
            let text = text_of(&problem, format, WIDTH);
            assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn lines_are_broken_at_spaces_outside_of_backticks() {
        for (line, expected) in [
            ("", vec![""]),
            ("a  b-c/d", vec!["a  ", "b-c/d"]),
            ("run `a b` or `c`", vec!["run ", "`a b` ", "or ", "`c`"]),
            ("it`s a b", vec!["it`s ", "a ", "b"]),
            (" ä ö", vec![" ", "ä ", "ö"]),
        ] {
            let found: Vec<String> = words(line).map(|word| format!("{}{}", word.word, word.whitespace)).collect();
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn the_gravest_failure_decides() {
        let failure =
            |status| Failure::new(status, Problem::new("oci::test", "", &Source::new("x", "").place(0..0), ""));
        let all = Failure::all([failure(Status::Failed), failure(Status::Invalid), failure(Status::Failed)]).unwrap();
        assert_eq!((all.status, all.reports.len()), (Status::Invalid, 3));
        assert!(Failure::all([]).is_none());
    }
}
