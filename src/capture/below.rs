//! Finds what an overlay's lower trees show at a path. The changes of a step are measured against it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::capture::attributes;

/// Folders of the lower trees that appear as one folder in the overlay, topmost first.
pub(super) struct LowerFolders {
    folders: Vec<PathBuf>,
    is_namespaced: bool,
}

/// What lower trees have under one name of a folder.
pub(super) struct LowerEntry {
    /// The topmost file or folder of this name.
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
    /// The folders of this name that appear as one.
    pub(super) folders: LowerFolders,
}

impl LowerFolders {
    /// The roots of the trees.
    pub(super) fn roots(lowers: &[PathBuf], is_namespaced: bool) -> Self {
        Self { folders: lowers.to_vec(), is_namespaced }
    }

    /// No folders: what is below a folder that is new, or hides what is below it.
    pub(super) fn nothing(&self) -> Self {
        Self { folders: Vec::new(), is_namespaced: self.is_namespaced }
    }

    /// The names in these folders, deleted names too.
    pub(super) fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder)? {
                names.insert(entry?.file_name());
            }
        }
        Ok(names)
    }

    /// What these folders show under a name. Returns `None` if it is missing or deleted.
    pub(super) fn look(&self, name: &OsStr) -> io::Result<Option<LowerEntry>> {
        let mut shown: Option<LowerEntry> = None;
        for folder in &self.folders {
            let path = folder.join(name);
            let metadata = match std::fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if is_whiteout(&metadata) || (shown.is_some() && !metadata.is_dir()) {
                break;
            }
            let is_last = !metadata.is_dir() || attributes::read(&path, self.is_namespaced)?.is_opaque;
            let known =
                shown.get_or_insert_with(|| LowerEntry { path: path.clone(), metadata, folders: self.nothing() });
            known.folders.folders.push(path);
            if is_last {
                break;
            }
        }
        Ok(shown)
    }
}

/// Whether a file marks a deletion, as overlays do it.
pub(super) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Whether two files have the same content; their sizes are known to be equal.
pub(super) fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::Read;
    let (mut one, mut other) = (std::fs::File::open(one)?, std::fs::File::open(other)?);
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        if other.read_exact(&mut right[..length]).is_err() || left[..length] != right[..length] {
            return Ok(false);
        }
    }
}
