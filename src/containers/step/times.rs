//! The times that a step sees on the files below it.
//!
//! A step without cache folders sees the times of the trees ([`dates`](crate::containers::rootfs::dates)), which are
//! equal on every machine. For a step with cache folders, the times depend on what these folders have seen ([`seen`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::containers::rootfs::dates::time_of;
use crate::containers::rootfs::{Rootfs, RootfsError};
use crate::containers::step::seen::{self, CacheFolder};
use crate::containers::step::surroundings::{ContentSource, Surroundings};
use crate::containers::step::{StepError, StepRequest, Steps};
use crate::contents::digests::{LayerContents, stack};
use crate::fs::{FileContext as _, FileError, FileLock};
use crate::image::Layer;
use crate::model::{ChainId, Digest, RawPath};
use crate::sandbox::times::Dating;
use crate::store::Shelf;
use crate::{process, sandbox};

/// What a layer holds, by its diff ID.
const CONTENTS: Shelf<LayerContents> = Shelf::new("contents", 2);
/// How long is waited for the clock to pass what a step sees, for each layer made here and beyond.
const PATIENCE: i64 = 5;
/// The size of a layer's blob from which on it is worth a tree of another time, in bytes.
const LARGE: u64 = 4 << 20;
const TICK: std::time::Duration = std::time::Duration::from_millis(20);

/// A cache folder that this step alone uses.
pub(super) struct HeldCache {
    pub(super) folder: PathBuf,
    pub(super) target: String,
    pub(super) _lock: FileLock,
}

/// The times, in seconds since 1970.
#[derive(Default)]
pub(super) struct Times {
    /// Paths of the image whose time differs from that in their tree.
    pub(super) paths: Vec<(RawPath, i64)>,
    /// The times of mounted images, by the number of the mount.
    pub(super) mounted: BTreeMap<String, i64>,
}

