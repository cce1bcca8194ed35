//! Lists and removes the trees that are kept: root filesystems ([`rootfs`](super::rootfs)) and the cache folders of
//! steps ([`step`](super::step)).
//!
//! ```text
//! <cache>/rootfs/<name>/   <cache>/caches/<name>/   a tree
//! <name>.seen, <name>.used beside a cache folder, what it has seen ([`seen`]); they go with it
//! <name>.lock              beside it, held by processes that use or make it; its time is that of the last use
//! .oci-tmp-<name>-<…>      beside it, what is half made or half removed
//! ```
//!
//! A tree whose lock is free may be removed. It loses its name first, so that a half removed tree is taken for a half
//! made one, and swept.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::containers::rootfs::SIZE;
use crate::containers::step::seen;
use crate::fs::{FileContext as _, FileError, FileLock, TEMPORARY_PREFIX, read_own};
use crate::model::Digest;
use crate::process::IdMap;
use crate::sandbox;
use crate::store::disk_usage;

/// What a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeKind {
    Rootfs,
    /// Of steps.
    CacheFolder,
}

impl TreeKind {
    const ALL: [Self; 2] = [Self::Rootfs, Self::CacheFolder];

    /// True if whole trees of this kind have such a name. A folder with another name was not made by `oci`, and stays.
    fn has(self, name: &str) -> bool {
        let is_hash = |text: &str| Digest::parse_hex(text).is_ok();
        match self {
            Self::CacheFolder => is_hash(name),
            Self::Rootfs => {
                let layers = name.strip_prefix("layer-").unwrap_or(name).split_once('-');
                layers.is_some_and(|(layers, map)| (is_hash(layers) || layers == "empty") && !map.is_empty())
            }
        }
    }

    fn folder(self, cache: &Path) -> PathBuf {
        cache.join(match self {
            Self::Rootfs => "rootfs",
            Self::CacheFolder => "caches",
        })
    }
}

/// A tree that is whole.
#[derive(Clone, Debug)]
pub(crate) struct KeptTree {
    pub(crate) kind: TreeKind,
    name: String,
    /// The bytes that it takes on the disk.
    pub(crate) size: u64,
    /// When it was used last.
    pub(crate) used: SystemTime,
}

/// Shows its name, which says which layers it holds, and under which ID map.
impl std::fmt::Display for KeptTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl KeptTree {
    /// The folder that it is in.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        self.kind.folder(cache).join(&self.name)
    }
}

/// The trees in the cache, in no order.
pub(crate) fn list(cache: &Path) -> Result<Vec<KeptTree>, FileError> {
    let mut trees = Vec::new();
    for (kind, path) in entries(cache)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if kind.has(&name) {
            // The content of a root filesystem never changes, so its size is recorded.
            let noted = (kind == TreeKind::Rootfs).then(|| read_own(&path.join(SIZE), 64).ok()).flatten();
            let size = match noted.and_then(|size| String::from_utf8(size).ok()?.parse().ok()) {
                Some(size) => size,
                None => disk_usage(&path).context("look through", &path)?,
            };
            let used = used(&kind.folder(cache), &name);
            trees.push(KeptTree { kind, name, size, used });
        }
    }
    Ok(trees)
}

/// Removes a tree, unless it is in use or was used since it was listed. Returns true if it is gone.
pub(crate) fn remove(cache: &Path, tree: &KeptTree, map: &IdMap) -> Result<bool, FileError> {
    let folder = tree.kind.folder(cache);
    let Some(_alone) = FileLock::try_exclusive(&lock(&folder, &tree.name))? else { return Ok(false) };
    if used(&folder, &tree.name) != tree.used {
        return Ok(false);
    }
    if tree.kind == TreeKind::CacheFolder {
        // A cache folder without these files counts as one that has seen nothing, if it stays after all.
        for note in seen::notes(&folder.join(&tree.name)) {
            match std::fs::remove_file(&note) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FileError::new("remove", &note, error));
                }
                _ => {}
            }
        }
    }
    let half = folder.join(format!("{TEMPORARY_PREFIX}{}-{}", tree.name, std::process::id()));
    match std::fs::rename(folder.join(&tree.name), &half) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        renamed => renamed.context("remove", &half)?,
    }
    sandbox::remove_tree(&half, map).context("remove", &half)?;
    Ok(true)
}

/// Removes the trees that killed processes did not finish, or did not remove to the end.
pub(crate) fn sweep(cache: &Path, map: &IdMap) -> Result<(), FileError> {
    for (kind, half) in entries(cache)? {
        // `.oci-tmp-<name>-<random>`
        let name = half.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.strip_prefix(TEMPORARY_PREFIX).and_then(|name| Some(name.rsplit_once('-')?.0.to_owned()));
        if let Some(name) = name.filter(|name| kind.has(name))
            && let Some(_lock) = FileLock::try_exclusive(&lock(&kind.folder(cache), &name))?
        {
            sandbox::remove_tree(&half, map).context("remove", &half)?;
        }
    }
    Ok(())
}

