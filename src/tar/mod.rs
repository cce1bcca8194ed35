//! Tars of layers and archives: writes headers, and reads whole archives.
//!
//! [`record`] is the only place that writes headers, [`header`] the only place that reads them. [`Stream`] gives the
//! plain bytes of an archive, however it is compressed. [`members`] reads all members in one pass, and applies their
//! extended headers and sparse maps. A [`Listing`] keeps what later steps need of the members.

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
