//! The steps of an image. Each stands on all layers before it, so they run one after the other.

use std::collections::BTreeSet;

use super::files::Sources;
use super::{BuildError, Executor, Tally};
use crate::bases::BaseImage;
use crate::containers::step::{Recorded, StepError, StepRequest, Stepped, Steps};
use crate::image::{AddedLayer, Given, Image};
use crate::manifest::Build;
use crate::model::{Digest, Platform};
use crate::source::At;

/// The image that the steps of a build are for, and what it stands on.
#[derive(Clone, Copy)]
pub(super) struct Stack<'a> {
    pub(super) name: &'a str,
    pub(super) build: &'a Build,
    pub(super) platform: &'a Platform,
    /// What is built.
    pub(super) target: &'a Platform,
    pub(super) below: &'a Image,
    /// The base from elsewhere that it stands on.
    pub(super) base: Option<&'a BaseImage>,
    /// What the images hold that its steps mount something of, and what brings their layers.
    pub(super) sources: &'a Sources,
    pub(super) complete: &'a dyn Fn(&BTreeSet<Digest>) -> Result<(), BuildError>,
}

/// Whether what is not there may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Make {
    Missing,
    Nothing,
}

impl Executor<'_> {
    /// Runs the steps of a build, and appends the layers that they make; a step that changes nothing makes none.
    /// Returns what became of the steps, also of those before one that failed.
    pub(super) fn run_steps(&self, stack: Stack<'_>, layers: &mut Vec<AddedLayer>) -> (Tally, Result<(), BuildError>) {
        let mut tally = Tally::default();
        let ran = self.each_step(stack, layers, Make::Missing, |steps, request| {
            let Stepped { layer, is_new } = steps.run(request)?;
            tally.count(is_new);
            Ok(layer.map_or(Recorded::NoChange, Recorded::Layer))
        });
        (tally, ran.map(drop))
    }

    /// Reuses recorded results of steps, up to the first step that has none; returns how many steps have one.
    /// Nothing is written.
    pub(super) fn recall_steps(&self, stack: Stack<'_>, layers: &mut Vec<AddedLayer>) -> Result<usize, BuildError> {
        self.each_step(stack, layers, Make::Nothing, |steps, request| steps.look(request))
    }

    /// Takes the result of each step until one has none; returns how many steps have a result.
    fn each_step(
        &self,
        stack: Stack<'_>,
        layers: &mut Vec<AddedLayer>,
        make: Make,
        mut take: impl FnMut(&Steps<'_>, &StepRequest<'_>) -> Result<Recorded, At<StepError>>,
    ) -> Result<usize, BuildError> {
        let Stack { name, build, platform, target, below, base, .. } = stack;
        if build.steps.is_empty() {
            return Ok(0);
        }
        let mut image = self.derive(build, below, layers, &Given::default())?;
        let user = below.config.execution().user;
        let steps = Steps {
            store: self.store,
            reporter: self.reporter,
            machine: self.machine,
            folder: &self.manifest.folder,
            epoch: self.epoch,
            compressors: self.compressors,
            anew: self.options.anew,
        };
        let subject = if *target == Platform::host() { name.to_owned() } else { format!("{name} for {target}") };
        let place = self.manifest.pin(&build.base.value).map_or(&build.base.place, |(_, pin)| &pin.place);
        let complete = || match base {
            Some(base) => self.bases().fetch_layers(base).map_err(|error| At::new(error, place, "")),
            None => Ok(()),
        };
        for (number, step) in build.steps.iter().enumerate() {
            let Some(mounted) = self.mounted(step, &stack, make)? else { return Ok(number) };
            let request = StepRequest {
                step,
                mounted: &mounted,
                subject: &subject,
                config: &image.config,
                user: user.as_deref(),
                platform,
                target,
                is_told_target: build.per_target,
                below: &image.layers,
                from_elsewhere: base.map_or(0, |base| base.image.layers.len()),
                base_created: base.and_then(|base| base.image.config.created()),
                compression: build.compression,
                complete: &complete,
            };
            let taken = take(&steps, &request).map_err(|error| match error.error() {
                StepError::Interrupted => BuildError::Interrupted,
                _ => error.into(),
            })?;
            match taken {
                Recorded::Miss => return Ok(number),
                Recorded::NoChange => {}
                Recorded::Layer(layer) => {
                    image.layers.push(layer.clone());
                    layers.push(AddedLayer { layer, created_by: format!("oci: run {}", step.written.trim()) });
                }
            }
        }
        Ok(build.steps.len())
    }
}
