//! What has come of a plan in the end, or of a plan whose steps are not run.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Building;
use crate::executor::steps::Make;
use crate::executor::{BuildError, Built, Executor, Outcome, Tally};
use crate::plan::{Origin, Plan};

/// What came of a plan whose steps were not run.
pub(in crate::executor) struct Rehearsed {
    /// By node: the first of its steps that has to run, if that is known.
    pub(in crate::executor) first_steps: Vec<Option<usize>>,
    pub(in crate::executor) errors: Vec<BuildError>,
}

impl<'a> Building<'a> {
    /// Carries out what needs no step to be run.
    pub(in crate::executor) fn rehearse(executor: &'a Executor<'a>, plan: &'a Plan<'a>) -> Rehearsed {
        let building = Self { steps: Make::Nothing, ..Self::new(executor, plan) };
        building.add_tasks();
        building.schedule.run(|work| building.work(work));
        let first_steps = building.progress.iter().map(|progress| progress.first_step.get().copied()).collect();
        Rehearsed { first_steps, errors: building.outcome().errors }
    }

    pub(super) fn outcome(self) -> Outcome {
        let built = self.plan.images.iter().enumerate().filter_map(|(number, image)| {
            let descriptor = self.indexes[number].get()?.clone();
            Some((image.name.to_owned(), Built { descriptor, platforms: self.platforms(number)? }))
        });
        let built = built.collect();
        let packed = self.progress.iter().filter_map(|progress| progress.packed.get());
        let mut layers = Tally::default();
        let made = packed.flat_map(|packed| &packed.layers).filter_map(|layer| Some(layer.layer.get()?.1));
        made.for_each(|is_made| layers.count(is_made));
        let mut steps = Tally::default();
        for one in self.progress.iter().filter_map(|progress| progress.steps.get()) {
            steps.made += one.made;
            steps.cached += one.cached;
        }
        let mut told = BTreeSet::new();
        let mut errors = Vec::new();
        for ((node, _), failed) in self.errors.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // A problem that an image has on several platforms is told once.
            let image = match self.graph.nodes.get(node).map(|node| node.origin) {
                Some(Origin::Made(image)) => Some(image),
                _ => None,
            };
            errors.extend(failed.into_iter().filter(|error| told.insert((image, error.to_string()))));
        }
        Outcome { built, errors, layers, steps }
    }
}
