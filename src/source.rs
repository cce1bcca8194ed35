//! Texts and places in them: every error about `oci.toml` or `oci.lock` points at such a place.
//!
//! A [`Source`] is a named text that is cheap to clone. A [`Place`] is a range of it. A value that was read from a
//! file, and that a later error may be about, keeps its place ([`Placed`]). An error with a place is an [`At`], which
//! renders the error with the line underlined.

use std::fmt;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};

use crate::fs;

/// A range of a source, as byte offsets.
pub(crate) type Span = Range<usize>;

/// A named text. Clones share it.
#[derive(Clone)]
pub(crate) struct Source(Arc<Text>);

struct Text {
    name: String,
    text: String,
    /// The offset of each line. It is worked out for the first error that is shown.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Makes a source of `text`, which people know under `name`. Both may hold anything: `diagnostic` makes safe what
    /// is shown of them.
    pub(crate) fn new(name: impl AsRef<str>, text: impl Into<String>) -> Self {
        Self(Arc::new(Text { name: name.as_ref().to_owned(), text: text.into(), lines: OnceLock::new() }))
    }

    /// Reads a file, which people know under `name`.
    pub(crate) fn read(path: &Path, name: &str) -> Result<Self, ReadError> {
        let bytes =
            fs::read(path, fs::LARGEST_TEXT).map_err(|source| ReadError::Io { path: name.to_owned(), source })?;
        String::from_utf8(bytes)
            .map(|text| Self::new(name, text))
            .map_err(|error| ReadError::NotUtf8 { path: name.to_owned(), offset: error.utf8_error().valid_up_to() })
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        Place { source: self.clone(), span }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Source({})", self.name())
    }
}

/// Finds lines as miette does, but not from the beginning of the text each time: a file may have many errors.
impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let lines = self.0.lines();
        let line = lines.partition_point(|start| *start <= span.offset()).saturating_sub(1);
        let first = line.saturating_sub(lines_before.saturating_add(1));
        let start = lines[first];
        let within = SourceSpan::new((span.offset() - start).into(), span.len());
        let found = self.0.text[start..].read_span(&within, lines_before, lines_after)?;
        let place = SourceSpan::new((found.span().offset() + start).into(), found.span().len());
        let (line, count) = (found.line() + first, found.line_count() + first);
        let name = self.name().to_owned();
        Ok(Box::new(MietteSpanContents::new_named(name, found.data(), place, line, found.column(), count)))
    }
}

impl Text {
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let behind = self.text.match_indices('\n').map(|(newline, _)| newline + 1);
            std::iter::once(0).chain(behind).collect()
        })
    }
}

/// Why a text file could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ReadError {
    #[error("could not read `{path}`")]
    #[diagnostic(code(oci::source::unreadable))]
    Io { path: String, source: std::io::Error },
    #[error("`{path}` is not UTF-8 text")]
    #[diagnostic(
        code(oci::source::not_utf8),
        help("byte {offset} is where it stops being text; save the file as UTF-8")
    )]
    NotUtf8 { path: String, offset: usize },
}

impl ReadError {
    /// True if there is no such file.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// A range of a source.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) span: Span,
}

/// A value, and the place where it was written. Two are equal if their values are equal.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Placed<T> {
    pub(crate) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// An error, and the place in a file that is to blame for it.
///
/// Code, help and causes come from the error itself. This adds the underlined line.
#[derive(Debug)]
pub(crate) struct At<E> {
    error: Box<E>,
    source: Source,
    /// The first label is at the place to blame.
    labels: Vec<(Span, String)>,
}

impl<E> At<E> {
    /// Makes an error about `place`. `label` stands under the line, and may be empty.
    pub(crate) fn new(error: E, place: &Place, label: impl Into<String>) -> Self {
        Self { error: Box::new(error), source: place.source.clone(), labels: vec![(place.span.clone(), label.into())] }
    }

    /// Changes the error, and keeps its places.
    pub(crate) fn map<F>(self, change: impl FnOnce(E) -> F) -> At<F> {
        At { error: Box::new(change(*self.error)), source: self.source, labels: self.labels }
    }

    /// Shows a second place of the same file.
    pub(crate) fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.labels.push((place.span.clone(), label.into()));
        self
    }
}

impl<E> At<E> {
    /// The error itself.
    pub(crate) fn error(&self) -> &E {
        &self.error
    }
}

impl<E: fmt::Display> fmt::Display for At<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl<E: std::error::Error> std::error::Error for At<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<E: Diagnostic> Diagnostic for At<E> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.error.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.url()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(labelled(&self.labels))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.error.related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.error.diagnostic_source()
    }
}

/// The labels of one source. The first is at the place to blame. An empty text only underlines.
pub(crate) fn labelled(labels: &[(Span, String)]) -> Box<dyn Iterator<Item = LabeledSpan> + '_> {
    Box::new(labels.iter().enumerate().map(|(number, (span, label))| {
        let label = (!label.is_empty()).then(|| label.clone());
        let span = SourceSpan::from(span.clone());
        match number {
            0 => LabeledSpan::new_primary_with_span(label, span),
            _ => LabeledSpan::new_with_span(label, span),
        }
    }))
}

#[cfg(test)]
mod tests {
    use miette::NamedSource;

    use super::*;

    #[test]
    fn a_place_is_shown_as_it_would_be_from_the_beginning() {
        for text in ["", "a", "\n", "a\nbc\n\ndef\n\n\ng", "a\r\nb\r\nc\n", "é\nü\nx\n"] {
            let source = Source::new("a", text);
            let plain = NamedSource::new("a", text.to_owned());
            let boundary = |offset: &usize| text.is_char_boundary(*offset);
            for start in (0..=text.len()).filter(boundary) {
                for end in (start..=text.len()).filter(boundary) {
                    for context in [0, 1, 2] {
                        let span = SourceSpan::from(start..end);
                        let read = |source: &dyn SourceCode| {
                            let found = source.read_span(&span, context, context).ok()?;
                            let place = (found.span().offset(), found.line(), found.column(), found.line_count());
                            Some((found.name().map(str::to_owned), found.data().to_owned(), place))
                        };
                        assert_eq!(read(&source), read(&plain), "{start}..{end} of {text:?}, {context}");
                    }
                }
            }
        }
    }
}
