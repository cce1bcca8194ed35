//! The store: what all projects of one user share.
//!
//! On disk, under the cache folder:
//!
//! ```text
//! CACHEDIR.TAG oci-cache  the folder is a cache, and ours: see [`folder`]
//! blobs/sha256/HEX      immutable, 0444, whole and verified when they got their name
//! records/KIND/KEY      results of stages, JSON with a checksum, by the key of what decides them
//! rootfs/ runs/         unpacked root filesystems, and containers that run
//! caches/               folders that steps keep between builds
//! tool/ logs/ tmp/      the tools' own state, what failed tools wrote, work in progress
//! locks/                empty files, for locks between processes
//! ```
//!
//! Any number of processes use it at once. A name always stands for whole content, even after a kill: a file gets its
//! name by a rename, once it is on disk. A blob's size is checked when it is found, and its digest whenever its bytes
//! are read or handed to a tool. A blob that does not match is set aside, and then fetched or made again. Files that
//! are not in use may be removed at any time, but never a file that a living process relies on: see [`hold`].

mod blob;
mod folder;
mod hold;
mod layout;
mod object;
mod record;
mod workspace;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

pub(crate) use blob::{BlobError, Condition};
pub(crate) use folder::OpenError;
pub(crate) use layout::{LayoutFolder, LayoutFolderError};
pub(crate) use object::{Object, ObjectKind, disk_usage};
pub(crate) use record::{Shelf, WrittenAs};

use crate::fs::{FileContext as _, FileError, FileLock};
use workspace::Workspace;

/// The store in one cache folder.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Made when something is first looked for or worked on.
    workspace: OnceLock<Workspace>,
    making: Mutex<()>,
    grown: AtomicBool,
    /// True if the store is only looked at, and nothing may be changed.
    only_looks: bool,
}

impl Store {
    fn at(root: &Path) -> Result<Self, OpenError> {
        let root = std::path::absolute(root).map_err(|error| FileError::new("find", root, error))?;
        if root.as_os_str().as_encoded_bytes().contains(&b':') {
            return Err(OpenError::Colon { path: root });
        }
        if root.to_str().is_none() {
            return Err(OpenError::NotText { path: root });
        }
        Ok(Self {
            root,
            workspace: OnceLock::new(),
            making: Mutex::default(),
            grown: AtomicBool::new(false),
            only_looks: false,
        })
    }

    /// Opens the store in this folder to be looked at only: nothing is made, removed, marked or set aside. A folder
    /// that is not there is an empty store.
    pub(crate) fn look(root: &Path) -> Result<Self, OpenError> {
        let store = Self { only_looks: true, ..Self::at(root)? };
        folder::check(&store.root)?;
        Ok(store)
    }

    /// Opens the store, makes the folders that are missing, and sweeps what killed processes left.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let store = Self::at(root)?;
        folder::prepare(&store.root)?;
        for folder in [store.root.clone(), store.rootfs(), store.runs(), store.tool_state(), store.logs()] {
            crate::fs::sweep(&folder);
        }
        workspace::sweep(&store.temporaries(), &store.gate());
        Ok(store)
    }

    /// Where the store is, unless a setting says otherwise.
    pub(crate) fn default_root() -> Result<PathBuf, OpenError> {
        Self::named_root().or_else(Self::usual_root).ok_or(OpenError::NoFolder)
    }

    /// What `OCI_CACHE_DIR` names.
    pub(crate) fn named_root() -> Option<PathBuf> {
        std::env::var_os("OCI_CACHE_DIR").filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The default place. As the XDG base directory specification says, a path that is not absolute is ignored.
    fn usual_root() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || Some(absolute("HOME")?.join(".cache/oci"));
        absolute("XDG_CACHE_HOME").map(|cache| cache.join("oci")).or_else(home)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds `sha256/HEX`, as `--src-shared-blob-dir` takes it.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Unpacked root filesystems.
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.root.join("rootfs")
    }

    /// A folder for each container that runs.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// What the tools keep for themselves.
    pub(crate) fn tool_state(&self) -> PathBuf {
        self.root.join("tool")
    }

    /// The logs of tools that failed, with all that they wrote.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Notes that something was added to the store.
    fn grow(&self) {
        self.grown.store(true, Ordering::Relaxed);
    }

    /// True if this process added something.
    pub(crate) fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// A folder on a file system with room for files without a name.
    pub(crate) fn workplace(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Takes the lock of this name, and holds it until it is dropped; `waiting` is called before a wait for it.
    pub(crate) fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<FileLock, FileError> {
        FileLock::exclusive(&self.root.join("locks").join(name), waiting)
    }

    /// A folder for work in progress, removed with all that is in it when it is dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, FileError> {
        let parent = self.temporary()?;
        tempfile::Builder::new().tempdir_in(parent).map_err(|error| FileError::new("create a folder in", parent, error))
    }
}

/// The names in a folder, in no order; none if there is no such folder. A name that is no UTF-8 is none of ours, and
/// left out.
fn names_in(folder: &Path) -> Result<Vec<String>, FileError> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let entries = entries.context("read the folder", folder)?;
            Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        }
    }
}
