//! Errors that are known before anything runs, and are reported before anything runs.
//!
//! A platform that a base does not have is known from the lockfile. A secret that is missing matters only to steps
//! that will run, and whether one will is known once the layers below it are: so where a secret is missing, and only
//! there, the images are made once without running steps. The real build then finds what that made.

use std::collections::BTreeMap;

use super::building::Building;
use super::{BuildError, Executor, no_platform_at};
use crate::bases::BaseError;
use crate::containers::step::{StepError, missing_secrets};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::plan::{ById, Graph, ImageId, NodeId, NodeOrigin, Plan};
use crate::source::At;

/// An error for each base of a plan that has no image for a platform which it is needed for. What the lockfile does not
/// have is no error here.
pub(crate) fn missing_platforms(manifest: &Manifest, lock: &Lock, plan: &Plan<'_>) -> Vec<At<BaseError>> {
    in_graph(manifest, lock, plan, &Graph::new(plan))
}

fn in_graph(manifest: &Manifest, lock: &Lock, plan: &Plan<'_>, graph: &Graph<'_>) -> Vec<At<BaseError>> {
    let missing = graph.nodes.iter().filter_map(|node| {
        let NodeOrigin::Elsewhere(name, asker) = node.origin else { return None };
        let written = name.to_string();
        let entry = lock.entries.get(&written).filter(|entry| !entry.platforms.contains_key(node.platform))?;
        let build = plan.images[asker].build;
        // A layout's path, or what the manifest no longer names, is another error.
        manifest.pin(name)?;
        let error = BaseError::no_platform(&written, entry, node.platform);
        Some(no_platform_at(name, build, node.platform, error))
    });
    missing.collect()
}

impl Executor<'_> {
    /// What keeps a plan from being carried out; nothing if it can be begun.
    pub(super) fn beforehand(&self, plan: &Plan<'_>, graph: &Graph<'_>) -> Vec<BuildError> {
        let missing = in_graph(self.manifest, self.lock, plan, graph);
        if !missing.is_empty() {
            return missing.into_iter().map(BuildError::from).collect();
        }
        let lacking = self.lacking(plan);
        if lacking.is_empty() {
            return Vec::new();
        }
        let rehearsed = Building::rehearse(self, plan);
        let mut will_run: ById<NodeId, Option<usize>> = rehearsed.first_steps;
        let mut errors: BTreeMap<(ImageId, usize), Vec<At<StepError>>> = BTreeMap::new();
        for (number, node) in graph.nodes.enumerate() {
            // On an image that changes, all steps are others.
            if node.needs.iter().any(|need| will_run[*need].is_some()) {
                will_run[number] = Some(0);
            }
            let (NodeOrigin::Made(image), Some(first)) = (node.origin, will_run[number]) else { continue };
            for step in lacking.get(&image).into_iter().flatten().filter(|step| **step >= first) {
                let found = missing_secrets(&plan.images[image].build.steps[*step], &self.manifest.folder);
                errors.insert((image, *step), found);
            }
        }
        let errors: Vec<BuildError> = errors.into_values().flatten().map(BuildError::from).collect();
        // What else is wrong is found again by the build, if there is one.
        if errors.is_empty() { errors } else { errors.into_iter().chain(rehearsed.errors).collect() }
    }

    /// By image: the numbers of its steps that have not all their secrets.
    fn lacking(&self, plan: &Plan<'_>) -> BTreeMap<ImageId, Vec<usize>> {
        let mut lacking: BTreeMap<ImageId, Vec<usize>> = BTreeMap::new();
        for (image, planned) in plan.images.enumerate() {
            for (number, step) in planned.build.steps.iter().enumerate() {
                if !missing_secrets(step, &self.manifest.folder).is_empty() {
                    lacking.entry(image).or_default().push(number);
                }
            }
        }
        lacking
    }
}
