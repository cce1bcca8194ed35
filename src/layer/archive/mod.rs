//! Archives whose entries go into a layer: tars, plain or compressed by gzip, zstd, xz or bzip2.
//!
//! On disk, in the store: `records/archive/KEY` has an archive's [`Listing`], under the stat that the
//! archive had when it was read. So one that is unchanged is not read to know what a layer will hold.
//!
//! The flow: [`PackageScan::archive`](super::scan::PackageScan) gets the listing, from the store or from
//! one pass over the archive; [`Selection`] says what of it goes where; and when the layer is written,
//! [`Contents`] gives each file's content in the order of the layer. A compressed archive is unpacked
//! twice then, rather than kept.
//!
//! The key types: an [`Archive`] is a file on this machine with its stat, [`Archived`] a file in it.

mod content;
mod error;
mod header;
mod listing;
mod scan;
mod select;
mod stream;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::fstat;

use crate::layer::LayerError;
use crate::layer::fingerprint::{put_stamp, settle};
use crate::layer::path::LayerPath;
use crate::layer::tree::Stamp;
use crate::layer::write::{open, unreadable};
use crate::model::Digest;
use crate::store::Store;
pub(super) use content::Contents;
pub(crate) use error::ArchiveError;
use listing::{Listing, Unlistable};
use select::Selection;
use stream::Stream;

/// Counted up whenever a listing says something else of the same archive.
const LISTING_VERSION: u32 = 1;

/// An archive on this machine, as it was when it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) host: Box<Path>,
    pub(super) stamp: Stamp,
    /// Where there is room for what does not fit in memory.
    workplace: PathBuf,
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archived {
    pub(super) archive: Arc<Archive>,
    /// Where its content begins among the archive's plain bytes.
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Other paths of the archive are hard links to the same file.
    pub(super) has_more_names: bool,
}

impl Archived {
    /// The file for a message: the archive, and where the file goes.
    pub(super) fn shown(&self, path: &LayerPath, folder: &Path) -> String {
        format!("{}:{path}", super::error::shown(&self.archive.host, folder))
    }
}

impl Archive {
    /// All that the archive holds, without reading it where the store knows it by its stat. With `records`
    /// the store knows it from then on.
    fn listing(&self, store: &Store, records: bool, shown: &str) -> Result<Listing, LayerError> {
        let key = self.key();
        if let Some(known) = store.recall("archive", &key)? {
            return Ok(known);
        }
        // Only what can no longer change without its stat showing it may be known again.
        let settled = records && settle(std::iter::once(self.stamp.changed));
        let failed = |source| unreadable(shown.to_owned(), source);
        let file = open(&self.host).map_err(failed)?;
        let listing = file.try_clone().and_then(Stream::new).map_err(failed).and_then(|mut stream| {
            let archive = shown.to_owned();
            Listing::read(&mut stream).map_err(|error| match error {
                Unlistable::NotAnArchive => ArchiveError::NotAnArchive { archive }.into(),
                Unlistable::Damaged { after, source } => {
                    let after = after.map(|name| crate::sanitize::name(&String::from_utf8_lossy(&name.0)));
                    ArchiveError::Damaged { archive, after, source }.into()
                }
            })
        });
        let now = fstat(&file).map_err(|errno| failed(errno.into()))?;
        if Stamp::of(&now) != self.stamp {
            return Err(LayerError::Changed { path: shown.to_owned() });
        }
        let listing = listing?;
        if settled {
            store.record("archive", &key, &listing)?;
        }
        Ok(listing)
    }

    fn key(&self) -> Digest {
        let mut key = LISTING_VERSION.to_le_bytes().to_vec();
        put_stamp(&mut key, &self.stamp);
        Digest::of(&key)
    }
}
