//! The overlay that a container's root is: the unpacked layers below, never written to, and a folder
//! of the run on top.

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

/// The name of a file beside an unpacked layer, there if the layer says what the root folder is.
pub(crate) const ROOT_MARK: &str = "root";

/// Where a process finds its open files by number.
const OPEN_FILES: &str = "/proc/self/fd";

/// Mounts it on trees, topmost first, where only this mount namespace sees it; whether what is changed is
/// on a disk.
///
/// The layers are named by open files: paths may hold any character, and are as long as they like,
/// though all options together have to fit into a page. Relative to the folder of open files each is
/// a few digits, so that there is room for the 500 layers that the kernel takes.
pub(super) fn mount(lowers: &[PathBuf], is_namespaced: bool, folder: &RunFolder) -> Result<bool, Refusal> {
    for path in [folder.scratch(), folder.merged()] {
        std::fs::create_dir(&path).attempt("create", &path)?;
    }
    let mount_on_scratch = || mount_on_scratch(lowers, is_namespaced, folder);
    match mount_on_scratch()? {
        // The scratch folder is on a file system that can be no upper one, such as a container's own
        // overlay: then changes are kept in memory.
        Err(Errno::INVAL) => {
            let scratch = folder.scratch();
            // Seen from outside nothing is left of it: an empty folder would be taken for the layer's tree.
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
    // The root folder that a container sees is the upper one: it looks as the image's.
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

/// The root folder is as the topmost layer made here that says something of it has it, else as the base
/// has it.
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

/// Unmounts it, after which the upper folder may be read; a scratch folder in memory stays.
pub(super) fn unmount(folder: &RunFolder) -> Result<(), Refusal> {
    rustix::mount::unmount(folder.merged(), UnmountFlags::empty()).attempt("unmount", folder.merged())
}

/// Unmounts it, if it is there, and removes what the container wrote; the parent deals with what cannot be removed.
pub(super) fn remove(folder: &RunFolder) {
    let _ = rustix::mount::unmount(folder.merged(), UnmountFlags::DETACH);
    let _ = rustix::mount::unmount(folder.scratch(), UnmountFlags::DETACH);
    let _ = std::fs::remove_dir_all(folder.scratch());
}
