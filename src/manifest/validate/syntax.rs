//! Reports syntax errors of TOML in our own words. A duplicate is reported with both of its places.

use crate::problem::{Problem, Problems};
use crate::source::{Place, Source};

/// Turns the parser's errors into problems.
pub(super) fn problems(source: &Source, mut errors: Vec<toml::de::Error>) -> Vec<Problem> {
    errors.dedup();
    let mut problems = Problems::default();
    let mut duplicate_table = None;
    for error in &errors {
        // The search for the first place of a key reads all text before the duplicate. It is skipped once the report
        // is full.
        if problems.is_full() {
            problems.leave_out();
            continue;
        }
        let place = source.place(error.span().unwrap_or(0..0));
        if error.message() != DUPLICATE {
            let help =
                "texts stand in quotes, one `key = value` on a line: <https://toml.io> shows how TOML is written";
            let problem = Problem::new("oci::manifest::syntax", "this is not TOML", &place, error.message());
            problems.push(problem.help(help.to_owned()));
            continue;
        }
        let table = source.text()[..place.span.start].rfind("\n[");
        if duplicate_table.is_some() && duplicate_table == table {
            // All keys of a duplicate table are duplicates; the table itself has been reported.
            continue;
        }
        if table.is_some_and(|start| !source.text()[start + 1..place.span.start].contains('\n')) {
            duplicate_table = table;
        }
        problems.push(duplicate(&place));
    }
    problems.into_sorted()
}

const DUPLICATE: &str = "duplicate key";

fn duplicate(place: &Place) -> Problem {
    let written = place.source.text().get(place.span.clone()).unwrap_or_default();
    let problem =
        Problem::new("oci::manifest::duplicate_key", format!("`{written}` stands here twice"), place, "again here")
            .help("keep one of them".to_owned());
    match first_of(place) {
        Some(first) => problem.also(&first, "first here"),
        None => problem,
    }
}

/// The first place of the duplicate key or table header at `again`, which the parser does not report. Returns `None` if
/// the lines alone do not show it.
fn first_of(again: &Place) -> Option<Place> {
    let text = again.source.text();
    let key = text.get(again.span.clone())?;
    let line_start = text[..again.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next()?.trim();
    let before = &text[line_start..again.span.start];
    if !line.starts_with('[') && !before.trim().is_empty() {
        return None;
    }
    let mut first = None;
    let mut start = 0;
    for earlier in text[..line_start].split_inclusive('\n') {
        let content = earlier.trim_start();
        let is_same = match line.starts_with('[') {
            true => content.trim_end() == line,
            false => content.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')),
        };
        if is_same {
            let key_start = start + (earlier.len() - content.len()) + before.trim_start().len();
            first.get_or_insert(again.source.place(key_start..key_start + key.len()));
        } else if content.starts_with('[') && !line.starts_with('[') {
            // Another table begins. Keys of an earlier table do not count.
            first = None;
        }
        start += earlier.len();
    }
    first
}
