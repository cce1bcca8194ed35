//! The store: what all projects of a user share.
//!
//! On disk, under the cache folder:
//!
//! ```text
//! blobs/sha256/HEX      immutable, 0444, whole and verified when they got their name
//! records/KIND/KEY      results of stages, small JSON documents, by the key of what decides them
//! rootfs/ runs/         unpacked root filesystems, and containers that run
//! caches/               folders that steps keep between builds
//! tool/ logs/ tmp/      the tools' own state, what failed tools wrote, work in progress
//! locks/                empty files, for locks between processes
//! ```
//!
//! Any number of processes use it at once. Whatever is killed at whatever moment, a name stands for
//! whole content: files get their names by a rename once they are on disk. A blob's size is checked when
//! it is found, and its digest whenever its bytes are read or handed to a tool; what does not match is
//! set aside, so that it is fetched or made again. What is not used may be removed at any time, but never
//! what a process that lives relies on: see [`hold`].

mod blob;
mod hold;
mod layout;
mod object;
mod record;
mod workspace;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

pub(crate) use blob::{BlobError, Verdict};
pub(crate) use layout::Layout;
pub(crate) use object::{Kind, Object, disk_usage};

use crate::fs::{FileError, Lock, create_folder};
use workspace::Workspace;

/// The store in one cache folder.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Made when something is first looked for or worked on.
    workspace: OnceLock<Workspace>,
    making: Mutex<()>,
    grown: AtomicBool,
    /// Nothing is to be changed.
    only_looks: bool,
}

/// A cache folder that cannot be one.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum OpenError {
    #[error("the cache folder's path, `{}`, has a colon in it", path.display())]
    #[diagnostic(
        code(oci::store::bad_path),
        help("skopeo and umoci end a path at a colon: set `[cache] dir` or `OCI_CACHE_DIR` to another folder")
    )]
    Colon { path: PathBuf },
    #[error("the cache folder's path, `{}`, is not UTF-8", path.display())]
    #[diagnostic(
        code(oci::store::bad_path),
        help("runc is told of it in JSON: set `[cache] dir` or `OCI_CACHE_DIR` to another folder")
    )]
    NotText { path: PathBuf },
    #[error("there is no folder to cache in: neither `OCI_CACHE_DIR`, `XDG_CACHE_HOME` nor `HOME` is set")]
    #[diagnostic(code(oci::store::no_folder), help("set `OCI_CACHE_DIR` to a folder that may be written"))]
    NoFolder,
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl Store {
    /// The store in this folder, as it is. Makes and removes nothing.
    pub(crate) fn at(root: &Path) -> Result<Self, OpenError> {
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

    /// The same, to be looked at alone: whatever is asked of it, it makes, removes, marks and sets aside
    /// nothing. A folder that is not there is an empty store.
    pub(crate) fn look(root: &Path) -> Result<Self, OpenError> {
        Ok(Self { only_looks: true, ..Self::at(root)? })
    }

    /// Opens the store, makes its folders where they are missing, and sweeps what killed processes left.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let store = Self::at(root)?;
        let with_files = [store.rootfs(), store.runs(), store.tool_state(), store.logs()];
        let others = [store.blobs().join("sha256"), store.temporaries(), store.root.join("locks")];
        for folder in others.iter().chain(&with_files) {
            // Most often all is there: one look is cheaper than a walk down the path.
            if !folder.is_dir() {
                create_folder(folder)?;
            }
        }
        for folder in with_files {
            crate::fs::sweep(&folder);
        }
        workspace::sweep(&store.temporaries(), &store.gate());
        Ok(store)
    }

    /// Where the store is unless someone says otherwise.
    pub(crate) fn default_root() -> Result<PathBuf, OpenError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("OCI_CACHE_DIR")
            .or_else(|| variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|cache| cache.join("oci")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/oci")))
            .ok_or(OpenError::NoFolder)
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

    /// The whole output of tools that failed.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Notes that something was added.
    fn grow(&self) {
        self.grown.store(true, Ordering::Relaxed);
    }

    /// True if this process added something.
    pub(crate) fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// A folder with room for files without a name.
    pub(crate) fn workplace(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Takes the lock of this name, held until it is dropped; `waiting` is called before a wait for it.
    pub(crate) fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<Lock, FileError> {
        Lock::exclusive(&self.root.join("locks").join(name), waiting)
    }

    /// A folder for work in progress, removed with all that is in it when it is dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, FileError> {
        let parent = self.temporary()?;
        tempfile::Builder::new().tempdir_in(parent).map_err(|error| FileError::new("create a folder in", parent, error))
    }
}
