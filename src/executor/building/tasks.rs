//! What each task does. A task returns early if an input is missing: the task that should have made the input has
//! reported the error.

use std::sync::{Mutex, OnceLock};

use super::forecast::Slot;
use super::progress::DoneLayer;
use super::{Building, Packed, PackedLayer, Progress, Reach, StepsDone, Whole, Work, locked};
use crate::executor::BuildError;
use crate::executor::layers::{Part, look, program, resolve};
use crate::executor::reasons::Last;
use crate::executor::schedule::Pool;
use crate::executor::steps::Stack;
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
            let base = match self.reach {
                Reach::Look => self.look_for_base(number).map_err(|error| vec![error])?,
                Reach::Layers | Reach::All => {
                    let build = self.plan.images[asker].build;
                    Some(self.executor.load(name, build, node.platform).map_err(|error| vec![error.into()])?)
                }
            };
            if let Some(base) = base {
                let _ = self.progress[number].whole.set(Whole::Elsewhere(base));
            }
        }
        Ok(())
    }

    pub(super) fn fetch(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let (Some(Whole::Elsewhere(base)), NodeOrigin::Elsewhere(name, _)) =
            (self.progress[number].whole.get(), self.graph.nodes[number].origin)
        else {
            return Ok(());
        };
        if self.reach == Reach::Look {
            match self.executor.knows_links(&base.image.layers).map_err(|error| vec![error])? {
                true => drop(self.progress[number].links.fetched.set(())),
                false => self.foresee_fetch((number, Slot::Links), base),
            }
            return Ok(());
        }
        for layer in &base.image.layers {
            if !self.executor.can_read_links(layer).map_err(|error| vec![error])? {
                let place = self.executor.manifest.pin(name).map_or(&name.place, |(_, pin)| &pin.place);
                let fetched = self.executor.bases().fetch_layers(base);
                fetched.map_err(|error| vec![At::new(error, place, "").into()])?;
                break;
            }
        }
        let _ = self.progress[number].links.fetched.set(());
        Ok(())
    }

    pub(super) fn links(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let Progress { links, whole, .. } = &self.progress[number];
        if let (Some(()), Some(Whole::Elsewhere(base)), NodeOrigin::Elsewhere(name, _)) =
            (links.fetched.get(), whole.get(), self.graph.nodes[number].origin)
        {
            for layer in &base.image.layers {
                self.executor.layer_links(&name.place, layer).map_err(|error| vec![error])?;
            }
            let _ = links.found.set(());
        }
        Ok(())
    }

    pub(super) fn scan(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let Node { origin: NodeOrigin::Made(image), platform, .. } = self.graph.nodes[number] else { return Ok(()) };
        let (Some(sources), Some(targets)) = (self.sources(number), self.targets(number)) else {
            self.foresee_without_sources(number);
            return Ok(());
        };
        let build = self.plan.images[image].build;
        let parts = self.executor.scan(build, platform, (&sources, &targets), self.reach != Reach::Look)?;
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
        let NodeOrigin::Made(image) = node.origin else { return Ok(()) };
        let parts = std::mem::take(&mut *locked(&self.progress[number].parts));
        let look = look(&parts);
        let is_linked = |base: NodeId| self.progress[base].links.found.get().is_some();
        let is_readable = look != Look::Everywhere || node.bottom.is_none_or(is_linked);
        let Some((image_below, base)) = self.below(node).filter(|_| is_readable) else {
            self.foresee_unplaced(number, &parts);
            return Ok(());
        };
        let layers = (&image_below.layers[..], base.map_or(0, |base| base.image.layers.len()));
        if self.reach == Reach::Look && !self.executor.knows_links_for(look, layers).map_err(|error| vec![error])? {
            self.foresee_unplaced(number, &parts);
            return Ok(());
        }
        let place = &self.plan.images[image].build.base.place;
        let below = self.executor.look(look, place, layers).map_err(|error| vec![error])?;
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
        let given = self.given(number, program(&parts));
        // A file without an executable bit may be a program that was meant to run.
        let mut first = parts.iter().find(|part| !part.shared).and_then(|part| part.tree.not_executable());
        let layers = parts.into_iter().filter(|part| !part.tree.is_empty()).map(|part| PackedLayer {
            key: self.executor.layer_key(&part.tree, compression),
            created_by: part.created_by.clone(),
            first: if part.shared { None } else { first.take() },
            part: Mutex::new(Some(part)),
            done: OnceLock::new(),
        });
        let packed = Packed { given, layers: layers.collect() };
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
        let found = match known.filter(|record| record.fits(platform)) {
            Some(record) => Some(record),
            None => self.executor.look_for_layer(&packed.key, platform).map_err(|error| vec![error])?,
        };
        self.foresee_layer((number, layer), (&part, &packed.key), found.is_some()).map_err(|error| vec![error])?;
        let (record, is_made) = match found {
            Some(record) => (record, false),
            None if self.reach == Reach::Look => return Ok(()),
            None => {
                let compression = self.plan.images[image].build.compression;
                let complete = |missing: &_| self.complete_sources(number, missing);
                let made = self.executor.make_layer(&part, &packed.key, compression, &complete);
                (made.map_err(|error| vec![error])?, true)
            }
        };
        if let Some(first) = packed.first.as_ref().filter(|_| record.is_first_inert) {
            self.tell_inert(&self.plan.images[image], first);
        }
        let _ = packed.done.set(DoneLayer { layer: record.layer.clone(), is_made });
        locked(&self.made).insert(packed.key, record);
        Ok(())
    }

    pub(super) fn assemble(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        self.assembled(number).map_err(|error| vec![error])
    }

    fn assembled(&self, number: NodeId) -> Result<(), BuildError> {
        let node = &self.graph.nodes[number];
        let (NodeOrigin::Made(image), Some(packed)) = (node.origin, self.progress[number].packed.get()) else {
            return Ok(());
        };
        let (Some((below, base)), Some(own), Some(sources)) = (self.below(node), packed.added(), self.sources(number))
        else {
            return self.foresee_on_new_layers(number, packed.added().is_some());
        };
        let PlannedImage { name, build, .. } = &self.plan.images[image];
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
        let mut layers = own.clone();
        if self.reach == Reach::All {
            let (tally, ran) = self.executor.run_steps(stack, &mut layers);
            let _ = self.progress[number].steps.set(StepsDone::Ran(tally));
            ran?;
        } else {
            let done = self.executor.recall_steps(stack, &mut layers)?;
            self.foresee_steps(number, done);
            if done < build.steps.len() {
                let _ = self.progress[number].steps.set(StepsDone::StoppedAt(done));
                return Ok(());
            }
        }
        let assembled = self.executor.assemble(build, (&below, base), &layers, &packed.given)?;
        let is_new = !self.executor.has(&assembled);
        self.foresee_documents(number, &own, is_new)?;
        if self.reach != Reach::Look {
            self.executor.keep(&assembled)?;
            self.tell_environment(build, &below);
            self.tell_replaced(&self.plan.images[image], &below, &assembled.built);
            if is_new || packed.layers.iter().any(|layer| layer.done.get().is_some_and(|done| done.is_made)) {
                self.keep_last(number, packed)?;
            }
        }
        let _ = self.progress[number].whole.set(Whole::Made(assembled.built));
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
        let Some(platforms) = self.platforms(image) else {
            self.foresee_index(image, None);
            return Ok(());
        };
        self.warn_of_layers(image, platforms.values().map(|built| built.image.layers.len()).max());
        let manifests = platforms.into_iter().map(|(platform, built)| (platform, built.manifest)).collect();
        let (descriptor, index) = self.executor.index(self.plan.images[image].build, &manifests);
        self.foresee_index(image, Some(&descriptor));
        if let Some(index) = index.filter(|_| self.reach != Reach::Look) {
            self.executor.store.put(&index).map_err(|error| vec![error.into()])?;
        }
        let _ = self.indexes[image].set(descriptor);
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
