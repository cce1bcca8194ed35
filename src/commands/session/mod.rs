//! A session: a project, the store and the tools, with which most commands begin. This file opens them. [`pins`] keeps
//! the lock current, and [`images`] works with images that were built.

mod images;
mod pins;

use std::path::PathBuf;
use std::sync::Arc;

use super::project::{Carried, Project};
use super::settings;
use crate::bases::trust::Trust;
use crate::cli::Global;
use crate::compress::Compressors;
use crate::containers::machine::Machine;
use crate::containers::{runs, trees};
use crate::diagnostic::Failure;
use crate::executor::{BuildOptions, Executor};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::report::Reporter;
use crate::resolve::Resolver;
use crate::store::Store;
use crate::tools::skopeo::Skopeo;

/// A project with all that a command needs to work on it.
pub(super) struct Session {
    pub(super) manifest: Manifest,
    pub(super) lock: Lock,
    /// The entries of `lock` that the file has under other names, which the bases had before.
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
    /// What this machine can do for containers.
    pub(super) machine: Arc<Machine>,
}

impl Session {
    /// Reads and checks the manifest and the lock, and opens the cache. No registry is asked.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        Self::with(Project::open(global)?, global)
    }

    /// Opens a project to look at it alone: nothing is made or removed, not even what killed runs left.
    pub(super) fn look(global: &Global) -> Result<Self, Failure> {
        let project = Project::open(global)?;
        let store = settings::look_into_cache(&project.manifest.cache)?;
        Self::over(store, project, global)
    }

    /// A session for a project that was read before.
    pub(super) fn with(project: Project, global: &Global) -> Result<Self, Failure> {
        let store = settings::open_cache(&project.manifest.cache)?;
        let session = Self::over(store, project, global)?;
        sweep(&session.store, &session.machine, &*session.reporter);
        Ok(session)
    }

    fn over(store: Store, mut project: Project, global: &Global) -> Result<Self, Failure> {
        let locked = global.locked || global.frozen;
        // Where the lock may not change, an entry under an old name is stale.
        let carried = if locked { Carried::default() } else { project.carry_over() };
        let Project { manifest, lock, lock_path, .. } = project;
        let trust = manifest.policy.signatures.as_ref().map(Trust::load).transpose().map_err(super::invalid)?;
        let reporter = settings::reporter(global);
        let skopeo = settings::skopeo(global, &manifest, &store, &reporter)?;
        let workers = settings::workers(global);
        Ok(Self {
            epoch: settings::epoch(&manifest).map_err(super::invalid)?,
            machine: Arc::new(settings::machine(Some(&manifest.tools), &store)),
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
            machine: &self.machine,
            compressors: &self.compressors,
            epoch: self.epoch,
            options: BuildOptions::default(),
        }
    }
}

/// Removes what killed runs left. An error is no reason to stop.
pub(super) fn sweep(store: &Store, machine: &Machine, reporter: &dyn Reporter) {
    if let Err(error) = runs::sweep(&store.runs(), machine.runc(), machine.map()) {
        reporter.detail(&error.to_string());
    }
    if let Err(error) = trees::sweep(store.root(), machine.map()) {
        reporter.detail(&error.to_string());
    }
}
