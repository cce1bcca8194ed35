//! Lists a root filesystem on the disk as a tool has unpacked it.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, folder or link.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// From the root, and what is no ASCII escaped.
    pub(crate) name: String,
    pub(crate) stat: Metadata,
}

/// All that is below the root, in the order of the bytes of the names.
pub(crate) fn entries(root: &Path) -> Vec<Entry> {
    let mut paths = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                pending.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort_by_key(|path| path.as_os_str().as_bytes().to_vec());
    let entry = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        let stat = path.symlink_metadata().unwrap();
        Entry { path, name, stat }
    };
    paths.into_iter().map(entry).collect()
}

impl Entry {
    /// `USER:GROUP`.
    pub(crate) fn owner(&self) -> String {
        format!("{}:{}", self.stat.uid(), self.stat.gid())
    }

    /// Where a link leads, as it is written.
    pub(crate) fn target(&self) -> String {
        fs::read_link(&self.path).unwrap().display().to_string()
    }

    /// Those of its attributes that images keep, each with a space before.
    pub(crate) fn attributes(&self) -> String {
        let mut text = String::new();
        for name in ["security.capability", "user.note"] {
            let mut value = [0; 64];
            if let Ok(length) = rustix::fs::lgetxattr(&self.path, name, &mut value) {
                text += &format!(" {name}={}", value[..length].escape_ascii());
            }
        }
        text
    }
}
