//! What layers are compressed with, where their labels are not to be believed ([`media_type::is_doubtful`]).
//!
//! On disk, in the store: `records/label/KEY` has the media type that a layer's first bytes show, by its digest. So a
//! layer is looked at once, and what is built on it does not depend on whether it is here.

use std::fs::File;

use crate::bases::{BaseError, BaseImage, Bases};
use crate::fs::{FileContext as _, FileError};
use crate::model::document::media_type;
use crate::model::{Descriptor, Digest};
use crate::store::Shelf;
use crate::tar::StreamFormat;

/// The media type that a layer's bytes tell, by its digest.
const LABELS: Shelf<String> = Shelf::new("label", 1);

impl Bases<'_> {
    /// Gives every layer whose label is doubtful the media type that its first bytes tell. Those that were not
    /// looked at before are brought into the store, with all others of the base.
    pub(super) fn correct_labels(&self, base: &mut BaseImage) -> Result<(), BaseError> {
        for number in 0..base.manifest.layers.len() {
            let layer = base.manifest.layers[number].clone();
            if media_type::is_doubtful(&layer.media_type) {
                base.image.layers[number].descriptor.media_type = self.told(&layer, base)?;
            }
        }
        Ok(())
    }

    /// The media type that the layer's bytes tell.
    fn told(&self, layer: &Descriptor, base: &BaseImage) -> Result<String, BaseError> {
        let key = Digest::of(layer.digest.to_string().as_bytes());
        if let Some(told) = LABELS.recall(self.store, &key)? {
            return Ok(told);
        }
        let told = match self.format(layer, base)? {
            StreamFormat::Plain => media_type::LAYER,
            StreamFormat::Gzip => media_type::LAYER_GZIP,
            StreamFormat::Zstd => media_type::LAYER_ZSTD,
            // OCI has no media type for these.
            StreamFormat::Xz | StreamFormat::Bzip2 => media_type::oci_layer(&layer.media_type),
        };
        LABELS.record(self.store, &key, &told.to_owned())?;
        Ok(told.to_owned())
    }

    fn format(&self, layer: &Descriptor, base: &BaseImage) -> Result<StreamFormat, BaseError> {
        if !self.store.has(layer) {
            self.fetch_layers(base)?;
        }
        let path = self.store.blob_path(&layer.digest);
        if !self.store.verify(&layer.digest)? {
            return Err(FileError::new("read", &path, std::io::ErrorKind::InvalidData.into()).into());
        }
        let blob: Result<_, FileError> = File::open(&path).context("read", &path);
        let mut blob = blob?;
        Ok(StreamFormat::read(&mut blob).context("read", &path)?)
    }
}
