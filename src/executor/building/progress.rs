//! What the tasks of a node have produced so far.

use std::sync::{Arc, Mutex, OnceLock};

use crate::bases::BaseImage;
use crate::contents::image::ImageTree;
use crate::executor::layers::Part;
use crate::executor::schedule::Ticket;
use crate::executor::{BuiltImage, Tally};
use crate::image::{AddedLayer, Given, Image, Layer};
use crate::model::Digest;
use crate::pack::MadeTarget;

/// What is known of a node so far. Every result is set once: until then its task is waited for, has failed, or in a dry
/// run has found that the result is not there.
#[derive(Default)]
pub(super) struct Progress {
    /// The task after which the image is whole.
    pub(super) last: OnceLock<Ticket>,
    /// For a base: which of its paths are links.
    pub(super) links: Wanted<()>,
    /// What it holds, where packages take files from it.
    pub(super) files: Wanted<Arc<ImageTree>>,
    /// For a target: what it made.
    pub(super) target: OnceLock<Arc<MadeTarget>>,
    /// Parts that wait for the links of the image below.
    pub(super) parts: Mutex<Vec<Part>>,
    pub(super) packed: OnceLock<Packed>,
    pub(super) steps: OnceLock<StepsDone>,
    pub(super) whole: OnceLock<Whole>,
}

/// What is read of an image's layers only if a node asks for it.
pub(super) struct Wanted<T> {
    /// The task after which `found` is set; unset until a node asks.
    pub(super) task: OnceLock<Ticket>,
    /// The layers are here, or `found` can be had without them.
    pub(super) fetched: OnceLock<()>,
    pub(super) found: OnceLock<T>,
}

impl<T> Default for Wanted<T> {
    fn default() -> Self {
        Self { task: OnceLock::new(), fetched: OnceLock::new(), found: OnceLock::new() }
    }
}

/// What became of the steps of a node.
pub(super) enum StepsDone {
    /// They ran, or were found; also those before one that failed.
    Ran(Tally),
    /// None may run, and this is the first that would have to.
    StoppedAt(usize),
}

/// The layers of a node, once it is known which there are.
pub(super) struct Packed {
    pub(super) given: Given,
    pub(super) layers: Vec<PackedLayer>,
}

impl Packed {
    /// Its layers, if all are there.
    pub(super) fn added(&self) -> Option<Vec<AddedLayer>> {
        let added = |packed: &PackedLayer| {
            Some(AddedLayer { layer: packed.done.get()?.layer.clone(), created_by: packed.created_by.clone() })
        };
        self.layers.iter().map(added).collect()
    }
}

pub(super) struct PackedLayer {
    pub(super) key: Digest,
    pub(super) created_by: String,
    /// The path of the image's first package, if that is one file without an executable bit.
    pub(super) first: Option<String>,
    /// Taken by the task that makes the layer.
    pub(super) part: Mutex<Option<Part>>,
    pub(super) done: OnceLock<DoneLayer>,
}

/// A layer that is in the store.
pub(super) struct DoneLayer {
    pub(super) layer: Layer,
    /// This build made it.
    pub(super) is_made: bool,
}

/// A node's image.
pub(super) enum Whole {
    Elsewhere(BaseImage),
    Made(BuiltImage),
}

impl Whole {
    pub(super) fn image(&self) -> &Image {
        match self {
            Self::Elsewhere(base) => &base.image,
            Self::Made(built) => &built.image,
        }
    }

    /// Of its manifest.
    pub(super) fn digest(&self) -> Digest {
        match self {
            Self::Elsewhere(base) => base.digest,
            Self::Made(built) => built.manifest.digest,
        }
    }

    /// The base from elsewhere that it is or stands on.
    pub(super) fn base(&self) -> Option<&BaseImage> {
        match self {
            Self::Elsewhere(base) => Some(base),
            Self::Made(built) => built.base.as_ref(),
        }
    }
}
