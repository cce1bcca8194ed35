//! The images that packages take files from.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::forecast::Slot;
use super::{Building, Reach};
use crate::executor::BuildError;
use crate::executor::files::Sources;
use crate::model::Digest;
use crate::plan::NodeId;
use crate::source::At;

impl Building<'_> {
    pub(super) fn recall_files(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        if let (Some(whole), Some(name)) = (self.progress[number].whole.get(), self.graph.nodes[number].mention)
            && let Some(files) = self.executor.known_files(name, whole.image()).map_err(|error| vec![error])?
        {
            let _ = self.progress[number].files.found.set(Arc::new(files));
        }
        Ok(())
    }

    pub(super) fn fetch_files(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let progress = &self.progress[number];
        let (Some(whole), None) = (progress.whole.get(), progress.files.found.get()) else { return Ok(()) };
        if self.reach == Reach::Look {
            whole.base().into_iter().for_each(|base| self.foresee_fetch((number, Slot::Files), base));
            return Ok(());
        }
        if let Some(base) = whole.base() {
            self.executor.bases().fetch_layers(base).map_err(|error| vec![At::new(error, &base.place, "").into()])?;
        }
        let _ = progress.files.fetched.set(());
        Ok(())
    }

    pub(super) fn read_files(&self, number: NodeId) -> Result<(), Vec<BuildError>> {
        let progress = &self.progress[number];
        if let (Some(()), Some(whole), Some(name)) =
            (progress.files.fetched.get(), progress.whole.get(), self.graph.nodes[number].mention)
        {
            let files = self.executor.read_files(name, whole.image()).map_err(|error| vec![error])?;
            let _ = progress.files.found.set(Arc::new(files));
        }
        Ok(())
    }

    /// What the images hold that a node takes files from; `None` if one of them failed.
    pub(super) fn sources(&self, number: NodeId) -> Option<Sources> {
        let sources = self.graph.nodes[number].sources.iter();
        sources
            .map(|(name, source)| Some(((*name).clone(), Arc::clone(self.progress[*source].files.found.get()?))))
            .collect()
    }

    /// Brings missing layers that belong to a base of the images that a node takes files from.
    pub(super) fn complete_sources(&self, number: NodeId, missing: &BTreeSet<Digest>) -> Result<(), BuildError> {
        let sources = self.graph.nodes[number].sources.values();
        for base in sources.filter_map(|source| self.progress[*source].whole.get()?.base()) {
            self.executor.complete_for(missing, base)?;
        }
        Ok(())
    }
}
