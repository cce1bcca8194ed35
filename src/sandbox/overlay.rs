//! The overlay that is a container's root: the unpacked layers below, which are never written to, and a folder of the
//! run on top.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::sandbox::RunFolder;
use crate::sandbox::refusal::{Attempt as _, Refusal};

/// The name of a file beside an unpacked layer. It is there if the layer has an entry for the root folder.
pub(crate) const ROOT_MARK: &str = "root";

/// Where a process finds its open files by number.
const OPEN_FILES: &str = "/proc/self/fd";

/// Mounts an overlay on trees, topmost first. Only this mount namespace sees it. Returns true if changes are on a disk.
///
/// The layers are named by open files: a path may hold any character and be long, but all options together have to fit
/// into a page. Relative to the folder of open files each name is a few digits, so that there is room for the 500
/// layers that the kernel takes.
pub(super) fn mount(lowers: &[PathBuf], is_namespaced: bool, folder: &RunFolder) -> Result<bool, Refusal> {
    for path in [folder.scratch(), folder.merged()] {
        std::fs::create_dir(&path).attempt("create", &path)?;
    }
    let mount_on_scratch = || mount_on_scratch(lowers, is_namespaced, folder);
    match mount_on_scratch()? {
        // If the scratch folder is on a file system that cannot hold an upper folder, such as the overlay of a
        // container around us, changes are kept in memory.
        Err(Errno::INVAL) => {
            let scratch = folder.scratch();
            // The folder on the disk has to go: empty as it is, it would be taken for the layer's tree.
            for path in [folder.upper(), folder.work()] {
                std::fs::remove_dir_all(&path).attempt("remove", &path)?;
            }
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount(c"tmpfs", &scratch, c"tmpfs", flags, None).attempt("mount memory on", &scratch)?;
            mount_on_scratch()?.map(|()| false)
        }
        mounted => mounted.map(|()| true),
    }
    .map_err(|error| Refusal::Overlay { cause: io::Error::from(error).into() })
}

/// The inner error is the mount's own.
fn mount_on_scratch(
    lowers: &[PathBuf],
    is_namespaced: bool,
    folder: &RunFolder,
) -> Result<rustix::io::Result<()>, Refusal> {
    let (upper, work) = (folder.upper(), folder.work());
    for path in [&upper, &work] {
        std::fs::create_dir(path).attempt("create", path)?;
    }
    // A container sees the upper folder as its root folder, so that gets the mode and owner of the image's.
    copy_root(lowers, &upper).attempt("set the owner and mode of", &upper)?;

    let open = |path: &Path| open_path(path).attempt("open", path);
    let lowers = lowers.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (open(&upper)?, open(&work)?);
    let by_number = |file: &OwnedFd| file.as_raw_fd().to_string();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},index=off,{}",
        lowers.iter().map(by_number).collect::<Vec<_>>().join(":"),
        by_number(&upper),
        by_number(&work),
        // `userxattr` implies the others; naming them too is refused.
        if is_namespaced { "userxattr" } else { "redirect_dir=off,metacopy=off" },
    );
    let here = open(Path::new("."))?;
    std::env::set_current_dir(OPEN_FILES).attempt("go to", OPEN_FILES)?;
    // Changes are thrown away or read at once, so they need not reach the disk.
    let mounted = match mount_with(&folder.merged(), &format!("{options},volatile")) {
        // Linux before 5.10 does not know this option.
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

/// The tree whose root folder counts: that of the topmost layer made here with an entry for it, else the base's.
fn copy_root(lowers: &[PathBuf], to: &Path) -> io::Result<()> {
    let says_so = |tree: &&PathBuf| tree.with_file_name(ROOT_MARK).exists();
    let Some(tree) = lowers.iter().find(says_so).or(lowers.last()) else { return Ok(()) };
    let metadata = std::fs::metadata(tree)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(metadata.mode() & 0o7777))
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    Ok(File::options().read(true).custom_flags(flags).open(path)?.into())
}

/// Unmounts the overlay, so that the upper folder may be read. A scratch folder in memory stays mounted.
pub(super) fn unmount(folder: &RunFolder) -> Result<(), Refusal> {
    rustix::mount::unmount(folder.merged(), UnmountFlags::empty()).attempt("unmount", folder.merged())
}

/// Unmounts the overlay, if there is one, and removes what the container wrote. The parent removes what stays.
pub(super) fn remove(folder: &RunFolder) {
    let _ = rustix::mount::unmount(folder.merged(), UnmountFlags::DETACH);
    let _ = rustix::mount::unmount(folder.scratch(), UnmountFlags::DETACH);
    let _ = std::fs::remove_dir_all(folder.scratch());
}
