//! Results of stages by key: typed, and checked whenever they are read.
//!
//! A [`Shelf`] is a kind of record: its name, the version of its form, and the type of what is recorded. On disk
//! a record is one line, and its content:
//!
//! ```text
//! records/KIND/KEY      oci-record KIND VERSION CHECKSUM
//!                       {"…":"…"}
//! ```
//!
//! The checksum is over kind, version, key and content. A record that is damaged, lies under another key, or has
//! another version is never used: its result is made again, and recorded again.

use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fs::{FileContext, FileError, Unnamed, create_folder, is_foreign, read_own};
use crate::model::{Digest, canonical_json};
use crate::store::{Condition, Store};

/// How every record begins.
const MAGIC: &str = "oci-record";

/// The mode of every record.
const MODE: u32 = 0o600;

/// The most bytes of a record. A listing of a million files takes a tenth of that.
const LIMIT: u64 = 4 << 30;

/// A kind of record, whose content is a `T`.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    kind: &'static str,
    version: u32,
    content: PhantomData<fn() -> T>,
}

/// What is written in place of a `T`: a `T` itself, or something that serialises as one does.
pub(crate) trait WrittenAs<T>: Serialize {}

impl<T: Serialize> WrittenAs<T> for T {}

impl<T> Shelf<T> {
    /// The records of this kind. `version` has to change whenever the serialised form of `T` changes.
    pub(crate) const fn new(kind: &'static str, version: u32) -> Self {
        Self { kind, version, content: PhantomData }
    }

    /// Keeps a record that can be done without. It is whole or not there, but a crash of the machine may take it away.
    pub(crate) fn note(&self, store: &Store, key: &Digest, note: &impl WrittenAs<T>) -> Result<(), FileError> {
        let (file, path) = self.prepare(store, key, note)?;
        file.commit_unsynced(&path, MODE)
    }

    /// Records a result. This is the last act of a stage, once everything that the result names is stored. A crash of
    /// the machine may take the record away again, and never changes it.
    pub(crate) fn record(&self, store: &Store, key: &Digest, result: &impl WrittenAs<T>) -> Result<(), FileError> {
        let (file, path) = self.prepare(store, key, result)?;
        file.commit_whole(&path, MODE)
    }

    fn prepare(&self, store: &Store, key: &Digest, content: &impl Serialize) -> Result<(Unnamed, PathBuf), FileError> {
        let path = store.record_path(self.kind, key);
        create_folder(crate::fs::parent(&path))?;
        let content = canonical_json(content);
        let mut file = Unnamed::new(store.temporary()?)?;
        let header = header(self.kind, self.version, key, &content);
        file.write_all(header.as_bytes()).and_then(|()| file.write_all(&content)).context("write", &path)?;
        store.grow();
        Ok((file, path))
    }
}

impl<T: DeserializeOwned> Shelf<T> {
    /// The result recorded for a key. `None` if there is none. A record that is damaged counts as none, and is set
    /// aside.
    pub(crate) fn recall(&self, store: &Store, key: &Digest) -> Result<Option<T>, FileError> {
        let path = store.record_path(self.kind, key);
        let bytes = match read_own(&path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_foreign(&error) => return store.set_aside(&path).map(|()| None),
            Err(error) => return Err(FileError::new("read", &path, error)),
        };
        match content(self.kind, Some(self.version), key, &bytes)
            .and_then(|content| serde_json::from_slice(content).ok())
        {
            Some(result) => {
                if !store.only_looks {
                    // A record that cannot be marked is only removed earlier, which does no harm.
                    let _ = crate::fs::mark_used(&path);
                }
                Ok(Some(result))
            }
            None => store.set_aside(&path).map(|()| None),
        }
    }
}

/// The first line of a record.
fn header(kind: &str, version: u32, key: &Digest, content: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [kind.as_bytes(), &version.to_le_bytes(), key.hex().as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    format!("{MAGIC} {kind} {version} {}\n", hasher.update(content).finalize().to_hex())
}

/// The content of a record; `None` if it is not what was recorded for this key, or has another version than the one
/// asked for.
fn content<'a>(kind: &str, version: Option<u32>, key: &Digest, record: &'a [u8]) -> Option<&'a [u8]> {
    let end = record.iter().take(256).position(|byte| *byte == b'\n')? + 1;
    let (first, content) = record.split_at(end);
    let written: u32 = std::str::from_utf8(first).ok()?.split(' ').nth(2)?.parse().ok()?;
    let is_whole = header(kind, written, key, content).as_bytes() == first;
    (is_whole && version.is_none_or(|version| version == written)).then_some(content)
}

