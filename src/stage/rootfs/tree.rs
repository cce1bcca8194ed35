//! One tree: found, or unpacked by umoci.

use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext as _, Lock, TEMPORARY_PREFIX, create_folder, create_unique_folder, mark_used, sync_folder,
    write_private,
};
use crate::layer::{Untold, untold};
use crate::model::DiffId;
use crate::report::Stage;
use crate::sandbox::{self, ROOT_MARK};
use crate::stage::rootfs::seal::seal;
use crate::stage::rootfs::unpack::Unpacking;
use crate::stage::rootfs::{LayerBlob, RootfsError, RootfsRequest, TREE, chain_name, layer_name};

/// One tree of the cache.
pub(super) struct Tree<'a> {
    pub(super) layers: &'a [LayerBlob],
    /// It is one layer that was made here, and no base.
    pub(super) is_own: bool,
    pub(super) folder: &'a Path,
    pub(super) request: &'a RootfsRequest<'a>,
}

/// A tree that is there.
pub(super) struct Prepared {
    pub(super) path: PathBuf,
    /// Keeps it there.
    pub(super) lock: Lock,
    pub(super) is_new: bool,
}

impl Tree<'_> {
    fn name(&self) -> String {
        if let (true, [layer]) = (self.is_own, self.layers) {
            return layer_name(&layer.diff_id, self.request.map);
        }
        let diff_ids: Vec<DiffId> = self.layers.iter().map(|layer| layer.diff_id).collect();
        chain_name(&diff_ids, self.request.map)
    }

    /// Makes it, if it is not there.
    pub(super) fn prepare(&self) -> Result<Prepared, RootfsError> {
        let name = self.name();
        let entry = self.folder.join(&name);
        let lock = self.folder.join(format!("{name}.lock"));
        let mut is_new = false;
        loop {
            let shared = Lock::shared(&lock)?;
            if entry.exists() {
                // One that cannot be marked is removed earlier, which is no harm.
                let _ = mark_used(&lock);
                return Ok(Prepared { path: entry.join(TREE), lock: shared, is_new });
            }
            drop(shared);
            let _alone = Lock::exclusive(&lock, || {
                self.request.reporter.note(&format!("waiting for another `oci` that unpacks {}", self.request.subject));
            })?;
            if !entry.exists() {
                self.make(&name, &entry)?;
                is_new = true;
            }
        }
    }

    fn make(&self, name: &str, entry: &Path) -> Result<(), RootfsError> {
        let activity = self.request.reporter.begin(Stage::Rootfs, self.subject());
        let prefix = format!("{TEMPORARY_PREFIX}{name}-");
        let half = create_unique_folder(self.folder, &prefix)?;
        let made = self.fill(&half).and_then(|()| {
            std::fs::rename(&half, entry).context("rename", &half)?;
            Ok(sync_folder(self.folder)?)
        });
        if made.is_err() {
            // What it failed at is the news; a sweep comes by again.
            let _ = sandbox::remove_tree(&half, self.request.map);
        } else {
            activity.done();
        }
        made
    }

    /// The image, or the one layer of it that was made here.
    fn subject(&self) -> String {
        match self.is_own {
            true => format!("a layer of {}", self.request.subject),
            false => self.request.subject.to_owned(),
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
        if self.layers.is_empty() {
            create_folder(&tree)?;
        } else {
            let subject = self.subject();
            Unpacking { layers: self.layers, half, request: self.request, subject }.run()?;
            if self.is_own {
                self.mark_untold(&tree)?;
            }
        }
        Ok(seal(half)?)
    }

    /// Has what a layer deletes deleted in overlays too, and notes whether its root folder counts.
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
