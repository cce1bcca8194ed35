//! Where a path leads in an image.

use std::collections::BTreeSet;

use crate::contents::image::{NodeKind, Stack};
use crate::model::LayerPath;

/// Links that lead to links: as many as the kernel follows.
const DEEPEST: usize = 40;

/// The longest path that Linux takes.
const LONGEST: usize = 4096;

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
        let mut rest: Vec<&[u8]> = path.components().rev().collect();
        let mut reached = LayerPath::root();
        let mut followed = 0;
        while let Some(name) = rest.pop() {
            match name {
                b"" | b"." => continue,
                b".." => {
                    reached = reached.parent().unwrap_or_else(LayerPath::root);
                    continue;
                }
                _ => {}
            }
            let next = reached.join(name);
            if next.as_bytes().len() > LONGEST {
                return Err(Lost::Loop);
            }
            match self.nodes.get(&next).map(|node| &node.kind) {
                None => return Err(Lost::Missing(next)),
                Some(NodeKind::Link(_)) if replaced.contains(&next) && (follows_last || !rest.is_empty()) => {
                    return Err(Lost::NotAFolder(next));
                }
                Some(NodeKind::Link(target)) if follows_last || !rest.is_empty() => {
                    followed += 1;
                    if followed > DEEPEST {
                        return Err(Lost::Loop);
                    }
                    if target.starts_with(b"/") {
                        reached = LayerPath::root();
                    }
                    rest.extend(target.split(|byte| *byte == b'/').rev());
                }
                Some(NodeKind::Folder) => reached = next,
                Some(_) if rest.is_empty() => reached = next,
                Some(_) => return Err(Lost::NotAFolder(next)),
            }
        }
        Ok(reached)
    }

    /// True for a real path that is a folder.
    pub(crate) fn is_folder(&self, path: &LayerPath) -> bool {
        path.is_root() || self.nodes.get(path).is_some_and(|node| matches!(node.kind, NodeKind::Folder))
    }
}
