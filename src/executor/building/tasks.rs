//! What each task does. A task returns early if an input is missing: the task that should have made the input has
//! reported the error.

use std::sync::{Mutex, OnceLock};

use super::{Building, Packed, PackedLayer, Progress, Whole, Work, locked};
use crate::executor::BuildError;
use crate::executor::layers::{Part, look, program, resolve};
use crate::executor::reasons::Last;
use crate::executor::schedule::Pool;
use crate::executor::steps::{Make, Stack};
use crate::image::AddedLayer;
use crate::layer::{Difference, Look};
use crate::model::Digest;
use crate::plan::{ImageId, Node, NodeId, NodeOrigin, PlannedImage};
use crate::source::At;

/// The most layers that an image for Docker may have.
const MOST_LAYERS: usize = 127;

impl Building<'_> {
    pub(super) fn load(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let node = &self.graph.nodes[number];
        if let NodeOrigin::Elsewhere(name, asker) = node.origin {
            let build = self.plan.images[asker].build;
            let base = self.executor.load(name, build, node.platform).map_err(|error| vec![error.into()])?;
            let _ = self.progress[number].whole.set(Whole::Elsewhere(base));
        }
        Ok(())
    }

    pub(super) fn fetch(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let (Some(Whole::Elsewhere(base)), NodeOrigin::Elsewhere(name, _)) =
            (self.progress[number].whole.get(), self.graph.nodes[number].origin)
        else {
            return Ok(());
        };
        for layer in &base.image.layers {
            if !self.executor.can_read_links(layer).map_err(|error| vec![error])? {
                let place = self.executor.manifest.pin(name).map_or(&name.place, |(_, pin)| &pin.place);
                let fetched = self.executor.bases().fetch_layers(base);
                fetched.map_err(|error| vec![At::new(error, place, "").into()])?;
                break;
            }
        }
        let _ = self.progress[number].fetched.set(());
        Ok(())
    }

    pub(super) fn links(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let Progress { fetched, linked, whole, .. } = &self.progress[number];
        if let (Some(()), Some(Whole::Elsewhere(base)), NodeOrigin::Elsewhere(name, _)) =
            (fetched.get(), whole.get(), self.graph.nodes[number].origin)
        {
            for layer in &base.image.layers {
                self.executor.layer_links(&name.place, layer).map_err(|error| vec![error])?;
            }
            let _ = linked.set(());
        }
        Ok(())
    }

    pub(super) fn scan(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let Node { origin: NodeOrigin::Made(image), platform, .. } = self.graph.nodes[number] else { return Ok(()) };
        let Some(sources) = self.sources(number) else { return Ok(()) };
        let build = self.plan.images[image].build;
        let parts = self.executor.scan(build, platform, &sources, true)?;
        self.tell_unheeded(build, platform);
        let below = self.graph.nodes[number].base;
        let is_below_made = below.is_some_and(|base| matches!(self.graph.nodes[base].origin, NodeOrigin::Made(_)));
        let base = match look(&parts) {
            Look::Everywhere => self.graph.nodes[number].bottom,
            Look::Made if is_below_made => None,
            Look::Made | Look::Nowhere => {
                self.pack(number, parts);
                return Ok(());
            }
        };
        *locked(&self.progress[number].parts) = parts;
        let below = below.and_then(|base| self.progress[base].last.get().copied());
        let links = base.and_then(|base| self.links_task(base));
        let follow = self.schedule.add(Pool::Processor, Work::Follow(number), below.into_iter().chain(links));
        self.hold(number, follow);
        Ok(())
    }

    pub(super) fn follow(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let node = &self.graph.nodes[number];
        let (NodeOrigin::Made(image), Some(below)) = (node.origin, self.below(node)) else { return Ok(()) };
        let parts = std::mem::take(&mut *locked(&self.progress[number].parts));
        let look = look(&parts);
        let is_linked = |base: NodeId| self.progress[base].linked.get().is_some();
        if look == Look::Everywhere && !node.bottom.is_none_or(is_linked) {
            return Ok(());
        }
        let place = &self.plan.images[image].build.base.place;
        let below = self.executor.look(look, place, (&below.0, below.1)).map_err(|error| vec![error])?;
        let parts = resolve(parts, &below)?;
        for difference in Difference::all(parts.iter().map(|part| &part.tree), &below.all) {
            self.warn(&difference.to_string());
        }
        self.pack(number, parts);
        Ok(())
    }

    /// Adds a task for each layer, and makes the node wait for them.
    fn pack(&self, number: NodeId, parts: Vec<Part>) {
        let NodeOrigin::Made(image) = self.graph.nodes[number].origin else { return };
        let compression = self.plan.images[image].build.compression;
        let program = program(&parts);
        // A file without an executable bit may be a program that was meant to run.
        let mut first = parts.iter().find(|part| !part.shared).and_then(|part| part.tree.not_executable());
        let layers = parts.into_iter().filter(|part| !part.tree.is_empty()).map(|part| PackedLayer {
            key: self.executor.layer_key(&part.tree, compression),
            created_by: part.created_by.clone(),
            first: if part.shared { None } else { first.take() },
            part: Mutex::new(Some(part)),
            layer: OnceLock::new(),
        });
        let packed = Packed { program, layers: layers.collect() };
        let keys: Vec<Digest> = packed.layers.iter().map(|layer| layer.key).collect();
        // The tasks that are added now look for it.
        let _ = self.progress[number].packed.set(packed);
        for (layer, key) in keys.into_iter().enumerate() {
            let mut makers = locked(&self.makers);
            let before = makers.get(&key).copied();
            let ticket = self.schedule.add(Pool::Processor, Work::Layer(number, layer), before);
            makers.insert(key, ticket);
            drop(makers);
            self.hold(number, ticket);
        }
    }

    pub(super) fn layer(&self, number: NodeId, layer: usize) -> Result<(), Vec<BuildError>> {
        let Node { origin: NodeOrigin::Made(image), platform, .. } = self.graph.nodes[number] else { return Ok(()) };
        let Some(packed) = self.progress[number].packed.get().and_then(|packed| packed.layers.get(layer)) else {
            return Ok(());
        };
        let Some(part) = locked(&packed.part).take() else { return Ok(()) };
        let known = locked(&self.made).get(&packed.key).cloned();
        let made = match known.filter(|record| record.fits(platform)) {
            Some(record) => Ok((record, false)),
            None => {
                let compression = self.plan.images[image].build.compression;
                let complete = |missing: &_| self.complete_sources(number, missing);
                self.executor.layer(&part, &packed.key, (platform, compression), &complete)
            }
        };
        let (record, is_new) = made.map_err(|error| vec![error])?;
        if let Some(first) = packed.first.as_ref().filter(|_| record.is_first_inert) {
            self.tell_inert(&self.plan.images[image], first);
        }
        let _ = packed.layer.set((record.layer.clone(), is_new));
        locked(&self.made).insert(packed.key, record);
        Ok(())
    }

    pub(super) fn assemble(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let node = &self.graph.nodes[number];
        let (NodeOrigin::Made(image), Some((below, base)), Some(packed)) =
            (node.origin, self.below(node), self.progress[number].packed.get())
        else {
            return Ok(());
        };
        let layers: Option<Vec<AddedLayer>> = packed
            .layers
            .iter()
            .map(|PackedLayer { layer, created_by, .. }| {
                Some(AddedLayer { layer: layer.get()?.0.clone(), created_by: created_by.clone() })
            })
            .collect();
        if let Some(mut layers) = layers {
            let PlannedImage { name, build, .. } = &self.plan.images[image];
            let Some(sources) = self.sources(number) else { return Ok(()) };
            let complete = |missing: &_| self.complete_sources(number, missing);
            let stack = Stack {
                name,
                build,
                platform: node.platform,
                target: node.target,
                below: &below,
                base,
                sources: &sources,
                complete: &complete,
            };
            if self.steps == Make::Nothing {
                let done = self.executor.recall_steps(stack, &mut layers.clone()).map_err(|error| vec![error])?;
                if done < build.steps.len() {
                    let _ = self.progress[number].first_step.set(done);
                    return Ok(());
                }
            }
            let (steps, ran) = self.executor.run_steps(stack, &mut layers);
            let _ = self.progress[number].steps.set(steps);
            ran.map_err(|error| vec![error])?;
            let built = self.executor.assemble(build, (&below, base), &layers, packed.program.clone());
            let (built, is_new) = built.map_err(|error| vec![error])?;
            self.tell_replaced(&self.plan.images[image], &below, &built);
            if is_new || packed.layers.iter().any(|layer| layer.layer.get().is_some_and(|(_, made)| *made)) {
                self.keep_last(number, packed).map_err(|error| vec![error])?;
            }
            let _ = self.progress[number].whole.set(Whole::Made(built));
        }
        Ok(())
    }

    /// Records what the image was made of, so that the next plan can say what changed.
    fn keep_last(&self, number: NodeId, packed: &Packed) -> Result<(), BuildError> {
        let Node { origin: NodeOrigin::Made(image), target, base, .. } = self.graph.nodes[number] else {
            return Ok(());
        };
        let base = base.and_then(|base| self.progress[base].whole.get()).map(Whole::digest);
        let layers = packed.layers.iter().map(|layer| (layer.created_by.clone(), layer.key)).collect();
        self.executor.keep_last(self.plan.images[image].name, target, &Last { base, layers })
    }

    pub(super) fn index(&self, image: ImageId) -> Result<(), Vec<BuildError>> {
        if let Some(platforms) = self.platforms(image) {
            self.warn_of_layers(image, platforms.values().map(|built| built.image.layers.len()).max());
            let manifests = platforms.into_iter().map(|(platform, built)| (platform, built.manifest)).collect();
            let index = self.executor.index(self.plan.images[image].build, &manifests);
            let _ = self.indexes[image].set(index.map_err(|error| vec![error.into()])?);
        }
        Ok(())
    }

    /// Warns of an image that has more layers than Docker pulls. Stages are never pulled.
    fn warn_of_layers(&self, image: ImageId, count: Option<usize>) {
        let PlannedImage { name, build, .. } = &self.plan.images[image];
        let Some(count) =
            count.filter(|count| *count > MOST_LAYERS && !self.executor.manifest.stages.contains_key(*name))
        else {
            return;
        };
        let help = match build.squash_packages {
            true => "steps, and the images below, have a layer each",
            false => "`squash-packages = true` makes one layer of its packages",
        };
        self.executor.reporter.warning(&format!(
            "`{name}` has {count} layers, and Docker takes no image of more than {MOST_LAYERS}: {help}"
        ));
    }
}
