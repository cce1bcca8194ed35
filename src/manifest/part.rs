//! Where a part of a string stands in the file.

use std::ops::Range;

use crate::source::{Place, Placed};

/// The place of a part of a text. It is the place of the whole text if the part does not stand in it exactly once as
/// written, for example because of escapes.
pub(super) fn within(text: &Placed<String>, part: &str) -> Place {
    let place = &text.place;
    let written = place.source.text().get(place.span.clone()).unwrap_or_default();
    let mut found = written.match_indices(part);
    match (found.next(), found.next()) {
        (Some((offset, _)), None) => {
            let start = place.span.start + offset;
            place.source.place(start..start + part.len())
        }
        _ => place.clone(),
    }
}

/// The place of a range of a text. It is the place of the whole text if escapes hide where the range was written.
pub(super) fn part(text: &Placed<String>, range: Range<usize>) -> Place {
    let place = &text.place;
    let written = place.source.text().get(place.span.clone()).unwrap_or_default();
    let long = written.starts_with("\"\"\"") || written.starts_with("'''");
    let quoted = written.get(if long { 3 } else { 1 }..).unwrap_or_default();
    let content = quoted.strip_prefix('\n').filter(|_| long).unwrap_or(quoted);
    if content.starts_with(&text[..range.end]) {
        let start = place.span.start + (written.len() - content.len());
        return place.source.place(start + range.start..start + range.end);
    }
    within(text, &text[range])
}
