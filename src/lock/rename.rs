//! Finds bases that were renamed in `oci.toml`. Their entries are carried over to the new name, so that a new name
//! never moves a pin.
//!
//! An entry is left over if the manifest has no base of its name. A name is open if the lock has no entry for it, or an
//! entry that is not current. A left-over entry becomes the entry of an open name if the manifest asks for the entry's
//! repository and tag or digest, or for its layout, under that name.

use std::collections::{BTreeMap, BTreeSet};

use crate::lock::{Lock, LockEntry};
use crate::model::{Digest, Origin, Tag};

/// What the manifest asks for under one name: the origin, tag and digest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) tag: Option<&'a Tag>,
    pub(crate) digest: Option<&'a Digest>,
}

/// An entry and its name.
type Named<'a> = (&'a str, &'a LockEntry);

/// The old name of each entry that is carried over, by its new name.
pub(crate) type Renames = BTreeMap<String, String>;

impl LockEntry {
    /// True if the entry is what the manifest asks for. No registry is asked.
    pub(crate) fn answers(&self, asked: &Asked<'_>) -> bool {
        self.is_current(asked.origin, asked.tag, asked.digest)
    }
}

impl Lock {
    /// The renames that explain left-over entries. `asked` has every base of the manifest.
    ///
    /// If several left-over entries fit one name, entries with its variant come first, and then entries of its base. If
    /// the nearest entries disagree on the digest, none is taken, and the name is resolved again. One entry may be
    /// carried over to several names.
    pub(crate) fn renames(&self, asked: &BTreeMap<String, Asked<'_>>) -> Renames {
        let mut left_over: BTreeMap<(&Origin, Option<&Tag>), Vec<Named<'_>>> = BTreeMap::new();
        for (name, entry) in self.entries.iter().filter(|(name, _)| !asked.contains_key(*name)) {
            left_over.entry((&entry.origin, entry.tag.as_ref())).or_default().push((name, entry));
        }
        let mut renames = Renames::new();
        for (name, asked) in asked {
            let Some(candidates) = left_over.get(&(asked.origin, asked.tag)) else { continue };
            if self.entries.get(name).is_some_and(|entry| entry.answers(asked)) {
                continue;
            }
            let fitting = candidates.iter().filter(|(_, entry)| entry.answers(asked));
            if let Some(old) = choose(name, fitting) {
                renames.insert(name.clone(), old.to_owned());
            }
        }
        renames
    }

    /// Moves each of these entries to its new name.
    pub(crate) fn rename(&mut self, renames: &Renames) {
        let old: BTreeSet<&String> = renames.values().collect();
        let entries: BTreeMap<&String, LockEntry> =
            old.into_iter().filter_map(|name| Some((name, self.entries.remove(name)?))).collect();
        for (new, old) in renames {
            if let Some(entry) = entries.get(old) {
                self.entries.insert(new.clone(), entry.clone());
            }
        }
    }
}

/// How near an old name is to a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    /// The base was renamed, and the variant kept its name, or neither name has a variant.
    Variant,
    /// The variant was renamed.
    Base,
    Other,
}

fn nearness(new: &str, old: &str) -> Nearness {
    let parts = |name| str::split_once(name, '#').map_or((name, None), |(base, variant)| (base, Some(variant)));
    let ((new_base, new_variant), (old_base, old_variant)) = (parts(new), parts(old));
    match (new_variant == old_variant, new_base == old_base) {
        (true, _) => Nearness::Variant,
        (false, true) => Nearness::Base,
        (false, false) => Nearness::Other,
    }
}

