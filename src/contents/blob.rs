//! The tar in the blob of an image's layer.

use std::fs::File;
use std::io;

use crate::model::Digest;
use crate::model::document::media_type;
use crate::tar::{FoundMember, Rules, Stream, members};

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
pub(crate) fn plain(blob: File, media_type: &str) -> Result<Stream, BaseLayerError> {
    let kind = media_type::oci_layer(media_type);
    let is_layer = kind.ends_with(".tar") || kind.rsplit_once(".tar+").is_some_and(|(_, how)| !how.contains('+'));
    if is_layer { Ok(Stream::new(blob)?) } else { Err(BaseLayerError::MediaType(media_type.to_owned())) }
}

/// Hands every member of a base's layer to `take`, with the stream where its content begins.
pub(crate) fn each_member_of_base(
    blob: File,
    media_type: &str,
    take: &mut dyn FnMut(&mut Stream, FoundMember) -> io::Result<()>,
) -> Result<(), BaseLayerError> {
    Ok(each(&mut plain(blob, media_type)?, take)?)
}

/// Hands every member of a layer to `take`, with the stream where its content begins. The blob is read to its end,
/// and the digest of its plain bytes is given if it is compressed.
pub(crate) fn each_member(
    blob: File,
    take: &mut dyn FnMut(&mut Stream, FoundMember) -> io::Result<()>,
) -> io::Result<Option<Digest>> {
    let mut stream = Stream::hashing(blob)?;
    each(&mut stream, take)?;
    Ok(stream.digest())
}

fn each(stream: &mut Stream, take: &mut dyn FnMut(&mut Stream, FoundMember) -> io::Result<()>) -> io::Result<()> {
    let no_tar = || io::Error::new(io::ErrorKind::InvalidData, "it is no tar");
    members::each(stream, Rules::Layer, take).map_err(|error| error.unwrap_or_else(no_tar))
}

/// A file of these bytes.
#[cfg(test)]
pub(crate) fn blob_of(bytes: &[u8]) -> File {
    use std::io::{Seek as _, Write as _};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