/// The place of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordName {
    kind: String,
    key: Digest,
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "record {}/{}", self.kind, self.key.hex())
    }
}

impl Store {
    pub(super) fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    fn record_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let mut path = self.records();
        path.extend([kind, &key.hex()]);
        path
    }

    /// Every record, of all kinds and versions, sorted.
    pub(crate) fn record_names(&self) -> Result<Vec<RecordName>, FileError> {
        let mut names = Vec::new();
        for kind in super::names_in(&self.records())? {
            if !crate::fs::is_real_folder(&self.records().join(&kind)) {
                continue;
            }
            let keys = super::names_in(&self.records().join(&kind))?;
            let keys = keys.iter().filter_map(|key| Digest::parse_hex(key).ok());
            names.extend(keys.map(|key| RecordName { kind: kind.clone(), key }));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a record, and sets it aside if it is damaged. Reading it here does not count as a use.
    pub(crate) fn check_record(&self, name: &RecordName) -> Result<Condition, FileError> {
        let path = self.record_path(&name.kind, &name.key);
        match read_own(&path, LIMIT) {
            Ok(bytes) if content(&name.kind, None, &name.key, &bytes).is_some() => Ok(Condition::Whole),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Condition::Absent),
            Err(error) if !is_foreign(&error) => Err(FileError::new("read", &path, error)),
            _ => self.set_aside(&path).map(|()| Condition::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Shelf<Vec<u32>> = Shelf::new("numbers", 1);

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn recalls_what_was_recorded() {
        let (_folder, store) = store();
        let key = Digest::of(b"key");
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), None);
        NUMBERS.record(&store, &key, &vec![1, 2]).unwrap();
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), Some(vec![1, 2]));
        assert_eq!(store.check_record(&store.record_names().unwrap()[0]).unwrap(), Condition::Whole);
        assert_eq!(Shelf::<Vec<u32>>::new("numbers", 2).recall(&store, &key).unwrap(), None, "another version");
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), None, "that is set aside");
        NUMBERS.note(&store, &key, &vec![3]).unwrap();
        assert_eq!(Shelf::<String>::new("numbers", 1).recall(&store, &key).unwrap(), None, "another type");
    }

    #[test]
    fn what_was_not_recorded_is_never_recalled() {
        let (folder, store) = store();
        let key = Digest::of(b"key");
        let path = store.record_path("numbers", &key);
        NUMBERS.record(&store, &key, &vec![1, 2, 3]).unwrap();
        NUMBERS.record(&store, &Digest::of(b"other"), &vec![4]).unwrap();
        Shelf::<Vec<u32>>::new("letters", 1).record(&store, &key, &vec![5]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let other_key = std::fs::read(store.record_path("numbers", &Digest::of(b"other"))).unwrap();
        let other_kind = std::fs::read(store.record_path("letters", &key)).unwrap();
        let mut damages: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            damages.push(flipped);
        }
        damages.extend([other_key, other_kind, [&whole[..], b" "].concat(), b"[1,2,3]".to_vec(), vec![0; whole.len()]]);
        let name = RecordName { kind: "numbers".into(), key };
        for damage in damages {
            let text = String::from_utf8_lossy(&damage).into_owned();
            std::fs::write(&path, &damage).unwrap();
            assert_eq!(NUMBERS.recall(&store, &key).unwrap(), None, "{text}");
            std::fs::write(&path, &damage).unwrap();
            assert_eq!(store.check_record(&name).unwrap(), Condition::Damaged, "{text}");
            assert_eq!(store.check_record(&name).unwrap(), Condition::Absent, "{text}");
        }
        // Anything but a regular file is no record, and is moved out of the way.
        let target = folder.path().join("target");
        std::fs::write(&target, &whole).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), None);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), None);
        NUMBERS.record(&store, &key, &vec![6]).unwrap();
        assert_eq!(NUMBERS.recall(&store, &key).unwrap(), Some(vec![6]));
        assert_eq!(std::fs::read(&target).unwrap(), whole);
    }

    #[test]
    fn who_only_looks_sets_nothing_aside() {
        let (folder, store) = store();
        let key = Digest::of(b"key");
        NUMBERS.record(&store, &key, &vec![1]).unwrap();
        std::fs::write(store.record_path("numbers", &key), "damaged").unwrap();
        assert_eq!(NUMBERS.recall(&Store::look(folder.path()).unwrap(), &key).unwrap(), None);
        assert!(store.record_path("numbers", &key).exists());
    }
}
