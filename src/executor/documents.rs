//! The documents of an image: config, manifest, and an index where there are several platforms.

use std::collections::BTreeMap;
use std::path::Path;
use std::slice;

use super::{BuildError, BuiltImage, Executor};
use crate::bases::BaseImage;
use crate::compress::{CompressError, WrittenLayer, write_empty};
use crate::fs::FileError;
use crate::image::{AddedLayer, Addition, Given, Image, Layer, annotations};
use crate::manifest::Build;
use crate::model::document::media_type;
use crate::model::platform::DescriptorPlatform;
use crate::model::{Descriptor, Digest, Index, Platform, canonical_json};

/// An image that need not be in the store.
pub(super) struct Assembled {
    pub(super) built: BuiltImage,
    /// Its config and its manifest, behind the layer of an image that has no other.
    blobs: Vec<Vec<u8>>,
}

impl Executor<'_> {
    /// The image that a build makes of the one below, and its documents. Nothing is read or written.
    pub(super) fn assemble(
        &self,
        build: &Build,
        (below, base): (&Image, Option<&BaseImage>),
        layers: &[AddedLayer],
        given: &Given,
    ) -> Result<Assembled, BuildError> {
        let (bottom, blob) = self.bottom(build, below, layers)?.unzip();
        let layers = bottom.as_ref().map_or(layers, slice::from_ref);
        let image = self.derive(build, below, layers, given)?;
        let (config, document) = image.documents();
        let manifest = described(&image, &document);
        let built = BuiltImage { image, manifest, program: given.entrypoint.clone(), base: base.cloned() };
        Ok(Assembled { built, blobs: blob.into_iter().chain([config, document]).collect() })
    }

    /// True if the store has this image.
    pub(super) fn has(&self, assembled: &Assembled) -> bool {
        self.store.has(&assembled.built.manifest)
    }

    /// Puts the documents of an image into the store.
    pub(super) fn keep(&self, assembled: &Assembled) -> Result<(), FileError> {
        assembled.blobs.iter().try_for_each(|blob| self.store.put(blob).map(drop))
    }

    /// An empty layer, and its blob, for an image that would have no layer: the schema of the image manifest asks for
    /// one, and so do some programs that read it (OCI image spec, "Image Manifest", `layers`). Nothing is read or
    /// written.
    fn bottom(
        &self,
        build: &Build,
        below: &Image,
        layers: &[AddedLayer],
    ) -> Result<Option<(AddedLayer, Vec<u8>)>, BuildError> {
        if !below.layers.is_empty() || !layers.is_empty() {
            return Ok(None);
        }
        let compression = build.compression;
        let written = write_empty(compression, self.compressors).map_err(|error| match error {
            CompressError::Output(source) => FileError::new("make", Path::new("an empty layer"), source).into(),
            CompressError::Interrupted { .. } => BuildError::Interrupted,
        });
        let (WrittenLayer { digest, size, diff_id, .. }, blob) = written?;
        let descriptor = Descriptor::new(compression.media_type(), digest, size);
        let layer = Layer { descriptor, diff_id };
        Ok(Some((AddedLayer { layer, created_by: "oci: an empty layer".to_owned() }, blob)))
    }

    /// The image that a build makes of the one below. Nothing is read or written.
    pub(super) fn derive(
        &self,
        build: &Build,
        below: &Image,
        layers: &[AddedLayer],
        given: &Given,
    ) -> Result<Image, BuildError> {
        let addition = Addition { build, layers, given, epoch: self.epoch, base: self.base_name(build) };
        Ok(below.derive(&addition)?)
    }

    /// One platform is its manifest; several are an index, of which these are the bytes.
    pub(super) fn index(
        &self,
        build: &Build,
        manifests: &BTreeMap<Platform, Descriptor>,
    ) -> (Descriptor, Option<Vec<u8>>) {
        match manifests.iter().next() {
            Some((platform, manifest)) if manifests.len() == 1 => (for_platform(platform, manifest), None),
            _ => {
                let index = self.index_document(build, manifests);
                (Descriptor::of(media_type::INDEX, &index), Some(index))
            }
        }
    }

    fn index_document(&self, build: &Build, manifests: &BTreeMap<Platform, Descriptor>) -> Vec<u8> {
        let annotations = annotations(build, self.base_name(build).as_ref());
        let manifests = manifests.iter().map(|(platform, manifest)| for_platform(platform, manifest));
        canonical_json(&Index::new(manifests.collect(), annotations))
    }

    /// Name and digest for `org.opencontainers.image.base.*`: the base from elsewhere that the image stands on,
    /// however many stages and builds are between. A layout gives no name: its path means something on this disk
    /// alone.
    fn base_name(&self, build: &Build) -> Option<(Option<String>, Digest)> {
        let mut base = &build.base.value;
        while self.manifest.pin(base).is_none() {
            base = &self.manifest.image(&base.to_string())?.1.base.value;
        }
        let entry = self.lock.entries.get(&base.to_string())?;
        let name = entry.origin.repository().map(|repository| match &entry.tag {
            Some(tag) => format!("{repository}:{tag}"),
            None => format!("{repository}@{}", entry.digest),
        });
        Some((name, entry.digest))
    }
}

/// The descriptor of an image's manifest, of which these are the bytes.
fn described(image: &Image, manifest: &[u8]) -> Descriptor {
    let platform = Some(image.config.descriptor_platform());
    Descriptor { platform, ..Descriptor::of(media_type::MANIFEST, manifest) }
}

/// What an index says of an image: what the image says itself, if that is for the platform.
fn for_platform(platform: &Platform, manifest: &Descriptor) -> Descriptor {
    let own = manifest.platform.clone().filter(|own| Platform::from(own) == *platform);
    Descriptor { platform: own.or_else(|| Some(DescriptorPlatform::from(platform))), ..manifest.clone() }
}
