//! What a build would do: each piece of work, whether its result is there, why not, and the commands that it takes.
//!
//! Nothing is written, no process is started and no registry is asked. What only an answer could tell is said to be
//! unknown. The store must be one that only looks.

mod needed;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::documents::described;
use super::files::Sources;
use super::layers::{Part, look, program, resolve};
use super::reasons::Last;
use super::steps::Stack;
use super::{BuildError, Executor};
use crate::bases::{BaseError, BaseImage};
use crate::contents::image::ImageTree;
use crate::image::{AddedLayer, Image};
use crate::layer::Look;
use crate::manifest::Build;
use crate::model::document::media_type;
use crate::model::{Descriptor, Digest, ImageName, Platform};
use crate::plan::{ById, Graph, ImageId, Node, NodeId, NodeOrigin, Plan, PlannedImage};
use crate::report::WorkKind;
use crate::source::Placed;

/// One piece of work of a build, whether or not its result is there.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) kind: WorkKind,
    /// The image or base that it is for.
    pub(crate) name: String,
    pub(crate) platform: Option<Platform>,
    /// What the layer is made of; what the step runs.
    pub(crate) layer: Option<String>,
    pub(crate) state: Readiness,
    /// What would be started, as lines for a shell: tools, or a step's command in its container.
    pub(crate) commands: Vec<String>,
}

/// Whether there is something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Its result is there.
    Cached,
    /// It is to be done, for these reasons.
    Needed(Vec<String>),
    /// It depends on what is not known yet.
    Unknown(String),
}

/// What is known of a node: an image, whether or not all its bytes are there.
struct Known {
    image: Image,
    base: Option<BaseImage>,
    /// Of its manifest, if it is made here.
    manifest: Option<Descriptor>,
}

impl Known {
    /// Of its manifest.
    fn digest(&self) -> Option<Digest> {
        let elsewhere = || self.base.as_ref().map(|base| base.digest);
        self.manifest.as_ref().map(|manifest| manifest.digest).or_else(elsewhere)
    }
}

/// What is foreseen so far.
struct Forecast<'a> {
    executor: &'a Executor<'a>,
    /// Bases that are to be resolved first.
    unresolved: &'a BTreeSet<String>,
    stages: Vec<Foreseen>,
    errors: Vec<BuildError>,
    /// Whether each node is made here.
    made: ById<NodeId, bool>,
    known: ById<NodeId, Option<Known>>,
    /// What images hold, for the images that were asked for so far.
    files: BTreeMap<NodeId, Option<Arc<ImageTree>>>,
    /// The digest of each node's manifest, if it is known; that of a base may be, without it.
    digests: ById<NodeId, Option<Digest>>,
}

impl Executor<'_> {
    /// What carrying out the plan would do; and what is wrong already.
    pub(crate) fn forecast(&self, plan: &Plan<'_>, unresolved: &BTreeSet<String>) -> (Vec<Foreseen>, Vec<BuildError>) {
        let graph = Graph::new(plan);
        let mut forecast = Forecast {
            executor: self,
            unresolved,
            stages: Vec::new(),
            errors: Vec::new(),
            made: graph.nodes.map(|node| matches!(node.origin, NodeOrigin::Made(_))),
            known: ById::new(),
            files: BTreeMap::new(),
            digests: ById::new(),
        };
        for (number, node) in graph.nodes.enumerate() {
            let known = match node.origin {
                NodeOrigin::Elsewhere(name, asker) => forecast.base(name, plan.images[asker].build, node),
                NodeOrigin::Made(image) => forecast.image(&plan.images[image], node),
            };
            let known = known.unwrap_or_else(|errors| {
                forecast.errors.extend(errors);
                None
            });
            forecast.digests.push(known.as_ref().and_then(Known::digest).or_else(|| forecast.locked(node)));
            forecast.known.push(known);
            if let NodeOrigin::Made(image) = node.origin
                && graph.made[image].last() == Some(&number)
            {
                forecast.index(&plan.images[image], &graph, image);
            }
        }
        let mut told = BTreeSet::new();
        forecast.errors.retain(|error| told.insert(error.to_string()));
        (forecast.stages, forecast.errors)
    }
}

