//! Tars as layers and archives are: what is written into them, and how they are read.
//!
//! [`record`] is the only place that writes headers, [`header`] the only one that reads them. [`Stream`] gives the
//! plain bytes of an archive, whatever compressed them, and [`members`] all that the archive holds, in one pass, with
//! what extended headers and sparse files say put together. A [`Listing`] is what of that is worth keeping.

mod format;
mod header;
mod listing;
pub(crate) mod members;
pub(crate) mod record;
mod sparse;
mod stream;

pub(crate) use format::StreamFormat;
pub(crate) use listing::{Bytes, Listing, Member, MemberKind, Unlistable};
pub(crate) use members::{FoundMember, Rules};
pub(crate) use record::{Attributes, Record, RecordKind};
pub(crate) use stream::Stream;
