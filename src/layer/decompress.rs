//! The tar in a layer's blob, whatever it is compressed with.

use std::io::{BufReader, Read};

use crate::layer::LinkError;
use crate::model::document::media_type;

/// The blob's plain bytes.
pub(crate) fn decompressed<'a>(blob: impl Read + 'a, media_type: &str) -> Result<Box<dyn Read + 'a>, LinkError> {
    let blob = BufReader::with_capacity(64 << 10, blob);
    match media_type::oci_layer(media_type) {
        media_type::LAYER => Ok(Box::new(blob)),
        media_type::LAYER_ZSTD => Ok(Box::new(zstd::Decoder::with_buffer(blob)?)),
        kind if kind.ends_with("tar+gzip") => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(blob))),
        other => Err(LinkError::MediaType(other.to_owned())),
    }
}
