//! The root of a container: an overlay of the unpacked layers or, where no overlay can be mounted, a copy of their
//! tree.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::mount::MountPropagationFlags;
use serde::{Deserialize, Serialize};

use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::process::IdMap;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::{Container, REFUSED, RunFolder, copy, overlay, whiteout};

/// What overlays are good for, in a folder and for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Overlays {
    /// Layers are stacked, and runs and steps stand on them.
    OnDisk,
    /// Runs stand on an overlay whose changes are in memory: the folder's file system cannot hold the changes of an
    /// overlay, so layers are not stacked, and steps copy.
    InMemory,
    /// No overlay can be mounted, or nothing can be deleted on it.
    Unusable,
}

impl Overlays {
    /// The exit status of the helper that found this out.
    pub(super) fn status(self) -> i32 {
        match self {
            Self::OnDisk => 0,
            Self::InMemory => 1,
            Self::Unusable => REFUSED,
        }
    }

    /// What the exit status of such a helper says.
    pub(crate) fn of_status(status: i32) -> Self {
        match status {
            0 => Self::OnDisk,
            1 => Self::InMemory,
            _ => Self::Unusable,
        }
    }
}

/// A root to start in.
pub(super) struct Ground {
    pub(super) root: PathBuf,
    /// For a copy, the time at which it was whole, in seconds and nanoseconds of its file system.
    pub(super) copied: Option<(i64, i64)>,
}

/// Makes a container's root. If it is a mount, only this mount namespace sees it.
pub(super) fn lay(container: &Container, folder: &RunFolder) -> Result<Ground, Refusal> {
    keep_mounts_here()?;
    let [tree] = container.lowers.as_slice() else { return overlay(container, folder) };
    if !container.is_copied {
        return overlay(container, folder);
    }
    let (scratch, root) = (folder.scratch(), folder.upper());
    std::fs::create_dir(&scratch).attempt("create", &scratch)?;
    copy::tree(tree, &root).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Refusal::Interrupted,
        _ => Refusal::Copy { cause: error.into() },
    })?;
    // The times of the root folder of a copy are set last of all.
    let whole = std::fs::metadata(&root).attempt("look at", &root)?;
    Ok(Ground { root, copied: Some((whole.ctime(), whole.ctime_nsec())) })
}

fn overlay(container: &Container, folder: &RunFolder) -> Result<Ground, Refusal> {
    overlay::mount(&container.lowers, container.map.is_namespaced(), folder)?;
    Ok(Ground { root: folder.merged(), copied: None })
}

/// Keeps mounts that are made here from other mount namespaces.
pub(super) fn keep_mounts_here() -> Result<(), Refusal> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .attempt("make the mounts private below", "/")
}

/// Makes one tree hide what is in another, and mounts an overlay of both; if that fails, of one tree alone.
pub(super) fn probe(folder: &RunFolder, map: &IdMap) -> Result<Overlays, Refusal> {
    keep_mounts_here()?;
    let trees = ["high", "low"].map(|name| folder.path.join(name));
    let [high, low] = &trees;
    for path in [high.join("folder"), low.join("folder/hidden"), low.join("deleted")] {
        std::fs::create_dir_all(&path).attempt("create", &path)?;
    }
    let whiteouts = [WHITEOUT.to_owned() + "deleted", format!("folder/{OPAQUE}")].map(PathBuf::from);
    let is_marked = whiteout::apply(high, &whiteouts, map.is_namespaced()).is_ok();
    let is_on_disk = overlay::mount(if is_marked { &trees } else { &trees[1..] }, map.is_namespaced(), folder)?;
    let seen = folder.merged();
    let hides = is_marked && !seen.join("deleted").exists() && !seen.join("folder/hidden").exists();
    // Containers set attributes, too.
    let changed = seen.join("folder");
    std::fs::remove_dir_all(&changed).attempt("remove", &changed)?;
    std::fs::create_dir(&changed).attempt("create", &changed)?;
    let is_empty = !changed.join("hidden").exists();
    overlay::remove(folder);
    Ok(match (is_empty, hides && is_on_disk) {
        (true, true) => Overlays::OnDisk,
        (true, false) => Overlays::InMemory,
        (false, _) => Overlays::Unusable,
    })
}
