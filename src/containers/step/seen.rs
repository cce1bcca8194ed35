//! What a cache folder has seen: the layers that were below the steps that used it.
//!
//! ```text
//! <cache>/caches/<name>.seen   what was below the last step that used the folder: each path, a digest of what was
//!                              there, and the time that it was shown with; behind a digest of all that
//! <cache>/caches/<name>.used   there while a step uses the folder, and after one that was killed
//! ```
//!
//! A program such as make compares the times of sources with those of what it left in the folder. An entry of a
//! layer that the folder has seen is shown as old as it was then; all others are shown as newer than everything in
//! the folder. What a step leaves there is between the two.
//!
//! Only what the very last step saw counts as seen. What is in the folder may have been made without anything that
//! step did not have, or of something else that was there. The list is written before a step starts: however that
//! ends, what it leaves was made of what is listed. After one that was killed nothing counts as seen, since it may
//! have left half a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fs::{FileContext as _, FileError, read_own, write_atomically, write_private};
use crate::model::{Digest, RawPath, canonical_json};

/// Counted up whenever lists mean something else.
const VERSION: u32 = 1;
/// The most bytes of a list that are read: millions of entries.
const LIMIT: u64 = 1 << 30;

/// What is below a step, by path: a digest of it, and the time that it has in its tree.
pub(super) type Below = BTreeMap<RawPath, (Digest, i64)>;

/// What was below the last step that used a cache folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    version: u32,
    /// What the base was: with another one anything may be made anew.
    base: Option<Digest>,
    /// The latest time that anything was ever shown with.
    latest: i64,
    /// With the time that each was shown with.
    entries: Below,
}

/// A cache folder that a step is about to use.
pub(super) struct CacheFolder<'a> {
    pub(super) path: &'a Path,
    /// The newest time in it, in seconds since 1970; `None` if it is empty.
    pub(super) newest: Option<i64>,
}

/// The times with which a step is shown what is below it, in seconds since 1970.
pub(super) struct Shown {
    pub(super) times: BTreeMap<RawPath, i64>,
    /// The time of all that was not seen.
    pub(super) unseen: i64,
}

