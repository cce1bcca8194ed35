//! Finds the platforms of a tag, and the manifest of each platform.
//!
//! The platforms are in an index, or in the config of a manifest. An entry of an index may be an index itself:
//! pipelines make such indexes when they gather images with attestations. Inner indexes are followed, so that only
//! images are pinned.

use std::collections::BTreeMap;

use crate::model::config::ConfigError;
use crate::model::document::{DocumentError, media_type};
use crate::model::{Descriptor, Digest, Document, ImageConfig, ImageManifest, Platform};

/// How many indexes may be within each other.
const DEPTH: usize = 4;
/// How many images without a platform in their index are looked at.
const UNNAMED: usize = 16;

/// Reads the documents of one image by their digests.
pub(crate) trait Documents {
    type Error;

    /// A manifest or an index.
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Self::Error>;

    /// The config of the manifest with this digest.
    fn config(&self, digest: &Digest, manifest: &ImageManifest) -> Result<Vec<u8>, Self::Error>;

    fn bad_document(&self, error: DocumentError) -> Self::Error;

    fn bad_config(&self, error: ConfigError) -> Self::Error;
}

/// The manifest of each platform of a document with this digest. There are none if no document names a platform.
///
/// The configs of images are read only if the index names no platform at all.
pub(crate) fn platforms<D: Documents>(
    document: &Document,
    digest: Digest,
    documents: &D,
) -> Result<BTreeMap<Platform, Digest>, D::Error> {
    within(document, digest, documents, DEPTH)
}

fn within<D: Documents>(
    document: &Document,
    digest: Digest,
    documents: &D,
    depth: usize,
) -> Result<BTreeMap<Platform, Digest>, D::Error> {
    let index = match document {
        Document::Index(index) => index,
        Document::Manifest(manifest) => {
            let config = documents.config(&digest, manifest)?;
            let platform = ImageConfig::parse(&config).map_err(|error| documents.bad_config(error))?.platform();
            return Ok((!platform.is_unknown()).then_some((platform, digest)).into_iter().collect());
        }
    };
    let named = index.platforms();
    let mut found = BTreeMap::new();
    if named.is_empty() {
        let unnamed = index.manifests.iter().filter(|entry| entry.platform.is_none());
        for entry in unnamed.take(UNNAMED) {
            for (platform, digest) in below(entry, documents, depth)? {
                found.entry(platform).or_insert(digest);
            }
        }
    }
    for (platform, entry) in named {
        let digest = match is_index(entry) {
            false => Some(entry.digest),
            // The inner index may name no platform, or name it with a variant.
            true => {
                let inner = below(entry, documents, depth)?;
                let is_like =
                    |other: &Platform| (other.os(), other.architecture()) == (platform.os(), platform.architecture());
                let like = inner.iter().find(|(other, _)| is_like(other));
                inner.get(&platform).or(like.map(|(_, digest)| digest)).copied()
            }
        };
        if let Some(digest) = digest {
            found.entry(platform).or_insert(digest);
        }
    }
    Ok(found)
}

/// The platforms of the document that an entry of an index names.
fn below<D: Documents>(
    entry: &Descriptor,
    documents: &D,
    depth: usize,
) -> Result<BTreeMap<Platform, Digest>, D::Error> {
    let Some(depth) = depth.checked_sub(1) else { return Err(documents.bad_document(DocumentError::Depth(DEPTH))) };
    let bytes = documents.manifest(&entry.digest)?;
    // A document that is no image, such as a signature, has no platform.
    match Document::parse(&bytes) {
        Ok(document) => within(&document, entry.digest, documents, depth),
        Err(_) => Ok(BTreeMap::new()),
    }
}

fn is_index(entry: &Descriptor) -> bool {
    matches!(entry.media_type.as_str(), media_type::INDEX | media_type::DOCKER_LIST)
}
