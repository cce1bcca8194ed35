//! `oci.lock` pins every base to a digest.
//!
//! The file is read strictly and written byte for byte by [`mod@format`]. A [`Lock`] is its content as a value.
//! [`LockEntry::is_current`] says whether an entry still is what `oci.toml` asks for. [`Lock::renames`] finds entries
//! of bases that have another name now. [`Lock::changes`] lists what moved between two locks.

mod conflict;
mod format;
#[cfg(test)]
mod hostile;
mod rename;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

pub(crate) use rename::{Asked, Renames};

use crate::fs::{FileError, LARGEST_TEXT, parent, sweep, write_project_file};
use crate::model::{Digest, Origin, Platform, Tag};
use crate::problem::Problem;
use crate::sanitize;
use crate::source::{Place, ReadError, Source};

/// The lockfile's name, beside `oci.toml`.
pub(crate) const LOCK_NAME: &str = "oci.lock";

/// A whole lockfile. Equal locks are written as equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The entries by name, `NAME` or `NAME#VARIANT`.
    pub(crate) entries: BTreeMap<String, LockEntry>,
}

/// One base, pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockEntry {
    pub(crate) origin: Origin,
    /// The tag in the repository. A base in a layout has none.
    pub(crate) tag: Option<Tag>,
    /// The SHA-256 of the bytes that the registry served or the layout has: an index, or the manifest of one platform.
    /// An archive of `docker save` has neither: its digest is that of the manifest that is made for it.
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    /// The digest of the manifest of every platform that the base has.
    pub(crate) platforms: BTreeMap<Platform, Digest>,
}

impl LockEntry {
    /// True if the entry is for this origin, tag and digest. No registry is asked.
    pub(crate) fn is_current(&self, origin: &Origin, tag: Option<&Tag>, digest: Option<&Digest>) -> bool {
        self.origin == *origin && self.tag.as_ref() == tag && digest.is_none_or(|digest| *digest == self.digest)
    }

    /// The tag or layout that the digest was resolved from. Returns `None` if the digest itself is pinned.
    fn moves(&self) -> Option<String> {
        match &self.origin {
            Origin::Layout(path) => Some(path.to_string()),
            Origin::Registry(_) => self.tag.as_ref().map(Tag::to_string),
        }
    }
}

/// Why a lockfile could not be used.
#[derive(Debug)]
pub(crate) enum LoadError {
    Read(ReadError),
    Invalid(Vec<Problem>),
}

impl Lock {
    /// Reads a lockfile, which people know under `name`. A missing file is an empty lock.
    pub(crate) fn load(path: &Path, name: &str) -> Result<Self, LoadError> {
        match source(path, name)? {
            Some(source) => Self::parse(&source).map_err(LoadError::Invalid),
            None => Ok(Self::default()),
        }
    }

    /// Loads a lockfile, also one that git could not merge. Of that it returns the entries on which both sides agree,
    /// and the names of the others.
    pub(crate) fn load_agreed(path: &Path, name: &str) -> Result<(Self, Option<BTreeSet<String>>), LoadError> {
        let Some(source) = source(path, name)? else { return Ok((Self::default(), None)) };
        let Some(marker) = conflict::first_marker(&source) else {
            return Ok((Self::parse(&source).map_err(LoadError::Invalid)?, None));
        };
        match agreed(&source) {
            Some((lock, disputed)) => Ok((lock, Some(disputed))),
            None => Err(LoadError::Invalid(vec![conflict::beyond_repair(&marker)])),
        }
    }

    /// Parses a lockfile. Everything that this program would not have written is a problem at its line.
    pub(crate) fn parse(source: &Source) -> Result<Self, Vec<Problem>> {
        format::read(source)
    }

    /// Writes the lockfile if it differs from what is there. On `Ok` it is on disk, whole. A link to another file of
    /// the project stays one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), FileError> {
        let text = self.to_string();
        match crate::fs::read(path, LARGEST_TEXT) {
            Ok(bytes) if bytes == text.as_bytes() => Ok(()),
            _ => {
                sweep(parent(path));
                write_project_file(path, parent(path), text.as_bytes(), 0o644)
            }
        }
    }

    /// The differences to `new`, sorted by name. An entry that was carried over is compared with the entry of its old
    /// name.
    pub(crate) fn changes<'a>(&'a self, new: &'a Self, renames: &'a Renames) -> Vec<LockChange<'a>> {
        let names: BTreeSet<&String> = self.entries.keys().chain(new.entries.keys()).collect();
        let moved: BTreeSet<&String> = renames.values().collect();
        let changes = names.into_iter().map(|name| {
            let was = renames.get(name).map(String::as_str);
            let old = self.entries.get(was.unwrap_or(name));
            LockChange { name, was, old, new: new.entries.get(name) }
        });
        let is_change = |change: &LockChange<'_>| change.was.is_some() || change.old != change.new;
        let is_moved = |change: &LockChange<'_>| change.new.is_none() && moved.contains(&change.name.to_owned());
        changes.filter(|change| is_change(change) && !is_moved(change)).collect()
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        format::write(self, formatter)
    }
}

/// An entry that is new, removed, changed, or carried over from another name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockChange<'a> {
    pub(crate) name: &'a str,
    /// The old name of an entry that was carried over.
    pub(crate) was: Option<&'a str>,
    pub(crate) old: Option<&'a LockEntry>,
    pub(crate) new: Option<&'a LockEntry>,
}

/// A line for people: `python#slim  3.12-slim  sha256:f8fb… -> sha256:9c1e…`.
impl fmt::Display for LockChange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = |entry: Option<&LockEntry>| entry.map_or("none".to_owned(), |entry| entry.digest.short());
        let written = self.new.or(self.old).and_then(LockEntry::moves).unwrap_or_else(|| "-".to_owned());
        let written = sanitize::name(&written);
        write!(formatter, "{}  {written}  ", self.name)?;
        match self.was {
            Some(was) if self.old == self.new => write!(formatter, "{} (was {was})", digest(self.new)),
            Some(was) => write!(formatter, "{} -> {} (was {was})", digest(self.old), digest(self.new)),
            None => write!(formatter, "{} -> {}", digest(self.old), digest(self.new)),
        }
    }
}

/// The entries that are equal on both sides, and the names of the others. Returns `None` if the sides cannot be told: a
/// marker stands where none may be, or a side is no lockfile.
fn agreed(source: &Source) -> Option<(Lock, BTreeSet<String>)> {
    let (ours, theirs) = conflict::sides(source.text())?;
    let read = |text: String| Lock::parse(&Source::new(source.name(), text)).ok();
    let (mut ours, theirs) = (read(ours)?, read(theirs)?);
    let disputed: BTreeSet<String> =
        ours.changes(&theirs, &Renames::new()).iter().map(|change| change.name.to_owned()).collect();
    ours.entries.retain(|name, _| !disputed.contains(name));
    Some((ours, disputed))
}

/// The text of a lockfile. Returns `None` if the file is missing.
fn source(path: &Path, name: &str) -> Result<Option<Source>, LoadError> {
    match Source::read(path, name) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(LoadError::Read(error)),
    }
}

/// The place of a problem that concerns a whole file.
fn start_of(source: &Source) -> Place {
    let end = source.text().find('\n').unwrap_or(source.text().len());
    source.place(0..end)
}
