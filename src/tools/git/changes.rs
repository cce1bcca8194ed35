//! Which files a commit changes, and which ones git tracks.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Git, GitError};

impl Git<'_> {
    /// The top folder of the working tree.
    pub(crate) fn top(&self) -> Result<PathBuf, GitError> {
        // If only `GIT_DIR` is set, as in the hooks of a linked working tree, git would name the current folder.
        if std::env::var_os("GIT_DIR").is_some()
            && std::env::var_os("GIT_WORK_TREE").is_none()
            && let Some(top) = self.folder.ancestors().find(|folder| folder.join(".git").exists())
        {
            return Ok(top.to_owned());
        }
        let mut output = self.output(&["rev-parse", "--show-toplevel"])?;
        if output.last() == Some(&b'\n') {
            output.pop();
        }
        Ok(PathBuf::from(OsString::from_vec(output)))
    }

    /// The paths in which the index differs from the last commit, from the top of the working tree. In a hook this is
    /// the index that is about to be committed.
    pub(crate) fn staged(&self) -> Result<Vec<PathBuf>, GitError> {
        self.differing("--cached")
    }

    /// The paths that `to` changes since its common ancestor with `from`, from the top of the working tree. Two commits
    /// without a common ancestor are compared with each other.
    pub(crate) fn changed_between(&self, from: &str, to: &str) -> Result<Vec<PathBuf>, GitError> {
        self.differing(&format!("{from}...{to}")).or_else(|_| self.differing(&format!("{from}..{to}")))
    }

    /// The files of this name that git tracks in the folder and below it, as paths from the folder.
    pub(crate) fn tracked(&self, name: &str) -> Result<Vec<PathBuf>, GitError> {
        let pattern = format!(":(glob)**/{name}");
        let mut paths = paths(&self.output(&["ls-files", "-z", "--", &pattern])?);
        // A file with a merge conflict is listed once for each side.
        paths.dedup();
        Ok(paths)
    }

    fn differing(&self, what: &str) -> Result<Vec<PathBuf>, GitError> {
        let plain = ["--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules"];
        let arguments: Vec<&str> = ["diff"].into_iter().chain(plain).chain([what, "--"]).collect();
        Ok(paths(&self.output(&arguments)?))
    }

    fn output(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let finished = self.ask(arguments)?;
        match finished.status.success() {
            true => Ok(finished.stdout),
            false => Err(self.failed(arguments, &finished)),
        }
    }
}

/// Paths, each of which ends with NUL.
fn paths(output: &[u8]) -> Vec<PathBuf> {
    let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| Path::new(OsStr::from_bytes(name)).to_owned()).collect()
}