/// Says with which time each entry is shown to a step that uses these folders, and lists that for all of them.
pub(super) fn show(folders: &[CacheFolder<'_>], base: Option<Digest>, below: &Below) -> Result<Shown, FileError> {
    let known: Vec<Option<Seen>> = folders.iter().map(|folder| Seen::read(folder.path)).collect();
    let shown = decide(folders, &known, base, below);
    let times = &shown.times;
    for (folder, known) in folders.iter().zip(&known) {
        let latest = times.values().copied().chain(known.iter().map(|known| known.latest)).max();
        let with_time = |(path, (digest, time)): (&RawPath, &(Digest, i64))| {
            (path.clone(), (*digest, times.get(path).copied().unwrap_or(*time)))
        };
        let entries = below.iter().map(with_time).collect();
        let seen = Seen { version: VERSION, base, latest: latest.unwrap_or(0), entries };
        seen.write(folder.path)?;
        write_private(&mark(folder.path), b"")?;
    }
    Ok(shown)
}

/// Notes that the step that used a folder ended by itself.
pub(super) fn end(folder: &Path) -> Result<(), FileError> {
    let mark = mark(folder);
    std::fs::remove_file(&mark).context("remove", &mark)
}

/// What has been noted of a folder, beside it.
pub(crate) fn notes(folder: &Path) -> [PathBuf; 2] {
    [list(folder), mark(folder)]
}

fn list(folder: &Path) -> PathBuf {
    folder.with_extension("seen")
}

fn mark(folder: &Path) -> PathBuf {
    folder.with_extension("used")
}

fn decide(folders: &[CacheFolder<'_>], known: &[Option<Seen>], base: Option<Digest>, below: &Below) -> Shown {
    // In an empty folder nothing is older than anything.
    let used = || folders.iter().zip(known).filter(|(folder, _)| folder.newest.is_some());
    let own = below.values().map(|(_, time)| *time);
    let latest = used().flat_map(|(folder, known)| [folder.newest, known.as_ref().map(|known| known.latest)]).flatten();
    let unseen = own.chain(latest).max().unwrap_or(0).saturating_add(1);
    let time = |path: &RawPath, digest: &Digest, own: i64| {
        let mut seen = used().map(|(_, known)| {
            let known = known.as_ref().filter(|known| known.base == base)?;
            known.entries.get(path).filter(|(known, _)| known == digest).map(|(_, time)| *time)
        });
        match seen.next() {
            None => own,
            // Two folders may have seen it with two times: then neither knows what it would see.
            Some(first) => first.filter(|_| seen.all(|other| other == first)).unwrap_or(unseen),
        }
    };
    let times = below.iter().map(|(path, (digest, own))| (path.clone(), time(path, digest, *own))).collect();
    Shown { times, unseen }
}

impl Seen {
    /// What is listed for a folder, if that is what was written; no entries after a step that was killed.
    fn read(folder: &Path) -> Option<Self> {
        let text = read_own(&list(folder), LIMIT).ok()?;
        let at = text.iter().position(|byte| *byte == b'\n')?;
        let (digest, content) = (&text[..at], &text[at + 1..]);
        if digest != Digest::of(content).to_string().as_bytes() {
            return None;
        }
        let mut seen: Self = serde_json::from_slice(content).ok().filter(|seen: &Self| seen.version == VERSION)?;
        if mark(folder).exists() {
            seen.entries.clear();
        }
        Some(seen)
    }

    fn write(&self, folder: &Path) -> Result<(), FileError> {
        // Keys of an object have to be text, and a path is written as text.
        let content = canonical_json(self);
        let text = [Digest::of(&content).to_string().as_bytes(), b"\n", &content].concat();
        write_atomically(&list(folder), &text, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        folder: tempfile::TempDir,
        base: Option<Digest>,
    }

    impl Lab {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), base: None }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// A step that ends: what it is shown, given what is in the folders.
        fn step(&self, folders: &[(&str, Option<i64>)], below: &[(&str, &str)]) -> Vec<i64> {
            let shown = self.start(folders, below);
            for (name, _) in folders {
                end(&self.path(name)).unwrap();
            }
            shown
        }

        fn start(&self, folders: &[(&str, Option<i64>)], below: &[(&str, &str)]) -> Vec<i64> {
            let paths: Vec<_> = folders.iter().map(|(name, newest)| (self.path(name), *newest)).collect();
            let folders: Vec<_> = paths.iter().map(|(path, newest)| CacheFolder { path, newest: *newest }).collect();
            let entry =
                |(path, content): &(&str, &str)| (RawPath((*path).into()), (Digest::of(content.as_bytes()), 100));
            let below = below.iter().map(entry).collect();
            show(&folders, self.base, &below).unwrap().times.into_values().collect()
        }
    }

    #[test]
    fn what_was_seen_is_as_old_as_it_was_and_all_else_is_new() {
        let lab = Lab::new();
        let one = |newest| [("c", newest)];
        // First the folder is empty, and all is as it is.
        assert_eq!(lab.step(&one(None), &[("a", "1"), ("b", "1")]), [100, 100]);
        assert_eq!(lab.step(&one(Some(500)), &[("a", "1"), ("b", "1")]), [100, 100]);
        assert_eq!(lab.step(&one(Some(500)), &[("a", "2"), ("b", "1")]), [501, 100]);
        assert_eq!(lab.step(&one(Some(600)), &[("a", "2"), ("b", "1"), ("c", "1")]), [501, 100, 601]);
        // It was seen, but what is in the folder was made of another.
        assert_eq!(lab.step(&one(Some(700)), &[("a", "1"), ("b", "1"), ("c", "1")]), [701, 100, 601]);
        // One that was away may have been missed.
        assert_eq!(lab.step(&one(Some(700)), &[("a", "1"), ("c", "1")]), [701, 601]);
        assert_eq!(lab.step(&one(Some(800)), &[("a", "1"), ("b", "1"), ("c", "1")]), [701, 801, 601]);
        // A clock that went back, and one time never stands for two contents.
        assert_eq!(lab.step(&one(Some(300)), &[("a", "3"), ("b", "1"), ("c", "1")]), [802, 801, 601]);
        assert_eq!(lab.step(&one(Some(300)), &[("a", "4"), ("b", "1"), ("c", "1")]), [803, 801, 601]);
    }

    #[test]
    fn a_folder_of_which_nothing_is_known_has_seen_nothing() {
        let lab = Lab::new();
        assert_eq!(lab.step(&[("old", Some(500))], &[("a", "1")]), [501]);
        let list = list(&lab.path("old"));
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, text.replace("501", "101")).unwrap();
        assert_eq!(lab.step(&[("old", Some(500))], &[("a", "1")]), [501], "what was changed is not believed");
        let other = Lab { base: Some(Digest::of(b"base")), ..lab };
        assert_eq!(other.step(&[("old", Some(500))], &[("a", "1")]), [502]);
    }

    #[test]
    fn after_a_step_that_was_killed_all_is_new() {
        let lab = Lab::new();
        assert_eq!(lab.step(&[("c", None)], &[("a", "1")]), [100]);
        assert_eq!(lab.start(&[("c", Some(500))], &[("a", "2")]), [501]);
        assert_eq!(lab.step(&[("c", Some(600))], &[("a", "2")]), [601]);
        assert_eq!(lab.step(&[("c", Some(600))], &[("a", "2")]), [601]);
    }

    #[test]
    fn of_two_folders_each_is_told_what_is_new() {
        let lab = Lab::new();
        assert_eq!(lab.step(&[("one", None)], &[("a", "1")]), [100]);
        assert_eq!(lab.step(&[("one", Some(500)), ("two", Some(700))], &[("a", "1")]), [701]);
        assert_eq!(lab.step(&[("one", Some(500)), ("two", Some(700))], &[("a", "1")]), [701]);
        assert_eq!(lab.step(&[("two", Some(700))], &[("a", "2")]), [702]);
        assert_eq!(lab.step(&[("one", Some(500)), ("two", Some(700))], &[("a", "2")]), [703]);
        assert_eq!(lab.step(&[("one", None), ("two", Some(700))], &[("a", "2")]), [703]);
    }

    #[test]
    fn times_do_not_depend_on_the_order_of_layers() {
        let lab = Lab::new();
        assert_eq!(lab.step(&[("c", None)], &[("a", "1")]), [100]);
        let path = lab.path("c");
        let below = BTreeMap::from([(RawPath(b"a".into()), (Digest::of(b"1"), 103))]);
        let shown = show(&[CacheFolder { path: &path, newest: Some(500) }], None, &below).unwrap();
        assert_eq!(shown.times.into_values().collect::<Vec<_>>(), [100]);
    }
}
