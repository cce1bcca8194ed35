//! Marks in an unpacked tree what its layer deletes, as overlays do: a character device 0:0 stands for a deleted file,
//! and an attribute on a folder hides everything that is below it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::model::overlay;

/// Marks what a layer with these whiteouts deletes in the layer's tree. In a user namespace the attribute has another
/// name.
///
/// A whiteout in a folder that the layer itself does not have is refused, and so is one behind a link.
pub(super) fn apply(tree: &Path, whiteouts: &[PathBuf], is_namespaced: bool) -> io::Result<()> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for path in whiteouts {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let (Some(name), Some(folder)) = (relative.file_name(), relative.parent()) else { continue };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = rustix::fs::openat2(
            &root,
            folder,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        )?;
        if name == OPAQUE {
            rustix::fs::fsetxattr(&folder, overlay::opaque(is_namespaced), b"y", XattrFlags::empty())?;
        } else if let Some(deleted) = name.as_bytes().strip_prefix(WHITEOUT.as_bytes()) {
            match rustix::fs::mknodat(&folder, OsStr::from_bytes(deleted), FileType::CharacterDevice, Mode::empty(), 0)
            {
                // A path that this layer makes anew stays.
                Err(Errno::EXIST) => {}
                made => made?,
            }
        }
    }
    Ok(())
}
