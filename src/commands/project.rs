//! Reads what is known without a store, a tool or a network: `oci.toml`, `oci.lock`, and their differences.
//!
//! A [`Project`] is both files, read and checked. A [`Difference`] is an entry of the lockfile that is not what the
//! manifest asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::overrides;
use crate::cli::Global;
use crate::diagnostic::{Failure, Status};
use crate::lock::{Asked, LOCK_NAME, LoadError, Lock, Renames};
use crate::manifest::{self, Base, Cache, DiscoverError, Manifest, Pin, Tools};
use crate::problem::Problem;
use crate::source::{Place, Source};

/// Why a folder cannot become the current folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("could not go to `{}`", path.display())]
#[diagnostic(code(oci::cli::no_folder))]
struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// Manifest and lockfile.
pub(super) struct Project {
    pub(super) manifest: Manifest,
    pub(super) manifest_path: PathBuf,
    pub(super) lock: Lock,
    pub(super) lock_path: PathBuf,
    /// The entries that git could not merge, if the lockfile has its conflict markers; they are not in
    /// `lock`.
    pub(super) disputed: Option<BTreeSet<String>>,
}

impl Project {
    /// Reads and checks manifest and lockfile. No registry is asked.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        Self::read(global, |path, name| Ok((Lock::load(path, name)?, None)))
    }

    /// Reads and checks manifest and lockfile. Of a lockfile that git could not merge, the entries count on which both
    /// sides agree.
    pub(super) fn open_merging(global: &Global) -> Result<Self, Failure> {
        Self::read(global, Lock::load_agreed)
    }

    fn read(
        global: &Global,
        load: impl Fn(&Path, &str) -> Result<(Lock, Option<BTreeSet<String>>), LoadError>,
    ) -> Result<Self, Failure> {
        let here = here(global)?;
        let path = manifest::discover(global.manifest_path.as_deref(), &here).map_err(super::invalid)?;
        let manifest_path = here.join(path);
        let manifest = read_manifest(global, &manifest_path, &here)?;
        let lock_path = manifest.folder.join(LOCK_NAME);
        let (lock, disputed) = load(&lock_path, &shown(&lock_path, &here)).map_err(|error| match error {
            LoadError::Read(error) => super::invalid(error),
            LoadError::Invalid(problems) => all_invalid(problems),
        })?;
        Ok(Self { manifest, manifest_path, lock, lock_path, disputed })
    }

    /// Carries entries over to the new names of their bases. The file is not written. Returns the renames, and the lock
    /// as the file has it.
    pub(super) fn carry_over(&mut self) -> Carried {
        let mut renames = self.lock.renames(&asked(&self.manifest));
        // Entries that git could not merge are resolved again.
        renames.retain(|name, _| self.disputed.as_ref().is_none_or(|disputed| !disputed.contains(name)));
        if renames.is_empty() {
            return Carried::default();
        }
        let before = self.lock.clone();
        self.lock.rename(&renames);
        Carried { renames, before }
    }
}

/// The entries of a lock that were carried over to new names.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) renames: Renames,
    /// The lock as the file has it; empty if nothing was carried over.
    pub(super) before: Lock,
}

/// Settings that count where there may be no project: the project's, otherwise the user's.
pub(super) struct Settings {
    pub(super) manifest: Option<Manifest>,
    pub(super) cache: Cache,
    pub(super) tools: Tools,
}

/// Reads the project's manifest, if there is one. The lockfile is not read.
pub(super) fn settings(global: &Global) -> Result<Settings, Failure> {
    let here = here(global)?;
    match manifest::discover(global.manifest_path.as_deref(), &here) {
        Ok(path) => {
            let manifest = read_manifest(global, &here.join(path), &here)?;
            let (cache, tools) = (manifest.cache.clone(), manifest.tools.clone());
            Ok(Settings { manifest: Some(manifest), cache, tools })
        }
        Err(DiscoverError::NotFound { .. }) => {
            let user = overrides::read(global)?.user;
            Ok(Settings { manifest: None, cache: user.cache, tools: user.tools })
        }
        Err(error) => Err(super::invalid(error)),
    }
}

/// The current folder, after the program has gone to the folder that was asked for.
pub(super) fn here(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(folder) = &global.folder {
        std::env::set_current_dir(folder)
            .map_err(|source| super::invalid(FolderError { path: folder.clone(), source }))?;
    }
    std::env::current_dir().map_err(|source| super::invalid(FolderError { path: ".".into(), source }))
}

