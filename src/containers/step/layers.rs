//! A step's layer in the store: recalled in the compression that is wanted, and taken in while a step still runs.

use std::io::Read;

use crate::compress::{CompressError, WrittenLayer, write_tar};
use crate::containers::step::{Recorded, STEPS, StepError, Steps};
use crate::contents;
use crate::fs::{FileError, Unnamed};
use crate::image::Layer;
use crate::model::{Compression, Descriptor, Digest, canonical_json};
use crate::store::Shelf;

/// A step's layer in one compression, by its diff ID and that compression.
const LAYERS: Shelf<Layer> = Shelf::new("step-layer", 1);

impl Steps<'_> {
    /// The layer in a compression, if it is there.
    pub(super) fn compressed(&self, made: &Layer, compression: Compression) -> Result<Option<Layer>, FileError> {
        let layer = LAYERS.recall(self.store, &layer_key(made, compression))?;
        Ok(layer.filter(|layer| self.store.has(&layer.descriptor)))
    }

    /// What is recorded for a key. A layer that is here in another compression is compressed anew.
    pub(super) fn recall(&self, key: &Digest, compression: Compression) -> Result<Recorded, StepError> {
        let made = match STEPS.recall(self.store, key)? {
            None => return Ok(Recorded::Miss),
            Some(None) => return Ok(Recorded::NoChange),
            Some(Some(made)) => made,
        };
        if let Some(layer) = self.compressed(&made, compression)? {
            return Ok(Recorded::Layer(layer));
        }
        if !self.store.verify(&made.descriptor.digest)? {
            return Ok(Recorded::Miss);
        }
        let path = self.store.blob_path(&made.descriptor.digest);
        let blob = std::fs::File::open(&path).map_err(|error| FileError::new("read", &path, error))?;
        let mut tar = contents::plain(blob, &made.descriptor.media_type)?;
        let mut blob = self.store.start_blob()?;
        let written = self.compress(&mut tar, compression, &mut blob)?;
        // If the tar is not equal to the layer of before, the step has to run again.
        if written.diff_id != made.diff_id {
            return Ok(Recorded::Miss);
        }
        self.keep(blob, &written, compression).map(Recorded::Layer)
    }

    /// Takes the tar of a layer into a blob; nothing comes if nothing changed.
    pub(super) fn receive(
        &self,
        tar: &mut dyn Read,
        compression: Compression,
    ) -> Result<Option<(Unnamed, WrittenLayer)>, StepError> {
        let mut start = [0; 512];
        let length = match tar.read(&mut start) {
            // What ended in the middle is told by how the step ended.
            Ok(0) | Err(_) => return Ok(None),
            Ok(length) => length,
        };
        let mut blob = self.store.start_blob()?;
        let written = self.compress(&mut start[..length].chain(tar), compression, &mut blob)?;
        Ok(Some((blob, written)))
    }

    /// Compresses a tar into a blob; nothing is recorded yet.
    fn compress(
        &self,
        tar: &mut impl Read,
        compression: Compression,
        blob: &mut Unnamed,
    ) -> Result<WrittenLayer, StepError> {
        write_tar(tar, compression, self.compressors, blob).map_err(|error| match error {
            CompressError::Output(source) => FileError::new("write", blob.path(), source).into(),
            CompressError::Interrupted { .. } => StepError::Interrupted,
        })
    }

    /// Puts the blob into the store under its digest, and records it as this layer in this compression.
    pub(super) fn keep(
        &self,
        blob: Unnamed,
        written: &WrittenLayer,
        compression: Compression,
    ) -> Result<Layer, StepError> {
        self.store.commit_blob(blob, &written.digest)?;
        let descriptor = Descriptor::new(compression.media_type(), written.digest, written.size);
        let layer = Layer { descriptor, diff_id: written.diff_id };
        LAYERS.record(self.store, &layer_key(&layer, compression), &layer)?;
        Ok(layer)
    }
}

fn layer_key(layer: &Layer, compression: Compression) -> Digest {
    Digest::of(&canonical_json(&(layer.diff_id, compression)))
}
