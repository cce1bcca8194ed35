//! Finds out where a path leads in an image.

use std::collections::BTreeSet;

use crate::contents::follow::{Endless, follow};
use crate::contents::image::{LayerStack, PathKind};
use crate::model::LayerPath;

/// Why a path leads to nothing. The paths in it have no links.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeadEnd {
    /// There is nothing here.
    Missing(LayerPath),
    /// This is no folder, and the path goes on below it.
    NotAFolder(LayerPath),
    /// Links lead back to themselves, or further than anything can go.
    Loop,
}

impl From<Endless> for DeadEnd {
    fn from(Endless: Endless) -> Self {
        Self::Loop
    }
}

impl LayerStack {
    /// The path without links: links on the way are followed and, if `follows_last`, a link at its end. No link leads
    /// out of the image.
    pub(crate) fn find(&self, path: &LayerPath, follows_last: bool) -> Result<LayerPath, DeadEnd> {
        self.find_past(path, follows_last, &BTreeSet::new())
    }

    /// As [`LayerStack::find`], in a stack in which some links were replaced: these are not followed, and nothing is
    /// below them.
    pub(crate) fn find_past(
        &self,
        path: &LayerPath,
        follows_last: bool,
        replaced: &BTreeSet<LayerPath>,
    ) -> Result<LayerPath, DeadEnd> {
        follow(path, |next, is_last| match self.nodes.get(next).map(|node| &node.kind) {
            None => Err(DeadEnd::Missing(next.clone())),
            Some(PathKind::Link(_)) if replaced.contains(next) && (follows_last || !is_last) => {
                Err(DeadEnd::NotAFolder(next.clone()))
            }
            Some(PathKind::Link(target)) if follows_last || !is_last => Ok(Some(target)),
            Some(PathKind::Folder) => Ok(None),
            Some(_) if is_last => Ok(None),
            Some(_) => Err(DeadEnd::NotAFolder(next.clone())),
        })
    }

    /// True for a real path that is a folder.
    pub(crate) fn is_folder(&self, path: &LayerPath) -> bool {
        path.is_root() || self.nodes.get(path).is_some_and(|node| matches!(node.kind, PathKind::Folder))
    }
}