fn read_manifest(global: &Global, path: &Path, here: &Path) -> Result<Manifest, Failure> {
    let folder = path.parent().unwrap_or(here);
    let source = Source::read(path, &shown(path, here)).map_err(super::invalid)?;
    let overrides = overrides::read(global)?;
    let manifest = manifest::parse_with(&source, folder, &overrides).map_err(all_invalid)?;
    overrides::check(&overrides, &manifest)?;
    Ok(manifest)
}

/// All problems of a file, as one failure.
pub(super) fn all_invalid(problems: Vec<Problem>) -> Failure {
    Failure::all(problems.into_iter().map(super::invalid))
        .unwrap_or(Failure { reports: Vec::new(), status: Status::Invalid })
}

/// A path as the person would type it.
fn shown(path: &Path, here: &Path) -> String {
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// True if the lock has what this pin asks for. No registry is asked.
pub(super) fn is_current(lock: &Lock, name: &str, (base, pin): (&Base, &Pin)) -> bool {
    let entry = lock.entries.get(name);
    entry.is_some_and(|entry| entry.is_current(&base.origin, pin.tag.as_ref(), pin.digest.as_ref()))
}

/// What the manifest asks for under each name.
fn asked(manifest: &Manifest) -> BTreeMap<String, Asked<'_>> {
    let asked = manifest.pins().into_iter().map(|(name, (base, pin))| {
        (name, Asked { origin: &base.origin, tag: pin.tag.as_ref(), digest: pin.digest.as_ref() })
    });
    asked.collect()
}

/// How an entry differs from what the manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drift {
    Missing,
    Stale,
    Gone,
    /// The base has another name in the lock.
    Renamed,
}

impl Drift {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Renamed => "renamed",
        }
    }
}

/// An entry that is not what the manifest asks for.
#[derive(Debug)]
pub(super) struct Difference<'a> {
    pub(super) name: String,
    pub(super) drift: Drift,
    /// The name that the lock has for a base that was renamed.
    pub(super) was: Option<String>,
    /// The place where the manifest asks for the base. `None` if the manifest no longer has it.
    pub(super) place: Option<&'a Place>,
}

/// The difference as a statement, for people.
impl fmt::Display for Difference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.drift {
            Drift::Renamed => {
                let was = self.was.as_deref().unwrap_or(name);
                write!(formatter, "`{LOCK_NAME}` pins `{name}` under the name `{was}`, which it had before")
            }
            Drift::Missing => write!(formatter, "`{LOCK_NAME}` does not pin `{name}`"),
            Drift::Stale => write!(formatter, "`{LOCK_NAME}` says something else about `{name}`"),
            Drift::Gone => write!(formatter, "`{LOCK_NAME}` pins `{name}`, which `oci.toml` no longer has"),
        }
    }
}

/// All differences between what a manifest asks for and what a lock has, sorted by name. No registry is asked.
pub(super) fn differences<'a>(manifest: &'a Manifest, lock: &Lock) -> Vec<Difference<'a>> {
    let pins = manifest.pins();
    let renames = lock.renames(&asked(manifest));
    let renamed: BTreeSet<&String> = renames.values().collect();
    let gone = lock.entries.keys().filter(|name| !pins.contains_key(*name) && !renamed.contains(name));
    let gone = gone.map(|name| Difference { name: name.clone(), drift: Drift::Gone, was: None, place: None });
    let other = pins.iter().filter(|(name, pin)| !is_current(lock, name, **pin)).map(|(name, (_, pin))| {
        let was = renames.get(name).cloned();
        let drift = match (&was, lock.entries.contains_key(name)) {
            (Some(_), _) => Drift::Renamed,
            (None, true) => Drift::Stale,
            (None, false) => Drift::Missing,
        };
        Difference { name: name.clone(), drift, was, place: Some(&pin.place) }
    });
    let mut differences: Vec<_> = other.chain(gone).collect();
    differences.sort_by(|one, other| one.name.cmp(&other.name));
    differences
}

/// Differences as data, with the manifest's name where there may be several.
pub(super) fn as_json(differences: &[Difference<'_>], manifest: Option<&str>) -> serde_json::Value {
    let entries: Vec<_> = differences
        .iter()
        .map(|difference| match &difference.was {
            Some(was) => json!({ "name": difference.name, "state": difference.drift.as_str(), "was": was }),
            None => json!({ "name": difference.name, "state": difference.drift.as_str() }),
        })
        .collect();
    match manifest {
        Some(manifest) => json!({ "manifest": manifest, "differences": entries }),
        None => json!({ "differences": entries }),
    }
}
