//! Results of stages by key.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fs::{FileContext, FileError, Unnamed, create_folder};
use crate::model::{Digest, canonical_json};
use crate::store::Store;

impl Store {
    fn record_path(&self, kind: &str, key: &Digest) -> PathBuf {
        self.root.join("records").join(kind).join(key.hex())
    }

    /// The result recorded for a key. One that cannot be read as such is none, and is made again.
    pub(crate) fn recall<T: DeserializeOwned>(&self, kind: &str, key: &Digest) -> Result<Option<T>, FileError> {
        let path = self.record_path(kind, key);
        match std::fs::read(&path) {
            Ok(bytes) => {
                if !self.only_looks {
                    // One that cannot be marked is forgotten earlier, which is no harm.
                    let _ = crate::fs::mark_used(&path);
                }
                Ok(serde_json::from_slice(&bytes).ok())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path, error)),
        }
    }

    /// Keeps something that can be done without, as a record: it is whole or not there, but not made to
    /// last before this returns.
    pub(crate) fn note(&self, kind: &str, key: &Digest, note: &impl Serialize) -> Result<(), FileError> {
        let (file, path) = self.prepare_record(kind, key, note)?;
        file.commit_unsynced(&path, 0o644)
    }

    /// Records a result: the last act of a stage, once all that the result names is stored. A crash of the
    /// machine may take it away again, never change it.
    pub(crate) fn record(&self, kind: &str, key: &Digest, result: &impl Serialize) -> Result<(), FileError> {
        let (file, path) = self.prepare_record(kind, key, result)?;
        file.commit_whole(&path, 0o644)
    }

    fn prepare_record(
        &self,
        kind: &str,
        key: &Digest,
        content: &impl Serialize,
    ) -> Result<(Unnamed, PathBuf), FileError> {
        let path = self.record_path(kind, key);
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let mut file = Unnamed::new(self.temporary()?)?;
        file.write_all(&canonical_json(content)).context("write", &path)?;
        self.grow();
        Ok((file, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recalls_what_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        assert_eq!(store.recall::<Vec<u32>>("numbers", &key).unwrap(), None);
        store.record("numbers", &key, &vec![1, 2]).unwrap();
        assert_eq!(store.recall::<Vec<u32>>("numbers", &key).unwrap(), Some(vec![1, 2]));
        assert_eq!(store.recall::<String>("numbers", &key).unwrap(), None);
    }
}
