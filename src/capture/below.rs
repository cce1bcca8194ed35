//! What an overlay's lower trees show at a path: what a change is measured against.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::capture::attributes;

/// Folders of the lower trees that one folder shows together, topmost first.
pub(super) struct LowerFolders {
    folders: Vec<PathBuf>,
    is_namespaced: bool,
}

/// What is below one name of a folder.
pub(super) struct LowerEntry {
    /// The topmost of it.
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
    /// What it shows together, if it is a folder.
    pub(super) folders: LowerFolders,
}

impl LowerFolders {
    /// The roots of the trees.
    pub(super) fn roots(lowers: &[PathBuf], is_namespaced: bool) -> Self {
        Self { folders: lowers.to_vec(), is_namespaced }
    }

    /// Below a folder that hides everything, or that is new.
    pub(super) fn nothing(&self) -> Self {
        Self { folders: Vec::new(), is_namespaced: self.is_namespaced }
    }

    /// The names in these folders; of several, deletions are not minded.
    pub(super) fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder)? {
                names.insert(entry?.file_name());
            }
        }
        Ok(names)
    }

    /// What these folders show under a name, if anything.
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

/// How overlays mark what is deleted.
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
