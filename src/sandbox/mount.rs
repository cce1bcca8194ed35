//! The mounts of a container, and the places in its root to mount them on.
//!
//! The places are made here, before runc would make them, so that it is known which changes are not the step's own. The
//! run's `bundle` folder is in memory while the helper lives, and only in its mount namespace: the configuration with
//! its environment, and the secrets, are on no disk.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};

use crate::fs::write_private;
use crate::sandbox::account::Account;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::root::{Root, clean};
use crate::sandbox::view::{Content, Holder, Place, View};
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

/// Creates a folder, and mounts memory on it that only this mount namespace sees.
pub(super) fn memory(folder: &Path) -> Result<(), Refusal> {
    std::fs::create_dir(folder).attempt("create", folder)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(c"tmpfs", folder, c"tmpfs", flags, Some(c"mode=0700")).attempt("mount memory on", folder)
}

/// Where systemd mounts cgroups of the second version beside those of the first.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// Hides the cgroups of the second version from crun, which does not work with both versions together. crun still makes
/// a folder there.
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

/// Makes all mounts and the places for them, and notes them in the view. Returns what was made in the root.
pub(super) fn prepare(
    mounts: &[Mount],
    (root, view): (&Root, &mut View<'_>),
    account: &Account,
    bundle: &Path,
) -> Result<Vec<PathBuf>, Refusal> {
    let mut made = Vec::new();
    for (number, Mount { target, source }) in mounts.iter().enumerate() {
        let (kind, content) = match source {
            MountSource::Host { path, .. } => {
                let kind = if path.is_dir() { FileType::Directory } else { FileType::RegularFile };
                (kind, Content::Machine(path.clone()))
            }
            MountSource::Secret(value) => {
                write_secret(&secret_file(bundle, number), value, account)?;
                (FileType::RegularFile, Content::Unknown)
            }
            MountSource::Cache(path) => {
                hand_over(path, account)?;
                (FileType::Directory, Content::Machine(path.clone()))
            }
            MountSource::Memory => (FileType::Directory, Content::Unknown),
        };
        let target = &clean(target);
        let place = fit(target, view, kind)?;
        let place = match place.holder {
            // What is not there in another mount, or in a folder of the container's own, is made by the runtime.
            Holder::Mount(_) | Holder::Runtime => place,
            Holder::Image => {
                made.extend(root.create(target, kind).map_err(|error| unfit(target, kind, error))?);
                // A link may have led on through what was not there until now.
                fit(target, view, kind)?
            }
        };
        view.mount(place.path, content);
    }
    Ok(made)
}

/// The place of a mount's target, if something may be mounted there.
///
/// A target may itself be below `/dev`. No link of an image may lead there, nor to `/proc`, `/sys` or the root.
fn fit(target: &Path, view: &View<'_>, kind: FileType) -> Result<Place, Refusal> {
    let place = view.find(target).map_err(|error| unfit(target, kind, error))?;
    let is_root = place.path.as_os_str().is_empty();
    let is_device = target.starts_with("/dev") && place.absolute() == *target && is_free_device(target);
    match is_root || place.holder == Holder::Runtime && !is_device {
        true => Err(Refusal::Unfit {
            what: what(kind).to_owned(),
            target: sanitize::name(&target.to_string_lossy()),
            there: match is_root {
                true => "it leads to the root folder".to_owned(),
                false => format!("`{}` is the container's own", sanitize::name(&place.absolute().to_string_lossy())),
            },
        }),
        false => Ok(place),
    }
}

/// The files that the runtime makes in `/dev` and relies on afterwards.
const OWN_DEVICES: [&str; 15] = [
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty",
    "urandom", "zero",
];

/// Whether something may be mounted at a path below `/dev`: not where the runtime makes something itself.
pub(crate) fn is_free_device(path: &Path) -> bool {
    let mut names = path.components().skip(2).map(Component::as_os_str);
    names.next().is_some_and(|first| OWN_DEVICES.iter().all(|own| first != *own)) && names.all(|name| name != "..")
}

fn what(kind: FileType) -> &'static str {
    if kind == FileType::Directory { "a folder" } else { "a file" }
}

/// Why nothing can be mounted there.
fn unfit(target: &Path, kind: FileType, error: io::Error) -> Refusal {
    let there = match error.kind() {
        io::ErrorKind::IsADirectory => "a folder is there",
        io::ErrorKind::NotADirectory => "what is there, or above it, is no folder",
        _ => return Refusal::failed("create a place to mount on at", target, error),
    };
    Refusal::Unfit {
        what: what(kind).to_owned(),
        target: sanitize::name(&target.to_string_lossy()),
        there: there.to_owned(),
    }
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
