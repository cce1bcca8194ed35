//! One tree: found, or unpacked by umoci.

use std::path::{Path, PathBuf};

use crate::containers::rootfs::seal::{recall, seal};
use crate::containers::rootfs::unpack::Unpacking;
use crate::containers::rootfs::{
    LayerBlob, RootfsError, RootfsRequest, TREE, base_name, dates, layer_name, set_aside, whole_name,
};
use crate::contents::untold::{Untold, untold};
use crate::fs::{
    FileContext as _, FileLock, TEMPORARY_PREFIX, create_folder, create_unique_folder, is_real_folder, mark_used,
    sync_folder, write_private,
};
use crate::model::DiffId;
use crate::report::WorkKind;
use crate::sandbox::times::{BaseDating, Moment};
use crate::sandbox::{self, ROOT_MARK};

/// Which layers a tree holds, and what decides the times of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TreeOf {
    /// The layers of a base.
    Base,
    /// One layer that was made here; all its files have this time.
    Layer(i64),
    /// The layers of a base and the layers that were made on top of it. `start` is the time of the first of these, less
    /// a second; `own` says how many they are; `newest` is the newest time in the base, if it has layers.
    Whole { start: i64, own: usize, newest: Option<Moment> },
}

/// One tree of the cache.
pub(super) struct CacheTree<'a> {
    pub(super) layers: &'a [LayerBlob],
    pub(super) kind: TreeOf,
    pub(super) folder: &'a Path,
    pub(super) request: &'a RootfsRequest<'a>,
}

/// A tree that is there.
pub(super) struct Prepared {
    pub(super) path: PathBuf,
    /// Keeps other processes from removing it.
    pub(super) lock: FileLock,
    pub(super) is_new: bool,
    /// The newest time in it, if it is the tree of a base.
    pub(super) newest: Option<Moment>,
}

impl CacheTree<'_> {
    fn name(&self) -> String {
        let (map, created) = (self.request.map, self.request.dates.name());
        let diff_ids: Vec<DiffId> = self.layers.iter().map(|layer| layer.diff_id).collect();
        match (self.kind, self.layers) {
            (TreeOf::Layer(time), [layer]) => layer_name(&layer.diff_id, time, map),
            (TreeOf::Whole { start, own, .. }, _) => whole_name(&diff_ids, (&created, start, own), map),
            _ => base_name(&diff_ids, &created, map),
        }
    }

    /// Finds the tree, or makes it.
    pub(super) fn prepare(&self) -> Result<Prepared, RootfsError> {
        let name = self.name();
        let entry = self.folder.join(&name);
        let lock = self.folder.join(format!("{name}.lock"));
        let mut is_new = false;
        loop {
            let shared = FileLock::shared(&lock)?;
            if is_there(&entry) && recall(&entry).is_some() {
                // A tree whose use cannot be marked is pruned earlier, which does no harm.
                let _ = mark_used(&lock);
                let path = entry.join(TREE);
                let newest = (self.kind == TreeOf::Base).then(|| dates::newest(&path)).flatten();
                return Ok(Prepared { path, lock: shared, is_new, newest });
            }
            drop(shared);
            let _alone = FileLock::exclusive(&lock, || {
                self.request.reporter.note(&format!("waiting for another `oci` that unpacks {}", self.request.subject));
            })?;
            if !is_there(&entry) || recall(&entry).is_none() {
                if entry.exists() {
                    set_aside(&entry, self.request.map)?;
                }
                self.make(&name, &entry)?;
                is_new = true;
            }
        }
    }

    fn make(&self, name: &str, entry: &Path) -> Result<(), RootfsError> {
        let activity = self.request.reporter.begin(WorkKind::Rootfs, self.subject());
        let prefix = format!("{TEMPORARY_PREFIX}{name}-");
        let half = create_unique_folder(self.folder, &prefix)?;
        let made = self.fill(&half).and_then(|()| {
            std::fs::rename(&half, entry).context("rename", &half)?;
            Ok(sync_folder(self.folder)?)
        });
        if made.is_err() {
            // Ignore cleanup errors: the original error matters, and a later sweep removes the folder.
            let _ = sandbox::remove_tree(&half, self.request.map);
        } else {
            activity.done();
        }
        made
    }

    /// The image that the tree belongs to, or the part of the image that it holds, for messages.
    fn subject(&self) -> String {
        let image = self.request.subject;
        match (self.kind, self.layers) {
            (TreeOf::Layer(_), [layer, ..]) => format!("layer {} of {image}", layer.descriptor.digest.short()),
            (TreeOf::Base, _) if !self.request.own.is_empty() => format!("the base of {image}"),
            _ => image.to_owned(),
        }
    }

    fn fill(&self, half: &Path) -> Result<(), RootfsError> {
        for layer in self.layers {
            let digest = layer.descriptor.digest;
            if !(self.request.verify)(&digest)? {
                if layer.descriptor.is_foreign() {
                    return Err(RootfsError::Foreign { digest });
                }
                return Err(RootfsError::Damaged { digest });
            }
        }
        let tree = half.join(TREE);
        let since = dates::now(half)?;
        if self.layers.is_empty() {
            create_folder(&tree)?;
        } else {
            let subject = self.subject();
            Unpacking { layers: self.layers, half, request: self.request, subject }.run()?;
            if matches!(self.kind, TreeOf::Layer(_)) {
                self.mark_untold(&tree)?;
            }
            self.date(&tree, since)?;
        }
        Ok(seal(half, self.request.map)?)
    }

    /// Sets the times of the files of a tree. `since` is the moment when unpacking began.
    fn date(&self, tree: &Path, since: Moment) -> Result<(), RootfsError> {
        let (map, created) = (self.request.map, self.request.dates.created());
        let base = |newest| BaseDating { tree: tree.to_owned(), since, created, newest };
        match self.kind {
            TreeOf::Base => dates::date_base(base(None), map)?,
            TreeOf::Layer(time) => dates::date_layer(tree, time, map)?,
            TreeOf::Whole { start, own, newest } => {
                dates::date_base(base(newest), map)?;
                dates::date_own(tree, &self.layers[self.layers.len() - own..], start, map)?;
            }
        }
        Ok(())
    }

    /// Marks what the layers delete, so that overlays hide it, and notes whether the layer has an entry for the root
    /// folder.
    fn mark_untold(&self, tree: &Path) -> Result<(), RootfsError> {
        for layer in self.layers {
            let blob = std::fs::File::open(&layer.path).context("read", &layer.path)?;
            let Untold { whiteouts, has_root } = untold(blob, &layer.descriptor.media_type)?;
            if !whiteouts.is_empty() {
                sandbox::apply_whiteouts(tree, whiteouts, self.request.map).context("mark what is deleted in", tree)?;
            }
            if has_root {
                write_private(&tree.with_file_name(ROOT_MARK), b"")?;
            }
        }
        Ok(())
    }
}

/// True if the tree is there, in real folders and not behind a link.
fn is_there(entry: &Path) -> bool {
    is_real_folder(entry) && is_real_folder(&entry.join(TREE))
}
