//! What every command begins with: the manifest, the lockfile, the store and the tools.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::overrides;
use crate::cli::Global;
use crate::diagnostic::{Failure, Status};
use crate::executor::{Built, Executor, Outcome};
use crate::lock::{LOCK_NAME, LoadError, Lock};
use crate::manifest::{self, Base, Manifest, Pin};
use crate::model::Platform;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::report::{Lines, Reporter, Verbosity};
use crate::resolve::Resolver;
use crate::source::Source;
use crate::stage::{rootfs, runs};
use crate::store::{Layout, Store};
use crate::tools::IdMap;
use crate::tools::skopeo::{Settings, Skopeo};

pub(super) struct Session {
    pub(super) manifest: Manifest,
    pub(super) lock: Lock,
    pub(super) store: Store,
    pub(super) skopeo: Skopeo,
    pub(super) reporter: Box<dyn Reporter>,
    pub(super) json: bool,
    lock_path: PathBuf,
    locked: bool,
    offline: bool,
    workers: usize,
    epoch: i64,
}

/// A value from the command line or the environment that is none.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum UsageError {
    #[error("could not go to `{}`", path.display())]
    #[diagnostic(code(oci::cli::no_folder))]
    Folder { path: PathBuf, source: io::Error },
    #[error("`SOURCE_DATE_EPOCH` is `{value}`, which is no number of seconds since 1970")]
    #[diagnostic(code(oci::cli::bad_epoch), help("unset it, or set `source-date-epoch` under `[project]`"))]
    Epoch { value: String },
    #[error("`{written}` is no platform")]
    #[diagnostic(code(oci::cli::bad_platform), help("write it as `linux/amd64` or `linux/arm/v7`"))]
    Platform { written: String, source: crate::model::platform::PlatformError },
}

/// The lockfile would have to change, and may not.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(oci::lock::stale), help("run `oci lock`, and commit `oci.lock`"))]
struct StaleError {
    message: String,
}

