//! Decides which files of a folder go into the layer.

use rustix::fs::FileType;

use crate::contents::glob::{Globs, PathGlob};

/// Which files of a folder go into the layer. Paths are relative to the package's folder.
pub(crate) struct Filter<'a> {
    pub(crate) include: Globs,
    pub(crate) exclude: Globs,
    /// The globs of the project's `exclude`, and the path of the package's folder in the project.
    pub(crate) project: &'a Globs,
    pub(crate) below: Vec<u8>,
    /// The glob of the package; `None` if the package is a folder.
    pub(crate) selection: Option<&'a PathGlob>,
    pub(crate) packs_git: bool,
    /// The folder is the project's own, and the project's own files are left out of it.
    pub(crate) leaves_out_own: bool,
}

/// The manifest and the lockfile. They belong to the build, and no image needs them.
const OWN: [&[u8]; 2] = [b"oci.toml", b"oci.lock"];

/// Whether a pattern names one of the project's own files.
pub(crate) fn names_own(pattern: &str) -> bool {
    pattern.rsplit('/').next().is_some_and(|name| OWN.contains(&name.as_bytes()))
}

impl Filter<'_> {
    pub(crate) fn excludes(&self, relative: &[u8], name: &[u8], kind: FileType) -> bool {
        // In a worktree, `.git` is a file. It is of use on this machine alone, as the folder `.git` is.
        (name == b".git" && !self.packs_git)
            || (name == b".oci" && kind == FileType::Directory)
            || (self.leaves_out_own && OWN.contains(&relative))
            || self.exclude.matches(relative)
            || (!self.project.is_empty() && self.project.matches(&below(&self.below, relative)))
    }
}

fn below(folder: &[u8], relative: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + relative.len());
    path.extend_from_slice(folder);
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(relative);
    path
}
