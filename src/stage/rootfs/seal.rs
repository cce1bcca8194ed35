//! A tree that was made, brought to disk.

use std::path::Path;

use crate::fs::{FileContext as _, FileError, sync_folder, write_private};
use crate::stage::rootfs::SIZE;
use crate::store::disk_usage;

/// A tree with fewer entries is brought to disk one by one.
const FEW: u32 = 24;

/// Notes what a tree takes, and has all of it on disk.
pub(super) fn seal(folder: &Path) -> Result<(), FileError> {
    let size = disk_usage(folder).context("look through", folder)?;
    write_private(&folder.join(SIZE), size.to_string().as_bytes())?;
    if sync_few(folder) {
        return Ok(());
    }
    let file = std::fs::File::open(folder).context("open", folder)?;
    rustix::fs::syncfs(&file).context("write to disk", folder)
}

/// Has the files and folders of a small tree on disk, one by one: what a step leaves is small most often, and
/// need not wait for what others write to the same file system. False if it is not small, or has what we
/// may not open.
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
