//! Where a path leads in an image.

use std::collections::BTreeSet;

use crate::contents::follow::{Endless, follow};
use crate::contents::image::{NodeKind, Stack};
use crate::model::LayerPath;

/// Why a path leads to nothing. The paths are real ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There is nothing here.
    Missing(LayerPath),
    /// This is no folder, and something is to be in it.
    NotAFolder(LayerPath),
    /// Links lead back to themselves, or further than anything can go.
    Loop,
}

impl From<Endless> for Lost {
    fn from(Endless: Endless) -> Self {
        Self::Loop
    }
}

impl Stack {
    /// What the path is once links are followed: those on the way, and itself if `follows_last`. No link
    /// leads out of the image.
    pub(crate) fn find(&self, path: &LayerPath, follows_last: bool) -> Result<LayerPath, Lost> {
        self.find_past(path, follows_last, &BTreeSet::new())
    }

    /// [`Stack::find`] where some links are no longer what they were: they are not followed, and nothing is in
    /// them.
    pub(crate) fn find_past(
        &self,
        path: &LayerPath,
        follows_last: bool,
        replaced: &BTreeSet<LayerPath>,
    ) -> Result<LayerPath, Lost> {
        follow(path, |next, is_last| match self.nodes.get(next).map(|node| &node.kind) {
            None => Err(Lost::Missing(next.clone())),
            Some(NodeKind::Link(_)) if replaced.contains(next) && (follows_last || !is_last) => {
                Err(Lost::NotAFolder(next.clone()))
            }
            Some(NodeKind::Link(target)) if follows_last || !is_last => Ok(Some(target)),
            Some(NodeKind::Folder) => Ok(None),
            Some(_) if is_last => Ok(None),
            Some(_) => Err(Lost::NotAFolder(next.clone())),
        })
    }

    /// True for a real path that is a folder.
    pub(crate) fn is_folder(&self, path: &LayerPath) -> bool {
        path.is_root() || self.nodes.get(path).is_some_and(|node| matches!(node.kind, NodeKind::Folder))
    }
}