impl Session {
    /// Reads and checks everything; asks nobody.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        let usage = |error| Failure::new(Status::Invalid, error);
        if let Some(folder) = &global.folder {
            std::env::set_current_dir(folder)
                .map_err(|source| usage(UsageError::Folder { path: folder.clone(), source }))?;
        }
        let here = std::env::current_dir().map_err(|source| usage(UsageError::Folder { path: ".".into(), source }))?;
        let path = manifest::discover(global.manifest_path.as_deref(), &here)
            .map_err(|error| Failure::new(Status::Invalid, error))?;
        let path = here.join(path);
        let folder = path.parent().unwrap_or(&here).to_owned();
        let source = Source::read(&path, &shown(&path, &here)).map_err(|error| Failure::new(Status::Invalid, error))?;
        let overrides = overrides::read(global)?;
        let manifest = manifest::parse_with(&source, &folder, &overrides).map_err(invalid)?;
        overrides::check(&overrides, &manifest)?;
        let lock_path = folder.join(LOCK_NAME);
        let lock = match Lock::load(&lock_path, &shown(&lock_path, &here)) {
            Ok(lock) => lock,
            Err(LoadError::Read(error)) => return Err(Failure::new(Status::Invalid, error)),
            Err(LoadError::Invalid(problems)) => return Err(invalid(problems)),
        };
        let store = Store::open(&cache_folder(&manifest)?)?;
        let reporter: Box<dyn Reporter> = Box::new(Lines::new(verbosity(global)));
        sweep(&store, &tool("OCI_RUNC", manifest.tools.runc.as_deref(), "runc"), &*reporter);
        let settings = Settings { cache: store.tool_state(), logs: store.logs() };
        let skopeo = Skopeo::new(&tool("OCI_SKOPEO", manifest.tools.skopeo.as_deref(), "skopeo"), settings);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            epoch: epoch(&manifest).map_err(usage)?,
            manifest,
            lock,
            store,
            skopeo,
            reporter,
            json: global.json,
            lock_path,
            locked: global.locked || global.frozen,
            offline: global.offline || global.frozen,
            workers: global.jobs.map_or(processors, usize::from),
        })
    }

    /// The entries that these names need are in the lock; if one has to be resolved, the lockfile is
    /// written.
    pub(super) fn lock_needed(&mut self, names: &BTreeSet<String>) -> Result<(), Failure> {
        let manifest = self.manifest.clone();
        let pins = manifest.pins();
        let needed = pins.iter().filter(|(name, _)| names.contains(*name));
        let stale: BTreeMap<_, _> = needed.filter(|(name, pin)| !self.is_current(name, pin)).collect();
        self.resolve(&stale)
    }

    /// Every entry of the manifest, and no other, is in the lock.
    pub(super) fn lock_all(&mut self) -> Result<(), Failure> {
        let manifest = self.manifest.clone();
        let pins = manifest.pins();
        let stale: BTreeMap<_, _> = pins.iter().filter(|(name, pin)| !self.is_current(name, pin)).collect();
        let gone: Vec<String> = self.lock.entries.keys().filter(|name| !pins.contains_key(*name)).cloned().collect();
        if self.locked && !gone.is_empty() {
            let message = format!("`{LOCK_NAME}` pins `{}`, which `oci.toml` no longer has", gone.join("`, `"));
            return Err(StaleError { message }.into());
        }
        self.lock.entries.retain(|name, _| pins.contains_key(name));
        self.resolve(&stale)?;
        Ok(self.lock.save(&self.lock_path)?)
    }

    fn is_current(&self, name: &str, (base, pin): &(&Base, &Pin)) -> bool {
        let entry = self.lock.entries.get(name);
        entry.is_some_and(|entry| entry.is_current(&base.repository, pin.tag.as_ref(), pin.digest.as_ref()))
    }

    fn resolve(&mut self, stale: &BTreeMap<&String, &(&Base, &Pin)>) -> Result<(), Failure> {
        if stale.is_empty() {
            return Ok(());
        }
        if self.locked || self.offline {
            let problems = stale.iter().map(|(name, (_, pin))| {
                let state =
                    if self.lock.entries.contains_key(*name) { "says something else about" } else { "does not pin" };
                let flag = if self.locked { "`--locked` forbids to change it" } else { "`--offline` forbids to ask" };
                Problem::new("oci::lock::stale", format!("`{LOCK_NAME}` {state} `{name}`, and {flag}"), &pin.place, "")
                    .help("run `oci lock`, and commit `oci.lock`".to_owned())
            });
            let failures = problems.map(Failure::from);
            return Failure::all(failures).map_or(Ok(()), Err);
        }
        let pins: Vec<_> = stale.iter().map(|(name, (base, pin))| ((*name).clone(), *base, *pin)).collect();
        let resolver = Resolver { skopeo: &self.skopeo, store: &self.store, reporter: &*self.reporter };
        let (entries, errors) = resolver.resolve(&pins);
        if let Some(failure) = Failure::all(errors.into_iter().map(Failure::from)) {
            return Err(failure);
        }
        self.lock.entries.extend(entries);
        Ok(self.lock.save(&self.lock_path)?)
    }

    pub(super) fn executor(&self) -> Executor<'_> {
        Executor {
            manifest: &self.manifest,
            lock: &self.lock,
            store: &self.store,
            skopeo: &self.skopeo,
            reporter: &*self.reporter,
            offline: self.offline,
            workers: self.workers,
            epoch: self.epoch,
        }
    }

    /// Builds a plan and puts what was built into `.oci/`. What failed is in the second part.
    pub(super) fn build(&self, plan: &Plan<'_>) -> Result<(Outcome, Option<Failure>), Failure> {
        let mut outcome = self.executor().run(plan);
        let errors = std::mem::take(&mut outcome.errors);
        self.update_layout(plan, &outcome)?;
        Ok((outcome, Failure::all(errors.into_iter().map(Failure::from))))
    }

    /// `.oci/` beside the manifest.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.manifest.folder.join(".oci"))
    }

    pub(super) fn update_layout(&self, plan: &Plan<'_>, outcome: &Outcome) -> Result<(), Failure> {
        let asked_for = plan.steps.iter().filter(|step| step.asked_for);
        let images: BTreeMap<_, _> = asked_for
            .filter_map(|step| Some((step.name.to_owned(), outcome.built.get(step.name)?.descriptor.clone())))
            .collect();
        Ok(self.layout().update(&self.store, &images, |name| self.manifest.builds.contains_key(name))?)
    }

    /// True if layers of the image's base are not in the store.
    pub(super) fn is_shallow(&self, built: &Built) -> bool {
        let layers = built.platforms.values().flat_map(|platform| &platform.image.layers);
        layers.into_iter().any(|layer| !self.store.has(&layer.descriptor))
    }

    /// Brings the layers of the bases of everything that was built.
    pub(super) fn complete(&self, outcome: &Outcome) -> Result<(), Failure> {
        outcome.built.values().try_for_each(|built| self.complete_one(built))
    }

    pub(super) fn complete_one(&self, built: &Built) -> Result<(), Failure> {
        for image in built.platforms.values() {
            self.executor().complete(image)?;
        }
        Ok(())
    }

    /// The program for umoci, or for runc.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        match name {
            "umoci" => tool("OCI_UMOCI", self.manifest.tools.umoci.as_deref(), name),
            _ => tool("OCI_RUNC", self.manifest.tools.runc.as_deref(), name),
        }
    }
}

