//! Packaged targets that are made on this machine: a command's outputs as layers, made again only when something that
//! decides them changes.
//!
//! ```text
//! <cache>/records/target-inputs/<key>   what the content of the inputs is, by their names and stats
//! <cache>/records/target/<key>          the layer of each output, by everything that decides the target
//! <cache>/logs/target-<key>.log         what the command printed
//! .oci/.project.lock                    held while a command works in the project
//! ```
//!
//! The kinds of targets ([`kind`]) differ in what decides them, in their commands and in what these leave: a
//! [`command`] of the manifest, [`go`], [`java`], [`node`], [`python`], [`rust`].
//!
//! The flow: the inputs are looked at, as packages are ([`inputs`]). If their names and stats are known, so is their
//! content, and nothing is read; otherwise they are read once. The content and everything else that decides the target
//! make its key. If a result is recorded for the key, and its layers are in the store, no process is started. Otherwise
//! the commands run ([`run`]), and each output becomes layers of its own, which are not compressed: images take
//! files of them. The record is written last, so nothing of a command that failed, or was killed, is ever taken.

mod cargo_config;
mod command;
mod error;
mod go;
mod inputs;
mod installed;
mod jar;
mod java;
mod key;
mod kind;
mod node;
mod outputs;
mod python;
mod run;
mod rust;
mod tool;
mod trees;
mod uv_lock;

use std::path::Path;

pub(crate) use error::TargetError;
pub(crate) use rust::rust_target;
pub(crate) use tool::{EcosystemTool, tool_of};

use crate::compress::Compressors;
use crate::manifest::{Manifest, Target};
use crate::model::{Digest, Platform};
use crate::pack::MadeTarget;
use crate::report::{Reporter, WorkKind};
use crate::source::At;
use crate::store::{LayoutFolder, Shelf, Store};
use crate::turns;
use inputs::Inputs;
use kind::{Making, Recipe, SHOWN_FOLDER};
use outputs::Recorded;

/// What a target made.
const RESULTS: Shelf<Recorded> = Shelf::new("target", 1);

/// Makes targets.
pub(crate) struct Targets<'a> {
    pub(crate) store: &'a Store,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) manifest: &'a Manifest,
    /// Seconds since 1970.
    pub(crate) epoch: i64,
    pub(crate) compressors: &'a Compressors,
    /// No tool may use the network.
    pub(crate) offline: bool,
    /// Targets that were made before are made again.
    pub(crate) anew: bool,
}

/// A target, for one platform.
#[derive(Clone, Copy)]
pub(crate) struct TargetRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) platform: &'a Platform,
}

/// The result of a look at a target.
pub(crate) enum Looked {
    Made(MadeTarget),
    /// The target has to be made. This is why, and the commands that make it.
    Missing {
        reason: String,
        commands: Vec<String>,
    },
}

/// Everything that decides a target, and its key.
struct Decided {
    inputs: Inputs,
    recipe: Recipe,
    key: Digest,
}

impl Targets<'_> {
    /// What is known of a target. Nothing is written, and no process but git is started.
    pub(crate) fn look(&self, request: TargetRequest<'_>) -> Result<Looked, At<TargetError>> {
        let making = Making { targets: self, request };
        let decided = making.decide(false)?;
        if let Some(made) = making.recall(&decided.key)?.filter(|_| !self.anew) {
            return Ok(Looked::Made(made));
        }
        let reason = if self.anew { "`--no-cache` is set" } else { "it was not made of these inputs before" };
        let commands = decided.recipe.commands.iter().map(ToString::to_string).collect();
        Ok(Looked::Missing { reason: reason.to_owned(), commands })
    }

    /// A target, from the store or made; and whether it was made. On `Ok` its layers are in the store.
    pub(crate) fn make(&self, request: TargetRequest<'_>) -> Result<(MadeTarget, bool), At<TargetError>> {
        let making = Making { targets: self, request };
        if !self.anew {
            let decided = making.decide(true)?;
            if let Some(made) = making.recall(&decided.key)? {
                return Ok((made, false));
            }
        }
        // Commands write where they like in the project, so they take turns.
        let layout = LayoutFolder::new(self.manifest.folder.join(".oci"));
        let lock = layout.project_lock().map_err(|error| making.blame(error))?;
        let whom = "a command that another `oci` started in this project";
        let lock = turns::take(&lock, whom, self.reporter).map_err(|error| making.blame(error))?;
        let Some(lock) = lock else { return Err(making.blame(TargetError::Interrupted)) };
        // Another process may have made it meanwhile, or changed what decides it.
        let decided = making.decide(true)?;
        if let Some(made) = making.recall(&decided.key)?.filter(|_| !self.anew) {
            return Ok((made, false));
        }
        let activity = self.reporter.begin(WorkKind::Target, format!(":{}", request.name));
        let out = self.store.scratch().map_err(|error| making.blame(error))?;
        let recipe = making.kind().recipe(&making, out.path())?;
        decided.inputs.copy(&recipe.copies).map_err(|error| making.blame(error))?;
        making.run(&recipe, &decided.key, &lock)?;
        let recorded = outputs::take(&making, making.kind().gather(&making, out.path())?)?;
        match decided.inputs.first_change(&Inputs::look(&making, &recipe)?) {
            None => RESULTS.record(self.store, &decided.key, &recorded).map_err(|error| making.blame(error))?,
            Some(path) => self.reporter.warning(&format!(
                "`[package.{}]` is made again next time: its input `{path}` changed while its command ran; take what \
                 the command itself writes out of `inputs` with `exclude`",
                request.name
            )),
        }
        activity.done();
        Ok((outputs::made(&making, &recorded)?, true))
    }
}

impl Making<'_> {
    /// Finds out what decides the target. With `records` the store knows the content of the inputs from then on.
    fn decide(&self, records: bool) -> Result<Decided, At<TargetError>> {
        let recipe = self.kind().recipe(self, Path::new(SHOWN_FOLDER))?;
        let inputs = Inputs::look(self, &recipe)?;
        let content = inputs.content(self, records)?;
        let key = key::of(self, &recipe, &content);
        Ok(Decided { inputs, recipe, key })
    }

    /// The recorded result, if all its layers are in the store.
    fn recall(&self, key: &Digest) -> Result<Option<MadeTarget>, At<TargetError>> {
        let store = self.targets.store;
        let Some(recorded) = RESULTS.recall(store, key).map_err(|error| self.blame(error))? else { return Ok(None) };
        let layers = || recorded.outputs.iter().flat_map(|output| &output.layers);
        if !layers().all(|(_, layer)| store.has(&layer.descriptor)) {
            return Ok(None);
        }
        outputs::made(self, &recorded).map(Some)
    }
}
