//! Takes a lockfile apart that git could not merge: it has both sides of every conflict in one text.
//!
//! ```text
//! <<<<<<< HEAD
//! what one side says
//! ||||||| 1234567          only if git is asked for it
//! what both began with
//! =======
//! what the other side says
//! >>>>>>> theirs
//! ```
//!
//! Outside of conflicts the text is git's merge of both sides. With all first halves it is one lockfile, and with all
//! second halves another. Entries that are equal in both are undisputed.

use crate::problem::Problem;
use crate::source::{Place, Source};

/// The first conflict marker.
pub(super) fn first_marker(source: &Source) -> Option<Place> {
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        if Marker::of(line).is_some() {
            return Some(source.place(start..start + line.trim_end().len()));
        }
        start += line.len();
    }
    None
}

/// The problem of a lockfile that has conflict markers.
pub(super) fn problem(marker: &Place) -> Problem {
    found(marker).help("run `oci lock`: it keeps what both sides agree on, and resolves the rest again".to_owned())
}

/// The problem of a file from which the entries of the two sides cannot be told.
pub(super) fn beyond_repair(marker: &Place) -> Problem {
    found(marker).help("take either side, `git checkout --theirs oci.lock`, and run `oci lock`".to_owned())
}

fn found(marker: &Place) -> Problem {
    Problem::new("oci::lock::conflict", "the lockfile has a merge conflict", marker, "git left this")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Ours,
    Base,
    Theirs,
    End,
}

impl Marker {
    fn of(line: &str) -> Option<Self> {
        match line.trim_end() {
            "=======" => Some(Self::Theirs),
            line if line.starts_with("<<<<<<< ") => Some(Self::Ours),
            line if line.starts_with("||||||| ") => Some(Self::Base),
            line if line.starts_with(">>>>>>> ") => Some(Self::End),
            _ => None,
        }
    }
}

/// The text of each side. Returns `None` if a marker stands where none may be.
pub(super) fn sides(text: &str) -> Option<(String, String)> {
    let (mut ours, mut theirs) = (String::new(), String::new());
    let mut part = Marker::End;
    for line in text.split_inclusive('\n') {
        if let Some(marker) = Marker::of(line) {
            let follows = match marker {
                Marker::Ours => part == Marker::End,
                Marker::Base => part == Marker::Ours,
                Marker::Theirs => matches!(part, Marker::Ours | Marker::Base),
                Marker::End => part == Marker::Theirs,
            };
            if !follows {
                return None;
            }
            part = marker;
            continue;
        }
        if matches!(part, Marker::Ours | Marker::End) {
            ours.push_str(line);
        }
        if matches!(part, Marker::Theirs | Marker::End) {
            theirs.push_str(line);
        }
    }
    (part == Marker::End).then_some((ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_side_its_text() {
        let diff3 = "a\n<<<<<<< HEAD\nb\n||||||| 12\nx\n=======\nc\n>>>>>>> theirs\nd\n";
        let plain = "a\r\n<<<<<<< HEAD\r\nb\r\n=======\r\n>>>>>>> theirs\r\n";
        for (text, expected) in [
            (diff3, Some(("a\nb\nd\n", "a\nc\nd\n"))),
            (plain, Some(("a\r\nb\r\n", "a\r\n"))),
            ("a\n", Some(("a\n", "a\n"))),
            ("<<<<<<< HEAD\na\n", None),
            ("<<<<<<< HEAD\n>>>>>>> theirs\n", None),
            ("=======\n", None),
            ("<<<<<<< a\n<<<<<<< b\n=======\n>>>>>>> b\n=======\n>>>>>>> a\n", None),
        ] {
            let expected = expected.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()));
            assert_eq!(sides(text), expected, "{text}");
        }
    }
}
