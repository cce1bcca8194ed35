//! Finds how layers are compressed if their media type cannot be trusted ([`media_type::is_doubtful`]).
//!
//! In the store, `records/label/KEY` has the media type that the first bytes of a layer show, by the layer's digest. So
//! a layer is read once, and builds do not depend on whether it is in the store.

use std::fs::File;

use crate::bases::{BaseError, BaseImage, Bases};
use crate::fs::{FileContext as _, FileError};
use crate::model::document::media_type;
use crate::model::{Descriptor, Digest};
use crate::store::Shelf;
use crate::tar::StreamFormat;

/// The media type that the first bytes of a layer show, by its digest.
const LABELS: Shelf<String> = Shelf::new("label", 1);

impl Bases<'_> {
    /// Gives every layer whose media type is doubtful the media type that its first bytes show. If one of them has no
    /// record yet, all layers of the base are brought into the store.
    pub(super) fn correct_labels(&self, base: &mut BaseImage) -> Result<(), BaseError> {
        for number in 0..base.manifest.layers.len() {
            let layer = base.manifest.layers[number].clone();
            if media_type::is_doubtful(&layer.media_type) {
                base.image.layers[number].descriptor.media_type = self.told(&layer, base)?;
            }
        }
        Ok(())
    }

    /// The media type that the first bytes of the layer show.
    fn told(&self, layer: &Descriptor, base: &BaseImage) -> Result<String, BaseError> {
        let key = Digest::of(layer.digest.to_string().as_bytes());
        if let Some(told) = LABELS.recall(self.store, &key)? {
            return Ok(told);
        }
        let told = match self.format(layer, base)? {
            StreamFormat::Plain => media_type::LAYER,
            StreamFormat::Gzip => media_type::LAYER_GZIP,
            StreamFormat::Zstd => media_type::LAYER_ZSTD,
            // OCI has no media type for these compressions.
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
