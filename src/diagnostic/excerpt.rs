//! Cuts the part out of a file that an error shows: the lines around its labels, safe for a terminal, none of them
//! wide.
//!
//! A line of `oci.toml` may be 100 kB long, and hold anything. So the renderer gets another text. It has as many lines
//! as the file, so that their numbers are right. Wide lines are cut down to the parts around the labels, and lines that
//! are not shown are empty.

use std::ops::Range;

use miette::{LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::sanitize;

/// How many characters a line may have without being cut.
const WIDEST: usize = 200;
/// How many characters of a cut line are shown on each side of a label.
const AROUND: usize = 40;
/// How many characters of a longer label are shown at each of its ends.
const OF_LABEL: usize = 60;
/// How many lines away from a label may be shown.
const NEAR: usize = 3;
/// If a label spans more lines than this, only its first line is shown.
const TALLEST: usize = 20;
/// The mark in place of text that was cut.
const CUT: char = '…';

/// The text to be shown, and the labels at their places in it.
pub(super) fn of(
    source: &dyn SourceCode,
    labels: &[LabeledSpan],
    words: impl Fn(&LabeledSpan) -> Option<String>,
) -> (Option<NamedSource<String>>, Vec<LabeledSpan>) {
    let Some((name, text)) = whole(source) else { return (None, Vec::new()) };
    let spans: Vec<Range<usize>> = labels.iter().map(|label| within(&text, label.inner())).collect();
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line_of = |offset: usize| starts.partition_point(|start| *start <= offset).saturating_sub(1);
    let spans: Vec<Range<usize>> = spans
        .into_iter()
        .map(|span| {
            let (first, last) = (line_of(span.start), line_of(span.end));
            let end = if last - first > TALLEST { starts[first + 1] - 1 } else { span.end };
            span.start..end
        })
        .collect();
    let shown: Vec<Range<usize>> =
        spans.iter().map(|span| line_of(span.start).saturating_sub(NEAR)..line_of(span.end) + NEAR + 1).collect();
    let mut excerpt = Excerpt::new(&spans);
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).map_or(text.len(), |next| next - 1);
        let is_shown = shown.iter().any(|lines| lines.contains(&number));
        excerpt.line(&text, *start..end, is_shown, number + 1 < starts.len());
    }
    let placed = labels.iter().zip(excerpt.spans()).map(|(label, span)| moved(label, words(label), span)).collect();
    (Some(NamedSource::new(name, excerpt.text)), placed)
}

/// An excerpt that shows only the name of the file. The labels are as in the file.
pub(super) fn places(
    source: &dyn SourceCode,
    labels: &[LabeledSpan],
    words: impl Fn(&LabeledSpan) -> Option<String>,
) -> (Option<NamedSource<String>>, Vec<LabeledSpan>) {
    let labels = labels.iter().map(|label| moved(label, words(label), *label.inner())).collect();
    let Some((name, text)) = whole(source) else { return (None, labels) };
    (Some(NamedSource::new(name, text)), labels)
}

/// A copy of a label with another text and place.
pub(super) fn moved(label: &LabeledSpan, words: Option<String>, span: SourceSpan) -> LabeledSpan {
    match label.primary() {
        true => LabeledSpan::new_primary_with_span(words, span),
        false => LabeledSpan::new_with_span(words, span),
    }
}

/// Name and text of a source. Returns `None` if it has none.
fn whole(source: &dyn SourceCode) -> Option<(String, String)> {
    let contents = source.read_span(&SourceSpan::from((0, 0)), 1, usize::MAX).ok()?;
    let name = sanitize::composed_line(contents.name().unwrap_or_default());
    Some((name, String::from_utf8_lossy(contents.data()).into_owned()))
}

/// The span, moved into the text and to boundaries of characters.
fn within(text: &str, span: &SourceSpan) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.offset());
    start..floor(span.offset().saturating_add(span.len())).max(start)
}

/// The text that is being put together, and the offsets of the spans in it.
struct Excerpt {
    text: String,
    /// Starts and ends of the labels in the file.
    spans: Vec<Range<usize>>,
    /// Starts and ends in the text, as far as they are known.
    found: Vec<(Option<usize>, Option<usize>)>,
}

impl Excerpt {
    fn new(spans: &[Range<usize>]) -> Self {
        Self { text: String::new(), spans: spans.to_vec(), found: vec![(None, None); spans.len()] }
    }

    /// Adds a line of the file, with its line feed if it has one.
    fn line(&mut self, text: &str, line: Range<usize>, is_shown: bool, has_feed: bool) {
        if is_shown {
            let kept = self.kept(&text[line.clone()], line.start);
            let mut is_cut = false;
            for (number, (at, character)) in text[line.clone()].char_indices().enumerate() {
                let is_kept = kept.iter().any(|range| range.contains(&number));
                self.reach(line.start + at, false);
                match (is_kept, is_cut) {
                    (true, _) => self.text.push(harmless(character)),
                    (false, false) => self.text.push(CUT),
                    (false, true) => {}
                }
                is_cut = !is_kept;
            }
        }
        self.reach(line.end, true);
        if has_feed {
            self.text.push('\n');
        }
    }

