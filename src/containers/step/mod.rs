//! Steps: a command run in the image that is being built, and what it changed as a layer.
//!
//! ```text
//! <cache>/records/step/<key>          the layer that a step made, or that it made none
//! <cache>/records/step-layer/<key>    that layer in one compression
//! <cache>/caches/<name>/              a cache folder ([`trees`](crate::containers::trees)); beside it its lock, held
//!                                     by one step at a time, and what it has seen ([`seen`])
//! <cache>/locks/step-<key>            held while a step runs, gone when its layer is recorded
//! <cache>/logs/step-<key>.log         what it printed
//! ```
//!
//! The flow: everything that decides the result is gathered ([`surroundings`]), and a [`key`] is made of it. If a layer
//! is recorded for the key, it is the result, and no process is started. Otherwise the layers below are unpacked
//! ([`rootfs`]), the sandbox runs the command on an overlay of them, the command's output is shown ([`printed`](crate::printed)), and
//! the tar that comes back is compressed into the store as it arrives. The overlay's upper folder becomes the layer's
//! tree, for later steps and runs. The record is written last.

mod content;
mod error;
mod intact;
mod key;
mod layers;
mod mounts;
mod secret;
pub(super) mod seen;
mod surroundings;
mod times;
mod unpack;
mod wait;

use std::path::{Path, PathBuf};

pub(crate) use error::StepError;
pub(crate) use secret::missing_secrets;

use crate::bases::BaseError;
use crate::compress::Compressors;
use crate::containers::machine::Machine;
use crate::containers::run::hostname;
use crate::containers::runs::LiveRun;
use crate::containers::{rootfs, unstarted};
use crate::fs::FileError;
use crate::image::Layer;
use crate::manifest::Step;
use crate::model::{Compression, Digest, ImageConfig, Platform};
use crate::printed::{Listener, Strike};
use crate::process::{Namespaces, shell_status};
use crate::report::{Reporter, WorkKind};
use crate::sandbox::{self, Container, HelperTask, Limits, Overlays, STANDARD_INPUT};
use crate::sanitize;
use crate::source::{At, Place};
use crate::store::{Shelf, Store};
use intact::Performed;
use secret::Secret;
use surroundings::Surroundings;

/// The layer that a step made; `None` if the step changed nothing.
const STEPS: Shelf<Option<Layer>> = Shelf::new("step", 1);

/// What runs steps.
pub(crate) struct Steps<'a> {
    pub(crate) store: &'a Store,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) machine: &'a Machine,
    /// The manifest's folder.
    pub(crate) folder: &'a Path,
    /// Seconds since 1970.
    pub(crate) epoch: i64,
    pub(crate) compressors: &'a Compressors,
    /// Steps that ran before run again.
    pub(crate) anew: bool,
}

/// A step on an image.
pub(crate) struct StepRequest<'a> {
    pub(crate) step: &'a Step,
    /// The layers of its mounts of images, in their order, with what is mounted under
    /// [`Tree::MOUNTED`](crate::layer::Tree::MOUNTED).
    pub(crate) mounted: &'a [Layer],
    /// The image that is being built, for people.
    pub(crate) subject: &'a str,
    /// Its config: the step has its environment and its folder.
    pub(crate) config: &'a ImageConfig,
    /// The user of the image that the build starts from.
    pub(crate) user: Option<&'a str>,
    /// What it runs on, and what is built.
    pub(crate) platform: &'a Platform,
    pub(crate) target: &'a Platform,
    /// The step gets variables that say for which platform the image is.
    pub(crate) is_told_target: bool,
    /// The layers so far, lowest first.
    pub(crate) below: &'a [Layer],
    /// How many of them came from elsewhere.
    pub(crate) from_elsewhere: usize,
    /// When what came from elsewhere says that it was made (RFC 3339).
    pub(crate) base_created: Option<&'a str>,
    pub(crate) compression: Compression,
    /// Brings the layers that came from elsewhere into the store.
    pub(crate) complete: &'a (dyn Fn() -> Result<(), At<BaseError>> + Sync),
}

/// What the store has of a step's result.
pub(crate) enum Recorded {
    Miss,
    /// The step changed nothing.
    NoChange,
    Layer(Layer),
}

/// The result of a step.
pub(crate) struct Stepped {
    /// `None` if it changed nothing.
    pub(crate) layer: Option<Layer>,
    /// The step was run, and its result was not in the store.
    pub(crate) is_new: bool,
}

