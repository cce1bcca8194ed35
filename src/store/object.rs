//! The files of the store, one by one: to be counted, and to be removed.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fs::FileError;
use crate::model::Digest;
use crate::store::Store;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectKind {
    Blob,
    Record,
    Log,
    /// What the tools keep for themselves.
    ToolState,
}

impl ObjectKind {
    /// True if a file of this kind can have this name, below the folder of the kind. A file with any other name was not
    /// put there by us, and stays.
    fn has(self, name: &Path) -> bool {
        let parts: Vec<&str> = name.iter().filter_map(|part| part.to_str()).collect();
        match (self, parts.as_slice()) {
            (Self::Blob, ["sha256", digest]) | (Self::Record, [_, digest]) => Digest::parse_hex(digest).is_ok(),
            (Self::Log, [log]) => is_log(log),
            (Self::ToolState, _) => true,
            _ => false,
        }
    }
}

/// `TOOL-STAGE-HASH.log`, the hash in twelve digits.
fn is_log(name: &str) -> bool {
    let hash = name.strip_suffix(".log").and_then(|name| name.rsplit_once('-'));
    hash.is_some_and(|(_, hash)| hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A file of the store. Each can be done without: a file that was removed is fetched or made again.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) path: PathBuf,
    /// How much of the disk the file takes, in bytes.
    pub(crate) size: u64,
    /// The file has a second name, in a project's `.oci/`, so that removing it here frees nothing.
    pub(crate) is_shared: bool,
    /// When the file was last used.
    pub(crate) used: SystemTime,
}

impl Store {
    /// Every file that the store keeps, without those that are not finished; in no order.
    pub(crate) fn objects(&self) -> Result<Vec<Object>, FileError> {
        let folders = [
            (ObjectKind::Blob, self.blobs()),
            (ObjectKind::Record, self.records()),
            (ObjectKind::Log, self.logs()),
            (ObjectKind::ToolState, self.tool_state()),
        ];
        let mut objects = Vec::new();
        for (kind, folder) in folders {
            walk(&folder, &mut |path, metadata| {
                if !metadata.is_dir() && path.strip_prefix(&folder).is_ok_and(|name| kind.has(name)) {
                    objects.push(Object {
                        kind,
                        path: path.to_owned(),
                        size: on_disk(metadata),
                        is_shared: metadata.nlink() > 1,
                        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    });
                }
            })
            .map_err(|error| FileError::new("read", &folder, error))?;
        }
        Ok(objects)
    }

    /// How much of the disk work in progress takes, including that of killed processes.
    pub(crate) fn unfinished(&self) -> Result<u64, FileError> {
        let folder = self.temporaries();
        disk_usage(&folder).map_err(|error| FileError::new("read", &folder, error))
    }
}

/// How much of the disk a folder and everything in it take, in bytes. Folders that may not be read are not counted.
pub(crate) fn disk_usage(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut linked = BTreeSet::new();
    walk(folder, &mut |_, metadata| {
        let is_new = metadata.is_dir() || metadata.nlink() < 2 || linked.insert((metadata.dev(), metadata.ino()));
        total += if is_new { on_disk(metadata) } else { 0 };
    })?;
    Ok(total)
}

/// Counts as `du` does.
fn on_disk(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Calls a function for everything below a folder. A file that vanishes meanwhile is left out.
fn walk(folder: &Path, show: &mut dyn FnMut(&Path, &Metadata)) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) => {
                show(&path, &metadata);
                if metadata.is_dir() {
                    walk(&path, show)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_what_is_in_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(disk_usage(&path("nothing")).unwrap(), 0);
        std::fs::create_dir(path("deep")).unwrap();
        let empty = disk_usage(folder.path()).unwrap();
        std::fs::write(path("deep/file"), vec![1; 100_000]).unwrap();
        std::fs::File::open(path("deep/file")).unwrap().sync_all().unwrap();
        std::fs::hard_link(path("deep/file"), path("link")).unwrap();
        std::os::unix::fs::symlink("/usr", path("elsewhere")).unwrap();
        let full = disk_usage(folder.path()).unwrap();
        assert!((100_000..150_000).contains(&(full - empty)), "{}", full - empty);
    }

    #[test]
    fn every_kind_is_found_and_what_is_shared_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let digest = store.put(&[7; 10_000]).unwrap();
        crate::store::Shelf::new("numbers", 1).record(&store, &digest, &1).unwrap();
        std::fs::write(store.logs().join("umoci-unpack-0123456789ab.log"), "x").unwrap();
        // This name is none of ours.
        std::fs::write(store.logs().join("app.log"), "x").unwrap();
        std::fs::write(store.blobs().join("photo"), "x").unwrap();
        std::fs::write(store.records().join("numbers/photo"), "x").unwrap();
        std::fs::write(store.tool_state().join("state"), "x").unwrap();
        std::fs::hard_link(store.blob_path(&digest), folder.path().join("project")).unwrap();
        let mut objects = store.objects().unwrap();
        objects.sort_by_key(|object| object.kind);
        let kinds: Vec<_> = objects.iter().map(|object| (object.kind, object.is_shared)).collect();
        assert_eq!(
            kinds,
            [
                (ObjectKind::Blob, true),
                (ObjectKind::Record, false),
                (ObjectKind::Log, false),
                (ObjectKind::ToolState, false)
            ]
        );
        assert!(objects[0].size >= 10_000, "{objects:?}");
    }
}
