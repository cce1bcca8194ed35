//! What archives and images hold. Archives are tars, plain or compressed by gzip, zstd, xz or bzip2: files of this
//! machine that packages name, and the layers of [images](image).
//!
//! On disk, in the store: `records/archive/KEY` has an archive's [`Listing`], under the stat that the archive had when
//! it was read, or a layer's diff ID. So an unchanged archive does not have to be read again.
//!
//! The flow: [`Archive::listing`] gets the listing, from the store or from one pass over the archive, and a
//! [`select::Selection`] says which members go where. Three other modules read layers of a base, and keep only what is
//! needed later: its [`links`], the [`digests`] of its entries, and what its unpacked tree does not show ([`untold`]).
//!
//! The key types: an [`Archive`] is a file on this machine and what tells it from others, [`Archived`] a
//! file in it, and an [`image::ImageTree`] all that an image holds.

pub(crate) mod blob;
pub(crate) mod digests;
pub(crate) mod error;
mod follow;
pub(crate) mod glob;
pub(crate) mod image;
pub(crate) mod links;
pub(crate) mod select;
#[cfg(test)]
mod tests;
pub(crate) mod untold;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::fstat;

use crate::fs::{FileError, Stamp, stamp};
use crate::image::Layer;
use crate::model::{Descriptor, DiffId, Digest, LayerPath};
use crate::sanitize;
use crate::store::{Shelf, Store};
use crate::tar::{Listing, Rules, Stream, Unlistable};

pub(crate) use blob::{BaseLayerError, each_member, plain};
pub(crate) use error::ArchiveError;
pub(crate) use links::{BaseLinks, LayerLinks};

/// The version of the format. It is raised whenever the listing of an unchanged archive changes.
const LISTING_VERSION: u32 = 2;

const LISTINGS: Shelf<Listing> = Shelf::new("archive", LISTING_VERSION);

/// An archive on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    pub(crate) host: Box<Path>,
    pub(crate) identity: Identity,
    /// Where there is room for what does not fit in memory.
    pub(crate) workplace: PathBuf,
}

/// What tells an archive from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// It is somebody's file, and was so when it was looked at.
    File(Stamp),
    /// It is a blob of the store, and a layer.
    Layer { blob: Descriptor, diff_id: DiffId },
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    pub(crate) archive: Arc<Archive>,
    /// Where its content begins among the archive's plain bytes.
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// Other paths of the archive are hard links to the same file.
    pub(crate) has_more_names: bool,
}

impl Archived {
    /// The file for a message: the archive, and where the file goes.
    pub(crate) fn shown(&self, path: &LayerPath, folder: &Path) -> String {
        match self.archive.identity {
            Identity::File(_) => format!("{}:{path}", sanitize::path(&self.archive.host, folder)),
            Identity::Layer { .. } => path.to_string(),
        }
    }
}

impl Identity {
    /// Everything of it that decides what is in the archive.
    pub(crate) fn put(&self, record: &mut Vec<u8>) {
        match self {
            Self::File(stamp) => stamp.put(record),
            Self::Layer { diff_id, .. } => record.extend(diff_id.to_string().as_bytes()),
        }
    }

    fn rules(&self) -> Rules {
        match self {
            Self::File(_) => Rules::Archive,
            Self::Layer { .. } => Rules::Layer,
        }
    }

    /// When it was changed, for what can be.
    pub(crate) fn changed(&self) -> Option<stamp::Time> {
        match self {
            Self::File(stamp) => Some(stamp.changed),
            Self::Layer { .. } => None,
        }
    }

    /// True unless somebody wrote to the open file.
    pub(crate) fn is_of(&self, file: &File) -> io::Result<bool> {
        match self {
            Self::File(stamp) => Ok(Stamp::of(&fstat(file)?) == *stamp),
            Self::Layer { .. } => Ok(true),
        }
    }
}

impl Archive {
    pub(crate) fn new(host: PathBuf, identity: Identity, store: &Store) -> Self {
        Self { host: host.into(), identity, workplace: store.workplace() }
    }

    /// A layer, whose blob need not be in the store unless it is read.
    pub(crate) fn of_layer(layer: &Layer, store: &Store) -> Self {
        let identity = Identity::Layer { blob: layer.descriptor.clone(), diff_id: layer.diff_id };
        Self::new(store.blob_path(&layer.descriptor.digest), identity, store)
    }

    /// What the store knows of it.
    pub(crate) fn known(&self, store: &Store) -> Result<Option<Listing>, FileError> {
        LISTINGS.recall(store, &self.key())
    }

    /// All that the archive holds, without reading it where the store knows it by its stat. With `records`
    /// the store knows it from then on.
    pub(crate) fn listing(&self, store: &Store, records: bool, shown: &str) -> Result<Listing, ArchiveError> {
        if let Some(known) = self.known(store)? {
            return Ok(known);
        }
        // Only what can no longer change without its stat showing it may be known again.
        let settled = records && stamp::settle(self.identity.changed().into_iter());
        let failed = |source| ArchiveError::unreadable(shown.to_owned(), source);
        let file = stamp::reopen(&self.host).map_err(failed)?;
        if !self.identity.is_of(&file).map_err(failed)? {
            return Err(ArchiveError::Changed { path: shown.to_owned() });
        }
        let listing = file.try_clone().and_then(Stream::new).map_err(failed).and_then(|mut stream| {
            let archive = shown.to_owned();
            Listing::read(&mut stream, self.identity.rules()).map_err(|error| match error {
                Unlistable::NotAnArchive => ArchiveError::NotAnArchive { archive },
                Unlistable::Damaged { after, source } => {
                    let after = after.map(|name| sanitize::name(&String::from_utf8_lossy(&name.0)));
                    ArchiveError::Damaged { archive, after, source }
                }
            })
        });
        if !self.identity.is_of(&file).map_err(failed)? {
            return Err(ArchiveError::Changed { path: shown.to_owned() });
        }
        let listing = listing?;
        if settled {
            LISTINGS.record(store, &self.key(), &listing)?;
        }
        Ok(listing)
    }

    fn key(&self) -> Digest {
        let mut key = LISTING_VERSION.to_le_bytes().to_vec();
        self.identity.put(&mut key);
        Digest::of(&key)
    }
}
