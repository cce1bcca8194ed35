//! What a container sees besides its root, and the places in the root to mount that on.
//!
//! They are made here, before runc would make them, so that it is known what of a step's changes is not
//! the step's. The run's `bundle` folder is in memory while we live, and only in our mount namespace:
//! the configuration, with its environment, and secrets are on no disk.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};

use crate::fs::write_private;
use crate::sandbox::account::Account;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::root::Root;
use crate::sanitize;

/// Something to be seen at a path of the container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) target: PathBuf,
    pub(crate) source: MountSource,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum MountSource {
    /// A file or folder of the machine.
    Host { path: PathBuf, read_only: bool },
    /// A folder that is kept for steps; it gets the owner that the container's process is.
    Cache(PathBuf),
    /// A file in memory that only the container's user may read.
    Secret(Vec<u8>),
    /// An empty folder in memory.
    Memory,
}

/// What every container has, and so has places for.
const ALWAYS: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Creates a folder, and mounts memory on it that only this mount namespace sees.
pub(super) fn memory(folder: &Path) -> Result<(), Refusal> {
    std::fs::create_dir(folder).attempt("create", folder)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(c"tmpfs", folder, c"tmpfs", flags, Some(c"mode=0700")).attempt("mount memory on", folder)
}

/// Where systemd mounts cgroups of the second version beside those of the first.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// Has crun see cgroups of the first version alone: of both together it wants none. It makes a folder
/// there all the same.
pub(super) fn hide_unified_cgroups() -> Result<(), Refusal> {
    if !Path::new(UNIFIED).is_dir() {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(c"tmpfs", UNIFIED, c"tmpfs", flags, None).attempt("hide", UNIFIED)
}

/// Where the file of a secret is: what mount it is, counted from 0.
pub(super) fn secret_file(bundle: &Path, number: usize) -> PathBuf {
    bundle.join(format!("secret-{number}"))
}

/// Makes everything to be mounted, and all places for it; what was made in the root.
pub(super) fn prepare(
    mounts: &[Mount],
    root: &Root,
    account: &Account,
    bundle: &Path,
) -> Result<Vec<PathBuf>, Refusal> {
    let mut made = Vec::new();
    for folder in ALWAYS {
        made.extend(root.create(Path::new(folder), FileType::Directory).attempt("create the folder", folder)?);
    }
    for (number, Mount { target, source }) in mounts.iter().enumerate() {
        let kind = match source {
            MountSource::Host { path, .. } if !path.is_dir() => FileType::RegularFile,
            MountSource::Secret(value) => {
                write_secret(&secret_file(bundle, number), value, account)?;
                FileType::RegularFile
            }
            MountSource::Cache(path) => {
                hand_over(path, account)?;
                FileType::Directory
            }
            MountSource::Host { .. } | MountSource::Memory => FileType::Directory,
        };
        // In there is something of the runtime's own.
        if !ALWAYS.iter().any(|folder| target.starts_with(folder)) {
            made.extend(root.create(target, kind).map_err(|error| unfit(target, kind, error))?);
        }
    }
    Ok(made)
}

/// Why nothing can be mounted there.
fn unfit(target: &Path, kind: FileType, error: io::Error) -> Refusal {
    let there = match error.kind() {
        io::ErrorKind::IsADirectory => "a folder is there",
        io::ErrorKind::NotADirectory => "what is there, or above it, is no folder",
        _ => return Refusal::failed("create a place to mount on at", target, error),
    };
    let what = if kind == FileType::Directory { "a folder" } else { "a file" };
    Refusal::Unfit { what: what.to_owned(), target: sanitize::name(&target.to_string_lossy()), there: there.to_owned() }
}

fn write_secret(file: &Path, value: &[u8], account: &Account) -> Result<(), Refusal> {
    write_private(file, value).map_err(|error| error.source).attempt("write", file)?;
    chown(file, Some(account.user), Some(account.group)).attempt("set the owner of", file)?;
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o400)).attempt("set the mode of", file)
}

fn hand_over(folder: &Path, account: &Account) -> Result<(), Refusal> {
    let metadata = std::fs::metadata(folder).attempt("look at", folder)?;
    if (metadata.uid(), metadata.gid()) == (account.user, account.group) {
        return Ok(());
    }
    chown(folder, Some(account.user), Some(account.group)).attempt("set the owner of", folder)
}
