//! Where an image is read from: the mirrors of its registry, in their order, and then the registry.
//!
//! A mirror is a shortcut. It is asked once. If it lacks the image or answers wrongly, the next mirror is asked, and a
//! note says so. A mirror that does not work at all is not asked again in this run. If no mirror and not the registry
//! has the image, the error is the registry's own, with the answers of its mirrors as causes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::{Access, Skopeo};
use crate::model::{Reference, RegistryMirror, Repository};
use crate::process::Invocation;
use crate::tools::error::ToolError;
use crate::tools::{Cause, ToolTask};

/// How long a mirror may take for a question that the registry would answer too.
const MIRROR_LIMIT: Duration = Duration::from_secs(15);

/// Is called for each mirror that did not help.
pub(crate) type OnMirror = Box<dyn Fn(&PassedOver<'_>) + Send + Sync>;

/// A mirror that did not help.
#[derive(Debug)]
pub(crate) struct PassedOver<'a> {
    mirror: &'a RegistryMirror,
    error: &'a ToolError,
    /// True if the mirror is not asked again.
    for_good: bool,
}

impl PassedOver<'_> {
    /// True if the mirror only lacks the image, which is nothing unusual.
    pub(crate) fn is_normal(&self) -> bool {
        self.error.cause().is_some_and(Cause::is_absence)
    }
}

/// A line for people.
impl fmt::Display for PassedOver<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mirror, error, for_good } = self;
        match for_good {
            true => write!(formatter, "{error}; going on without the mirror `{mirror}`"),
            false => write!(formatter, "{error}; passing over the mirror `{mirror}`"),
        }
    }
}

/// A place to read a repository from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) repository: Repository,
    pub(super) access: Access,
    pub(super) is_mirror: bool,
}

impl Source {
    fn registry(repository: &Repository, access: &Access) -> Self {
        Self { repository: repository.clone(), access: access.clone(), is_mirror: false }
    }

    /// How long a question to this place may take, if it may take `limit` at the registry itself.
    pub(super) fn limit(&self, limit: Duration) -> Duration {
        if self.is_mirror { limit.min(MIRROR_LIMIT) } else { limit }
    }
}

impl Skopeo {
    /// Reads from the first place that has what is asked for.
    pub(super) fn read<T>(
        &self,
        repository: &Repository,
        access: &Access,
        read: impl Fn(&Source) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let mut said = Vec::new();
        for mirror in &access.mirrors {
            if let Some(reason) = self.lost_mirrors().get(mirror) {
                said.push(reason.clone());
                continue;
            }
            match read(&self.mirror_source(mirror, repository, access)) {
                Err(error) if error.cause().is_some_and(|cause| !cause.is_local()) => {
                    said.push(format!("the mirror `{mirror}` was asked first: {error}"));
                    self.pass_over(mirror, &error);
                }
                decided => return decided,
            }
        }
        let registry = Source::registry(repository, access);
        read(&registry).map_err(|error| said.into_iter().rev().fold(error, ToolError::preceded_by))
    }

    /// The place that is asked before all others.
    pub(super) fn first_source(&self, repository: &Repository, access: &Access) -> Source {
        let mirror = access.mirrors.iter().find(|mirror| !self.lost_mirrors().contains_key(mirror));
        match mirror {
            Some(mirror) => self.mirror_source(mirror, repository, access),
            None => Source::registry(repository, access),
        }
    }

    fn mirror_source(&self, mirror: &RegistryMirror, repository: &Repository, access: &Access) -> Source {
        let repository = mirror.repository(repository);
        let access = self.access(&repository, access.anonymous);
        Source { repository, access, is_mirror: true }
    }

    /// Where [`Skopeo::read`] asks first, as far as can be known before it asks.
    pub(crate) fn first(&self, reference: &Reference, access: &Access) -> (Reference, Access) {
        let source = self.first_source(reference.repository(), access);
        (reference.of(source.repository), source.access)
    }

    /// Runs a command: at a registry again if the fault may pass, at a mirror once. `prepare` is called before each
    /// time.
    pub(super) fn run_at(
        &self,
        source: &Source,
        task: &ToolTask,
        invocation: &Invocation,
        prepare: impl Fn() -> Result<(), ToolError>,
    ) -> Result<Vec<u8>, ToolError> {
        let call = || prepare().and_then(|()| self.run_once(task, invocation));
        if source.is_mirror { call() } else { self.persist(task, invocation, call) }
    }

    fn pass_over(&self, mirror: &RegistryMirror, error: &ToolError) {
        let for_good = error.cause().is_some_and(Cause::is_of_connection);
        if for_good {
            let reason = format!("the mirror `{mirror}` was left out: {error}");
            if self.lost_mirrors().insert(mirror.clone(), reason).is_some() {
                return;
            }
        }
        (self.settings.on_mirror)(&PassedOver { mirror, error, for_good });
    }

    fn lost_mirrors(&self) -> MutexGuard<'_, BTreeMap<RegistryMirror, String>> {
        self.lost_mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
