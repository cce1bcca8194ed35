//! What a dry run says of the tasks of a build. The tasks themselves decide what comes after what: where a result is
//! not there, they tell it here in place of making it.
//!
//! Nothing is written, no process is started and no registry is asked. What only an answer could tell is said to be
//! unknown. The store must be one that only looks.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Building, Reach, Whole, locked};
use crate::bases::{BaseError, BaseImage};
use crate::executor::foreseen::{Foreseen, Readiness};
use crate::executor::layers::Part;
use crate::executor::reasons::Last;
use crate::executor::{BuildError, BuildOptions, Executor};
use crate::image::{AddedLayer, Layer};
use crate::model::{Descriptor, Digest, ImageName, Platform};
use crate::plan::{ImageId, NodeId, NodeOrigin, Plan, PlannedImage};
use crate::report::WorkKind;
use crate::source::Placed;

/// Where a piece of work stands among those of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Load,
    Target,
    /// Bringing the layers of a base, for its links.
    Links,
    Layer(usize),
    Step(usize),
    Assemble,
    /// Bringing the layers of a base, for its files.
    Files,
    /// The index stands behind the last node of its image.
    Index,
}

impl Executor<'_> {
    /// What carrying out the plan would do; and what is wrong already. `unresolved` are the bases that are to be
    /// resolved first.
    pub(crate) fn forecast(&self, plan: &Plan<'_>, unresolved: &BTreeSet<String>) -> (Vec<Foreseen>, Vec<BuildError>) {
        let executor = Executor { options: BuildOptions { fail_fast: false, ..self.options }, ..*self };
        let building = Building { reach: Reach::Look, unresolved: Some(unresolved), ..Building::new(&executor, plan) };
        building.do_tasks();
        let foreseen = std::mem::take(&mut *locked(&building.foreseen));
        let mut told = BTreeSet::new();
        let mut errors = building.outcome().errors;
        errors.retain(|error| told.insert(error.to_string()));
        (foreseen.into_values().collect(), errors)
    }
}