/// Removes what killed runs left. What cannot be removed now is no reason not to go on.
fn sweep(store: &Store, runc: &Path, reporter: &dyn Reporter) {
    let map = IdMap::detect();
    if let Err(error) = runs::sweep(&store.runs(), runc, &map) {
        reporter.detail(&error.to_string());
    }
    if let Err(error) = rootfs::sweep(store.root(), &map) {
        reporter.detail(&error.to_string());
    }
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    }
}

/// The environment's word on a tool, the manifest's, or its plain name.
fn tool(variable: &str, written: Option<&Path>, name: &str) -> PathBuf {
    let from_environment = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    from_environment.or_else(|| written.map(Path::to_owned)).unwrap_or_else(|| name.into())
}

fn cache_folder(manifest: &Manifest) -> Result<PathBuf, Failure> {
    match (&manifest.cache, std::env::var_os("OCI_CACHE_DIR").filter(|value| !value.is_empty())) {
        (Some(folder), None) => Ok(folder.clone()),
        _ => Ok(Store::default_root()?),
    }
}

fn epoch(manifest: &Manifest) -> Result<i64, UsageError> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(manifest.project.epoch.unwrap_or(0));
    };
    if let Some(epoch) = manifest.project.epoch {
        return Ok(epoch);
    }
    let value = value.to_string_lossy().into_owned();
    let parsed = value.parse().ok().filter(|epoch| (0..=manifest::LAST_EPOCH).contains(epoch));
    parsed.ok_or(UsageError::Epoch { value })
}

/// The platforms that were named.
pub(super) fn platforms(written: &[String]) -> Result<Vec<Platform>, Failure> {
    let parsed = written.iter().map(|written| {
        Platform::parse(written)
            .map_err(|source| Failure::new(Status::Invalid, UsageError::Platform { written: written.clone(), source }))
    });
    parsed.collect()
}

fn invalid(problems: Vec<Problem>) -> Failure {
    let failures = problems.into_iter().map(|problem| Failure::new(Status::Invalid, problem));
    Failure::all(failures).unwrap_or(Failure { reports: Vec::new(), status: Status::Invalid })
}

/// A path as the person would type it.
fn shown(path: &Path, here: &Path) -> String {
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
