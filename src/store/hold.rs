//! Keeps a process's blobs from being removed while it works, however many other processes there are.
//!
//! A file's modification time says when it was last used. Before a process first looks for a blob it makes a workspace,
//! whose lock has the time of that first look. A blob that the process finds is marked with the current time, unless it
//! is already younger than the workspace, or has a time in the future. So every blob that a process relies on is at
//! least as young as its workspace. It may be removed only if it is older than the workspaces of all processes that
//! live ([`Store::remove`]). Marking and removing exclude each other by a lock that is held for moments: no process
//! waits for the end of a build, a push or a run.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::fs::{FileError, FileLock};
use crate::model::Digest;
use crate::store::workspace::{self, Workspace};
use crate::store::{Object, Store};

impl Store {
    /// Looks at a blob. On `Ok` it is there, and stays until this process ends or drops its store.
    pub(super) fn hold(&self, digest: &Digest) -> io::Result<Metadata> {
        // If the store cannot be written, nothing can be removed from it either, and no lock is needed.
        let workspace = (!self.only_looks).then(|| self.workspace().ok()).flatten();
        let path = self.blob_path(digest);
        let metadata = std::fs::symlink_metadata(&path)?;
        if let Some(workspace) = workspace
            && !(workspace.started()..=SystemTime::now()).contains(&metadata.modified()?)
        {
            let _gate = FileLock::shared(&self.gate());
            match crate::fs::mark_used(&path) {
                // The file belongs to another user, and only its owner may mark it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                marked => marked?,
            }
        }
        Ok(metadata)
    }

    /// Marks a blob that just got its name. Its file was written earlier. It may have replaced a younger one that
    /// another process relies on.
    pub(super) fn added(&self, digest: &Digest) {
        self.grow();
        // If the blob is gone, it is not needed; if it is another user's, that user marks it.
        let _ = crate::fs::mark_used(&self.blob_path(digest));
    }

