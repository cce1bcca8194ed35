//! The documents of an image: config, manifest, and an index where there are several platforms.

use std::collections::BTreeMap;

use super::{BuildError, BuiltImage, Executor};
use crate::fs::FileError;
use crate::image::{AddedLayer, Addition, Image, annotations};
use crate::manifest::Build;
use crate::model::document::media_type;
use crate::model::platform::DescriptorPlatform;
use crate::model::{Descriptor, Digest, Index, Platform, canonical_json};
use crate::stage::base::BaseImage;

impl Executor<'_> {
    /// The image that a build makes of the one below, with its documents in the store, and whether it is
    /// new there.
    pub(super) fn assemble(
        &self,
        build: &Build,
        (below, base): (&Image, Option<&BaseImage>),
        layers: &[AddedLayer],
        program: Option<String>,
    ) -> Result<(BuiltImage, bool), BuildError> {
        let image = self.derive(build, below, layers, program.clone())?;
        let (config, manifest) = image.documents();
        let descriptor = Descriptor::of(media_type::MANIFEST, &manifest);
        let is_new = !self.store.has(&descriptor);
        self.store.put(&config)?;
        self.store.put(&manifest)?;
        Ok((BuiltImage { image, manifest: descriptor, program, base: base.cloned() }, is_new))
    }

    /// The image that a build makes of the one below. Nothing is read or written.
    pub(super) fn derive(
        &self,
        build: &Build,
        below: &Image,
        layers: &[AddedLayer],
        program: Option<String>,
    ) -> Result<Image, BuildError> {
        let addition = Addition { build, layers, program, epoch: self.epoch, base: self.base_name(build) };
        Ok(below.derive(&addition)?)
    }

    /// One platform is its manifest; several are an index, which is in the store then.
    pub(super) fn index(
        &self,
        build: &Build,
        manifests: &BTreeMap<Platform, Descriptor>,
    ) -> Result<Descriptor, FileError> {
        match manifests.iter().next() {
            Some((platform, manifest)) if manifests.len() == 1 => Ok(for_platform(platform, manifest)),
            _ => {
                let index = self.index_document(build, manifests);
                self.store.put(&index)?;
                Ok(Descriptor::of(media_type::INDEX, &index))
            }
        }
    }

    /// The bytes of an index.
    pub(super) fn index_document(&self, build: &Build, manifests: &BTreeMap<Platform, Descriptor>) -> Vec<u8> {
        let annotations = annotations(build, self.base_name(build).as_ref());
        let manifests = manifests.iter().map(|(platform, manifest)| for_platform(platform, manifest));
        canonical_json(&Index::new(manifests.collect(), annotations))
    }

    /// Name and digest for `org.opencontainers.image.base.*`. A layout gives no name: its path means something
    /// on this disk alone.
    fn base_name(&self, build: &Build) -> Option<(Option<String>, Digest)> {
        self.manifest.pin(&build.base.value)?;
        let entry = self.lock.entries.get(&build.base.value.to_string())?;
        let name = entry.origin.repository().map(|repository| match &entry.tag {
            Some(tag) => format!("{repository}:{tag}"),
            None => format!("{repository}@{}", entry.digest),
        });
        Some((name, entry.digest))
    }
}

fn for_platform(platform: &Platform, manifest: &Descriptor) -> Descriptor {
    Descriptor { platform: Some(DescriptorPlatform::from(platform)), ..manifest.clone() }
}
