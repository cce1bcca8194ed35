//! Blobs by digest.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::{FileContext, FileError, Unnamed, is_foreign, open_own, read_own};
use crate::model::{Descriptor, Digest};
use crate::store::Store;

/// The mode of every blob.
const MODE: u32 = 0o444;

/// The result of reading a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Whole,
    /// Its content does not have the digest that it is named by; the file is set aside.
    Damaged,
    Absent,
}

/// A blob that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BlobError {
    #[error("what was to be `{expected}` is `{found}`")]
    #[diagnostic(
        code(oci::store::digest_mismatch),
        help(
            "it was not used; run the command again, and if it happens again look at the disk, or at what is between you and the registry"
        )
    )]
    Mismatch { expected: Digest, found: Digest },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl Store {
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join("sha256").join(digest.hex())
    }

    /// True if the blob is there and has the size that it must have. Then it stays while this process works. No content
    /// is read.
    pub(crate) fn has(&self, descriptor: &Descriptor) -> bool {
        self.hold(&descriptor.digest).is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    /// The blob's bytes, verified. `None` if there is no such blob, or if its content did not have its digest.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.blob_path(digest);
        match self.hold(digest).and_then(|_| read_own(&path, u64::MAX)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => self.set_aside(&path).map(|()| None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_foreign(&error) => self.set_aside(&path).map(|()| None),
            Err(error) => Err(FileError::new("read", &path, error)),
        }
    }

    /// True if the blob is there and its content has its digest. Otherwise it is set aside.
    pub(crate) fn verify(&self, digest: &Digest) -> Result<bool, FileError> {
        // If the blob cannot be held, reading it tells what is wrong.
        let _ = self.hold(digest);
        Ok(self.check(digest)? == Condition::Whole)
    }

    /// Reads a blob, and sets it aside if its content does not have its digest. Reading it here does not count as a
    /// use.
    pub(crate) fn check(&self, digest: &Digest) -> Result<Condition, FileError> {
        let path = self.blob_path(digest);
        match open_own(&path) {
            Ok(file) if Digest::read(&file).context("read", &path)? == *digest => Ok(Condition::Whole),
            Ok(_) => self.set_aside(&path).map(|()| Condition::Damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Condition::Absent),
            Err(error) if is_foreign(&error) => self.set_aside(&path).map(|()| Condition::Damaged),
            Err(error) => Err(FileError::new("read", &path, error)),
        }
    }

    /// The digest of every blob, sorted.
    pub(crate) fn digests(&self) -> Result<Vec<Digest>, FileError> {
        let names = super::names_in(&self.blobs().join("sha256"))?;
        let mut digests: Vec<Digest> = names.iter().filter_map(|name| Digest::parse_hex(name).ok()).collect();
        digests.sort_unstable();
        Ok(digests)
    }

    /// Stores bytes. On `Ok` they are on disk and can be found by their digest, unless the store is opened read-only.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, FileError> {
        let digest = Digest::of(bytes);
        if self.only_looks {
            return Ok(digest);
        }
        // The file may be damaged, and the caller relies on it from here on, so its bytes are compared.
        let stored = self.hold(&digest).and_then(|_| read_own(&self.blob_path(&digest), bytes.len() as u64));
        if stored.is_ok_and(|stored| stored == bytes) {
            return Ok(digest);
        }
        let mut file = self.start_blob()?;
        io::Write::write_all(&mut file, bytes).context("write", &self.blob_path(&digest))?;
        self.commit_blob(file, &digest)?;
        Ok(digest)
    }

    /// Starts a blob whose digest is computed while it is written; [`Store::commit_blob`] gives it its name.
    pub(crate) fn start_blob(&self) -> Result<Unnamed, FileError> {
        Unnamed::new(self.temporary()?)
    }

    /// Gives a blob that was hashed while it was written its name. On `Ok` its content is on disk. A crash of the
    /// machine may take the name away again; then the blob is made again.
    pub(crate) fn commit_blob(&self, file: Unnamed, digest: &Digest) -> Result<(), FileError> {
        let mut file = file;
        // One copy is enough, and other processes may already rely on the one that is there.
        while !self.has_another(&file, digest)? {
            match file.commit_new(&self.blob_path(digest), MODE)? {
                // Another process has stored the same blob meanwhile.
                Some(unnamed) => file = unnamed,
                None => {
                    self.added(digest);
                    break;
                }
            }
        }
        Ok(())
    }

    /// True if there is a blob with the content of this file. A blob with its name and another content is set aside.
    /// Comparing takes less time than hashing the blob.
    fn has_another(&self, file: &Unnamed, digest: &Digest) -> Result<bool, FileError> {
        let path = self.blob_path(digest);
        match self.hold(digest).and_then(|_| file.is_same_as(&path)) {
            Ok(true) => Ok(true),
            Ok(false) => self.set_aside(&path).map(|()| false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) if is_foreign(&error) => self.set_aside(&path).map(|()| false),
            Err(error) => Err(FileError::new("read", &path, error)),
        }
    }

    /// Takes over a file that a tool wrote on this file system, if its content has the digest of the blob that it
    /// should be.
    pub(crate) fn adopt(&self, path: &Path, digest: &Digest) -> Result<(), BlobError> {
        let file = std::fs::File::open(path).context("read", path)?;
        let found = Digest::read(&file).context("read", path)?;
        if found != *digest {
            return Err(BlobError::Mismatch { expected: *digest, found });
        }
        if self.verify(digest)? {
            return Ok(());
        }
        crate::fs::adopt(path, &self.blob_path(digest), MODE)?;
        self.added(digest);
        Ok(())
    }

    /// Moves a file whose content does not have its digest out of the way. It is deleted when this process ends.
    pub(super) fn set_aside(&self, path: &Path) -> Result<(), FileError> {
        if self.only_looks {
            return Ok(());
        }
        let scratch = self.temporary()?;
        let aside =
            tempfile::Builder::new().prefix("damaged-").tempdir_in(scratch).context("create a folder in", scratch)?;
        // The file is deleted when this process ends, since deleting a large file could take long.
        match std::fs::rename(path, aside.keep().join("it")) {
            // Another process may have set it aside first.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("set aside", path, error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        (folder, store)
    }

    #[test]
    fn gives_back_what_was_put() {
        let (_folder, store) = store();
        let digest = store.put(b"content").unwrap();
        assert_eq!(store.put(b"content").unwrap(), digest);
        assert_eq!(store.read(&digest).unwrap().unwrap(), b"content");
        assert!(store.verify(&digest).unwrap());
        assert!(store.has(&Descriptor::new("", digest, 7)) && !store.has(&Descriptor::new("", digest, 8)));
        let mode = std::fs::metadata(store.blob_path(&digest)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444);
    }

    #[test]
    fn never_gives_what_does_not_match_its_name() {
        for damage in [&b"CONTENT"[..], b""] {
            let (_folder, store) = store();
            let digest = store.put(b"content").unwrap();
            let path = store.blob_path(&digest);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, damage).unwrap();
            assert_eq!(store.read(&digest).unwrap(), None);
            assert!(!path.exists());
            std::fs::write(&path, damage).unwrap();
            assert!(!store.verify(&digest).unwrap());
            assert!(!path.exists());
            store.put(b"content").unwrap();
            assert!(store.verify(&digest).unwrap());
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, damage).unwrap();
            store.put(b"content").unwrap();
            assert!(store.verify(&digest).unwrap(), "what is put is there, whatever was");
        }
    }

    #[test]
    fn adopts_only_what_it_should_be() {
        let (folder, store) = store();
        let path = folder.path().join("blob");
        std::fs::write(&path, b"wrong").unwrap();
        let digest = Digest::of(b"right");
        assert!(matches!(store.adopt(&path, &digest), Err(BlobError::Mismatch { .. })));
        std::fs::write(&path, b"right").unwrap();
        store.adopt(&path, &digest).unwrap();
        assert!(store.verify(&digest).unwrap() && !path.exists());
    }

    #[test]
    fn what_is_there_and_whole_is_not_replaced() {
        use std::os::unix::fs::MetadataExt;

        let (_folder, store) = store();
        let digest = Digest::of(b"content");
        let inode = || std::fs::metadata(store.blob_path(&digest)).unwrap().ino();
        let commit = || {
            let mut file = store.start_blob().unwrap();
            io::Write::write_all(&mut file, b"content").unwrap();
            store.commit_blob(file, &digest).unwrap();
        };
        commit();
        let first = inode();
        commit();
        assert_eq!(inode(), first);
        std::fs::remove_file(store.blob_path(&digest)).unwrap();
        std::fs::write(store.blob_path(&digest), b"CONTENT").unwrap();
        commit();
        assert!(store.verify(&digest).unwrap());
    }

    #[test]
    fn refuses_a_colon() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Store::open(&folder.path().join("a:b")), Err(super::super::OpenError::Colon { .. })));
    }

    #[test]
    fn refuses_what_json_cannot_say() {
        use std::os::unix::ffi::OsStrExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
        assert!(matches!(Store::open(&path), Err(super::super::OpenError::NotText { .. })));
    }
}
