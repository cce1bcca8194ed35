//! What is known of the image below a layer: which of its paths are links, and how its folders are. What a layer holds
//! is read once, and recorded by the layer's digest.

use super::{BuildError, Executor};
use crate::contents::{BaseLinks, LayerLinks};
use crate::image::Layer;
use crate::layer::{Below, Look};
use crate::source::{At, Place};
use crate::store::Shelf;

/// The links of the layer with this digest, and the modes and owners of its folders.
const LINKS: Shelf<LayerLinks> = Shelf::new("folders", 3);

impl Executor<'_> {
    /// True if the links of this layer are recorded, or its blob is in the store and undamaged.
    pub(super) fn can_read_links(&self, layer: &Layer) -> Result<bool, BuildError> {
        let digest = &layer.descriptor.digest;
        let is_known = layer.descriptor.is_foreign() || LINKS.recall(self.store, digest)?.is_some();
        Ok(is_known || self.store.verify(digest)?)
    }

    /// True if the links of all these layers are recorded.
    pub(super) fn knows_links(&self, layers: &[Layer]) -> Result<bool, BuildError> {
        for layer in layers.iter().filter(|layer| !layer.descriptor.is_foreign()) {
            if LINKS.recall(self.store, &layer.descriptor.digest)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if [`Self::look`] needs to read no layer.
    pub(super) fn knows_links_for(
        &self,
        look: Look,
        (layers, elsewhere): (&[Layer], usize),
    ) -> Result<bool, BuildError> {
        self.knows_links(&layers[start(look, elsewhere)..])
    }

    /// What is known of the image below, which has these layers. The first `elsewhere` of them are those of a base from
    /// elsewhere.
    /// A layer that has no record is read from the store. An error points at `place`.
    pub(super) fn look(
        &self,
        look: Look,
        place: &Place,
        (layers, elsewhere): (&[Layer], usize),
    ) -> Result<Below, BuildError> {
        let start = start(look, elsewhere);
        let links = layers[start..].iter().map(|layer| self.layer_links(place, layer));
        let links = links.collect::<Result<Vec<_>, _>>()?;
        Ok(below(&links, elsewhere - start))
    }

    pub(super) fn layer_links(&self, place: &Place, layer: &Layer) -> Result<LayerLinks, BuildError> {
        // A foreign layer is never read, even if its bytes are here: registries need not have them.
        if layer.descriptor.is_foreign() {
            return Ok(LayerLinks::default());
        }
        let digest = layer.descriptor.digest;
        if let Some(known) = LINKS.recall(self.store, &digest)? {
            return Ok(known);
        }
        let path = self.store.blob_path(&digest);
        let file = std::fs::File::open(&path).map_err(|error| crate::fs::FileError::new("read", &path, error))?;
        let found = LayerLinks::read(file, &layer.descriptor.media_type)
            .map_err(|error| BuildError::Links(At::new(error, place, "")))?;
        LINKS.record(self.store, &digest, &found)?;
        Ok(found)
    }
}

/// The first layer that has to be looked into.
fn start(look: Look, elsewhere: usize) -> usize {
    if look == Look::Everywhere { 0 } else { elsewhere }
}

/// What these layers make together. The first `elsewhere` of them belong to a base from elsewhere.
fn below(links: &[LayerLinks], elsewhere: usize) -> Below {
    let made = links.get(elsewhere..).unwrap_or_default();
    Below { all: BaseLinks::stack(links), made: BaseLinks::stack(made) }
}
