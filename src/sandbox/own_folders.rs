//! The folders that every container has of its own. The image's root needs real folders to mount them on.
//!
//! A runtime makes device files and links by their paths from outside, before it enters the container's root. If `/dev`
//! of an image were a symbolic link, these paths would lead to a folder of this machine. So before the runtime starts,
//! anything that is no folder there is replaced by one, in files that belong to this run alone. A step's tree gets the
//! image's own entry back before it becomes a layer.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::sandbox::RunFolder;
use crate::sandbox::ground::Ground;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::root::Root;

/// Their names in the root folder.
pub(super) const OWN_FOLDERS: [&str; 3] = ["dev", "proc", "sys"];

/// What was done so that all these folders are there.
#[derive(Debug, Default)]
pub(super) struct OwnFolders {
    /// The folders that the image does not have, relative to the root.
    pub(super) made: Vec<PathBuf>,
    /// The names at which the image has something else than a folder.
    replaced: Vec<&'static str>,
}

impl OwnFolders {
    /// Makes a real folder at each of the names. The unpacked layers stay as they are.
    pub(super) fn lay(root: &Root, ground: &Ground, folder: &RunFolder) -> Result<Self, Refusal> {
        let mut own = Self::default();
        for name in OWN_FOLDERS {
            let shown = Path::new("/").join(name);
            match root.kind_of_entry(name).attempt("look at", &shown)? {
                Some(FileType::Directory) => continue,
                None => own.made.push(name.into()),
                Some(_) => {
                    let entry = ground.root.join(name);
                    match ground.copied {
                        Some(_) => std::fs::rename(&entry, aside(folder, name)).attempt("set aside", &shown)?,
                        None => std::fs::remove_file(&entry).attempt("replace", &shown)?,
                    }
                    own.replaced.push(name);
                }
            }
            root.create(Path::new(name), FileType::Directory).attempt("create the folder", &shown)?;
        }
        Ok(own)
    }

    /// Puts the image's entries back into the tree that a step leaves. An overlay has to be unmounted before.
    pub(super) fn put_back(&self, ground: &Ground, folder: &RunFolder) -> Result<(), Refusal> {
        for name in &self.replaced {
            let ours = folder.upper().join(name);
            std::fs::remove_dir_all(&ours).attempt("remove", &ours)?;
            if ground.copied.is_some() {
                std::fs::rename(aside(folder, name), &ours).attempt("put back", &ours)?;
            }
        }
        Ok(())
    }
}

/// The place in which an entry of a copy waits for the container's end.
fn aside(folder: &RunFolder, name: &str) -> PathBuf {
    folder.scratch().join(format!("aside-{name}"))
}