/// The old name of `new`: the first of the nearest candidates, if these agree on the digest.
fn choose<'a>(new: &str, candidates: impl Iterator<Item = &'a Named<'a>>) -> Option<&'a str> {
    let mut candidates: Vec<_> = candidates.map(|(old, entry)| (nearness(new, old), *old, entry.digest)).collect();
    candidates.sort_unstable();
    let (nearest, old, digest) = *candidates.first()?;
    let mut rivals = candidates.iter().take_while(|(nearness, ..)| *nearness == nearest);
    rivals.all(|(_, _, other)| *other == digest).then_some(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Repository;

    fn origin() -> Origin {
        Origin::Registry(Repository::parse("r.example/library/a").unwrap())
    }

    /// A lock with entries of one repository: name, tag, and what the digest is made of.
    fn lock(entries: &[(&str, &str, &str)]) -> Lock {
        let entry = |tag: &str, seed: &str| LockEntry {
            origin: origin(),
            tag: Some(Tag::parse(tag).unwrap()),
            digest: Digest::of(seed.as_bytes()),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            platforms: BTreeMap::new(),
        };
        Lock { entries: entries.iter().map(|(name, tag, seed)| ((*name).to_owned(), entry(tag, seed))).collect() }
    }

    /// The renames to a manifest that asks for these names and tags.
    fn renames(lock: &Lock, asked: &[(&str, &str)]) -> Vec<(String, String)> {
        let origin = origin();
        let tags: Vec<Tag> = asked.iter().map(|(_, tag)| Tag::parse(tag).unwrap()).collect();
        let asked = asked
            .iter()
            .zip(&tags)
            .map(|((name, _), tag)| ((*name).to_owned(), Asked { origin: &origin, tag: Some(tag), digest: None }));
        lock.renames(&asked.collect()).into_iter().collect()
    }

    fn pair(new: &str, old: &str) -> (String, String) {
        (new.to_owned(), old.to_owned())
    }

    #[test]
    fn a_left_over_entry_is_that_of_the_new_name() {
        let one = lock(&[("a", "1", "x")]);
        assert_eq!(renames(&one, &[("b", "1")]), [pair("b", "a")]);
        // Another tag, a name that the manifest still has, and a name that is current are no renames.
        assert_eq!(renames(&one, &[("b", "2")]), []);
        assert_eq!(renames(&one, &[("a", "1"), ("b", "1")]), []);
        assert_eq!(renames(&lock(&[("a", "1", "x"), ("b", "1", "y")]), &[("b", "1")]), []);
        // An entry of the new name that is not current is replaced.
        assert_eq!(renames(&lock(&[("a", "1", "x"), ("b", "2", "y")]), &[("b", "1")]), [pair("b", "a")]);
        // One base became two bases.
        assert_eq!(renames(&one, &[("b", "1"), ("c", "1")]), [pair("b", "a"), pair("c", "a")]);
    }

    #[test]
    fn names_that_were_swapped_are_both_still_there() {
        assert_eq!(renames(&lock(&[("a", "1", "x"), ("b", "2", "y")]), &[("a", "2"), ("b", "1")]), []);
    }

    #[test]
    fn a_digest_has_to_be_the_pinned_one() {
        let one = lock(&[("a", "1", "x")]);
        let (origin, tag) = (origin(), Tag::parse("1").unwrap());
        for (seed, fits) in [("x", true), ("y", false)] {
            let digest = Digest::of(seed.as_bytes());
            let asked = Asked { origin: &origin, tag: Some(&tag), digest: Some(&digest) };
            assert_eq!(one.renames(&BTreeMap::from([("b".to_owned(), asked)])).len(), usize::from(fits));
        }
    }

    #[test]
    fn of_several_the_variant_decides_and_then_the_digest() {
        let two = |seed| lock(&[("a", "1", "x"), ("b", "1", seed)]);
        assert_eq!(renames(&two("x"), &[("c", "1")]), [pair("c", "a")]);
        assert_eq!(renames(&two("y"), &[("c", "1")]), []);
        let variants = lock(&[("a#one", "1", "x"), ("a#two", "1", "y")]);
        assert_eq!(
            renames(&variants, &[("b#one", "1"), ("b#two", "1")]),
            [pair("b#one", "a#one"), pair("b#two", "a#two")]
        );
        // For a renamed variant, entries of its own base come first.
        let bases = lock(&[("a#one", "1", "x"), ("b#two", "1", "y")]);
        assert_eq!(renames(&bases, &[("a#new", "1")]), [pair("a#new", "a#one")]);
        assert_eq!(renames(&bases, &[("c#new", "1")]), []);
    }

    #[test]
    fn entries_move_and_the_others_stay() {
        let mut moved = lock(&[("a", "1", "x"), ("b", "2", "y"), ("c", "3", "z")]);
        moved.rename(&Renames::from([pair("b", "a"), pair("d", "a")]));
        assert_eq!(moved, lock(&[("b", "1", "x"), ("c", "3", "z"), ("d", "1", "x")]));
    }
}
