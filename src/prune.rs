//! Makes the cache smaller: what was used least recently is removed first.
//!
//! Files that other processes have found stay ([`Store::remove`]), and so do trees whose locks they hold
//! ([`trees::remove`]).

use std::time::SystemTime;

use crate::containers::trees::{self, KeptTree, TreeKind};
use crate::fs::FileError;
use crate::model::ByteSize;
use crate::process::{IdMap, signal};
use crate::store::{Object, Store};

/// How many files are removed before other processes get the lock.
const BATCH: usize = 100;

/// Why the cache is larger than was asked for.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum PruneError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error("interrupted")]
    #[diagnostic(code(oci::tools::interrupted))]
    Interrupted,
}

/// What was removed, and the size that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) files: usize,
    /// Root filesystems.
    pub(crate) trees: usize,
    /// Of steps.
    pub(crate) cache_folders: usize,
    /// How many bytes the disk has gained. Blobs that projects' `.oci/` still hold free nothing.
    pub(crate) freed: ByteSize,
    /// The size of the cache that is left, in bytes.
    pub(crate) size: ByteSize,
}

/// Removes what was used least recently until the cache takes no more than `limit`, or all that is left is
/// in use. What is in a project's `.oci/` too goes last, since that frees nothing.
pub(crate) fn prune(store: &Store, map: &IdMap, limit: ByteSize) -> Result<Pruned, PruneError> {
    let files = store.objects()?.into_iter().map(Item::File);
    let trees = trees::list(store.root())?.into_iter().map(Item::Tree);
    let mut items: Vec<Item> = files.chain(trees).collect();
    // A time in the future counts as now.
    let now = SystemTime::now();
    items.sort_by_key(|item| (item.is_shared(), item.used().min(now)));
    let mut pruned = Pruned { size: ByteSize(items.iter().map(Item::size).sum()), ..Pruned::default() };
    let mut items = items.into_iter().peekable();
    while pruned.size > limit && items.peek().is_some() {
        if signal::pending().is_some() {
            return Err(PruneError::Interrupted);
        }
        let mut batch = Vec::new();
        let mut left = pruned.size.0;
        while left > limit.0
            && batch.len() < BATCH
            && let Some(item) = items.next()
        {
            left = left.saturating_sub(item.size());
            match item {
                Item::File(object) => batch.push(object),
                Item::Tree(tree) => {
                    if trees::remove(store.root(), &tree, map)? {
                        match tree.kind {
                            TreeKind::Rootfs => pruned.trees += 1,
                            TreeKind::CacheFolder => pruned.cache_folders += 1,
                        }
                        pruned.take(tree.size, false);
                    }
                    break;
                }
            }
        }
        for (object, removed) in batch.iter().zip(store.remove(&batch)?) {
            if removed {
                pruned.files += 1;
                pruned.take(object.size, object.is_shared);
            }
        }
    }
    Ok(pruned)
}

impl Pruned {
    fn take(&mut self, size: u64, is_shared: bool) {
        self.size.0 = self.size.0.saturating_sub(size);
        self.freed.0 += if is_shared { 0 } else { size };
    }
}

/// A file or tree that may be removed.
enum Item {
    File(Object),
    Tree(KeptTree),
}

impl Item {
    fn size(&self) -> u64 {
        match self {
            Self::File(object) => object.size,
            Self::Tree(tree) => tree.size,
        }
    }

