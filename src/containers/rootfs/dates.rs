//! The times that the files of an unpacked image have.
//!
//! In the bytes of layers that are made here, all files have one time, the epoch. Programs that compare times, such as
//! make, would take new files for old ones. So in root filesystems later layers are newer: the files of the n-th layer
//! that was made here have the time T + n seconds, where T is not earlier than anything in the base. The base's files
//! keep the times that its layers record. T depends on nothing but the base's layers, the time at which the base says
//! that it was made, and the epoch.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::containers::rootfs::{LayerBlob, RootfsError};
use crate::contents::BaseLayerError;
use crate::contents::digests::{LayerContents, stack};
use crate::fs::{FileContext as _, FileError, write_private};
use crate::process::IdMap;
use crate::sandbox;
use crate::sandbox::times::{BaseDating, Dating, Moment};

/// The name of the file that has the newest time in a base's tree.
const NEWEST: &str = "newest";
/// 1980-01-01: zip files know no earlier time. A base that says that it was made before the day after does not
/// know when it was made: tools for reproducible images write such times.
const EARLIEST: i64 = 315_532_800;
const DAY: i64 = 86_400;

/// What the times of an image's files depend on, besides its layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dates<'a> {
    /// When the base says that it was made (RFC 3339).
    pub(crate) created: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) epoch: i64,
}

impl Dates<'_> {
    /// When the base was made; `None` if it does not know.
    pub(super) fn created(&self) -> Option<Moment> {
        let created: Timestamp = self.created?.parse().ok()?;
        let moment = (created.as_second(), i64::from(created.subsec_nanosecond()));
        (moment.0 >= EARLIEST + DAY).then_some(moment)
    }

    /// Stands for [`Dates::created`] in the name of a tree.
    pub(super) fn name(&self) -> String {
        match self.created() {
            Some((seconds, 0)) => seconds.to_string(),
            Some((seconds, nanoseconds)) => format!("{seconds}.{nanoseconds:09}"),
            None => "undated".to_owned(),
        }
    }

    /// The time T, given the newest time in the base's tree, if it has one.
    pub(crate) fn start(&self, newest: Option<Moment>) -> i64 {
        // With an epoch in the future, files that steps write would be older than the files below them.
        let epoch = if self.epoch <= Timestamp::now().as_second() { self.epoch } else { EARLIEST };
        newest.map_or(EARLIEST, |(seconds, _)| seconds).max(epoch).max(EARLIEST)
    }
}

/// The time that the file system gave to a folder which was made just now.
pub(super) fn now(folder: &Path) -> Result<Moment, FileError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder).context("look at", folder)?;
    Ok((metadata.mtime(), metadata.mtime_nsec()))
}

/// The newest time in a base's tree, read from the file beside the tree.
pub(crate) fn newest(tree: &Path) -> Option<Moment> {
    let noted = std::fs::read_to_string(tree.with_file_name(NEWEST)).ok()?;
    let (seconds, nanoseconds) = noted.split_once('.')?;
    Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

/// Sets the times of a base's tree, and writes the newest one to a file beside the tree.
pub(super) fn date_base(base: BaseDating, map: &IdMap) -> Result<(), FileError> {
    let tree = base.tree.clone();
    let (seconds, nanoseconds) = date(Dating::Base(base), &tree, map)?.unwrap_or((0, 0));
    write_private(&tree.with_file_name(NEWEST), format!("{seconds}.{nanoseconds:09}").as_bytes())
}

/// Gives everything in the tree of one layer a time.
pub(super) fn date_layer(tree: &Path, time: i64, map: &IdMap) -> Result<(), FileError> {
    date(Dating::Layer(tree.to_owned(), time), tree, map).map(drop)
}

/// In a tree of all layers, gives the files of these layers, lowest first, the times T + 1, T + 2 and so on.
pub(super) fn date_own(tree: &Path, layers: &[LayerBlob], start: i64, map: &IdMap) -> Result<(), RootfsError> {
    let contents = layers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let shown = stack(&contents).into_iter();
    let paths = shown.map(|(path, shown)| (path, time_of(start, shown.layer))).collect();
    date(Dating::Paths(tree.to_owned(), paths), tree, map)?;
    Ok(())
}

/// The time of a layer that was made here, by its number, counted from 0 for the lowest.
pub(crate) fn time_of(start: i64, layer: usize) -> i64 {
    start.saturating_add(i64::try_from(layer).unwrap_or(i64::MAX)).saturating_add(1)
}

fn read(layer: &LayerBlob) -> Result<LayerContents, RootfsError> {
    let path: &PathBuf = &layer.path;
    let blob = std::fs::File::open(path).context("read", path)?;
    let contents: Result<_, BaseLayerError> = LayerContents::read(blob, &layer.descriptor.media_type);
    Ok(contents?)
}

fn date(dating: Dating, tree: &Path, map: &IdMap) -> Result<Option<Moment>, FileError> {
    sandbox::date(dating, map).context("set the times in", tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_here_is_newer_than_the_base() {
        let dates = |created, epoch| Dates { created, epoch };
        let base = 1_600_000_000;
        assert_eq!(dates(None, 0).start(None), EARLIEST);
        assert_eq!(dates(None, 0).start(Some((-5, 0))), EARLIEST);
        assert_eq!(dates(None, 0).start(Some((base, 999))), base);
        assert_eq!(dates(None, 1_700_000_000).start(Some((base, 0))), 1_700_000_000);
        // One that is still to come.
        assert_eq!(dates(None, i64::MAX).start(Some((base, 0))), base);
        assert_eq!((time_of(base, 0), time_of(base, 2)), (base + 1, base + 3));
    }

    #[test]
    fn a_base_may_not_know_when_it_was_made() {
        let created = |text| Dates { created: Some(text), epoch: 0 };
        for unknown in ["", "yesterday", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z"] {
            assert_eq!((created(unknown).created(), created(unknown).name().as_str()), (None, "undated"), "{unknown}");
        }
        let known = created("2024-01-01T01:00:00.25+01:00");
        assert_eq!(known.created(), Some((1_704_067_200, 250_000_000)));
        assert_eq!(known.name(), "1704067200.250000000");
        assert_eq!(created("2024-01-01T00:00:00Z").name(), "1704067200");
    }
}
