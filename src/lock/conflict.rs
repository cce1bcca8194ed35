//! A lockfile that git could not merge: both sides of every conflict in one text.
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
//! Outside of conflicts the text is git's merge of both. The text with all first halves, and that with
//! all second ones, are a lockfile each; what is equal in both is what nobody disputes.

use std::collections::BTreeSet;

use crate::lock::{Lock, format};
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

/// That a lockfile has conflict markers.
pub(super) fn problem(marker: &Place) -> Problem {
    found(marker).help("run `oci lock`: it keeps what both sides agree on, and resolves the rest again".to_owned())
}

/// That what both sides agree on cannot be told.
pub(super) fn beyond_repair(marker: &Place) -> Problem {
    found(marker).help("take either side, `git checkout --theirs oci.lock`, and run `oci lock`".to_owned())
}

fn found(marker: &Place) -> Problem {
    Problem::new("oci::lock::conflict", "the lockfile has a merge conflict", marker, "git left this")
}

/// The entries that both sides have alike, and the names of those that they have not. `None` if it
/// cannot be told: a marker stands where none can, or a side is no lockfile.
pub(super) fn agreed(source: &Source) -> Option<(Lock, BTreeSet<String>)> {
    let (ours, theirs) = sides(source.text())?;
    let read = |text: String| format::read(&Source::new(source.name(), text)).ok();
    let (mut ours, theirs) = (read(ours)?, read(theirs)?);
    let disputed: BTreeSet<String> = ours.changes(&theirs).iter().map(|change| change.name.to_owned()).collect();
    ours.entries.retain(|name, _| !disputed.contains(name));
    Some((ours, disputed))
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

/// The text as each side has it.
fn sides(text: &str) -> Option<(String, String)> {
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

    fn entry(name: &str, digit: char) -> String {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        format!(
            "\n[image.\"{name}\"]\nrepository = \"x.io/{name}\"\ndigest = \"{digest}\"\nmedia-type = \"application/vnd.oci.image.index.v1+json\"\n\
             \n[image.\"{name}\".platforms]\n\"linux/amd64\" = \"{digest}\"\n"
        )
    }

    #[test]
    fn keeps_what_both_sides_have_alike() {
        let text = format!(
            "version = 1\n{}<<<<<<< HEAD\n{}=======\n{}{}>>>>>>> theirs\n{}",
            entry("a", '1'),
            entry("b", '1'),
            entry("b", '2'),
            entry("c", '1'),
            entry("d", '1'),
        );
        let source = Source::new("oci.lock", text.clone());
        let (lock, disputed) = agreed(&source).unwrap();
        assert_eq!(lock.entries.keys().collect::<Vec<_>>(), ["a", "d"]);
        assert_eq!(disputed, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        // A side that is damaged besides cannot be trusted.
        assert!(agreed(&Source::new("oci.lock", text.replacen("media-type", "media", 1))).is_none());
    }
}
