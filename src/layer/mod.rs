//! Layers from packages: the same content gives the same bytes, wherever and whenever it is packed.
//!
//! On disk there are only records of the blocks that layers are made of, see [`EarlierBlocks`]: a layer is
//! written to where the caller says.
//!
//! The flow: [`Tree::scan`] looks at names and stats and knows every entry of the layer ([`archive`] says
//! what archives hold, [`merge`] what other images do);
//! [`reconcile`] makes the layers of one build agree; [`Tree::needs_base`] and [`Tree::resolve`] put
//! entries where the base's links lead, and [`inherit`] makes folders above them as they are below; [`Tree::fingerprint`] says whether a layer of before is still
//! right; [`Tree::settle`] waits until a change of a file would show; and [`Tree::write`] reads every
//! file once, and tars, hashes, compresses and writes it in one pass.
//!
//! The key types: a [`Tree`] is all that a layer will hold, [`path::LayerPath`] a path in it,
//! [`compress::WrittenLayer`] what the written blob is, and [`BaseLinks`] what is a link in the image below.

mod above;
mod archive;
mod capture;
pub(crate) mod compress;
mod conflict;
pub(crate) mod contents;
mod decompress;
mod difference;
mod elf;
mod error;
mod files;
mod fingerprint;
mod folder;
mod glob;
mod host;
mod ignore;
mod link;
mod merge;
mod path;
mod reconcile;
mod resolve;
mod scan;
mod stamps;
mod tar;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod walk;
mod whiteouts;
mod write;

pub(crate) use above::{Below, Look, inherit};
pub(crate) use capture::{CaptureError, CaptureRequest, OPAQUE, WHITEOUT, capture};
pub(crate) use compress::{Compressors, EarlierBlocks, WrittenLayer};
pub(crate) use decompress::{Format, decompressed};
pub(crate) use difference::Difference;
pub(crate) use elf::Machine;
pub(crate) use error::{LayerError, WriteError};
pub(crate) use fingerprint::WRITER_VERSION;
pub(crate) use ignore::unheeded;
pub(crate) use link::{BaseLinks, LayerLinks, LinkError};
pub(crate) use merge::{FlattenError, ImageTree, LayerFile, TakeError, flatten, is_read_as_meant};
pub(crate) use reconcile::reconcile;
pub(crate) use scan::ScanRequest;
pub(crate) use stamps::Stamps;
pub(crate) use tree::Tree;
pub(crate) use whiteouts::{Untold, untold};
pub(crate) use write::{WriteOptions, write_empty, write_tar};