/// The bytes that unfinished and half removed trees take on the disk.
pub(crate) fn unfinished(cache: &Path) -> Result<u64, FileError> {
    let halves = entries(cache)?.into_iter().map(|(_, path)| path);
    let halves =
        halves.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY_PREFIX)));
    halves.map(|path| disk_usage(&path).context("look through", &path)).sum()
}

fn lock(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.lock"))
}

fn used(folder: &Path, name: &str) -> SystemTime {
    let modified = std::fs::metadata(lock(folder, name)).and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Every folder in the folders of trees. Links are left out.
fn entries(cache: &Path) -> Result<Vec<(TreeKind, PathBuf)>, FileError> {
    let mut found = Vec::new();
    for kind in TreeKind::ALL {
        let folder = kind.folder(cache);
        match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            entries => {
                let entries = entries.context("read the folder", &folder)?;
                let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                found.extend(folders.map(|entry| (kind, entry.path())));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn tree(cache: &Path, name: &str) {
        std::fs::create_dir_all(cache.join("rootfs").join(name).join("fs/etc")).unwrap();
        std::fs::write(lock(&cache.join("rootfs"), name), "").unwrap();
    }

    #[test]
    fn what_is_used_stays_and_what_is_removed_is_gone() {
        let cache = tempfile::tempdir().unwrap();
        assert!(list(cache.path()).unwrap().is_empty());
        let names = [format!("{HASH}-host"), format!("layer-{HASH}-1000+1-1000+1")];
        for name in &names {
            tree(cache.path(), name);
        }
        // These were not made by `oci`: they are neither counted nor removed.
        let strangers =
            [("rootfs", "thesis-host"), ("rootfs", "thesis"), ("caches", "photos"), ("rootfs", ".oci-tmp-thesis-1")];
        for (folder, name) in strangers {
            std::fs::create_dir_all(cache.path().join(folder).join(name)).unwrap();
        }
        std::os::unix::fs::symlink("thesis", cache.path().join("rootfs").join(format!("empty-{HASH}"))).unwrap();
        std::fs::write(cache.path().join("rootfs").join(&names[0]).join(SIZE), "12345").unwrap();
        let mut trees = list(cache.path()).unwrap();
        trees.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!((trees.len(), trees[0].size), (2, 12345));
        let map = IdMap::detect();
        let in_use = FileLock::shared(&lock(&cache.path().join("rootfs"), &names[0])).unwrap();
        assert!(!remove(cache.path(), &trees[0], &map).unwrap());
        drop(in_use);
        assert!(remove(cache.path(), &trees[0], &map).unwrap() && !remove(cache.path(), &trees[0], &map).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
        crate::fs::mark_used(&lock(&cache.path().join("rootfs"), &names[1])).unwrap();
        assert!(!remove(cache.path(), &trees[1], &map).unwrap(), "it was used since");
        assert_eq!(list(cache.path()).unwrap().len(), 1);
        sweep(cache.path(), &map).unwrap();
        assert!(strangers.iter().all(|(folder, name)| cache.path().join(folder).join(name).is_dir()));
    }

    #[test]
    fn a_cache_folder_is_as_large_as_it_is_now() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("caches").join(HASH);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(SIZE), "7").unwrap();
        std::fs::write(folder.join("wheel"), vec![1; 100_000]).unwrap();
        let map = IdMap::detect();
        let lock = FileLock::exclusive(&lock(&cache.path().join("caches"), HASH), || {}).unwrap();
        let trees = list(cache.path()).unwrap();
        assert!(trees.len() == 1 && trees[0].kind == TreeKind::CacheFolder && trees[0].size > 7, "{trees:?}");
        assert!(!remove(cache.path(), &trees[0], &map).unwrap(), "a step has it");
        drop(lock);
        assert!(remove(cache.path(), &trees[0], &map).unwrap() && !folder.exists());
    }

    #[test]
    fn what_is_half_is_swept_unless_someone_is_at_it() {
        let cache = tempfile::tempdir().unwrap();
        let half = cache.path().join("rootfs").join(format!("{TEMPORARY_PREFIX}{HASH}-host-x1y2"));
        std::fs::create_dir_all(half.join("fs")).unwrap();
        let at_it = FileLock::exclusive(&lock(&cache.path().join("rootfs"), &format!("{HASH}-host")), || {}).unwrap();
        let map = IdMap::detect();
        sweep(cache.path(), &map).unwrap();
        assert!(half.exists() && list(cache.path()).unwrap().is_empty());
        assert!(unfinished(cache.path()).unwrap() > 0 || disk_usage(&half).unwrap() == 0);
        drop(at_it);
        sweep(cache.path(), &map).unwrap();
        assert!(!half.exists());
    }
}
