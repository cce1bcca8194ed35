//! The outcome of a build, and of a rehearsal, in which no step is run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::{Building, Cause, Reach, StepsDone};
use crate::executor::{BuildError, Built, Executor, Outcome, Tally};
use crate::plan::{ById, NodeId, NodeOrigin, Plan};

/// What a rehearsal found out.
pub(in crate::executor) struct Rehearsed {
    /// The first of each node's steps that has to run, if that is known.
    pub(in crate::executor) first_steps: ById<NodeId, Option<usize>>,
    pub(in crate::executor) errors: Vec<BuildError>,
}

impl<'a> Building<'a> {
    /// Carries out all of a plan that needs no step to be run.
    pub(in crate::executor) fn rehearse(executor: &'a Executor<'a>, plan: &'a Plan<'a>) -> Rehearsed {
        let building = Self { reach: Reach::Layers, ..Self::new(executor, plan) };
        building.do_tasks();
        let first_steps = building.progress.map(|progress| match progress.steps.get() {
            Some(StepsDone::StoppedAt(step)) => Some(*step),
            Some(StepsDone::Ran(_)) | None => None,
        });
        Rehearsed { first_steps, errors: building.outcome().errors }
    }

    pub(super) fn outcome(self) -> Outcome {
        let built = self.plan.images.enumerate().filter_map(|(number, image)| {
            let descriptor = self.indexes[number].get()?.clone();
            Some((image.name.to_owned(), Built { descriptor, platforms: self.platforms(number)? }))
        });
        let built: BTreeMap<String, Built> = built.collect();
        let packed = self.progress.iter().filter_map(|progress| progress.packed.get());
        let mut layers = Tally::default();
        let made = packed.flat_map(|packed| &packed.layers).filter_map(|layer| Some(layer.done.get()?.is_made));
        made.for_each(|is_made| layers.count(is_made));
        let mut steps = Tally::default();
        for done in self.progress.iter().filter_map(|progress| progress.steps.get()) {
            if let StepsDone::Ran(tally) = done {
                steps.made += tally.made;
                steps.cached += tally.cached;
            }
        }
        let mut told = BTreeSet::new();
        let mut errors = Vec::new();
        for ((cause, _), failed) in self.errors.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // A problem that an image has on several platforms is reported once.
            let image = match cause {
                Cause::Node(node) => match self.graph.nodes[node].origin {
                    NodeOrigin::Made(image) => Some(image),
                    NodeOrigin::Elsewhere(..) | NodeOrigin::Target(..) => None,
                },
                Cause::Image(_) | Cause::Signal => None,
            };
            errors.extend(failed.into_iter().filter(|error| told.insert((image, error.to_string()))));
        }
        if errors.is_empty() && self.reach == Reach::All {
            let forgotten = self.plan.asked_for().filter(|image| !built.contains_key(image.name));
            errors.extend(forgotten.map(|image| BuildError::Forgotten { name: image.name.to_owned() }));
        }
        Outcome { built, errors, layers, steps }
    }
}
