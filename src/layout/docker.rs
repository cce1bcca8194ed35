//! Reads archives of `docker save` and `podman save`, which have configs and layers, but no manifest with a digest.
//!
//! ```text
//! manifest.json    [{"Config": "HEX.json", "RepoTags": ["alpine:3.20"], "Layers": ["HEX.tar", …]}]
//! HEX.json         the image's configuration
//! HEX.tar          a layer, most often as a plain tar; it may be a link to another one
//! ```
//!
//! For such an image an OCI manifest is made. Its blobs are the archive's own bytes, and the first bytes of each layer
//! decide its media type. The manifest depends on nothing else, so every machine computes the digest that the lockfile
//! has.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::Digest as _;

use super::{Files, Layout, LayoutError, Named, Piece, of_name};
use crate::image::ImageError;
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageConfig, ImageManifest, canonical_json};
use crate::sanitize;
use crate::tar::StreamFormat;

const MANIFEST: &str = "manifest.json";

/// An entry of `manifest.json`: one image.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    // Both are `null` if there are none.
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Adds images of an archive to the layout: the images of the layout's name, or all if it has none.
pub(super) fn read(layout: &mut Layout) -> Result<(), LayoutError> {
    let files = &layout.files;
    let bytes = files.document(MANIFEST)?.unwrap_or_default();
    let saved: Vec<Saved> =
        serde_json::from_slice(&bytes).map_err(|error| LayoutError::unreadable(MANIFEST, &files.path, error))?;
    let wanted: Vec<&Saved> = match &layout.name {
        None => saved.iter().collect(),
        Some(name) => of_name(&saved, name, Saved::names),
    };
    if let (Some(name), []) = (&layout.name, &wanted[..]) {
        let known: Vec<String> = saved.iter().flat_map(|image| image.names().to_vec()).collect();
        return Err(LayoutError::no_such_name(&files.path, name, &known));
    }
    for image in wanted {
        let digest = manifest(files, image, &mut layout.pieces)?;
        layout.images.push(Named { names: image.names().to_vec(), digest });
    }
    Ok(())
}

impl Saved {
    fn names(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

/// Makes the manifest of an image and returns its digest. The manifest and the blobs that it names become pieces of the
/// layout.
fn manifest(files: &Files, image: &Saved, pieces: &mut BTreeMap<Digest, Piece>) -> Result<Digest, LayoutError> {
    let bad = |source| LayoutError::Image { path: files.path.clone(), source };
    let bytes = files.document(&image.config)?.ok_or_else(|| missing(files, &image.config))?;
    let diff_ids = ImageConfig::parse(&bytes).map_err(|error| bad(ImageError::Config(error)))?.diff_ids();
    let members = image.layers.as_deref().unwrap_or_default();
    if diff_ids.len() != members.len() {
        return Err(bad(ImageError::Layers { layers: members.len(), diff_ids: diff_ids.len() }));
    }
    let config = Descriptor::of(media_type::CONFIG, &bytes);
    pieces.insert(config.digest, Piece::Bytes(bytes));
    let mut layers = Vec::new();
    for (member, diff_id) in members.iter().zip(diff_ids) {
        let layer = layer(files, member, diff_id)?;
        pieces.insert(layer.digest, Piece::Member(member.clone()));
        layers.push(layer);
    }
    let bytes = canonical_json(&ImageManifest::new(config, layers, BTreeMap::new()));
    let digest = Digest::of(&bytes);
    pieces.insert(digest, Piece::Bytes(bytes));
    Ok(digest)
}

/// A plain tar is its own diff ID, which is verified when the tar is stored. A compressed layer is hashed.
fn layer(files: &Files, member: &str, diff_id: DiffId) -> Result<Descriptor, LayoutError> {
    let absent = || missing(files, member);
    let mut content = files.member(member)?.ok_or_else(absent)?;
    let size = content.size;
    let format =
        StreamFormat::read(&mut content).map_err(|error| LayoutError::unreadable(member, &files.path, error))?;
    let media_type = match format {
        StreamFormat::Plain => return Ok(Descriptor::new(media_type::LAYER, diff_id.0, size)),
        StreamFormat::Gzip => media_type::LAYER_GZIP,
        StreamFormat::Zstd => media_type::LAYER_ZSTD,
        StreamFormat::Xz | StreamFormat::Bzip2 => {
            let name = format.name().unwrap_or_default();
            let error = std::io::Error::other(format!("layers are never compressed with {name}"));
            return Err(LayoutError::unreadable(member, &files.path, error));
        }
    };
    let mut hasher = sha2::Sha256::new();
    files.each_block(member, &mut files.member(member)?.ok_or_else(absent)?, |block| {
        hasher.update(block);
        Ok(())
    })?;
    Ok(Descriptor::new(media_type, Digest::finish(hasher), size))
}

fn missing(files: &Files, member: &str) -> LayoutError {
    LayoutError::MissingMember { path: files.path.clone(), member: sanitize::name(member) }
}
