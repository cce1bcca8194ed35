//! Finds the manifests of a command: the nearest one, all below the current folder, or those that a commit touches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::project;
use crate::cli::Global;
use crate::diagnostic::Failure;
use crate::lock::LOCK_NAME;
use crate::manifest::{self, DiscoverError, MANIFEST_NAME};
use crate::sanitize;
use crate::tools::git::{Git, GitError};

/// The manifests of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The manifest that was named, or the nearest one at or above the current folder.
    Nearest,
    /// If there is no such manifest, the manifests that git tracks below the current folder.
    NearestOrBelow,
    /// The manifests whose `oci.toml` or `oci.lock` the commit changes. If no change is known, all manifests that git
    /// tracks.
    Changed,
}

/// A manifest to look at, as the command line would name it.
pub(super) struct Chosen {
    pub(super) global: Global,
    /// The manifest's name in messages, if a command may look at several.
    pub(super) name: Option<String>,
}

/// `--changed` was given, but git gives no answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("git does not say which manifests the commit changes")]
#[diagnostic(code(oci::cli::changed), help("leave `--changed` out, or run it in the git repository of the project"))]
struct ChangedError {
    source: GitError,
}

/// The variables with the two commits between which pre-commit and prek look for changes, if they do not look at the
/// index.
const FROM: &str = "PRE_COMMIT_FROM_REF";
const TO: &str = "PRE_COMMIT_TO_REF";

/// Does a task for each manifest, even after one has failed. If there are several, messages name their manifest.
pub(super) fn each(
    global: &Global,
    choice: Choice,
    task: impl Fn(&Chosen) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // A hook's `GIT_DIR` may be relative to the folder where the hook was started.
    let started = std::env::current_dir().unwrap_or_default();
    let here = project::here(global)?;
    let global = Global { folder: None, ..global.clone() };
    let found = match choice {
        Choice::Nearest => Vec::new(),
        Choice::NearestOrBelow => below(&global, &here)?,
        Choice::Changed => {
            let alone = std::env::var_os("GIT_DIR").is_some() && std::env::var_os("GIT_WORK_TREE").is_none();
            changed(if alone { &started } else { &here }).map_err(|source| super::invalid(ChangedError { source }))?
        }
    };
    if found.is_empty() && choice != Choice::Changed {
        return task(&Chosen { global, name: None });
    }
    let failures = found.iter().filter_map(|path| {
        let path = path.strip_prefix(&here).unwrap_or(path);
        let name = sanitize::name(&path.display().to_string());
        let chosen = Chosen {
            global: Global { manifest_path: Some(path.to_owned()), ..global.clone() },
            name: Some(name.clone()),
        };
        task(&chosen).err().map(|failure| about(&name, failure))
    });
    Failure::all(failures).map_or(Ok(()), Err)
}

/// The manifests below a folder, if there is none at or above it. Outside of git repositories there are none.
fn below(global: &Global, here: &Path) -> Result<Vec<PathBuf>, Failure> {
    match manifest::discover(global.manifest_path.as_deref(), here) {
        Err(DiscoverError::NotFound { .. }) => {}
        _ => return Ok(Vec::new()),
    }
    match Git::new(here).tracked(MANIFEST_NAME) {
        Ok(paths) => Ok(existing(here, &paths)),
        Err(GitError::Missing | GitError::NoRepository { .. }) => Ok(Vec::new()),
        Err(error) => Err(super::invalid(error)),
    }
}

/// The manifests that are changed by the commit for which a hook runs.
fn changed(folder: &Path) -> Result<Vec<PathBuf>, GitError> {
    let git = Git::new(folder);
    let top = git.top()?;
    let paths = match (variable(FROM), variable(TO)) {
        (Some(from), Some(to)) => git.changed_between(&from, &to)?,
        _ => git.staged()?,
    };
    let is_ours = |path: &&PathBuf| path.file_name().is_some_and(|name| name == MANIFEST_NAME || name == LOCK_NAME);
    let manifests: BTreeSet<PathBuf> =
        paths.iter().filter(is_ours).map(|path| path.with_file_name(MANIFEST_NAME)).collect();
    let found = existing(&top, &manifests);
    match found.is_empty() {
        true => Ok(existing(&top, &Git::new(&top).tracked(MANIFEST_NAME)?)),
        false => Ok(found),
    }
}

/// The value of a variable that names a commit. It must not be empty, or look like an option.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty() && !value.starts_with('-'))
}

/// Those of these paths in a folder that are files. A deleted manifest is left out.
fn existing<'a>(folder: &Path, paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| folder.join(path)).filter(|path| path.is_file()).collect()
}

/// Errors that show no line of a file name the manifest.
fn about(name: &str, failure: Failure) -> Failure {
    let reports = failure.reports.into_iter().map(|report| {
        let shows_a_line = report.labels().is_some_and(|mut labels| labels.next().is_some());
        if shows_a_line { report } else { report.wrap_err(format!("in the project of `{name}`")) }
    });
    Failure { reports: reports.collect(), status: failure.status }
}