impl Steps<'_> {
    /// The times that a step sees, after which it may start: what it writes is newer.
    pub(super) fn times(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
        rootfs: &mut Rootfs,
        caches: &[HeldCache],
    ) -> Result<Times, StepError> {
        let mounts = surroundings.mounts.iter().filter_map(|mount| match &mount.source {
            ContentSource::Layer(layer) => Some((&mount.to, layer.diff_id.0)),
            ContentSource::Host(_) | ContentSource::Memory => None,
        });
        // A mounted image stands on no layer, so its files are newer than all layers.
        let mounted = mounts.clone().map(|(to, _)| (to.clone(), rootfs.next())).collect();
        let mut times = Times { paths: Vec::new(), mounted };
        if !caches.is_empty() {
            let (elsewhere, own) = request.below.split_at(request.from_elsewhere);
            let mut below = self.below(own, rootfs.start)?;
            let diff_ids: Vec<_> = elsewhere.iter().map(|layer| layer.diff_id).collect();
            let base = ChainId::of(&diff_ids).map(|chain| chain.0);
            below.extend(mounts.map(|(to, digest)| (mount_point(to), (digest, rootfs.next()))));
            let mut shown = self.show(caches, base, &below)?;
            for (to, time) in &mut times.mounted {
                *time = shown.times.remove(&mount_point(to)).unwrap_or(*time);
            }
            let trees = self.other_trees(request, rootfs, own, &below, &shown)?;
            let of_tree = |path: &RawPath| below.get(path).map(|(_, time)| *trees.get(time).unwrap_or(time));
            times.paths = shown.times.into_iter().filter(|(path, time)| of_tree(path) != Some(*time)).collect();
        }
        let latest = times.paths.iter().map(|(_, time)| *time).chain(times.mounted.values().copied()).max();
        let layers = i64::try_from(request.below.len()).unwrap_or(0);
        self.pass(latest.unwrap_or(0).max(rootfs.time()), layers + PATIENCE)?;
        Ok(times)
    }

    fn show(&self, caches: &[HeldCache], base: Option<Digest>, below: &seen::Below) -> Result<seen::Shown, FileError> {
        let folder = |cache: &HeldCache| {
            let dating = Dating::Newest(cache.folder.clone());
            let newest = sandbox::date(dating, self.machine.map()).context("look through", &cache.folder)?;
            Ok(newest.map(|(seconds, _)| seconds))
        };
        let newest = caches.iter().map(folder).collect::<Result<Vec<_>, FileError>>()?;
        let folders = caches.iter().zip(newest).map(|(cache, newest)| CacheFolder { path: &cache.folder, newest });
        seen::show(&folders.collect::<Vec<_>>(), base, below)
    }

    /// Has large layers, most of which was seen with another time than their trees have, stand on trees of that
    /// time; gives that time by the former one. To set a time in an overlay copies the file, each time a step
    /// runs; a tree is kept.
    fn other_trees(
        &self,
        request: &StepRequest<'_>,
        rootfs: &mut Rootfs,
        own: &[Layer],
        below: &seen::Below,
        shown: &seen::Shown,
    ) -> Result<BTreeMap<i64, i64>, StepError> {
        let mut replaced = BTreeMap::new();
        let large = own.iter().enumerate().filter(|(_, layer)| layer.descriptor.size >= LARGE);
        for (number, layer) in large.filter(|_| rootfs.is_stacked()).collect::<Vec<_>>() {
            let own = time_of(rootfs.start, number);
            let (mut all, mut counts) = (0, BTreeMap::<i64, usize>::new());
            for (path, _) in below.iter().filter(|(_, (_, time))| *time == own) {
                all += 1;
                if let Some(time) = shown.times.get(path) {
                    *counts.entry(*time).or_default() += 1;
                }
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| count * 2 > all);
            // A layer that was not seen yet would need a tree of yet another time soon.
            let Some((time, _)) = most.filter(|(time, _)| *time != own && *time != shown.unseen) else { continue };
            let tree = self.unpack_layer(layer, time, request.subject)?;
            if rootfs.replace(number, tree).is_some() {
                replaced.insert(own, time);
            }
        }
        Ok(replaced)
    }

    /// What these layers, the lowest first, show together, with the times that their trees have.
    fn below(&self, layers: &[Layer], start: i64) -> Result<seen::Below, StepError> {
        let contents = layers.iter().map(|layer| self.contents(layer)).collect::<Result<Vec<_>, _>>()?;
        let shown = stack(&contents).into_iter();
        // The root folder always has the time of the topmost layer.
        let shown = shown.filter(|(path, _)| !path.0.is_empty());
        Ok(shown.map(|(path, shown)| (path, (shown.digest, time_of(start, shown.layer)))).collect())
    }

    /// What a layer holds. It is read once, and recorded.
    fn contents(&self, layer: &Layer) -> Result<LayerContents, StepError> {
        if let Some(known) = CONTENTS.recall(self.store, &layer.diff_id.0)? {
            return Ok(known);
        }
        let digest = layer.descriptor.digest;
        if !self.store.verify(&digest)? {
            return Err(RootfsError::Damaged { digest }.into());
        }
        let path = self.store.blob_path(&digest);
        let blob = std::fs::File::open(&path).context("read", &path)?;
        let contents = LayerContents::read(blob, &layer.descriptor.media_type)?;
        CONTENTS.record(self.store, &layer.diff_id.0, &contents)?;
        Ok(contents)
    }

    /// Waits until the clock has passed a time, if that takes no longer than so many seconds. A clock that is far
    /// behind is no reason to wait.
    fn pass(&self, time: i64, patience: i64) -> Result<(), StepError> {
        let mut told = false;
        loop {
            let left = time.saturating_sub(jiff::Timestamp::now().as_second()).saturating_add(1);
            if left <= 0 || left > patience {
                return Ok(());
            }
            if !told && left > 2 {
                self.reporter.note("waiting for the clock to pass the times of the image's layers");
                told = true;
            }
            process::wait(TICK).map_err(|_| StepError::Interrupted)?;
        }
    }
}

/// Stands for a mounted image in a list of paths, where no path begins with a slash.
fn mount_point(to: &str) -> RawPath {
    RawPath::from(Path::new(&format!("/{to}")))
}
