//! Folders that a walk still has to read, and how they are opened.
//!
//! A folder is opened by its name in the folder above, which is open. Of very deep folders only every so many levels
//! are kept open, since a process may have only so many open files; the levels between are opened again, name by name.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::fs::Stamp;
use crate::model::LayerPath;
use crate::pack::ignore::InFolder;

/// Folders down to this level are all kept open; below it, one level in so many.
const OPEN_LEVELS: usize = 32;

/// A folder that is still to be read.
pub(crate) struct Pending {
    /// The path of the folder for messages.
    pub(crate) host: Arc<Path>,
    pub(crate) opener: Opener,
    /// The path from the package's folder; empty for that folder itself.
    pub(crate) relative: Vec<u8>,
    /// The path of the folder in the layer. For a glob without `**`, `None` until something matches.
    pub(crate) path: Option<LayerPath>,
    /// The glob matched the folder or one above it, or there is no glob.
    pub(crate) is_selected: bool,
    /// `include` matched the folder or one above it, or there is no `include`.
    pub(crate) is_included: bool,
    /// The folder has its entry.
    pub(crate) is_packed: bool,
    /// The patterns of ignore files above the folder that count in it.
    pub(crate) ignored: InFolder,
    /// The folders above by device and inode, known only where links are followed.
    pub(crate) trail: Option<Arc<Trail>>,
}

/// How a folder is reached from one that is open.
pub(crate) struct Opener {
    /// An open folder above: its parent, or for very deep folders one further up.
    above: Arc<OwnedFd>,
    /// The offset in [`Pending::relative`] at which the path from `above` begins.
    start: usize,
}

/// The folders that lead to one, the innermost first.
pub(crate) struct Trail {
    /// Device and inode.
    folder: (u64, u64),
    above: Option<Arc<Trail>>,
}

/// Whether a folder that links were followed to is one of those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    Absent,
    Found,
}

impl Opener {
    /// The package's folder, which is open itself.
    pub(crate) fn of_root(folder: OwnedFd) -> Self {
        Self { above: Arc::new(folder), start: 0 }
    }
}

impl Pending {
    /// Opens the folder, without following links unless `follow` says so.
    pub(crate) fn open(&self, follow: bool) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if follow { flags } else { flags | OFlags::NOFOLLOW };
        let mut names = self.relative[self.opener.start..].split(|byte| *byte == b'/');
        let first = names.next().filter(|name| !name.is_empty()).unwrap_or(b".");
        let reached = openat(&self.opener.above, first, flags, Mode::empty())?;
        names.try_fold(reached, |reached, name| openat(&reached, name, flags, Mode::empty()))
    }

    /// How to reach the folder `name` in this folder. This folder is open as `fd`. `relative` is the path of the other
    /// folder from the package's folder.
    pub(crate) fn opener_of(&self, fd: &Arc<OwnedFd>, name: &[u8], relative: &[u8]) -> Opener {
        let depth = memchr::memchr_iter(b'/', relative).count();
        match depth < OPEN_LEVELS || depth.is_multiple_of(OPEN_LEVELS) {
            true => Opener { above: Arc::clone(fd), start: relative.len() - name.len() },
            false => Opener { above: Arc::clone(&self.opener.above), start: self.opener.start },
        }
    }

    /// Adds the folder itself, open as `fd`, to its trail.
    pub(crate) fn note_trail(&mut self, fd: &OwnedFd) -> Result<Loop, Errno> {
        let stat = Stamp::of(&fstat(fd)?);
        let folder = (stat.device, stat.inode);
        let mut above = std::iter::successors(self.trail.as_deref(), |trail| trail.above.as_deref());
        if above.any(|trail| trail.folder == folder) {
            return Ok(Loop::Found);
        }
        self.trail = Some(Arc::new(Trail { folder, above: self.trail.take() }));
        Ok(Loop::Absent)
    }
}