impl Steps<'_> {
    /// The layer that a step makes, from the store if it has it.
    pub(crate) fn run(&self, request: &StepRequest<'_>) -> Result<Stepped, At<StepError>> {
        let mut surroundings = Surroundings::gather(request, self.folder, self.epoch)?;
        let blame = |error| At::new(error, &request.step.place, "");
        let key = key::of(request, &surroundings, self.epoch);
        if let Some(cached) = self.cached(&key, request.compression).map_err(blame)? {
            return Ok(cached);
        }
        surroundings.add_secrets(request, self.folder)?;
        // Two builds may share a step: the second finds what the first recorded.
        let path = self.store.root().join("locks").join(format!("step-{}", key.hex()));
        let _lock = self.wait(&path, "another `oci` that runs the same step").map_err(blame)?;
        if let Some(cached) = self.cached(&key, request.compression).map_err(blame)? {
            return Ok(cached);
        }
        (request.complete)().map_err(|error| At::new(StepError::Base(Box::new(error)), &request.step.place, ""))?;
        let layer = self.perform_on_intact(request, &surroundings, &key).map_err(blame)?;
        STEPS.record(self.store, &key, &layer).map_err(|error| blame(error.into()))?;
        // A process that waits for the lock, or makes the file again, finds the record.
        let _ = std::fs::remove_file(&path);
        Ok(Stepped { layer, is_new: true })
    }

    /// The recorded result; `None` if there is none, or if every step is to be run.
    fn cached(&self, key: &Digest, compression: Compression) -> Result<Option<Stepped>, StepError> {
        if self.anew {
            return Ok(None);
        }
        let layer = match self.recall(key, compression)? {
            Recorded::Miss => return Ok(None),
            Recorded::NoChange => None,
            Recorded::Layer(layer) => Some(layer),
        };
        Ok(Some(Stepped { layer, is_new: false }))
    }

    /// What [`Steps::run`] would find. Nothing is written: a layer that is here in another compression only is a miss.
    pub(crate) fn look(&self, request: &StepRequest<'_>) -> Result<Recorded, At<StepError>> {
        if self.anew {
            return Ok(Recorded::Miss);
        }
        let surroundings = Surroundings::gather(request, self.folder, self.epoch)?;
        let key = key::of(request, &surroundings, self.epoch);
        let found = STEPS.recall(self.store, &key).and_then(|recorded| match recorded {
            None => Ok(Recorded::Miss),
            Some(None) => Ok(Recorded::NoChange),
            Some(Some(made)) => {
                Ok(self.compressed(&made, request.compression)?.map_or(Recorded::Miss, Recorded::Layer))
            }
        });
        found.map_err(|error| At::new(error.into(), &request.step.place, ""))
    }

    fn perform(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
        key: &Digest,
    ) -> Result<Performed, StepError> {
        let map = self.machine.map();
        let overlays = self.machine.overlays(self.store, self.reporter)?;
        let mut rootfs = self.unpack(request)?;
        let caches = self.caches(request, surroundings)?;
        let times = self.times(request, surroundings, &mut rootfs, &caches)?;
        let (mounts, in_use) = self.mounts(request, surroundings, caches, &times)?;
        let live = LiveRun::new(&self.store.runs(), self.machine.runc(), map)?;
        let Surroundings { process, secrets, .. } = surroundings;
        let secrets: Vec<Secret> = secrets.iter().flatten().cloned().collect();
        let strike = Strike::of_secrets(secrets.iter().map(|secret| &*secret.value));
        let mut listener = Listener::new(request.subject, strike, self.reporter, self.store.start_blob()?);
        let step = sandbox::StepRun {
            container: Container {
                folder: live.folder.path.clone(),
                image: request.subject.to_owned(),
                identifier: live.identifier.clone(),
                lowers: rootfs.lowers.clone(),
                is_copied: overlays != Overlays::OnDisk,
                runc: self.machine.runc().to_owned(),
                kind: self.machine.runtime(self.store)?,
                map: map.clone(),
                hostname: hostname(None, request.step.network_host),
                process: process.clone(),
                network_host: request.step.network_host,
                read_only: false,
                new_privileges: true,
                has_init: false,
                mounts,
                limits: Limits::default(),
                time: rootfs.time(),
                times: times.paths,
            },
            epoch: self.epoch,
            shown: rootfs.next(),
            secrets: secrets.into_iter().filter_map(Secret::needle).collect(),
        };
        let activity = self
            .reporter
            .begin(WorkKind::Step, format!("{}: {}", request.subject, sanitize::name(&request.step.title())));
        let helper = sandbox::invocation(Path::new(STANDARD_INPUT)).namespaces(Namespaces::sandbox(map));
        // JSON is UTF-8, and the paths in the task may be anything.
        let task = serde_json::to_vec(&HelperTask::Step(Box::new(step)))
            .map_err(|error| FileError::new("name", &live.folder.path, error.into()))?;
        let trees = std::iter::once(&rootfs).chain(&in_use.trees);
        let (streamed, changed) = intact::beside(trees, map, || {
            helper.stream(task, |bytes| listener.hear(bytes), |tar| self.receive(tar, request.compression))
        });
        let log = self.store.logs().join(format!("step-{}.log", &key.hex()[..12]));
        let heard = listener.finish(&log);
        let (status, received) = streamed?;
        let changed = changed?;
        if let Some(folder) = changed.first() {
            intact::set_aside(&changed, map)?;
            return Ok(Performed::OnChanged(folder.clone()));
        }
        if let Some(refusal) = unstarted::refusal(&live.folder) {
            return Err(StepError::refused(refusal, request.step));
        }
        // A step that a signal ended may have left half a file in a cache folder.
        if (0..128).contains(&shell_status(status)) {
            in_use.end()?;
        }
        if !status.success() {
            return Err(StepError::failed(shell_status(status), heard, request.step.network_host));
        }
        let layer = match received? {
            Some((blob, written)) => {
                let layer = self.keep(blob, &written, request.compression)?;
                rootfs::adopt(self.store.root(), map, (&rootfs, &layer.diff_id), &live.folder.scratch())?;
                Some(layer)
            }
            None => None,
        };
        activity.done();
        Ok(Performed::Made(layer))
    }
}

/// Where a cache folder's lock is: beside it.
fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

/// The place to blame, for what concerns one entry of a step.
fn at(error: impl Into<StepError>, place: &Place) -> At<StepError> {
    At::new(error.into(), place, "")
}
