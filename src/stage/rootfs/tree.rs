//! One tree: found, or unpacked by umoci.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext as _, FileError, Lock, TEMPORARY_PREFIX, create_folder, create_unique_folder, mark_used, sync_folder,
    write_private,
};
use crate::layer::{Untold, untold};
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageConfig, ImageManifest, Index, Platform, canonical_json};
use crate::report::Stage;
use crate::sandbox::{self, ROOT_MARK};
use crate::stage::rootfs::seal::seal;
use crate::stage::rootfs::{LayerBlob, RootfsError, RootfsRequest, chain_name, layer_name};

/// The layout that umoci is given, and the image's name in it.
const LAYOUT: &str = "layout";
const TAG: &str = "image";
/// The tree, in the folder that has it.
const TREE: &str = "fs";

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
                return Err(RootfsError::Damaged { digest });
            }
        }
        let tree = half.join(TREE);
        if self.layers.is_empty() {
            create_folder(&tree)?;
        } else {
            if self.layers.iter().any(|layer| layer.descriptor.media_type.ends_with("zstd")) {
                self.request.umoci.check_zstd(&self.subject())?;
            }
            let layout = half.join(LAYOUT);
            write_layout(&layout, self.layers)?;
            self.request.umoci.unpack(half, (LAYOUT, TAG), TREE, self.request.map, &self.subject())?;
            std::fs::remove_dir_all(&layout).context("remove", &layout)?;
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

/// An OCI layout of one image with these layers, whose blobs stay where they are.
fn write_layout(layout: &Path, layers: &[LayerBlob]) -> Result<(), FileError> {
    let blobs = layout.join("blobs/sha256");
    create_folder(&blobs)?;
    let write = |path: PathBuf, bytes: &[u8]| write_private(&path, bytes);
    let blob = |digest: &Digest| blobs.join(digest.hex());
    for layer in layers {
        let (path, target) =
            (blob(&layer.descriptor.digest), std::path::absolute(&layer.path).context("find", &layer.path)?);
        match symlink(target, &path) {
            // An image may have a layer twice.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            linked => linked.context("link", &path)?,
        }
    }

    // umoci looks at neither platform nor anything else but the diff IDs.
    let mut config = ImageConfig::scratch(&Platform::new("linux", "amd64", None));
    config.set_diff_ids(&layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>());
    let config_bytes = config.to_bytes();
    let config = Descriptor::of(media_type::CONFIG, &config_bytes);
    write(blob(&config.digest), &config_bytes)?;

    let descriptors = layers.iter().map(|layer| Descriptor {
        media_type: media_type::oci_layer(&layer.descriptor.media_type).to_owned(),
        annotations: BTreeMap::new(),
        ..layer.descriptor.clone()
    });
    let manifest = ImageManifest::new(config, descriptors.collect(), BTreeMap::new());
    let manifest_bytes = canonical_json(&manifest);
    let mut manifest = Descriptor::of(media_type::MANIFEST, &manifest_bytes);
    write(blob(&manifest.digest), &manifest_bytes)?;

    manifest.annotations.insert("org.opencontainers.image.ref.name".to_owned(), TAG.to_owned());
    write(layout.join("index.json"), &canonical_json(&Index::new(vec![manifest], BTreeMap::new())))?;
    write(layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
}
