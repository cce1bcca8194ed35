//! Layers from trees. Equal content gives equal bytes, wherever and whenever it is packed.
//!
//! On disk there are only records of the blocks that layers are made of, see
//! [`EarlierBlocks`](crate::compress::EarlierBlocks): a layer is written to where the caller says.
//!
//! The flow: a [`Tree`] knows every entry of a layer by its name and stat ([`pack`](crate::pack) makes it);
//! [`reconcile()`] makes the layers of one build agree; [`Tree::needs_base`] and [`Tree::resolve`] put entries where
//! the base's links lead, and [`inherit`] makes folders above them as they are below; [`Tree::fingerprint`] says
//! whether a layer of before is still right; [`Tree::settle`] waits until a change of a file would show; and
//! [`Tree::write`] reads every file once, and tars, hashes, compresses and writes it in one pass.

mod above;
mod conflict;
mod content;
mod difference;
mod error;
mod files;
mod fingerprint;
mod reconcile;
mod resolve;
mod stamps;
pub(crate) mod tree;
mod write;

pub(crate) use above::{Below, Look, inherit};
pub(crate) use difference::Difference;
pub(crate) use error::{LayerError, WriteError};
pub(crate) use fingerprint::WRITER_VERSION;
pub(crate) use reconcile::reconcile;
pub(crate) use stamps::Stamps;
pub(crate) use tree::Tree;
pub(crate) use write::WriteOptions;
