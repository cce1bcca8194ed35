//! The packaged targets that images take files from.

use std::sync::Arc;

use super::forecast::Slot;
use super::{Building, Reach};
use crate::executor::BuildError;
use crate::executor::foreseen::{Foreseen, Readiness};
use crate::image::Given;
use crate::manifest::PackageContent;
use crate::manifest::package::expand;
use crate::pack::{Made, Word};
use crate::plan::{NodeId, NodeOrigin};
use crate::report::WorkKind;
use crate::source::At;
use crate::targets::{Looked, TargetError, TargetRequest, Targets};

impl Building<'_> {
    /// Makes a target, or in a dry run tells how it would be made.
    pub(super) fn target(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let node = &self.graph.nodes[number];
        let NodeOrigin::Target(name, target) = node.origin else { return Ok(()) };
        let executor = self.executor;
        let targets = Targets {
            store: executor.store,
            reporter: executor.reporter,
            manifest: executor.manifest,
            epoch: executor.epoch,
            compressors: executor.compressors,
            offline: executor.offline,
            anew: executor.options.anew,
        };
        let request = TargetRequest { name, target, platform: node.platform };
        let failed = |error: At<TargetError>| match error.error() {
            TargetError::Interrupted => vec![BuildError::Interrupted],
            _ => vec![error.into()],
        };
        let made = match self.reach {
            Reach::Look => {
                let looked = targets.look(request).map_err(failed)?;
                self.foresee_target(number, &looked);
                match looked {
                    Looked::Made(made) => made,
                    Looked::Missing { .. } => return Ok(()),
                }
            }
            Reach::Layers | Reach::All => targets.make(request).map_err(failed)?.0,
        };
        let _ = self.progress[number].target.set(Arc::new(made));
        Ok(())
    }

    /// Tells whether a target is there, and if not, how it would be made.
    pub(super) fn foresee_target(&self, number: NodeId, looked: &Looked) {
        let node = &self.graph.nodes[number];
        let NodeOrigin::Target(name, target) = node.origin else { return };
        self.foresee((number, Slot::Target), || Foreseen {
            kind: WorkKind::Target,
            name: format!(":{name}"),
            platform: target.is_for_each_platform().then(|| node.platform.clone()),
            layer: None,
            state: match looked {
                Looked::Made(_) => Readiness::Cached,
                Looked::Missing { reason, .. } => Readiness::needed(reason.clone()),
            },
            commands: match looked {
                Looked::Made(_) => Vec::new(),
                Looked::Missing { commands, .. } => commands.clone(),
            },
        });
    }

    /// What the packages of a node say of its config. `program` is the first package's path, if it is one program.
    pub(super) fn given(&self, number: NodeId, program: Option<String>) -> Given {
        let NodeOrigin::Made(image) = self.graph.nodes[number].origin else { return Given::default() };
        let (Some(made), platform) = (self.targets(number), self.graph.nodes[number].platform) else {
            return Given::default();
        };
        let mut given = Given { entrypoint: program.map(|program| vec![program]), ..Given::default() };
        let build = self.plan.images[image].build;
        let shared = build.layers.iter().filter_map(|name| self.executor.manifest.layers.get(&name.value));
        // Of a shared layer the variables count alone: it has no say in what the image runs.
        let shared = shared.flat_map(|layer| &layer.packages).map(|package| (false, package));
        let own = build.packages.iter().enumerate().map(|(position, package)| (position == 0, package));
        for (is_first, package) in own.chain(shared) {
            let PackageContent::Target { target, to, .. } = &package.content else { continue };
            let Some(made) = made.get(&target.value) else { continue };
            let to = to.as_ref().map_or_else(|| "/".to_owned(), |to| expand(to, platform));
            let text = |word: &Word| word.text(&to);
            for (name, value) in &made.provides.environment {
                given.environment.entry(name.clone()).or_insert_with(|| text(value));
            }
            if is_first {
                given.workdir = made.provides.is_workdir.then(|| text(&Word::Inside(String::new())));
                if !made.provides.entrypoint.is_empty() {
                    given.entrypoint = Some(made.provides.entrypoint.iter().map(text).collect());
                }
            }
        }
        given
    }

    /// What the targets made that the packages of a node name; `None` if one of them is not there.
    pub(super) fn targets(&self, number: NodeId) -> Option<Made> {
        let targets = self.graph.nodes[number].targets.iter();
        targets.map(|(name, node)| Some(((*name).to_owned(), Arc::clone(self.progress[*node].target.get()?)))).collect()
    }
}