impl Building<'_> {
    /// Tells a piece of work, if this is a dry run.
    pub(super) fn foresee(&self, (node, slot): (NodeId, Slot), foreseen: impl FnOnce() -> Foreseen) {
        if self.reach == Reach::Look {
            locked(&self.foreseen).insert((node, slot), foreseen());
        }
    }

    /// Tells a piece of work on one platform of an image.
    fn foresee_for(&self, (node, slot): (NodeId, Slot), layer: Option<String>, state: Readiness) {
        let Some(image) = self.planned(node) else { return };
        self.foresee((node, slot), || Foreseen {
            kind: match slot {
                Slot::Load | Slot::Links | Slot::Files => WorkKind::Fetch,
                Slot::Target => WorkKind::Target,
                Slot::Layer(_) => WorkKind::Layer,
                Slot::Step(_) => WorkKind::Step,
                Slot::Assemble => WorkKind::Assemble,
                Slot::Index => WorkKind::Index,
            },
            name: image.name.to_owned(),
            platform: Some(self.graph.nodes[node].target.clone()),
            layer,
            state,
            commands: Vec::new(),
        });
    }

    /// The image of the plan that a node is made for; `None` for a base.
    fn planned(&self, node: NodeId) -> Option<&PlannedImage<'_>> {
        match self.graph.nodes[node].origin {
            NodeOrigin::Made(image) => Some(&self.plan.images[image]),
            NodeOrigin::Elsewhere(..) | NodeOrigin::Target(..) => None,
        }
    }

    /// Looks for a base's manifest and config, and tells how they would be brought if they are not here.
    pub(super) fn look_for_base(&self, number: NodeId) -> Result<Option<BaseImage>, BuildError> {
        let node = &self.graph.nodes[number];
        let NodeOrigin::Elsewhere(name, asker) = node.origin else { return Ok(None) };
        let (found, state, commands) = self.base_on_this_machine(name, asker, node.platform)?;
        self.foresee((number, Slot::Load), || Foreseen {
            kind: WorkKind::Fetch,
            name: name.to_string(),
            platform: Some(node.platform.clone()),
            layer: None,
            state,
            commands,
        });
        Ok(found)
    }

    fn base_on_this_machine(
        &self,
        name: &Placed<ImageName>,
        asker: ImageId,
        platform: &Platform,
    ) -> Result<(Option<BaseImage>, Readiness, Vec<String>), BuildError> {
        let written = name.to_string();
        if self.is_unresolved(&written) {
            let reason = "its digest is known once it is resolved".to_owned();
            return Ok((None, Readiness::Unknown(reason), Vec::new()));
        }
        let offline = Executor { offline: true, ..*self.executor };
        match offline.load(name, self.plan.images[asker].build, platform) {
            Ok(base) => Ok((Some(base), Readiness::Cached, Vec::new())),
            Err(error) if error.error().is_offline() && !self.executor.offline => {
                let entry = self.executor.lock.entries.get(&written);
                let is_here = matches!(error.error(), BaseError::NotJudged { .. });
                let commands = entry.map(|entry| self.executor.commands_to_load(name, entry, platform, is_here));
                let reason = match is_here {
                    true => "the signature policy has not accepted it yet",
                    false => "its manifest or config is not in the cache",
                };
                Ok((None, Readiness::needed(reason), commands.unwrap_or_default()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_unresolved(&self, name: &str) -> bool {
        self.unresolved.is_some_and(|unresolved| unresolved.contains(name))
    }

    /// Tells that the layers of a base are to be brought, if they are not all here.
    pub(super) fn foresee_fetch(&self, (number, slot): (NodeId, Slot), base: &BaseImage) {
        let is_absent = |layer: &Layer| !self.executor.store.has(&layer.descriptor);
        if base.image.layers.iter().any(is_absent) {
            self.foresee((number, slot), || Foreseen {
                kind: WorkKind::Fetch,
                name: base.name().to_owned(),
                platform: Some(self.graph.nodes[number].platform.clone()),
                layer: Some("layers".to_owned()),
                state: Readiness::needed(match slot {
                    Slot::Files => "a package takes files of the image",
                    _ => "where a package goes, or what is above it, depends on them",
                }),
                commands: self.executor.command_to_fetch(base).into_iter().collect(),
            });
        }
    }

    /// Tells that the layers of an image are not known, since an image that its packages take files from is not.
    pub(super) fn foresee_without_sources(&self, number: NodeId) {
        let node = &self.graph.nodes[number];
        let Some(image) = self.planned(number) else { return };
        let is_missing = |source: &NodeId| self.progress[*source].files.found.get().is_none();
        let sources = node.sources.iter().filter(|(_, source)| is_missing(source)).map(|(name, _)| name.to_string());
        let is_unmade = |target: &NodeId| self.progress[*target].target.get().is_none();
        let targets = node.targets.iter().filter(|(_, target)| is_unmade(target)).map(|(name, _)| format!(":{name}"));
        if let Some(name) = sources.chain(targets).next().filter(|_| self.reach == Reach::Look) {
            let titles = self.executor.titles(image.build, node.platform);
            self.foresee_unknown(number, titles, &format!("what `{name}` holds is not known yet"));
        }
    }

    /// Tells that the layers of an image are not known before the image below is there.
    pub(super) fn foresee_unplaced(&self, number: NodeId, parts: &[Part]) {
        let Some(image) = self.planned(number) else { return };
        let reason = format!("where its packages go is known once the layers of `{}` are", image.build.base.value);
        let titles = parts.iter().filter(|part| !part.tree.is_empty()).map(|part| part.title().to_owned());
        self.foresee_unknown(number, titles, &reason);
    }

    fn foresee_unknown(&self, number: NodeId, titles: impl IntoIterator<Item = String>, reason: &str) {
        for (layer, title) in titles.into_iter().enumerate() {
            let state = Readiness::Unknown(reason.to_owned());
            self.foresee_for((number, Slot::Layer(layer)), Some(title), state);
        }
        let unknown = |what: &str| Readiness::Unknown(format!("{what} are not known yet"));
        self.foresee_all_steps(number, &unknown("the layers below it"));
        self.foresee_for((number, Slot::Assemble), None, unknown("its layers"));
    }

    /// Tells whether a layer is there, and if not, why not.
    pub(super) fn foresee_layer(
        &self,
        (number, layer): (NodeId, usize),
        (part, key): (&Part, &Digest),
        is_there: bool,
    ) -> Result<(), BuildError> {
        let node = &self.graph.nodes[number];
        let Some(image) = self.planned(number).filter(|_| self.reach == Reach::Look) else { return Ok(()) };
        let executor = self.executor;
        let state = if is_there {
            Readiness::Cached
        } else if executor.known_layer(key, node.platform)?.is_some() {
            Readiness::needed("`--no-cache` is set")
        } else {
            let last = executor.last(image.name, node.target)?;
            Readiness::Needed(executor.why(last.as_ref(), (layer, part), key, image.build.compression)?)
        };
        self.foresee_for((number, Slot::Layer(layer)), Some(part.title().to_owned()), state);
        Ok(())
    }

    /// Tells of the steps and documents of an image that cannot be looked for: its own layers, or the image below,
    /// are not there.
    pub(super) fn foresee_on_new_layers(&self, number: NodeId, has_layers: bool) -> Result<(), BuildError> {
        let node = &self.graph.nodes[number];
        let Some(image) = self.planned(number).filter(|_| self.reach == Reach::Look) else { return Ok(()) };
        let last = self.executor.last(image.name, node.target)?;
        let moved = moved(last.as_ref(), node.base.and_then(|base| self.digest(base)), image);
        let (of_steps, state) = match (moved, has_layers) {
            (Some(moved), _) => (Readiness::needed(moved.clone()), Readiness::needed(moved)),
            (None, true) => {
                let unknown = Readiness::Unknown(format!("what `{}` is, is not known yet", image.build.base.value));
                (unknown.clone(), unknown)
            }
            (None, false) => (Readiness::needed("a layer below it is made"), Readiness::needed("its layers are made")),
        };
        self.foresee_all_steps(number, &of_steps);
        self.foresee_for((number, Slot::Assemble), None, state);
        Ok(())
    }

    /// The digest of a node's manifest, if it is known; of a base, the lockfile may know it before the manifest is
    /// here.
    fn digest(&self, number: NodeId) -> Option<Digest> {
        let node = &self.graph.nodes[number];
        let locked = || {
            let NodeOrigin::Elsewhere(name, _) = node.origin else { return None };
            let name = Some(name.to_string()).filter(|name| !self.is_unresolved(name))?;
            self.executor.lock.entries.get(&name)?.platforms.get(node.platform).copied()
        };
        self.progress[number].whole.get().map(Whole::digest).or_else(locked)
    }

    /// Tells that all steps of an image, of which a layer below is made or not known yet, are in this state.
    fn foresee_all_steps(&self, number: NodeId, state: &Readiness) {
        let steps = self.planned(number).map_or(0, |image| image.build.steps.len());
        (0..steps).for_each(|step| self.foresee_step(number, step, state.clone()));
    }

    /// Tells of the steps of an image of whose layers below all are known. The first `done` of them ran on these
    /// layers before. If there are more, the image is made anew.
    pub(super) fn foresee_steps(&self, number: NodeId, done: usize) {
        let steps = self.planned(number).map_or(0, |image| image.build.steps.len());
        for step in 0..steps {
            let state = match step.cmp(&done) {
                Ordering::Less => Readiness::Cached,
                Ordering::Equal if self.executor.options.anew => Readiness::needed("`--no-cache` is set"),
                Ordering::Equal => Readiness::needed("it has not run on these layers, as it is written now"),
                Ordering::Greater => Readiness::needed("a step below it runs"),
            };
            self.foresee_step(number, step, state);
        }
        if done < steps {
            self.foresee_for((number, Slot::Assemble), None, Readiness::needed("its layers are made"));
        }
    }

    fn foresee_step(&self, number: NodeId, step: usize, state: Readiness) {
        let Some(image) = self.planned(number) else { return };
        let written = &image.build.steps[step];
        let commands = match state {
            Readiness::Cached => Vec::new(),
            Readiness::Needed(_) | Readiness::Unknown(_) => {
                vec![shell_words::join(written.words(self.graph.nodes[number].target))]
            }
        };
        self.foresee((number, Slot::Step(step)), || Foreseen {
            kind: WorkKind::Step,
            name: image.name.to_owned(),
            platform: Some(self.graph.nodes[number].target.clone()),
            layer: Some(written.title()),
            state,
            commands,
        });
    }

    /// Tells whether the documents of an image are there, whose layers all are. `layers` are those of its packages.
    pub(super) fn foresee_documents(
        &self,
        number: NodeId,
        layers: &[AddedLayer],
        is_new: bool,
    ) -> Result<(), BuildError> {
        let node = &self.graph.nodes[number];
        let Some(image) = self.planned(number).filter(|_| self.reach == Reach::Look) else { return Ok(()) };
        let state = match is_new {
            false => Readiness::Cached,
            true => {
                let last = self.executor.last(image.name, node.target)?;
                let below = node.base.and_then(|base| self.digest(base));
                Readiness::needed(changed(last.as_ref(), below, layers, image))
            }
        };
        self.foresee_for((number, Slot::Assemble), None, state);
        Ok(())
    }

    /// Tells whether the index over the platforms of an image is there; `None` if not all of them are known.
    pub(super) fn foresee_index(&self, image: ImageId, index: Option<&Descriptor>) {
        let planned = &self.plan.images[image];
        let Some(node) = self.graph.made[image].last() else { return };
        if planned.platforms.len() < 2 || planned.build.host.is_some() {
            return;
        }
        self.foresee((*node, Slot::Index), || Foreseen {
            kind: WorkKind::Index,
            name: planned.name.to_owned(),
            platform: None,
            layer: None,
            state: match index {
                None => Readiness::needed("its images are made"),
                Some(index) if self.executor.store.has(index) => Readiness::Cached,
                Some(_) => Readiness::needed("its images are others"),
            },
            commands: Vec::new(),
        });
    }
}

/// Why an image whose layers are all there is not.
fn changed(last: Option<&Last>, below: Option<Digest>, layers: &[AddedLayer], image: &PlannedImage<'_>) -> String {
    let Some(last) = last else { return "it was not built before".to_owned() };
    let names = layers.iter().map(|layer| &layer.created_by);
    match moved(Some(last), below, image) {
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
