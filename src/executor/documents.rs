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
    /// The image that a build makes of the one below, with its documents in the store.
    pub(super) fn assemble(
        &self,
        build: &Build,
        (below, base): (&Image, Option<&BaseImage>),
        layers: &[AddedLayer],
        program: Option<String>,
    ) -> Result<BuiltImage, BuildError> {
        let addition =
            Addition { build, layers, program: program.clone(), epoch: self.epoch, base: self.base_name(build) };
        let image = below.derive(&addition)?;
        let (config, manifest) = image.documents();
        self.store.put(&config)?;
        self.store.put(&manifest)?;
        let manifest = Descriptor::of(media_type::MANIFEST, &manifest);
        Ok(BuiltImage { image, manifest, program, base: base.cloned() })
    }

    /// One platform is its manifest; several are an index, which is in the store then.
    pub(super) fn index(
        &self,
        build: &Build,
        platforms: &BTreeMap<Platform, BuiltImage>,
    ) -> Result<Descriptor, FileError> {
        let mut manifests = platforms.iter().map(|(platform, built)| Descriptor {
            platform: Some(DescriptorPlatform::from(platform)),
            ..built.manifest.clone()
        });
        if platforms.len() == 1
            && let Some(manifest) = manifests.next()
        {
            return Ok(manifest);
        }
        let annotations = annotations(build, self.base_name(build).as_ref());
        let index = canonical_json(&Index::new(manifests.collect(), annotations));
        self.store.put(&index)?;
        Ok(Descriptor::of(media_type::INDEX, &index))
    }

    /// Name and digest for `org.opencontainers.image.base.*`.
    fn base_name(&self, build: &Build) -> Option<(String, Digest)> {
        self.manifest.pin(&build.base.value)?;
        let entry = self.lock.entries.get(&build.base.value.to_string())?;
        let name = match &entry.tag {
            Some(tag) => format!("{}:{tag}", entry.repository),
            None => format!("{}@{}", entry.repository, entry.digest),
        };
        Some((name, entry.digest))
    }
}
