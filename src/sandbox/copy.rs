//! Copies an unpacked image so that it can be written to, with everything that a layer can hold: owners and times, too.

use std::ffi::OsStr;
use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::fs::{Room, parent};
use crate::process::signal;

/// No kernel has longer lists or values of attributes.
const LONGEST: usize = 64 << 10;
/// What any file takes.
const BLOCK: u64 = 4096;
/// How much is copied before the disk is looked at again.
const MOST_UNSEEN: u64 = 8 << 20;

/// Copies a folder to a free name; the root folder is finished last. An interrupt ends it.
///
/// A file with several names is copied for each of them, so that a change by one name does not show under another, as
/// on an overlay of the tree. The copy stops before the disk is full.
pub(super) fn tree(from: &Path, to: &Path) -> io::Result<()> {
    let room = Room::of(parent(to)).map_err(|error| error.source)?;
    copy(from, to, &mut Budget { room, unseen: 0 })
}

/// What was copied since the disk was looked at last.
struct Budget {
    room: Room,
    /// In bytes.
    unseen: u64,
}

impl Budget {
    /// Looks at the disk again after some megabytes, and before what takes as much.
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.unseen = self.unseen.saturating_add(bytes).saturating_add(BLOCK);
        if self.unseen < MOST_UNSEEN {
            return Ok(());
        }
        self.unseen = 0;
        if self.room.is_short_of(bytes) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn copy(from: &Path, to: &Path, budget: &mut Budget) -> io::Result<()> {
    if signal::pending().is_some() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let metadata = from.symlink_metadata()?;
    let kind = metadata.file_type();
    budget.take(if kind.is_file() { metadata.blocks() * 512 } else { 0 })?;
    if kind.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name), budget)?;
        }
    } else if kind.is_symlink() {
        symlink(std::fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        // Shares the blocks where the file system can.
        std::fs::copy(from, to)?;
    } else if !kind.is_socket() {
        let kind = FileType::from_raw_mode(metadata.mode());
        rustix::fs::mknodat(CWD, to, kind, Mode::RUSR | Mode::WUSR, metadata.rdev())?;
    }
    if !kind.is_socket() {
        finish(from, &metadata, to)?;
    }
    Ok(())
}

/// Sets the owner first, since that takes set-uid bits and capabilities away, and the times last, since all else
/// changes them.
fn finish(from: &Path, metadata: &Metadata, to: &Path) -> io::Result<()> {
    lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    if !metadata.is_symlink() {
        std::fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    copy_attributes(from, to)?;
    let time = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = vec![0; LONGEST];
    let length = match rustix::fs::llistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let mut value = vec![0; if length > 0 { LONGEST } else { 0 }];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let copied = rustix::fs::lgetxattr(from, name, &mut value[..])
            .and_then(|length| rustix::fs::lsetxattr(to, name, &value[..length], XattrFlags::empty()));
        match copied {
            // A label of the system's own, which it gives again.
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) if name.as_bytes().starts_with(b"security.") => {}
            copied => copied?,
        }
    }
    Ok(())
}
