//! The files of an image, known from its layers without unpacking them, so that a package can take some of them. Owners
//! are those that the layers record, whichever user builds.
//!
//! On disk there is nothing of its own: a layer's listing is kept as an [`Archive`]'s is, under the layer's diff ID.
//!
//! The flow: [`ImageTree::recall`] puts the listings of the layers together ([`apply`], with the
//! [`whiteouts`] of each first) if the store knows them all; [`ImageTree::read`] reads the blobs of the others.
//! A package finds its path in there ([`find`]: links lead where they lead within the image, never out of
//! it). The content is read from the layers' blobs when the layer is written.
//!
//! If umoci would misread or refuse the layers, [`flatten()`] writes all of them as one plain tar. [`order`] tells
//! whether umoci reads a layer as it is meant.
//!
//! The key types: a [`LayerStack`] has a [`PathNode`] for every path of the layers that were put on it, an
//! [`ImageTree`] is the stack of an image.

mod apply;
mod error;
pub(crate) mod find;
mod flatten;
mod order;
pub(crate) mod stack;
#[cfg(test)]
mod tests;
mod whiteouts;

use std::sync::Arc;

pub(crate) use error::TakeError;
pub(crate) use flatten::{FlattenError, LayerFile, flatten};
pub(crate) use order::is_read_as_meant;
pub(crate) use stack::{LayerStack, PathKind, PathNode};

use crate::contents::Archive;
use crate::fs::FileError;
use crate::image::Image;
use crate::model::Platform;
use crate::store::Store;
use crate::tar::Listing;

/// Every path of an image, and where the content of its files is.
#[derive(Debug)]
pub(crate) struct ImageTree {
    /// As the manifest names the image.
    pub(crate) name: String,
    pub(crate) platform: Platform,
    /// Lowest first.
    pub(crate) layers: Vec<Arc<Archive>>,
    pub(crate) stack: LayerStack,
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

    /// What the image holds. Layers without a record are read, and get one. Their blobs have to be in the store.
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
            stack: LayerStack::default(),
        }
    }

    fn put_on_top(&mut self, layer: Archive, listing: Listing) -> Result<(), TakeError> {
        self.layers.push(Arc::new(layer));
        let image = &self.name;
        self.stack.apply(listing).map_err(|path| TakeError::Loop { image: image.clone(), path: path.to_string() })
    }
}

impl From<FileError> for TakeError {
    fn from(error: FileError) -> Self {
        Self::Store(error)
    }
}
