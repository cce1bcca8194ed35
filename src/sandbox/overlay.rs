//! The overlay that a container's root is: the unpacked layers below, never written to, and a folder
//! of the run on top.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::{Container, RunFolder};

/// Where a process finds its open files by number.
const OPEN_FILES: &str = "/proc/self/fd";

/// Mounts it where only this mount namespace sees it.
///
/// The layers are named by open files: paths may hold any character, and are as long as they like,
/// though all options together have to fit into a page. Relative to the folder of open files each is
/// a few digits, so that there is room for the 500 layers that the kernel takes.
pub(super) fn mount(container: &Container, folder: &RunFolder) -> Result<(), Refusal> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .attempt("make the mounts private below", "/")?;
    for path in [folder.scratch(), folder.merged()] {
        std::fs::create_dir(&path).attempt("create", &path)?;
    }
    match mount_on_scratch(container, folder)? {
        // The scratch folder is on a file system that can be no upper one, such as a container's own
        // overlay: then changes are kept in memory.
        Err(Errno::INVAL) => {
            let scratch = folder.scratch();
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount(c"tmpfs", &scratch, c"tmpfs", flags, None).attempt("mount memory on", &scratch)?;
            mount_on_scratch(container, folder)?
        }
        mounted => mounted,
    }
    .map_err(|error| Refusal::Overlay { cause: io::Error::from(error).into() })
}

/// The inner error is the mount's own.
fn mount_on_scratch(container: &Container, folder: &RunFolder) -> Result<rustix::io::Result<()>, Refusal> {
    let (upper, work) = (folder.upper(), folder.work());
    for path in [&upper, &work] {
        std::fs::create_dir(path).attempt("create", path)?;
    }
    // The root folder that a container sees is the upper one: it looks as the image's.
    copy_root(&container.lowers, &upper).attempt("set the owner and mode of", &upper)?;

    let open = |path: &Path| open_path(path).attempt("open", path);
    let lowers = container.lowers.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (open(&upper)?, open(&work)?);
    let by_number = |file: &OwnedFd| file.as_raw_fd().to_string();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},index=off,{}",
        lowers.iter().map(by_number).collect::<Vec<_>>().join(":"),
        by_number(&upper),
        by_number(&work),
        // `userxattr` implies the others; naming them too is refused.
        if container.map.is_namespaced() { "userxattr" } else { "redirect_dir=off,metacopy=off" },
    );
    let here = open(Path::new("."))?;
    std::env::set_current_dir(OPEN_FILES).attempt("go to", OPEN_FILES)?;
    // What is written is thrown away or read at once: it need not reach the disk.
    let mounted = match mount_with(&folder.merged(), &format!("{options},volatile")) {
        // Linux before 5.10 does not know it.
        Err(Errno::INVAL) => mount_with(&folder.merged(), &options),
        mounted => mounted,
    };
    rustix::process::fchdir(here).attempt("go back from", OPEN_FILES)?;
    Ok(mounted)
}

fn mount_with(target: &Path, options: &str) -> rustix::io::Result<()> {
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    rustix::mount::mount(c"overlay", target, c"overlay", MountFlags::empty(), options.as_c_str())
}

/// Most layers say nothing of the root folder, and have it as it is by default: the topmost that does counts.
fn copy_root(lowers: &[PathBuf], to: &Path) -> io::Result<()> {
    let mut found = (0o755, 0, 0);
    for lower in lowers {
        let metadata = std::fs::metadata(lower)?;
        found = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        if found != (0o755, 0, 0) {
            break;
        }
    }
    let (mode, user, group) = found;
    std::os::unix::fs::chown(to, Some(user), Some(group))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    Ok(File::options().read(true).custom_flags(flags).open(path)?.into())
}

/// Unmounts it, after which the upper folder may be read; a scratch folder in memory stays.
pub(super) fn unmount(folder: &RunFolder) -> Result<(), Refusal> {
    rustix::mount::unmount(folder.merged(), UnmountFlags::empty()).attempt("unmount", folder.merged())
}

/// Unmounts it and removes what the container wrote; the parent deals with what cannot be removed.
pub(super) fn remove(folder: &RunFolder) {
    let _ = rustix::mount::unmount(folder.merged(), UnmountFlags::DETACH);
    let _ = rustix::mount::unmount(folder.scratch(), UnmountFlags::DETACH);
    let _ = std::fs::remove_dir_all(folder.scratch());
}
