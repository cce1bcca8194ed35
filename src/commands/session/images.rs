//! What a session does with images: builds them, shows them in `.oci/`, and brings the layers of their bases.

use super::Session;
use crate::diagnostic::Failure;
use crate::executor::{BuildOptions, Built, Executor, Outcome};
use crate::plan::Plan;
use crate::store::LayoutFolder;
use crate::{prune, sanitize};

impl Session {
    /// Builds a plan and puts the images into `.oci/`. The second part has the errors.
    pub(in crate::commands) fn build(
        &self,
        plan: &Plan<'_>,
        options: BuildOptions,
    ) -> Result<(Outcome, Option<Failure>), Failure> {
        let mut outcome = Executor { options, ..self.executor() }.run(plan);
        let errors = std::mem::take(&mut outcome.errors);
        self.update_layout(plan, &outcome)?;
        Ok((outcome, Failure::all(errors.into_iter().map(Failure::from))))
    }

    /// `.oci/` beside the manifest.
    pub(in crate::commands) fn layout(&self) -> LayoutFolder {
        LayoutFolder::new(self.manifest.folder.join(".oci"))
    }

    pub(in crate::commands) fn update_layout(&self, plan: &Plan<'_>, outcome: &Outcome) -> Result<(), Failure> {
        let built = plan.asked_for().filter_map(|image| {
            let built = outcome.built.get(image.name)?;
            Some((image.name.to_owned(), built.descriptor.clone()))
        });
        let left = self.layout().update(&self.store, &built.collect(), |name| self.manifest.image(name).is_some())?;
        for stranger in left {
            let name = sanitize::name(&stranger.display().to_string());
            self.reporter.note(&format!("left `{name}` where it is: it is no blob of `oci`'s"));
        }
        Ok(())
    }

    /// True if layers of the image's base are not in the store.
    pub(in crate::commands) fn is_shallow(&self, built: &Built) -> bool {
        let layers = built.platforms.values().flat_map(|platform| &platform.image.layers);
        layers.into_iter().any(|layer| !layer.descriptor.is_foreign() && !self.store.has(&layer.descriptor))
    }

    /// Brings the layers of the bases of everything that was built.
    pub(in crate::commands) fn complete(&self, outcome: &Outcome) -> Result<(), Failure> {
        outcome.built.values().try_for_each(|built| self.complete_one(built))
    }

    pub(in crate::commands) fn complete_one(&self, built: &Built) -> Result<(), Failure> {
        for image in built.platforms.values() {
            self.executor().complete(image)?;
        }
        Ok(())
    }

    /// Prunes the cache to `[cache] max-size` if this process made it larger: by what it stored, or if `has_grown`.
    /// Files that this process and others use stay.
    pub(in crate::commands) fn hold_size(&self, has_grown: bool) {
        let Some(limit) = self.manifest.cache.max_size.filter(|_| has_grown || self.store.has_grown()) else { return };
        match prune::prune(&self.store, self.machine.map(), limit) {
            Ok(pruned) if pruned.size > limit => {
                self.reporter.detail(&format!("the cache holds {}, more than {limit}: all is in use", pruned.size));
            }
            Ok(_) => {}
            // The command itself has succeeded.
            Err(error) => self.reporter.note(&format!("the cache is larger than {limit}: {error}")),
        }
    }
}
