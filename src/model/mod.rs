//! The field's own types. Text is parsed into one of these where it enters the program, and is not checked again.

pub(crate) mod byte_size;
pub(crate) mod compression;
pub(crate) mod config;
pub(crate) mod digest;
pub(crate) mod document;
pub(crate) mod elf;
pub(crate) mod environment;
#[cfg(test)]
mod hostile;
pub(crate) mod image_name;
pub(crate) mod layer_path;
mod null;
pub(crate) mod origin;
pub(crate) mod overlay;
pub(crate) mod platform;
pub(crate) mod raw_path;
pub(crate) mod reference;

pub(crate) use byte_size::ByteSize;
pub(crate) use compression::Compression;
pub(crate) use config::ImageConfig;
pub(crate) use digest::{ChainId, DiffId, Digest};
pub(crate) use document::{Descriptor, Document, ImageManifest, Index, canonical_json};
pub(crate) use environment::Environment;
pub(crate) use image_name::ImageName;
pub(crate) use layer_path::LayerPath;
pub(crate) use origin::{LayoutPath, Origin};
pub(crate) use platform::Platform;
pub(crate) use raw_path::RawPath;
pub(crate) use reference::{Reference, RegistryMirror, Repository, Tag};