impl Forecast<'_> {
    /// The digest that the lockfile has for a base.
    fn locked(&self, node: &Node<'_>) -> Option<Digest> {
        let NodeOrigin::Elsewhere(name, _) = node.origin else { return None };
        let name = Some(name.to_string()).filter(|name| !self.unresolved.contains(name))?;
        self.executor.lock.entries.get(&name)?.platforms.get(node.platform).copied()
    }

    fn base(
        &mut self,
        name: &Placed<ImageName>,
        asker: &Build,
        node: &Node<'_>,
    ) -> Result<Option<Known>, Vec<BuildError>> {
        let written = name.to_string();
        let mut stage = |state, commands| {
            let platform = Some(node.platform.clone());
            self.stages.push(Foreseen {
                kind: WorkKind::Fetch,
                name: written.clone(),
                platform,
                layer: None,
                state,
                commands,
            });
        };
        if self.unresolved.contains(&written) {
            stage(Readiness::Unknown("its digest is known once it is resolved".to_owned()), Vec::new());
            return Ok(None);
        }
        let offline = Executor { offline: true, ..*self.executor };
        match offline.load(name, asker, node.platform) {
            Ok(base) => {
                stage(Readiness::Cached, Vec::new());
                Ok(Some(Known { image: base.image.clone(), base: Some(base), manifest: None }))
            }
            Err(error) if error.error().is_offline() && !self.executor.offline => {
                let entry = self.executor.lock.entries.get(&written);
                let is_here = matches!(error.error(), BaseError::NotJudged { .. });
                let commands = entry.map(|entry| self.executor.commands_to_load(name, entry, node.platform, is_here));
                let reason = match is_here {
                    true => "the signature policy has not accepted it yet",
                    false => "its manifest or config is not in the cache",
                };
                stage(Readiness::Needed(vec![reason.to_owned()]), commands.unwrap_or_default());
                Ok(None)
            }
            Err(error) => Err(vec![error.into()]),
        }
    }

    fn image(&mut self, image: &PlannedImage<'_>, node: &Node<'_>) -> Result<Option<Known>, Vec<BuildError>> {
        let later = self.executor.manifest.not_yet(image.build);
        if !later.is_empty() {
            return Err(later.into_iter().map(BuildError::from).collect());
        }
        let Some(sources) = self.sources(image, node).map_err(|error| vec![error])? else { return Ok(None) };
        let mut parts = self.executor.scan(image.build, node.platform, &sources, false)?;
        let look = look(&parts);
        let is_below_made = node.base.is_some_and(|base| self.made[base]);
        if look == Look::Everywhere || (look == Look::Made && is_below_made) {
            match self.look(look, node).map_err(|error| vec![error])? {
                Some(below) => parts = resolve(parts, &below)?,
                None => {
                    self.unplaced(image, node, &parts);
                    return Ok(None);
                }
            }
        }
        parts.retain(|part| !part.tree.is_empty());
        self.assemble(image, node, &parts, &sources).map_err(|error| vec![error])
    }

    fn assemble(
        &mut self,
        image: &PlannedImage<'_>,
        node: &Node<'_>,
        parts: &[Part],
        sources: &Sources,
    ) -> Result<Option<Known>, BuildError> {
        let executor = self.executor;
        let last = executor.last(image.name, node.target)?;
        let mut layers = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let key = executor.layer_key(&part.tree, image.build.compression);
            let state = match executor.known_layer(&key, node.platform)? {
                Some(record) if !executor.options.anew => {
                    layers.push(AddedLayer { layer: record.layer, created_by: part.created_by.clone() });
                    Readiness::Cached
                }
                Some(_) => Readiness::Needed(vec!["`--no-cache` is set".to_owned()]),
                None => {
                    Readiness::Needed(executor.why(last.as_ref(), (number, part), &key, image.build.compression)?)
                }
            };
            self.push(WorkKind::Layer, image, node, Some(part.title().to_owned()), state);
        }
        let scratch = Known { image: Image::scratch(node.platform), base: None, manifest: None };
        let below = match node.base {
            None => Some(&scratch),
            Some(base) => self.known[base].as_ref(),
        };
        let Some(below) = below.filter(|_| layers.len() == parts.len()) else {
            let moved = moved(last.as_ref(), node.base.and_then(|base| self.digests[base]), image);
            let unknown = || Readiness::Unknown(format!("what `{}` is, is not known yet", image.build.base.value));
            let (of_steps, state) = match (moved, layers.len() == parts.len()) {
                (Some(moved), _) => (Readiness::Needed(vec![moved.clone()]), Readiness::Needed(vec![moved])),
                (None, true) => (unknown(), unknown()),
                (None, false) => {
                    let made = |what: &str| Readiness::Needed(vec![what.to_owned()]);
                    (made("a layer below it is made"), made("its layers are made"))
                }
            };
            self.steps_on_new_layers(image, node, &of_steps);
            self.push(WorkKind::Assemble, image, node, None, state);
            return Ok(None);
        };
        let stack = Stack {
            name: image.name,
            build: image.build,
            platform: node.platform,
            target: node.target,
            below: &below.image,
            base: below.base.as_ref(),
            sources,
            complete: &|_| Ok(()),
        };
        let mut all = layers.clone();
        let done = executor.recall_steps(stack, &mut all)?;
        self.steps_on_known_layers(image, node, done);
        if done < image.build.steps.len() {
            self.push(WorkKind::Assemble, image, node, None, Readiness::Needed(vec!["its layers are made".to_owned()]));
            return Ok(None);
        }
        let below = match node.base {
            None => &scratch,
            Some(base) => self.known[base].as_ref().unwrap_or(&scratch),
        };
        all.extend(executor.bottom(image.build, &below.image, &all)?.map(|(bottom, _)| bottom));
        let made = executor.derive(image.build, &below.image, &all, program(parts))?;
        let manifest = described(&made, &made.documents().1);
        let state = match executor.store.has(&manifest) {
            true => Readiness::Cached,
            false => Readiness::Needed(vec![changed(last.as_ref(), below, &layers, image)]),
        };
        let known = Known { image: made, base: below.base.clone(), manifest: Some(manifest) };
        self.push(WorkKind::Assemble, image, node, None, state);
        Ok(Some(known))
    }

    /// The index over the platforms of an image.
    fn index(&mut self, image: &PlannedImage<'_>, graph: &Graph<'_>, number: ImageId) {
        let nodes = graph.made[number].iter().map(|node| (&graph.nodes[*node], &self.known[*node]));
        let manifests: Option<BTreeMap<Platform, Descriptor>> =
            nodes.map(|(node, known)| Some((node.platform.clone(), known.as_ref()?.manifest.clone()?))).collect();
        if image.platforms.len() < 2 || image.build.host.is_some() {
            return;
        }
        let state = match manifests.map(|manifests| self.executor.index_document(image.build, &manifests)) {
            None => Readiness::Needed(vec!["its images are made".to_owned()]),
            Some(index) if self.executor.store.has(&Descriptor::of(media_type::INDEX, &index)) => Readiness::Cached,
            Some(_) => Readiness::Needed(vec!["its images are others".to_owned()]),
        };
        let name = image.name.to_owned();
        self.stages.push(Foreseen {
            kind: WorkKind::Index,
            name,
            platform: None,
            layer: None,
            state,
            commands: Vec::new(),
        });
    }

    fn push(
        &mut self,
        kind: WorkKind,
        image: &PlannedImage<'_>,
        node: &Node<'_>,
        layer: Option<String>,
        state: Readiness,
    ) {
        self.stages.push(Foreseen {
            kind,
            name: image.name.to_owned(),
            platform: Some(node.target.clone()),
            layer,
            state,
            commands: Vec::new(),
        });
    }
}

/// Why an image whose layers are all there is not.
fn changed(last: Option<&Last>, below: &Known, layers: &[AddedLayer], image: &PlannedImage<'_>) -> String {
    let Some(last) = last else { return "it was not built before".to_owned() };
    let names = layers.iter().map(|layer| &layer.created_by);
    match moved(Some(last), below.digest(), image) {
        Some(moved) => moved,
        None if names.ne(last.layers.iter().map(|(name, _)| name)) => "it has other layers than before".to_owned(),
        None => "its configuration, or what a layer holds, was changed".to_owned(),
    }
}

/// Said if the image below, of which this is the digest, is not the one of before.
fn moved(last: Option<&Last>, below: Option<Digest>, image: &PlannedImage<'_>) -> Option<String> {
    let last = last.filter(|last| below.is_some() && last.base != below);
    last.map(|_| format!("`{}` is another image than before", image.build.base.value))
}
