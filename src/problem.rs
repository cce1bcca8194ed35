//! What is wrong with a file that a person wrote: collected, so that one run shows everything.

use std::collections::BTreeSet;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use crate::sanitize;
use crate::source::{Place, Source, Span, labelled};

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    code: &'static str,
    message: String,
    help: Option<String>,
    source: Source,
    labels: Vec<(Span, String)>,
}

impl Problem {
    /// A problem at `place`; `label` stands under the line and may be empty. Message, label and help may quote anything
    /// from the file: they are made safe to show.
    pub(crate) fn new(code: &'static str, message: impl Into<String>, place: &Place, label: impl Into<String>) -> Self {
        Self {
            code,
            message: sanitize::name(&message.into()),
            help: None,
            source: place.source.clone(),
            labels: vec![(place.span.clone(), sanitize::name(&label.into()))],
        }
    }

    /// Shows a second place of the same file.
    pub(crate) fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.labels.push((place.span.clone(), sanitize::name(&label.into())));
        self
    }

    /// Says where the value that the problem is about comes from.
    pub(crate) fn because(mut self, origin: &str) -> Self {
        self.message.push_str(&sanitize::name(origin));
        self
    }

    /// Where the place to blame begins and ends.
    pub(crate) fn span(&self) -> (usize, usize) {
        self.labels.first().map_or((0, 0), |(span, _)| (span.start, span.end))
    }

    /// Says what to do next.
    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into().map(|help| sanitize::name(&help));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(labelled(&self.labels))
    }
}

/// The most problems of one file that are kept. A file that is something else entirely may have one on every line.
pub(crate) const MOST: usize = 50;

/// Everything that is wrong with one file, or the first [`MOST`] problems.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    /// How many more problems there were.
    left_out: usize,
    /// Places of which a problem was already reported.
    silenced: BTreeSet<(usize, usize)>,
}

impl Problems {
    /// Adds a problem, unless its place is silenced.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.silenced.contains(&problem.span()) {
            return;
        }
        if self.kept.len() < MOST { self.kept.push(problem) } else { self.left_out += 1 }
    }

    /// From now on no problem is added at exactly this place. It has one already, and any further one would follow from
    /// that.
    pub(crate) fn silence(&mut self, place: &Place) {
        self.silenced.insert((place.span.start, place.span.end));
    }

    /// True if a further problem would only be counted, so that the caller need not make it.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= MOST
    }

    /// Counts a problem without keeping it.
    pub(crate) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The problems in the order of the file. One that was found twice is listed once. The last one says how many more
    /// there were.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let Self { mut kept, left_out, .. } = self;
        kept.sort_by_key(|problem| problem.span().0);
        // Two equal problems about one place need not be neighbours.
        let mut seen = BTreeSet::new();
        kept.retain(|problem| seen.insert((problem.code, problem.span(), problem.message.clone())));
        if let Some(last) = kept.last_mut().filter(|_| left_out > 0) {
            let more = format!("there are {left_out} more problems; correct these first");
            last.help = Some(last.help.take().map_or_else(|| more.clone(), |help| format!("{help}; {more}")));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_wrong_everywhere_has_a_bounded_number_of_problems() {
        let source = Source::new("oci.toml", "x".repeat(1000));
        let mut problems = Problems::default();
        for at in 0..1000 {
            problems.push(Problem::new("oci::test", format!("{at}"), &source.place(at..at + 1), ""));
        }
        let told = problems.into_sorted();
        assert_eq!(told.len(), MOST);
        assert_eq!(told[MOST - 1].help.as_deref(), Some("there are 950 more problems; correct these first"));
        assert!(told[0].help.is_none());
    }
}