    fn used(&self) -> SystemTime {
        match self {
            Self::File(object) => object.used,
            Self::Tree(tree) => tree.used,
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self, Self::File(object) if object.is_shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Descriptor, Digest};

    const CHAIN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A store with blobs of 100 kB. Each was used later than the one before.
    fn store(folder: &tempfile::TempDir, blobs: &[&[u8]]) -> Store {
        let root = folder.path().join("cache");
        for content in blobs {
            Store::open(&root).unwrap().put(&content.repeat(100_000)).unwrap();
            tick();
        }
        Store::open(&root).unwrap()
    }

    /// Waits until the file system's clock has gone on: work that begins afterwards has a later time than the mark.
    fn tick() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    fn has(store: &Store, content: &[u8]) -> bool {
        let bytes = content.repeat(100_000);
        store.blob_path(&Digest::of(&bytes)).exists()
    }

    #[test]
    fn the_least_recently_used_go_first_and_no_more_than_have_to() {
        let folder = tempfile::tempdir().unwrap();
        let user = store(&folder, &[b"a", b"b", b"c"]);
        assert!(user.has(&Descriptor::new("", Digest::of(&b"a".repeat(100_000)), 100_000)), "used again");
        tick();
        drop(user);
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let map = IdMap::detect();
        assert_eq!(prune(&store, &map, ByteSize(1_000_000)).unwrap().files, 0);
        let pruned = prune(&store, &map, ByteSize(250_000)).unwrap();
        assert_eq!((pruned.files, pruned.trees), (1, 0));
        assert!(pruned.freed.0 >= 100_000 && pruned.size.0 >= 200_000, "{pruned:?}");
        assert!(has(&store, b"a") && !has(&store, b"b") && has(&store, b"c"));
        let pruned = prune(&store, &map, ByteSize(0)).unwrap();
        assert_eq!((pruned.files, pruned.size), (2, ByteSize(0)));
    }

    #[test]
    fn a_cache_dated_in_the_future_is_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder, &[b"a", b"b"]);
        let ahead = SystemTime::now() + std::time::Duration::from_secs(86_400);
        let tree = store.root().join(format!("rootfs/{CHAIN}-host"));
        std::fs::create_dir_all(tree.join("fs")).unwrap();
        std::fs::write(tree.with_extension("lock"), "").unwrap();
        for object in store.objects().unwrap() {
            std::fs::File::open(object.path).unwrap().set_modified(ahead).unwrap();
        }
        std::fs::File::open(tree.with_extension("lock")).unwrap().set_modified(ahead).unwrap();
        let pruned = prune(&store, &IdMap::detect(), ByteSize(0)).unwrap();
        assert_eq!((pruned.files, pruned.trees, pruned.size), (2, 1, ByteSize(0)));
    }

    #[test]
    fn what_a_project_holds_goes_last_and_frees_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder, &[b"a", b"b"]);
        let shared = store.blob_path(&Digest::of(&b"a".repeat(100_000)));
        std::fs::hard_link(&shared, folder.path().join("project")).unwrap();
        let map = IdMap::detect();
        prune(&store, &map, ByteSize(150_000)).unwrap();
        assert!(has(&store, b"a") && !has(&store, b"b"));
        let pruned = prune(&store, &map, ByteSize(0)).unwrap();
        assert_eq!((pruned.files, pruned.freed, pruned.size), (1, ByteSize(0), ByteSize(0)));
    }

    #[test]
    fn what_is_in_use_stays_however_small_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let living = store(&folder, &[b"a", b"b"]);
        living.has(&Descriptor::new("", Digest::of(&b"a".repeat(100_000)), 100_000));
        tick();
        let tree = living.root().join(format!("rootfs/{CHAIN}-host"));
        std::fs::create_dir_all(tree.join("fs")).unwrap();
        std::fs::write(tree.join("size"), "5000").unwrap();
        let lock = crate::fs::FileLock::shared(&living.root().join(format!("rootfs/{CHAIN}-host.lock"))).unwrap();
        let other = Store::open(living.root()).unwrap();
        let map = IdMap::detect();
        let pruned = prune(&other, &map, ByteSize(0)).unwrap();
        assert_eq!((pruned.files, pruned.trees), (1, 0));
        assert!(has(&living, b"a") && tree.exists());
        drop((lock, living));
        let pruned = prune(&other, &map, ByteSize(0)).unwrap();
        assert_eq!((pruned.files, pruned.trees, pruned.size), (1, 1, ByteSize(0)));
        assert!(!tree.exists());
    }
}
