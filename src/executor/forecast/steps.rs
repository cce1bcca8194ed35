//! The steps of an image: which of them will run, with which command, and why.

use std::cmp::Ordering;

use super::{Forecast, Foreseen, Readiness};
use crate::manifest::Step;
use crate::plan::{Node, PlannedImage};
use crate::report::WorkKind;

impl Forecast<'_> {
    /// The steps of an image of whose layers below all are known. The first `done` of them ran on these layers
    /// before.
    pub(super) fn steps_on_known_layers(&mut self, image: &PlannedImage<'_>, node: &Node<'_>, done: usize) {
        for (number, step) in image.build.steps.iter().enumerate() {
            let state = match number.cmp(&done) {
                Ordering::Less => Readiness::Cached,
                Ordering::Equal if self.executor.options.anew => {
                    Readiness::Needed(vec!["`--no-cache` is set".to_owned()])
                }
                Ordering::Equal => {
                    Readiness::Needed(vec!["it has not run on these layers, as it is written now".to_owned()])
                }
                Ordering::Greater => Readiness::Needed(vec!["a step below it runs".to_owned()]),
            };
            self.step(image, node, step, state);
        }
    }

    /// The steps of an image of which a layer below is made, or not known yet: all of them are in this state.
    pub(super) fn steps_on_new_layers(&mut self, image: &PlannedImage<'_>, node: &Node<'_>, state: &Readiness) {
        for step in &image.build.steps {
            self.step(image, node, step, state.clone());
        }
    }

    fn step(&mut self, image: &PlannedImage<'_>, node: &Node<'_>, step: &Step, state: Readiness) {
        let commands = match state {
            Readiness::Cached => Vec::new(),
            Readiness::Needed(_) | Readiness::Unknown(_) => vec![shell_words::join(&step.command)],
        };
        self.stages.push(Foreseen {
            kind: WorkKind::Step,
            name: image.name.to_owned(),
            platform: Some(node.target.clone()),
            layer: Some(step.title()),
            state,
            commands,
        });
    }
}
