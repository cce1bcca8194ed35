//! The content of an unpacked tree in a few digests: enough to tell whether the tree is still what was unpacked.
//!
//! Some files of a tree can be read only by root of a user namespace, so the census is taken in there
//! ([`take_census`](super::take_census)).

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::process::signal;

/// What was found in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census {
    /// How many files, folders and links, without the root folder.
    entries: u64,
    /// The inode of the root folder.
    root: u64,
    /// The digest of paths, kinds, modes, owners, sizes, devices and modification times.
    stats: Digest,
    /// The digest of the times of the last change, which cannot be set. In a copy of the tree they differ.
    changes: Digest,
    /// The digest of the content of all files; `None` if it was not read.
    content: Option<Digest>,
}

/// Whether content is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Depth {
    Stats,
    Content,
}

impl Census {
    /// Looks through a tree, on as many threads as there are processors for content. An interrupt ends it.
    pub(super) fn take(tree: &Path, depth: Depth) -> io::Result<Self> {
        let root = tree.symlink_metadata()?;
        let mut walk = Walk { entries: 0, stats: Sha256::new(), changes: Sha256::new(), files: Vec::new(), depth };
        walk.put(Path::new(""), &root);
        walk.inside(tree, Path::new(""))?;
        let content = match depth {
            Depth::Stats => None,
            Depth::Content => Some(content_of(tree, &walk.files)?),
        };
        Ok(Self {
            entries: walk.entries,
            root: root.ino(),
            stats: Digest::finish(walk.stats),
            changes: Digest::finish(walk.changes),
            content,
        })
    }

    /// True if a later census found the same content. File content is compared if both censuses read it. Times of the
    /// last change are compared only if the tree is where it was made: restoring a cache from a copy changes them.
    pub(crate) fn agrees_with(&self, later: &Self) -> bool {
        let is_same_content = match (&self.content, &later.content) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        (self.entries, self.stats) == (later.entries, later.stats)
            && (self.root != later.root || self.changes == later.changes)
            && is_same_content
    }
}

struct Walk {
    entries: u64,
    stats: Sha256,
    changes: Sha256,
    /// Relative to the tree.
    files: Vec<PathBuf>,
    depth: Depth,
}

impl Walk {
    /// In the order of names, so that a tree always has one digest.
    fn inside(&mut self, folder: &Path, relative: &Path) -> io::Result<()> {
        if signal::pending().is_some() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let names = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<io::Result<Vec<OsString>>>()?;
        names.sort_unstable();
        for name in names {
            let path = folder.join(&name);
            let relative = relative.join(&name);
            let metadata = path.symlink_metadata()?;
            self.entries += 1;
            self.put(&relative, &metadata);
            if metadata.is_dir() {
                self.inside(&path, &relative)?;
            } else if metadata.is_file() && self.depth == Depth::Content {
                self.files.push(relative);
            }
        }
        Ok(())
    }

    fn put(&mut self, relative: &Path, metadata: &Metadata) {
        let name = relative.as_os_str().as_bytes();
        self.stats.update((name.len() as u64).to_le_bytes());
        self.stats.update(name);
        // A folder's size and number of names depend on the file system.
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        for number in [u64::from(metadata.mode()), u64::from(metadata.uid()), u64::from(metadata.gid()), size] {
            self.stats.update(number.to_le_bytes());
        }
        self.stats.update(metadata.rdev().to_le_bytes());
        for number in [metadata.mtime(), metadata.mtime_nsec()] {
            self.stats.update(number.to_le_bytes());
        }
        for number in [metadata.ctime(), metadata.ctime_nsec()] {
            self.changes.update(number.to_le_bytes());
        }
    }
}

/// The digest of the digests of all files, in their order.
fn content_of(tree: &Path, files: &[PathBuf]) -> io::Result<Digest> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let digests = crate::parallel::map(files, processors, |file| {
        if signal::pending().is_some() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Digest::read(open(&tree.join(file))?)
    });
    let mut all = Sha256::new();
    for digest in digests {
        all.update(digest?.hex());
    }
    Ok(Digest::finish(all))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    type Change = fn(&Path);

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/file"), "content").unwrap();
        symlink("a", folder.path().join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        folder
    }

    #[test]
    fn any_change_is_seen() {
        let changes: [(&str, Change); 7] = [
            ("content, and the time put back", |tree| {
                let file = tree.join("a/file");
                let before = file.metadata().unwrap().modified().unwrap();
                std::fs::write(&file, "CONTENT").unwrap();
                File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
            }),
            ("a mode", |tree| {
                std::fs::set_permissions(tree.join("a"), std::fs::Permissions::from_mode(0o700)).unwrap();
            }),
            ("a new file", |tree| std::fs::write(tree.join("a/new"), "").unwrap()),
            ("a file that is gone", |tree| std::fs::remove_file(tree.join("a/file")).unwrap()),
            ("a name", |tree| std::fs::rename(tree.join("a/file"), tree.join("a/fire")).unwrap()),
            ("a link", |tree| {
                std::fs::remove_file(tree.join("link")).unwrap();
                symlink("b", tree.join("link")).unwrap();
            }),
            ("a kind", |tree| {
                std::fs::remove_file(tree.join("pipe")).unwrap();
                std::fs::write(tree.join("pipe"), "").unwrap();
            }),
        ];
        for (what, change) in changes {
            let tree = tree();
            let before = Census::take(tree.path(), Depth::Content).unwrap();
            assert!(before.agrees_with(&Census::take(tree.path(), Depth::Stats).unwrap()), "{what}");
            // The kernel's clock of changes goes in steps of some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(tree.path());
            assert!(!before.agrees_with(&Census::take(tree.path(), Depth::Stats).unwrap()), "{what}");
        }
    }

    #[test]
    fn a_tree_elsewhere_is_told_by_its_content() {
        let tree = tree();
        let found = Census::take(tree.path(), Depth::Content).unwrap();
        let copied = Census { root: found.root + 1, changes: Digest::of(b"later"), ..found.clone() };
        assert!(found.agrees_with(&copied));
        assert!(!found.agrees_with(&Census { content: Some(Digest::of(b"other")), ..copied.clone() }));
        assert!(!found.agrees_with(&Census { root: found.root, ..copied }));
    }
}
