//! The overlay that a container's root is: the unpacked layers below, never written to, and a folder
//! of the run on top.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::{Container, RunFolder};

/// Mounts it where only this mount namespace sees it.
///
/// The layers are named by open files: paths may hold any character, and are as long as they like,
/// though all options together have to fit into a page.
pub(super) fn mount(container: &Container, folder: &RunFolder) -> Result<(), Refusal> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .attempt("make the mounts private below", "/")?;
    for path in [folder.upper(), folder.work(), folder.merged()] {
        std::fs::create_dir(&path).attempt("create", &path)?;
    }
    // The root folder that a container sees is the upper one: it looks as the image's.
    if let Some(lowest) = container.lowers.last() {
        copy_owner_and_mode(lowest, &folder.upper()).attempt("set the owner and mode of", folder.upper())?;
    }

    let open = |path: &Path| open_path(path).attempt("open", path);
    let lowers = container.lowers.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (open(&folder.upper())?, open(&folder.work())?);
    let mut options = String::from("lowerdir=");
    for (index, lower) in lowers.iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        // Writing to a string does not fail.
        let _ = write!(options, "{separator}/proc/self/fd/{}", lower.as_raw_fd());
    }
    let _ = write!(
        options,
        ",upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{},index=off,{}",
        upper.as_raw_fd(),
        work.as_raw_fd(),
        // `userxattr` implies the others; naming them too is refused.
        if container.map.is_namespaced() { "userxattr" } else { "redirect_dir=off,metacopy=off" },
    );
    // What is written is thrown away or read at once: it need not reach the disk.
    let mounted = match mount_with(&folder.merged(), &format!("{options},volatile")) {
        Err(Errno::INVAL) => mount_with(&folder.merged(), &options),
        mounted => mounted,
    };
    mounted.map_err(|error| Refusal::Overlay { cause: io::Error::from(error).into() })
}

fn mount_with(target: &Path, options: &str) -> rustix::io::Result<()> {
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    rustix::mount::mount(c"overlay", target, c"overlay", MountFlags::empty(), options.as_c_str())
}

fn copy_owner_and_mode(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(metadata.mode() & 0o7777))
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    Ok(File::options().read(true).custom_flags(flags).open(path)?.into())
}

/// Unmounts it and removes what the container wrote; the parent deals with what cannot be removed.
pub(super) fn remove(folder: &RunFolder) {
    let _ = rustix::mount::unmount(folder.merged(), UnmountFlags::DETACH);
    for path in [folder.upper(), folder.work()] {
        let _ = std::fs::remove_dir_all(path);
    }
}
