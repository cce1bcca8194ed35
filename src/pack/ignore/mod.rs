//! What `.dockerignore` and `.gitignore` leave out of folder packages, where `[project] ignore-files` says that
//! they count.
//!
//! `.dockerignore` counts in the project's folder alone. `.gitignore` counts in every folder from the project's down to
//! the file in question. Other ignore files of git (`.git/info/exclude`, a user's own file) differ between machines,
//! and do not count. A file or folder that a package names by its path is always packed: only the content of a folder
//! is judged.

mod docker;
mod git;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::contents::glob::is_pattern;
use crate::fs::host::{self, LastLink, Links};
use crate::fs::read_bounded;
use crate::layer::LayerError;
use crate::manifest::package::{IgnoreFile, expand};
use crate::manifest::{Package, PackageContent};
use crate::model::Platform;
use docker::{Above, Docker};

/// The most bytes that an ignore file may have.
const LARGEST: u64 = 1 << 20;

/// The ignore files of a project.
#[derive(Debug, Default)]
pub(crate) struct Ignores {
    docker: Option<Docker>,
    git: bool,
}

/// The patterns that count in a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFolder {
    docker: Option<Above>,
    git: Option<Arc<GitRules>>,
}

/// A `.gitignore`, and the `.gitignore` files in the folders above it.
#[derive(Debug)]
struct GitRules {
    rules: Gitignore,
    /// The length in bytes of the path of its folder, with the slash at the end.
    start: usize,
    above: Option<Arc<GitRules>>,
}

/// What ignore files say of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoesIn,
    /// The path is left out, and so is everything in it.
    IsLeftOut,
    /// The path is a folder that is left out, but something in it may be put back.
    IsLeftOutAlone,
}

impl Ignores {
    /// Reads the ignore files of the project's folder, which count everywhere in it.
    pub(crate) fn read(files: &[IgnoreFile], project: &Path) -> Result<Self, LayerError> {
        let git = files.contains(&IgnoreFile::Git);
        let mut docker = None;
        if files.contains(&IgnoreFile::Docker) {
            let name = IgnoreFile::Docker.name();
            let folder = host::find(project, Path::new(""), LastLink::Follow, Links::StayInside);
            if let Ok(folder) = folder
                && let Some(text) = read(&folder.folder, name, name)?
            {
                let bad_line = |line| LayerError::IgnoreFile {
                    path: name.to_owned(),
                    reason: format!("line {line} is no pattern"),
                };
                docker = Some(Docker::parse(&text).map_err(bad_line)?);
            }
        }
        Ok(Self { docker, git })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.docker.is_none() && !self.git
    }

    /// The patterns that count in a package's folder and come from ignore files above it. `inside` is the path of the
    /// folder in the project.
    pub(crate) fn in_package(&self, project: &Path, inside: Option<&Path>) -> Result<InFolder, LayerError> {
        let Some(inside) = inside else { return Ok(InFolder::default()) };
        let mut found = InFolder { docker: self.docker.as_ref().map(Docker::top), git: None };
        let mut folders: Vec<&Path> = inside.ancestors().skip(1).collect();
        folders.reverse();
        folders.truncate(if self.git { folders.len() } else { 0 });
        for folder in folders {
            if let Ok(opened) = host::find(project, folder, LastLink::Keep, Links::StayInside) {
                found = self.entered(&found, &opened.folder, folder.as_os_str().as_encoded_bytes())?;
            }
        }
        Ok(found)
    }

    /// The patterns that count in an open folder that has this path. `above` are those of the folder above.
    pub(crate) fn entered(&self, above: &InFolder, folder: impl AsFd, path: &[u8]) -> Result<InFolder, LayerError> {
        if !self.git {
            return Ok(above.clone());
        }
        let name = IgnoreFile::Git.name();
        let shown = Path::new(&*String::from_utf8_lossy(path)).join(name);
        let Some(text) = read(folder, name, &crate::sanitize::name(&shown.display().to_string()))? else {
            return Ok(above.clone());
        };
        let mut builder = GitignoreBuilder::new("");
        for line in git::text(&String::from_utf8_lossy(&text)).lines() {
            // A line that is no pattern matches nothing, as in git.
            let _ = builder.add_line(None, &git::line(line));
        }
        let Ok(rules) = builder.build() else { return Ok(above.clone()) };
        let start = if path.is_empty() { 0 } else { path.len() + 1 };
        let git = Some(Arc::new(GitRules { rules, start, above: above.git.clone() }));
        Ok(InFolder { git, ..above.clone() })
    }

    /// The patterns of a folder as far as its path decides them.
    pub(crate) fn below(&self, above: &InFolder, path: &[u8]) -> InFolder {
        let docker = self.docker.as_ref().zip(above.docker.as_ref()).map(|(docker, above)| docker.within(above, path));
        InFolder { docker, git: above.git.clone() }
    }

    /// What the ignore files say of something in a folder. The path is relative to the project's folder.
    pub(crate) fn judge(&self, folder: &InFolder, path: &[u8], kind: FileType) -> Verdict {
        let is_folder = kind == FileType::Directory;
        let rules = std::iter::successors(folder.git.as_deref(), |rules| rules.above.as_deref());
        let git = rules.map(|rules| rules.judge(path, is_folder)).find(|found| !found.is_none());
        if git.is_some_and(|found| found.is_ignore()) {
            return Verdict::IsLeftOut;
        }
        match (&self.docker, &folder.docker) {
            (Some(docker), Some(above)) if docker.leaves_out(above, path) => match is_folder && docker.puts_back() {
                true => Verdict::IsLeftOutAlone,
                false => Verdict::IsLeftOut,
            },
            _ => Verdict::GoesIn,
        }
    }
}

/// The `.dockerignore` of a folder package, by its path in the manifest, if the package takes all that is in the
/// folder: as `docker build` would not have.
pub(crate) fn unheeded(package: &Package, project: &Path, platform: &Platform) -> Option<String> {
    let PackageContent::Path { path, .. } = &package.content else { return None };
    let path = expand(path, platform);
    if is_pattern(&path) || !package.include.is_empty() {
        return None;
    }
    let file = Path::new(&path).join(IgnoreFile::Docker.name());
    let is_there = project.join(&file).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let shown = file.strip_prefix(".").unwrap_or(&file);
    is_there.then(|| crate::sanitize::name(&shown.display().to_string()))
}

impl GitRules {
    fn judge(&self, path: &[u8], is_folder: bool) -> Match<()> {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(path.get(self.start..).unwrap_or_default()));
        self.rules.matched(path, is_folder).map(|_| ())
    }
}

/// The content of a small file in a folder. Returns `None` if the file is missing.
fn read(folder: impl AsFd, name: &str, shown: &str) -> Result<Option<Vec<u8>>, LayerError> {
    let bad = |reason: &str| LayerError::IgnoreFile { path: shown.to_owned(), reason: reason.to_owned() };
    let unreadable = |errno: Errno| LayerError::Unreadable { path: shown.to_owned(), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NXIO) => return Err(bad("it is no regular file")),
        Err(errno) => return Err(unreadable(errno)),
    };
    if FileType::from_raw_mode(fstat(&file).map_err(unreadable)?.st_mode) != FileType::RegularFile {
        return Err(bad("it is no regular file"));
    }
    match read_bounded(file.into(), LARGEST) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(bad("it has more than 1 MiB")),
        Err(source) => Err(LayerError::Unreadable { path: shown.to_owned(), source }),
    }
}
