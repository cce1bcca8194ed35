//! Makes an error safe to show: foreign text is cleaned, and credentials are struck out.
//!
//! Names of files, tags, messages of registries and tools, and the text of `oci.toml` itself reach an error in many
//! places. All errors pass through here last, so that no single place has to be trusted to clean them.

use std::error::Error;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use super::excerpt;
use crate::{sanitize, secrets};

/// The most characters of a message, a help or a cause: a name in it may be as long as a file.
const LONGEST: usize = 2000;

/// How the text of files is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snippets {
    /// Lines are shown, cut around the labels.
    Cut,
    /// No lines are shown: labels keep their offsets in the whole file.
    Places,
}

/// An error without anything that a terminal would obey.
#[derive(Debug)]
pub(super) struct Shown {
    message: String,
    code: Option<String>,
    severity: Option<Severity>,
    help: Option<String>,
    url: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    related: Vec<Self>,
    cause: Option<Cause>,
}

/// The cause of an error.
#[derive(Debug)]
enum Cause {
    Diagnostic(Box<Shown>),
    Plain(Box<Shown>),
}

impl Shown {
    pub(super) fn of(error: &dyn Diagnostic, snippets: Snippets) -> Self {
        let label = |label: &LabeledSpan| label.label().map(line);
        let labels: Vec<LabeledSpan> = error.labels().into_iter().flatten().collect();
        let (source, labels) = match error.source_code() {
            Some(source) => match snippets {
                Snippets::Cut => excerpt::of(source, &labels, label),
                Snippets::Places => excerpt::places(source, &labels, label),
            },
            None => (None, labels.iter().map(|found| excerpt::moved(found, label(found), *found.inner())).collect()),
        };
        let cause = match error.diagnostic_source() {
            Some(cause) => Some(Cause::Diagnostic(Box::new(Self::of(cause, snippets)))),
            None => error.source().map(Self::of_cause),
        };
        Self {
            message: line(&error.to_string()),
            code: error.code().map(|code| line(&code.to_string())),
            severity: error.severity(),
            help: error.help().map(|help| line(&help.to_string())),
            url: error.url().map(|url| line(&url.to_string())),
            source,
            labels,
            related: error.related().into_iter().flatten().map(|error| Self::of(error, snippets)).collect(),
            cause,
        }
    }

    /// The error without its cause, and the errors that are related to it.
    pub(super) fn without_related(mut self) -> (Self, Vec<Self>) {
        let related = std::mem::take(&mut self.related);
        (self, related)
    }

    /// A cause, which may have lines of its own.
    fn of_cause(error: &(dyn Error + 'static)) -> Cause {
        Cause::Plain(Box::new(Self {
            message: shortened(&sanitize::composed(&secrets::strike_out(&error.to_string()))),
            code: None,
            severity: None,
            help: None,
            url: None,
            source: None,
            labels: Vec::new(),
            related: Vec::new(),
            cause: error.source().map(Self::of_cause),
        }))
    }
}

fn line(text: &str) -> String {
    shortened(&sanitize::composed_line(&secrets::strike_out(text)))
}

/// The text, or its beginning and its end if it is too long: the end of a message may be what matters.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let (start, end): (String, String) =
        (text.chars().take(half).collect(), text.chars().skip(length - half).collect());
    format!("{start}…{end}")
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Shown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(Cause::Plain(cause)) => Some(&**cause),
            _ => None,
        }
    }
}

fn displayed(text: &Option<String>) -> Option<Box<dyn fmt::Display + '_>> {
    text.as_ref().map(|text| Box::new(text) as Box<dyn fmt::Display>)
}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        displayed(&self.code)
    }

    fn severity(&self) -> Option<Severity> {
        self.severity
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        displayed(&self.help)
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        displayed(&self.url)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as _)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let related = self.related.iter().map(|error| error as &dyn Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(related) as _)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        match &self.cause {
            Some(Cause::Diagnostic(cause)) => Some(&**cause),
            _ => None,
        }
    }
}
