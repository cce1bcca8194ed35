//! The tar in the blob of an image's layer.

use std::io::{self, Read};

use crate::model::document::media_type;
use crate::tar;

/// A layer of a base that cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BaseLayerError {
    #[error("could not read a layer of the base")]
    #[diagnostic(code(oci::layer::base_unreadable))]
    Read(#[from] io::Error),
    #[error("`{0}` is no kind of layer that can be read")]
    #[diagnostic(code(oci::layer::base_media_type))]
    MediaType(String),
}

/// The plain bytes of a layer's blob. The media type has to be a layer's; which compression it names does not matter.
pub(crate) fn decompressed<'a>(blob: impl Read + 'a, media_type: &str) -> Result<Box<dyn Read + 'a>, BaseLayerError> {
    let kind = media_type::oci_layer(media_type);
    let is_layer = kind.ends_with(".tar") || kind.rsplit_once(".tar+").is_some_and(|(_, how)| !how.contains('+'));
    if is_layer { Ok(tar::plain(blob)?) } else { Err(BaseLayerError::MediaType(media_type.to_owned())) }
}
