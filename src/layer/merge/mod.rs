//! What the layers of an image make together, so that a package can take files of it: without unpacking
//! it, and so with the owners that its layers record, whoever builds.
//!
//! On disk there is nothing of its own: a layer's listing is kept as an [`archive`](super::archive)'s is,
//! under the layer's diff ID.
//!
//! The flow: [`ImageTree::recall`] puts the listings of the layers together ([`apply`]), whiteouts and
//! opaque folders included, if the store knows them all; [`ImageTree::read`] reads the blobs of the others.
//! A package finds its path in there ([`find`]: links lead where they lead within the image, never out of
//! it), and takes what it selects ([`take`]). The content is read from the layers' blobs when the layer is
//! written.
//!
//! The key types: an [`ImageTree`] has a [`Node`] for every path of the image.

mod apply;
mod error;
mod find;
mod mount;
mod take;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

pub(crate) use error::TakeError;

use crate::fs::FileError;
use crate::image::Image;
use crate::layer::archive::{Archive, Listing};
use crate::layer::path::LayerPath;
use crate::layer::tree::Attributes;
use crate::manifest::package::{Mode, Owner};
use crate::model::Platform;
use crate::store::Store;

/// Every path of an image.
#[derive(Debug)]
pub(crate) struct ImageTree {
    /// As the manifest names the image.
    name: String,
    platform: Platform,
    /// Lowest first.
    layers: Vec<Arc<Archive>>,
    /// All but the root; every path is a real one, with no link in it but at its end.
    nodes: BTreeMap<LayerPath, Node>,
    /// Files with several names: the number of the layer that their content is in, and where in it.
    linked: BTreeSet<(usize, u64)>,
}

/// What is at a path.
#[derive(Clone, Debug)]
struct Node {
    kind: NodeKind,
    mode: Mode,
    owner: Owner,
    attributes: Option<Box<Attributes>>,
}

#[derive(Clone, Debug)]
enum NodeKind {
    Folder,
    /// The number of the layer that has its content, and where that is among the layer's plain bytes.
    File {
        layer: usize,
        offset: u64,
        size: u64,
    },
    Link(Box<[u8]>),
    /// Something that a package cannot take: what it is.
    Other(String),
}

impl ImageTree {
    /// All that an image holds, if the store knows it. Nothing else is read.
    pub(crate) fn recall(name: &str, image: &Image, store: &Store) -> Result<Option<Self>, TakeError> {
        let mut tree = Self::new(name, image);
        for layer in &image.layers {
            let archive = Archive::of_layer(layer, store);
            let Some(listing) = archive.known(store)? else { return Ok(None) };
            tree.put_on_top(archive, listing)?;
        }
        Ok(Some(tree))
    }

    /// The same; the layers that the store does not know are read, and known from then on. Their blobs have to
    /// be in the store.
    pub(crate) fn read(name: &str, image: &Image, store: &Store) -> Result<Self, TakeError> {
        let mut tree = Self::new(name, image);
        for layer in &image.layers {
            let archive = Archive::of_layer(layer, store);
            let listing = match archive.known(store)? {
                Some(listing) => listing,
                None if !store.verify(&layer.descriptor.digest)? => {
                    return Err(TakeError::Damaged { digest: layer.descriptor.digest });
                }
                None => archive.listing(store, true, "").map_err(|error| TakeError::unreadable(name, error))?,
            };
            tree.put_on_top(archive, listing)?;
        }
        Ok(tree)
    }

    /// The empty image.
    fn new(name: &str, image: &Image) -> Self {
        Self {
            name: name.to_owned(),
            platform: image.config.platform(),
            layers: Vec::with_capacity(image.layers.len()),
            nodes: BTreeMap::new(),
            linked: BTreeSet::new(),
        }
    }

    fn put_on_top(&mut self, layer: Archive, listing: Listing) -> Result<(), TakeError> {
        self.layers.push(Arc::new(layer));
        self.apply(listing)
    }

    /// The paths below a folder, in their order.
    fn within(&self, folder: &LayerPath) -> impl Iterator<Item = (&LayerPath, &Node)> {
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

impl From<FileError> for TakeError {
    fn from(error: FileError) -> Self {
        Self::Store(error)
    }
}