    /// Removes files that were not used since they were listed, and that no living process relies on. Returns, for each
    /// file, whether it is gone. Their bytes are freed before this returns.
    pub(crate) fn remove(&self, objects: &[Object]) -> Result<Vec<bool>, FileError> {
        let aside = self.scratch()?;
        let gate = FileLock::exclusive(&self.gate(), || {})?;
        let workspace = self.workspace()?;
        let (own, others) = (workspace.started(), workspace::oldest(&self.temporaries(), workspace.path()));
        let oldest = others.map_or(own, |others| others.min(own));
        let now = SystemTime::now();
        let is_unused = |object: &Object| {
            let used = std::fs::symlink_metadata(&object.path).and_then(|metadata| metadata.modified());
            // A time in the future does not tell when the file was used. This process marks the files that it finds
            // with such a time, so only a process whose clock was ahead can rely on one.
            let is_free = |used| used < oldest || (used > now && others.is_none());
            used.is_ok_and(|used| used == object.used && is_free(used))
        };
        let removed = objects.iter().enumerate().map(|(number, object)| {
            if !is_unused(object) {
                return Ok(false);
            }
            // The file is only renamed here: freeing a large file takes a while, and other processes wait for the lock.
            match std::fs::rename(&object.path, aside.path().join(number.to_string())) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(FileError::new("remove", &object.path, error)),
            }
        });
        let removed = removed.collect();
        drop(gate);
        let folder = aside.path().to_owned();
        aside.close().map_err(|error| FileError::new("remove", &folder, error))?;
        removed
    }

    /// This process's folder for work in progress, on the blobs' file system.
    pub(super) fn temporary(&self) -> Result<&Path, FileError> {
        self.workspace().map(Workspace::path)
    }

    fn workspace(&self) -> Result<&Workspace, FileError> {
        if let Some(workspace) = self.workspace.get() {
            return Ok(workspace);
        }
        // One thread makes the workspace, and the others wait for it.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = self.workspace.get() {
            return Ok(workspace);
        }
        let made = Workspace::new(&self.temporaries(), &self.gate())?;
        Ok(self.workspace.get_or_init(|| made))
    }

    /// The folder of all processes' workspaces.
    pub(super) fn temporaries(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The lock under which [`Workspace`]s are made and blobs are marked, and which sweeps and removals hold alone.
    pub(super) fn gate(&self) -> PathBuf {
        self.root.join("locks/tmp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Descriptor;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    /// Removes everything that may be removed, as another process would.
    fn remove_all(store: &Store) -> usize {
        let other = Store::open(store.root()).unwrap();
        let removed = other.remove(&other.objects().unwrap()).unwrap();
        removed.into_iter().filter(|removed| *removed).count()
    }

    /// Waits until the file system's clock has moved on, so that files marked afterwards are younger than those that
    /// were there.
    fn tick() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    #[test]
    fn what_a_living_process_found_or_made_stays() {
        let (_folder, store) = store();
        let [found, read, verified, put, never] = [&b"found"[..], b"read", b"verified", b"put", b"never"];
        for content in [found, read, verified, put, never] {
            store.put(content).unwrap();
        }
        let living = Store::open(store.root()).unwrap();
        drop(store);
        tick();
        assert!(living.has(&Descriptor::new("", Digest::of(found), 5)));
        living.read(&Digest::of(read)).unwrap().unwrap();
        assert!(living.verify(&Digest::of(verified)).unwrap());
        living.put(put).unwrap();
        living.put(b"made").unwrap();
        assert_eq!(remove_all(&living), 1);
        assert!(living.read(&Digest::of(never)).unwrap().is_none());
        for content in [found, read, verified, put, b"made"] {
            assert!(living.read(&Digest::of(content)).unwrap().is_some());
        }
        let root = living.root().to_owned();
        drop(living);
        tick();
        assert_eq!(remove_all(&Store::open(&root).unwrap()), 5, "nobody lives");
    }

    #[test]
    fn what_is_dated_in_the_future_goes_unless_it_is_in_use() {
        let (_folder, store) = store();
        let ahead = SystemTime::now() + std::time::Duration::from_secs(86_400);
        let dated = |content: &[u8]| {
            let digest = store.put(content).unwrap();
            let file = std::fs::File::open(store.blob_path(&digest)).unwrap();
            file.set_modified(ahead).unwrap();
            digest
        };
        let (unused, found) = (dated(b"unused"), dated(b"found"));
        let root = store.root().to_owned();
        drop(store);
        let living = Store::open(&root).unwrap();
        assert!(living.has(&Descriptor::new("", found, 5)));
        assert!(living.blob_path(&found).metadata().unwrap().modified().unwrap() < ahead, "finding it mends its time");
        assert_eq!(remove_all(&living), 0, "another may rely on it, whose clock was ahead");
        assert_eq!(living.remove(&living.objects().unwrap()).unwrap().iter().filter(|removed| **removed).count(), 1);
        assert!(living.blob_path(&found).exists() && !living.blob_path(&unused).exists());
    }

    #[test]
    fn what_was_used_since_it_was_listed_stays() {
        let (_folder, store) = store();
        let digest = store.put(b"content").unwrap();
        let root = store.root().to_owned();
        drop(store);
        let pruning = Store::open(&root).unwrap();
        let objects = pruning.objects().unwrap();
        tick();
        let short = Store::open(&root).unwrap();
        assert!(short.read(&digest).unwrap().is_some());
        drop(short);
        // A mark at the very moment in which another process begins counts as that process's own.
        tick();
        assert_eq!(pruning.remove(&objects).unwrap(), [false]);
        tick();
        assert_eq!(Store::open(&root).unwrap().remove(&pruning.objects().unwrap()).unwrap(), [true]);
        assert!(pruning.read(&digest).unwrap().is_none());
    }

    #[test]
    fn what_one_was_told_is_there_is_there_whoever_removes() {
        let (_folder, store) = store();
        let digests: Vec<Digest> = (0..40_u32).map(|number| store.put(&number.to_le_bytes()).unwrap()).collect();
        let root = store.root().to_owned();
        drop(store);
        std::thread::scope(|scope| {
            let users: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for round in 0..30 {
                            let store = Store::open(&root).unwrap();
                            let held: Vec<_> = digests
                                .iter()
                                .enumerate()
                                .filter(|(number, _)| number % 3 == round % 3)
                                .map(|(number, digest)| {
                                    if !store.has(&Descriptor::new("", *digest, 4)) {
                                        store.put(&u32::try_from(number).unwrap().to_le_bytes()).unwrap();
                                    }
                                    store.blob_path(digest)
                                })
                                .collect();
                            std::thread::yield_now();
                            for path in held {
                                assert!(path.exists(), "{} is gone", path.display());
                            }
                        }
                    })
                })
                .collect();
            let mut removed = 0;
            while !users.iter().all(|user| user.is_finished()) {
                removed += remove_all(&Store::open(&root).unwrap());
            }
            assert!(removed > 0, "nothing was ever removed");
        });
    }
}
