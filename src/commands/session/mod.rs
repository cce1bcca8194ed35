//! What a command that works begins with: a project, the store and the tools.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::project::{self, Carried, Drift, Project};
use super::settings;
use crate::bases::trust::Trust;
use crate::cli::Global;
use crate::compress::Compressors;
use crate::containers::{runs, trees};
use crate::diagnostic::Failure;
use crate::executor::{BuildOptions, Built, Executor, Outcome};
use crate::lock::{LOCK_NAME, Lock};
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::process::IdMap;
use crate::report::Reporter;
use crate::resolve::{Pins, Resolver};
use crate::store::{Layout, Store};
use crate::tools::skopeo::Skopeo;
use crate::{prune, sanitize};

pub(super) struct Session {
    pub(super) manifest: Manifest,
    pub(super) lock: Lock,
    /// What of `lock` the file has under other names, which bases had before.
    pub(super) carried: Carried,
    pub(super) store: Store,
    pub(super) skopeo: Skopeo,
    pub(super) reporter: Arc<dyn Reporter>,
    trust: Option<Trust>,
    pub(super) json: bool,
    lock_path: PathBuf,
    locked: bool,
    offline: bool,
    workers: usize,
    compressors: Compressors,
    epoch: i64,
    pub(super) umoci: PathBuf,
    pub(super) runc: PathBuf,
}

