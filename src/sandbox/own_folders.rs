//! The folders that every container has of its own, where the image's root has to have real folders to
//! mount them on.
//!
//! A runtime makes device files and links by their paths from outside, before the container's root is its
//! root. If `/dev` of an image were a symbolic link, these paths would lead wherever the link says, on this
//! machine. So what is no folder there is replaced by one before the runtime starts, in what belongs to this
//! run alone, and a step's tree gets the image's own entry back before it becomes a layer.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::sandbox::RunFolder;
use crate::sandbox::ground::Ground;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::root::Root;

/// Their names in the root folder.
pub(super) const OWN_FOLDERS: [&str; 3] = ["dev", "proc", "sys"];

/// What was done so that all of them are there.
#[derive(Debug, Default)]
pub(super) struct OwnFolders {
    /// Those that the image does not have, relative to the root.
    pub(super) made: Vec<PathBuf>,
    /// Those of which the image has something else.
    replaced: Vec<&'static str>,
}

impl OwnFolders {
    /// Has a real folder at each of the names. The unpacked layers stay as they are.
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

    /// Gives the image's entries back to what a step leaves. An overlay has to be unmounted by now.
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

/// Where a copy's entry waits for the container's end.
fn aside(folder: &RunFolder, name: &str) -> PathBuf {
    folder.scratch().join(format!("aside-{name}"))
}
