//! Finishes a tree: brings it to disk, and records what is in it, so that a later change is found.

use std::io;
use std::path::Path;

use crate::containers::rootfs::{CENSUS, SIZE, TREE};
use crate::fs::{FileContext as _, FileError, read_own, sync_folder, write_private};
use crate::model::{Digest, canonical_json};
use crate::process::IdMap;
use crate::sandbox::{self, Census, Depth};
use crate::store::disk_usage;

/// A tree with fewer entries is brought to disk one by one.
const FEW: u32 = 24;

/// The first line of a record of a tree.
const VERSION: &str = "oci tree 1";
/// The longest record that is read.
const LONGEST: u64 = 4096;

/// Records the tree's size and its census, and writes everything to disk. Nothing in the tree may change
/// afterwards, times included.
pub(in crate::containers) fn seal(folder: &Path, map: &IdMap) -> Result<(), FileError> {
    let size = disk_usage(folder).context("look through", folder)?;
    write_private(&folder.join(SIZE), size.to_string().as_bytes())?;
    let tree = folder.join(TREE);
    let census = sandbox::take_census(&tree, Depth::Content, map).context("look through", &tree)?;
    write_private(&folder.join(CENSUS), &recorded(&census))?;
    if sync_few(folder) {
        return Ok(());
    }
    let file = std::fs::File::open(folder).context("open", folder)?;
    rustix::fs::syncfs(&file).context("write to disk", folder)
}

/// The text of a record: lines for its version, its content, and a digest of the content.
fn recorded(census: &Census) -> Vec<u8> {
    let json = canonical_json(census);
    let digest = Digest::of(&json);
    [VERSION.as_bytes(), b"\n", &json, b"\n", digest.hex().as_bytes(), b"\n"].concat()
}

/// What was in a tree when it was made; `None` if there is no record, or a damaged one.
pub(super) fn recall(folder: &Path) -> Option<Census> {
    let text = String::from_utf8(read_own(&folder.join(CENSUS), LONGEST).ok()?).ok()?;
    let mut lines = text.lines();
    let (version, json, digest) = (lines.next()?, lines.next()?, lines.next()?);
    let is_whole = version == VERSION && digest == Digest::of(json.as_bytes()).hex();
    serde_json::from_str(json).ok().filter(|_| is_whole)
}

/// True if a tree is as it was when it was sealed.
pub(super) fn is_as_made(folder: &Path, depth: Depth, map: &IdMap) -> Result<bool, FileError> {
    let Some(before) = recall(folder) else { return Ok(false) };
    let tree = folder.join(TREE);
    match sandbox::take_census(&tree, depth, map) {
        Ok(now) => Ok(before.agrees_with(&now)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(FileError::new("look through", &tree, error)),
        // Something in it is gone, or cannot be read any more.
        Err(_) => Ok(false),
    }
}

/// Syncs the files and folders of a small tree one by one. A step mostly leaves a small tree, and then does not have to
/// wait for everything that other programs write to the file system. Returns false if the tree is not small, or has
/// files that may not be opened.
fn sync_few(folder: &Path) -> bool {
    let mut left = FEW;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { return false };
        for entry in entries {
            let Ok((entry, kind)) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) else {
                return false;
            };
            left -= 1;
            let is_synced = || std::fs::File::open(entry.path()).and_then(|file| file.sync_all()).is_ok();
            if left == 0 || (kind.is_file() && !is_synced()) {
                return false;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            }
        }
        if sync_folder(&folder).is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_not_what_was_written_is_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(TREE)).unwrap();
        let map = IdMap::detect();
        assert!(recall(folder.path()).is_none() && !is_as_made(folder.path(), Depth::Stats, &map).unwrap());
        seal(folder.path(), &map).unwrap();
        let record = folder.path().join(CENSUS);
        let whole = std::fs::read(&record).unwrap();
        assert!(recall(folder.path()).is_some() && is_as_made(folder.path(), Depth::Content, &map).unwrap());
        for cut in 0..whole.len() - 1 {
            std::fs::write(&record, &whole[..cut]).unwrap();
            assert!(recall(folder.path()).is_none(), "{cut}");
        }
        for at in 0..whole.len() - 1 {
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&record, other).unwrap();
            assert!(recall(folder.path()).is_none(), "{at}");
        }
    }
}
