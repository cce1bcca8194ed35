//! The store: what all projects of a user share.
//!
//! On disk, under the cache folder:
//!
//! ```text
//! blobs/sha256/HEX      immutable, 0444, whole and verified when they got their name
//! records/KIND/KEY      results of stages, small JSON documents, by the key of what decides them
//! rootfs/ runs/         unpacked root filesystems, and containers that run
//! tool/ logs/ tmp/      the tools' own state, what failed tools wrote, work in progress
//! locks/                empty files, for locks between processes
//! ```
//!
//! Any number of processes use it at once. Whatever is killed at whatever moment, a name stands for
//! whole content: files get their names by a rename once they are on disk. A blob's size is checked when
//! it is found, and its digest whenever its bytes are read or handed to a tool; what does not match is
//! set aside, so that it is fetched or made again.

mod blob;
mod layout;
mod record;
mod workspace;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) use blob::BlobError;
pub(crate) use layout::Layout;

use crate::fs::{FileError, Lock, create_folder};
use workspace::Workspace;

/// The store in one cache folder.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Made when something is first worked on.
    workspace: OnceLock<Workspace>,
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
    /// The store as it is, to be looked at: it makes, removes and sets aside nothing. A folder that is
    /// not there is an empty store.
    pub(crate) fn look(root: &Path) -> Result<Self, OpenError> {
        let root = checked(root)?;
        Ok(Self { root, workspace: OnceLock::new(), only_looks: true })
    }

    /// Opens the store, and makes its folders where they are missing.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let store = Self { root: checked(root)?, workspace: OnceLock::new(), only_looks: false };
        let folders = [store.blobs().join("sha256"), store.rootfs(), store.runs(), store.tool_state(), store.logs()];
        for folder in folders.into_iter().chain([store.root.join("tmp"), store.root.join("locks")]) {
            // Most often all is there: one look is cheaper than a walk down the path.
            if !folder.is_dir() {
                create_folder(&folder)?;
            }
        }
        workspace::sweep(&store.root.join("tmp"), &store.root.join("locks/tmp"));
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

    /// This process's folder for work in progress, on the blobs' file system.
    fn temporary(&self) -> Result<&Path, FileError> {
        if self.workspace.get().is_none() {
            let workspace = Workspace::new(&self.root.join("tmp"), &self.root.join("locks/tmp"))?;
            // If another thread was quicker, this one's folder is removed again.
            let _ = self.workspace.set(workspace);
        }
        Ok(self.workspace.get().map_or(&self.root, Workspace::path))
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

/// The cache folder's absolute path, if the tools can be told of it.
fn checked(root: &Path) -> Result<PathBuf, OpenError> {
    let root = std::path::absolute(root).map_err(|error| FileError::new("find", root, error))?;
    if root.as_os_str().as_encoded_bytes().contains(&b':') {
        return Err(OpenError::Colon { path: root });
    }
    if root.to_str().is_none() {
        return Err(OpenError::NotText { path: root });
    }
    Ok(root)
}
