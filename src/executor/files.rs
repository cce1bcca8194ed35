//! The files of images that packages take some of: what an image holds, and the layers that have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{BuildError, Executor};
use crate::bases::BaseImage;
use crate::contents::image::{ImageTree, TakeError};
use crate::image::Image;
use crate::layer::{LayerError, Tree};
use crate::model::{Digest, ImageName};
use crate::process::signal;
use crate::source::{At, Place, Placed};

/// What images hold, by the names that packages have for them.
pub(super) type Sources = BTreeMap<ImageName, Arc<ImageTree>>;

impl Executor<'_> {
    /// All that an image holds, if that is known without a look into its layers.
    pub(super) fn known_files(&self, name: &Placed<ImageName>, image: &Image) -> Result<Option<ImageTree>, BuildError> {
        ImageTree::recall(&name.to_string(), image, self.store).map_err(|error| blame(error, &name.place))
    }

    /// Reads all that an image holds. Its layers are in the store, unless they were lost.
    pub(super) fn read_files(&self, name: &Placed<ImageName>, image: &Image) -> Result<ImageTree, BuildError> {
        ImageTree::read(&name.to_string(), image, self.store).map_err(|error| match signal::pending() {
            // It is why the reading ended.
            Some(_) => BuildError::Interrupted,
            None => blame(error, &name.place),
        })
    }

    /// Brings the layers of a base into the store, if one of these is missing there and is the base's.
    pub(super) fn complete_for(&self, missing: &BTreeSet<Digest>, base: &BaseImage) -> Result<(), BuildError> {
        if base.image.layers.iter().any(|layer| missing.contains(&layer.descriptor.digest)) {
            self.bases().fetch_layers(base).map_err(|error| At::new(error, &base.place, ""))?;
        }
        Ok(())
    }

    /// Makes sure that the layers from which a tree takes files are here and whole; `complete` is to bring those
    /// that came from elsewhere.
    pub(super) fn have_layers(
        &self,
        tree: &Tree,
        complete: &dyn Fn(&BTreeSet<Digest>) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let mut missing = BTreeMap::new();
        for (digest, place) in tree.layers_read() {
            if !self.store.verify(&digest)? {
                missing.insert(digest, place);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        complete(&missing.keys().copied().collect())?;
        for (digest, place) in missing {
            if !self.store.verify(&digest)? {
                return Err(blame(TakeError::Damaged { digest }, place));
            }
        }
        Ok(())
    }
}

fn blame(error: TakeError, place: &Place) -> BuildError {
    At::new(LayerError::from(error), place, "").into()
}