    /// The numbers of the characters of a line that are shown.
    fn kept(&self, line: &str, offset: usize) -> Vec<Range<usize>> {
        if line.chars().nth(WIDEST).is_none() {
            return std::iter::once(0..WIDEST).collect();
        }
        let number = |at: usize| line[..at.clamp(offset, offset + line.len()) - offset].chars().count();
        let here = self.spans.iter().filter(|span| span.start <= offset + line.len() && span.end >= offset);
        let mut kept: Vec<Range<usize>> = here
            .flat_map(|span| {
                let (start, end) = (number(span.start), number(span.end));
                let first = start.saturating_sub(AROUND)..end.min(start + OF_LABEL).max(start + 1);
                let last = start.max(end.saturating_sub(OF_LABEL))..end + AROUND;
                [first, last]
            })
            .collect();
        if kept.is_empty() {
            kept.push(0..WIDEST - 1);
        }
        kept
    }

    /// Notes the place of span ends that are at this offset of the file, or in text that was cut before it.
    fn reach(&mut self, offset: usize, is_end: bool) {
        let length = self.text.len();
        for (span, (start, end)) in self.spans.iter().zip(&mut self.found) {
            if start.is_none() && (span.start == offset || (is_end && span.start < offset)) {
                *start = Some(length);
            }
            if end.is_none() && (span.end == offset || (is_end && span.end < offset)) {
                *end = Some(length);
            }
        }
    }

    fn spans(&self) -> impl Iterator<Item = SourceSpan> {
        self.found.iter().map(|(start, end)| {
            let start = start.unwrap_or(self.text.len());
            SourceSpan::from(start..end.unwrap_or(self.text.len()).max(start))
        })
    }
}

/// Replaces each character by one character, so that labels stay in their columns.
fn harmless(character: char) -> char {
    match character {
        '\r' => ' ',
        character if character.is_ascii_control() && character != '\t' => '?',
        '\u{80}'..='\u{9f}' => '\u{b7}',
        character if sanitize::is_hidden(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;
    use crate::problem::Problem;
    use crate::source::Source;

    /// The text that is underlined in an excerpt if `span` of the file is labelled.
    fn underlined(text: &str, span: Range<usize>) -> (String, String) {
        let source = Source::new("oci.toml", text);
        let labels = [LabeledSpan::new_primary_with_span(None, span)];
        let (shown, labels) = of(&source, &labels, |_| None);
        let shown = shown.unwrap().inner().clone();
        let span = labels[0].inner();
        let marked = shown[span.offset()..span.offset() + span.len()].to_owned();
        (shown, marked)
    }

    #[test]
    fn lines_are_cut_around_what_is_underlined() {
        let long = "x".repeat(100_000);
        for (before, after) in [("", ""), (long.as_str(), ""), ("", long.as_str()), (&long, &long)] {
            let text = format!("a = 1\nb = \"{before}HERE{after}\"\nc = 2\n");
            let start = text.find("HERE").unwrap();
            let (shown, marked) = underlined(&text, start..start + 4);
            assert_eq!(marked, "HERE");
            assert!(shown.starts_with("a = 1\n") && shown.ends_with("c = 2\n"), "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= WIDEST), "{shown}");
            assert_eq!(shown.contains(CUT), before.len() + after.len() > 0);
        }
    }

    #[test]
    fn what_is_underlined_may_be_wide_itself() {
        let long = "é".repeat(50_000);
        let text = format!("a = 1\nb = \"{long}\"\n");
        let start = text.find('"').unwrap();
        let (shown, marked) = underlined(&text, start..start + long.len() + 2);
        assert!(marked.starts_with("\"é") && marked.ends_with("é\"") && marked.contains(CUT), "{marked}");
        assert!(shown.chars().count() < 2 * WIDEST, "{shown}");
    }

    #[test]
    fn lines_nearby_are_cut_too_and_those_far_away_are_not_kept() {
        let long = "y".repeat(10_000);
        let text = format!("{}a = \"{long}\"\nb = HERE\nc = \"{long}\"\n", "z\n".repeat(1000));
        let start = text.find("HERE").unwrap();
        let (shown, marked) = underlined(&text, start..start + 4);
        assert_eq!((marked.as_str(), shown.matches('\n').count()), ("HERE", 1003));
        assert!(shown.len() < 2000 && shown.contains("a = \"yyy"), "{}", shown.len());
    }

    #[test]
    fn spans_at_the_edges_and_beyond_are_no_trouble() {
        for text in ["", "\n", "a", "a\n", "é", "é\n\n", "a\r\nb\r\n"] {
            for start in 0..text.len() + 3 {
                for end in start..text.len() + 3 {
                    underlined(text, start..end);
                    let place = Source::new("oci.toml", text).place(start..end);
                    rendered(&Problem::new("oci::test", "message", &place, "label"));
                }
            }
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_something_else() {
        let text = "é\u{1b}[31m\r\u{9b}\tx\u{202e}HERE\u{e0041}\n";
        let start = text.find("HERE").unwrap();
        let (shown, marked) = underlined(text, start..start + 4);
        assert_eq!((shown.as_str(), marked.as_str()), ("é?[31m \u{b7}\tx\u{fffd}HERE\u{fffd}\n", "HERE"));
    }
}
