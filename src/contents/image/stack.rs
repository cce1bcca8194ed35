//! The paths of several layers, put on top of each other, with a node for each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::manifest::package::{Mode, Owner};
use crate::model::LayerPath;
use crate::tar::Attributes;

/// Every path of some layers.
#[derive(Debug, Default)]
pub(crate) struct LayerStack {
    /// All paths but the root. No path has a link in it, except at its end.
    pub(crate) nodes: BTreeMap<LayerPath, PathNode>,
    /// The root, if a layer has an entry for it.
    pub(crate) root: Option<PathNode>,
    /// Files with several names: the number of the layer that their content is in, and where in it.
    pub(crate) linked: BTreeSet<(usize, u64)>,
    /// How many layers there are.
    pub(crate) height: usize,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub(crate) struct PathNode {
    pub(crate) kind: PathKind,
    pub(crate) mode: Mode,
    pub(crate) owner: Owner,
    pub(crate) attributes: Option<Box<Attributes>>,
    /// The numbers of the layer and of the member that gave this path; `None` for a folder that no layer has an entry
    /// for. Two paths that one member gave are two names of one file.
    pub(crate) given_by: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) enum PathKind {
    Folder,
    /// The number of the layer that has its content, and where that is among the layer's plain bytes.
    File {
        layer: usize,
        offset: u64,
        size: u64,
    },
    Link(Box<[u8]>),
    /// Something that a package cannot take.
    Other(Other),
}

/// What a package cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Other {
    #[error("of an owner beyond what there is")]
    Owner,
    #[error("kept with attributes that only one tool understands")]
    Attributes,
    #[error("a symbolic link to nothing")]
    EmptyLink,
    #[error("a hard link to nothing")]
    HardLink,
    #[error("kept as a sparse file")]
    Sparse,
    #[error("a character device")]
    CharacterDevice,
    #[error("a block device")]
    BlockDevice,
    #[error("a FIFO")]
    Fifo,
    #[error("of a kind that only the tool that made it knows")]
    Unknown,
}

impl LayerStack {
    /// The paths below a folder, in their order.
    pub(crate) fn within(&self, folder: &LayerPath) -> impl Iterator<Item = (&LayerPath, &PathNode)> {
        // `0` follows `/`, so that this is all that begins with the folder and a slash.
        let bound = |last: u8| [folder.as_bytes(), &[last]].concat();
        match folder.is_root() {
            true => self.nodes.range::<[u8], _>(..),
            false => {
                let (from, to) = (bound(b'/'), bound(b'0'));
                self.nodes.range::<[u8], _>((Bound::Excluded(&from[..]), Bound::Excluded(&to[..])))
            }
        }
    }
}