/// A command that does what a flag forbids.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{command}` does what `{flag}` forbids")]
#[diagnostic(code(oci::cli::forbidden))]
struct ForbiddenError {
    command: &'static str,
    flag: &'static str,
    #[help]
    help: String,
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
        Self::with(Project::open(global)?, global)
    }

    /// The same, to look at things alone: nothing is made or removed, not even what killed runs left.
    pub(super) fn look(global: &Global) -> Result<Self, Failure> {
        let project = Project::open(global)?;
        let store = settings::look_into_cache(&project.manifest.cache)?;
        Self::over(store, project, global)
    }

    /// A session for a project that was read before.
    pub(super) fn with(project: Project, global: &Global) -> Result<Self, Failure> {
        let store = settings::open_cache(&project.manifest.cache)?;
        let session = Self::over(store, project, global)?;
        sweep(&session.store, &session.runc, &*session.reporter);
        Ok(session)
    }

    fn over(store: Store, mut project: Project, global: &Global) -> Result<Self, Failure> {
        let locked = global.locked || global.frozen;
        // What may not change is stale instead.
        let carried = if locked { Carried::default() } else { project.carry_over() };
        let Project { manifest, lock, lock_path, .. } = project;
        let trust = manifest.policy.signatures.as_ref().map(Trust::load).transpose().map_err(super::invalid)?;
        let reporter = settings::reporter(global);
        let skopeo = settings::skopeo(global, &manifest, &store, &reporter)?;
        let workers = settings::workers(global);
        Ok(Self {
            epoch: settings::epoch(&manifest).map_err(super::invalid)?,
            umoci: settings::tool("OCI_UMOCI", manifest.tools.umoci.as_deref(), "umoci"),
            runc: settings::runtime(manifest.tools.runc.as_deref()),
            manifest,
            lock,
            carried,
            store,
            skopeo,
            reporter,
            trust,
            json: global.json,
            lock_path,
            locked,
            offline: global.offline || global.frozen,
            workers,
            compressors: Compressors::new(workers),
        })
    }

    /// The entries that these names need are in the lock; if one has to be resolved, the lockfile is
    /// written.
    pub(super) fn lock_needed(&mut self, names: &BTreeSet<String>) -> Result<(), Failure> {
        match self.resolve_needed(names)? {
            true => self.save_lock(),
            false => Ok(()),
        }
    }

    /// The same for all that a plan needs, but what cannot be resolved stops only the images that need it: the plan
    /// without them, and why.
    pub(super) fn lock_reachable<'p>(&mut self, plan: &Plan<'p>) -> Result<(Plan<'p>, Option<Failure>), Failure> {
        let needed = self.unresolved(&plan.bases())?;
        let (entries, errors) = self.resolver().resolve(&needed);
        let missing = needed.into_keys().filter(|name| !entries.contains_key(name)).collect();
        if !entries.is_empty() || self.are_carried(&plan.bases()) {
            self.lock.entries.extend(entries);
            self.save_lock()?;
        }
        Ok((plan.without(&missing), Failure::all(errors.into_iter().map(Failure::from))))
    }

    /// The same, but nothing is written: true if [`Session::save_lock`] has something to write.
    pub(super) fn resolve_needed(&mut self, names: &BTreeSet<String>) -> Result<bool, Failure> {
        let manifest = self.manifest.clone();
        let mut needed = manifest.pins();
        needed.retain(|name, pin| names.contains(name) && !project::is_current(&self.lock, name, *pin));
        self.resolve(&needed)?;
        Ok(!needed.is_empty() || self.are_carried(names))
    }

    /// True if one of these entries has another name in the lockfile.
    fn are_carried(&self, names: &BTreeSet<String>) -> bool {
        self.carried.renames.keys().any(|name| names.contains(name))
    }

    /// Which of these entries would have to be resolved; an error for each if that is forbidden.
    pub(super) fn unresolved(&self, names: &BTreeSet<String>) -> Result<Pins<'_>, Failure> {
        let mut needed = self.manifest.pins();
        needed.retain(|name, pin| names.contains(name) && !project::is_current(&self.lock, name, *pin));
        self.may_change(&needed)?;
        Ok(needed)
    }

    /// Every entry of the manifest, and no other, is in the lock; those of `again` are resolved even if
    /// they are current. The file is not written: [`Session::save_lock`] does that.
    pub(super) fn lock_all(&mut self, again: &BTreeSet<String>) -> Result<(), Failure> {
        let manifest = self.manifest.clone();
        let mut pins = manifest.pins();
        let differences = project::differences(&manifest, &self.lock);
        let gone = differences.into_iter().filter(|difference| difference.drift == Drift::Gone);
        let gone: BTreeSet<String> = gone.map(|difference| difference.name).collect();
        if self.locked && !gone.is_empty() {
            let gone: Vec<String> = gone.into_iter().collect();
            let message = format!("`{LOCK_NAME}` pins `{}`, which `oci.toml` no longer has", gone.join("`, `"));
            return Err(StaleError { message }.into());
        }
        pins.retain(|name, pin| again.contains(name) || !project::is_current(&self.lock, name, *pin));
        self.resolve(&pins)?;
        self.lock.entries.retain(|name, _| !gone.contains(name));
        Ok(())
    }

    /// The lock as the file has it, before anything is resolved.
    pub(super) fn lock_as_read(&self) -> Lock {
        match self.carried.renames.is_empty() {
            true => self.lock.clone(),
            false => self.carried.before.clone(),
        }
    }

    /// Writes the lockfile, if it differs, and says what was carried over to new names. On `Ok` it is on disk.
    pub(super) fn save_lock(&self) -> Result<(), Failure> {
        for (name, was) in &self.carried.renames {
            self.reporter.note(&format!("{LOCK_NAME}: the pin of `{was}` is carried over to `{name}`, its new name"));
        }
        Ok(self.lock.save(&self.lock_path)?)
    }

    /// An error if a flag forbids a command that always asks what these pins are now. Who looks into layouts
    /// asks nobody.
    pub(super) fn may_ask(&self, command: &'static str, pins: &Pins<'_>) -> Result<(), Failure> {
        let only_layouts = !pins.is_empty() && pins.values().all(|(base, _)| base.origin.repository().is_none());
        let flag = match (self.locked, self.offline) {
            (_, true) if !only_layouts => "--offline",
            (true, _) => "--locked",
            (false, _) => return Ok(()),
        };
        let help = format!("leave `{flag}` out; whether `oci.lock` is current is told by `oci lock --check`");
        Err(super::invalid(ForbiddenError { command, flag, help }))
    }

    /// An error if a flag forbids to push: a registry is asked for each image.
    pub(super) fn may_publish(&self) -> Result<(), Failure> {
        if !self.offline {
            return Ok(());
        }
        let help =
            "nothing was published: leave `--offline` or `--frozen` out, or build alone with `oci build`".to_owned();
        Err(super::invalid(ForbiddenError { command: "oci publish", flag: "--offline", help }))
    }

    /// An error for each of these entries if no registry may be asked, or no entry changed. Who looks into a
    /// layout asks nobody.
    fn may_change(&self, pins: &Pins<'_>) -> Result<(), Failure> {
        if !self.locked && !self.offline {
            return Ok(());
        }
        let flag = if self.locked { "`--locked` forbids to change it" } else { "`--offline` forbids to ask" };
        let mut differences = project::differences(&self.manifest, &self.lock);
        differences.retain(|difference| {
            let pin = pins.get(&difference.name);
            pin.is_some_and(|(base, _)| self.locked || base.origin.repository().is_some())
        });
        let problems = differences.iter().filter_map(|difference| {
            let problem = Problem::new("oci::lock::stale", format!("{difference}, and {flag}"), difference.place?, "");
            Some(problem.help("run `oci lock`, and commit `oci.lock`".to_owned()))
        });
        Failure::all(problems.map(Failure::from)).map_or(Ok(()), Err)
    }

    /// Asks for these pins, and takes the answers into the lock.
    fn resolve(&mut self, pins: &Pins<'_>) -> Result<(), Failure> {
        self.may_change(pins)?;
        let (entries, errors) = self.resolver().resolve(pins);
        match Failure::all(errors.into_iter().map(Failure::from)) {
            Some(failure) => Err(failure),
            None => {
                self.lock.entries.extend(entries);
                Ok(())
            }
        }
    }

    pub(super) fn resolver(&self) -> Resolver<'_> {
        Resolver {
            skopeo: &self.skopeo,
            store: &self.store,
            reporter: &*self.reporter,
            folder: &self.manifest.folder,
            lock: &self.lock,
        }
    }

    pub(super) fn executor(&self) -> Executor<'_> {
        Executor {
            manifest: &self.manifest,
            lock: &self.lock,
            store: &self.store,
            skopeo: &self.skopeo,
            reporter: &*self.reporter,
            offline: self.offline,
            trust: self.trust.as_ref(),
            workers: self.workers,
            umoci: &self.umoci,
            runc: &self.runc,
            compressors: &self.compressors,
            epoch: self.epoch,
            options: BuildOptions::default(),
        }
    }

    /// Builds a plan and puts what was built into `.oci/`. What failed is in the second part.
    pub(super) fn build(&self, plan: &Plan<'_>, options: BuildOptions) -> Result<(Outcome, Option<Failure>), Failure> {
        let mut outcome = Executor { options, ..self.executor() }.run(plan);
        let errors = std::mem::take(&mut outcome.errors);
        self.update_layout(plan, &outcome)?;
        Ok((outcome, Failure::all(errors.into_iter().map(Failure::from))))
    }

    /// `.oci/` beside the manifest.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.manifest.folder.join(".oci"))
    }

    pub(super) fn update_layout(&self, plan: &Plan<'_>, outcome: &Outcome) -> Result<(), Failure> {
        let built = plan.asked_for().filter_map(|image| {
            let built = outcome.built.get(image.name)?;
            Some((image.name.to_owned(), built.descriptor.clone()))
        });
        let left = self.layout().update(&self.store, &built.collect(), |name| self.manifest.image(name).is_some())?;
        for stranger in left {
            let name = sanitize::name(&stranger.display().to_string());
            self.reporter.note(&format!("left `{name}` where it is: it is no blob of `oci`'s"));
        }
        Ok(())
    }

    /// True if layers of the image's base are not in the store.
    pub(super) fn is_shallow(&self, built: &Built) -> bool {
        let layers = built.platforms.values().flat_map(|platform| &platform.image.layers);
        layers.into_iter().any(|layer| !layer.descriptor.is_foreign() && !self.store.has(&layer.descriptor))
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

    /// Holds the cache to `[cache] max-size`, if this process made it larger: by what it stored, or as told.
    /// What others use, and this process, stays.
    pub(super) fn hold_size(&self, has_grown: bool) {
        let Some(limit) = self.manifest.cache.max_size.filter(|_| has_grown || self.store.has_grown()) else { return };
        match prune::prune(&self.store, &IdMap::detect(), limit) {
            Ok(pruned) if pruned.size > limit => {
                self.reporter.detail(&format!("the cache holds {}, more than {limit}: all is in use", pruned.size));
            }
            Ok(_) => {}
            // What was asked for is done.
            Err(error) => self.reporter.note(&format!("the cache is larger than {limit}: {error}")),
        }
    }
}

/// Removes what killed runs left. What cannot be removed now is no reason not to go on.
pub(super) fn sweep(store: &Store, runc: &Path, reporter: &dyn Reporter) {
    let map = IdMap::detect();
    if let Err(error) = runs::sweep(&store.runs(), runc, &map) {
        reporter.detail(&error.to_string());
    }
    if let Err(error) = trees::sweep(store.root(), &map) {
        reporter.detail(&error.to_string());
    }
}
