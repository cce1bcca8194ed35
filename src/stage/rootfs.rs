//! Root filesystems: an image's layers, unpacked once and kept for every run and step.
//!
//! ```text
//! <cache>/rootfs/<chain ID>-<ID map>/fs/       the tree of a base's layers; never written to
//! <cache>/rootfs/layer-<diff ID>-<ID map>/fs/  the tree of one layer, what it deletes marked for overlays
//! <cache>/rootfs/<name>/size                   what it takes on the disk, in bytes
//! <cache>/rootfs/<name>/root                   there if the layer has an entry for the root folder
//! <cache>/rootfs/<name>.lock                   held while it is made, shared while it is used; as old as
//!                                              its last use
//! <cache>/rootfs/.oci-tmp-<name>-<random>/     one that is being made, with umoci's layout beside it
//! ```
//!
//! A base's layers are one tree; each layer made here is a tree of its own, to be stacked on it by an
//! overlay, so that a changed package unpacks itself alone. A step's tree is the upper folder of the
//! overlay that it ran on ([`adopt`]); from its blob the same is made by umoci, which knows no
//! overlays, and by marking then what the layer deletes. Where trees cannot be stacked, all layers are one
//! tree, to be copied for each step, and the copy becomes the tree of the layers up to that step's. A tree gets its name when it is whole and on
//! disk: what has the name is complete, whatever was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext as _, FileError, Lock, TEMPORARY_PREFIX, create_folder, mark_used, sync_folder, write_private,
};
use crate::layer::{LinkError, Untold, untold};
use crate::model::document::media_type;
use crate::model::{ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageManifest, Index, Platform, canonical_json};
use crate::report::{Reporter, Stage};
use crate::sandbox::{self, Overlays, ROOT_MARK};
use crate::store::disk_usage;
use crate::tools::{IdMap, ToolError, Umoci};

/// The image's name in the layout that umoci is given.
const TAG: &str = "image";
/// The name of the file that says what a tree takes on the disk.
pub(super) const SIZE: &str = "size";
/// A tree with fewer entries is brought to disk one by one.
const FEW: u32 = 24;

/// A layer whose blob is on disk and verified.
#[derive(Clone, Debug)]
pub(crate) struct LayerBlob {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: DiffId,
    /// The blob's file.
    pub(crate) path: PathBuf,
}

/// The layers of an image, lowest first.
pub(crate) struct RootfsRequest<'a> {
    /// The base's.
    pub(crate) base: &'a [LayerBlob],
    /// Those made here on top of it.
    pub(crate) own: &'a [LayerBlob],
    pub(crate) cache: &'a Path,
    pub(crate) map: &'a IdMap,
    pub(crate) overlays: Overlays,
    pub(crate) umoci: &'a Umoci,
    /// Whether a blob's content is what its name says; asked before umoci is given it.
    pub(crate) verify: &'a dyn Fn(&Digest) -> Result<bool, FileError>,
    pub(crate) reporter: &'a dyn Reporter,
    /// What errors and reports call the image.
    pub(crate) subject: &'a str,
}

/// An unpacked image. While it lives, whoever removes trees ([`trees`](super::trees)) leaves these be.
#[derive(Debug)]
pub(crate) struct Rootfs {
    /// The trees for an overlay, topmost first; never none.
    pub(crate) lowers: Vec<PathBuf>,
    /// If trees cannot be stacked: there is one, of these layers.
    chain: Option<Vec<DiffId>>,
    /// A tree of it had to be unpacked.
    pub(crate) is_new: bool,
    _in_use: Vec<Lock>,
}

/// Why an image could not be unpacked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum RootfsError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error("the cache's copy of the layer `{digest}` was damaged, and is set aside")]
    #[diagnostic(code(oci::rootfs::damaged_layer), help("run the command again: it fetches or builds the layer anew"))]
    Damaged { digest: Digest },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LinkError),
    #[error("the cache's folder `{}` has a colon in its name, which umoci cannot read", path.display())]
    #[diagnostic(code(oci::rootfs::colon), help("set `dir` in `[cache]` to another folder"))]
    Colon { path: PathBuf },
}

/// Unpacks what is not unpacked yet.
pub(crate) fn prepare(request: &RootfsRequest<'_>) -> Result<Rootfs, RootfsError> {
    let folder = request.cache.join("rootfs");
    if folder.to_string_lossy().contains(':') {
        return Err(RootfsError::Colon { path: request.cache.to_owned() });
    }
    create_folder(&folder)?;
    if request.overlays != Overlays::OnDisk {
        let layers = [request.base, request.own].concat();
        let tree = Tree { layers: &layers, is_own: false, folder: &folder, request }.prepare()?;
        let chain = Some(layers.iter().map(|layer| layer.diff_id).collect());
        return Ok(Rootfs { lowers: vec![tree.path], chain, is_new: tree.is_new, _in_use: vec![tree.lock] });
    }
    let own = request.own.chunks(1).rev().map(|layers| (layers, true));
    // A tree of no layers only stands in where there is nothing else.
    let base = (!request.base.is_empty() || request.own.is_empty()).then_some((request.base, false));
    let prepared = own.chain(base).map(|(layers, is_own)| Tree { layers, is_own, folder: &folder, request }.prepare());
    let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
    let is_new = prepared.iter().any(|tree| tree.is_new);
    let (mut lowers, in_use): (Vec<_>, Vec<_>) = prepared.into_iter().map(|tree| (tree.path, tree.lock)).unzip();
    // Two layers may be the same, which an overlay refuses; below itself it shows nothing.
    let mut above = BTreeSet::new();
    lowers.retain(|tree| above.insert(tree.clone()));
    Ok(Rootfs { lowers, chain: None, is_new, _in_use: in_use })
}

/// Keeps the tree of a step's layer, or of all up to it if it ran in a copy: `fs` in this folder, which is
/// gone afterwards. Without one, as when it was in memory, nothing is done.
///
/// On `Ok` what is there under the layer's name is whole and on disk.
pub(crate) fn adopt(
    cache: &Path,
    map: &IdMap,
    (below, layer): (&Rootfs, &DiffId),
    made: &Path,
) -> Result<(), FileError> {
    if !made.join("fs").is_dir() {
        return Ok(());
    }
    let folder = cache.join("rootfs");
    let name = match &below.chain {
        None => layer_name(layer, map),
        Some(layers) => chain_name(&[&layers[..], &[*layer]].concat(), map),
    };
    let entry = folder.join(&name);
    let _alone = Lock::exclusive(&folder.join(format!("{name}.lock")), || {})?;
    if entry.exists() {
        return Ok(());
    }
    seal(made)?;
    std::fs::rename(made, &entry).context("rename", made)?;
    sync_folder(&folder)
}

/// Notes what a tree takes, and has all of it on disk.
fn seal(folder: &Path) -> Result<(), FileError> {
    let size = disk_usage(folder).context("look through", folder)?;
    write_private(&folder.join(SIZE), size.to_string().as_bytes())?;
    if sync_few(folder) {
        return Ok(());
    }
    let file = std::fs::File::open(folder).context("open", folder)?;
    rustix::fs::syncfs(&file).context("write to disk", folder)
}

/// Has the files and folders of a small tree on disk, one by one: what a step leaves is small most often, and
/// need not wait for what others write to the same file system. False if it is not small, or has what we
/// may not open.
fn sync_few(folder: &Path) -> bool {
    let mut left = FEW;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { return false };
        for entry in entries {
            let Ok((entry, kind)) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) else {
                return false;
            };
            left -= 1;
            let is_synced = || std::fs::File::open(entry.path()).and_then(|file| file.sync_all()).is_ok();
            if left == 0 || (kind.is_file() && !is_synced()) {
                return false;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            }
        }
        if sync_folder(&folder).is_err() {
            return false;
        }
    }
    true
}

/// The name of the tree of one layer.
fn layer_name(layer: &DiffId, map: &IdMap) -> String {
    format!("layer-{}-{map}", layer.0.hex())
}

/// The name of the tree of several layers, lowest first.
fn chain_name(layers: &[DiffId], map: &IdMap) -> String {
    let chain = ChainId::of(layers).map_or_else(|| "empty".to_owned(), |chain| chain.0.hex());
    format!("{chain}-{map}")
}

/// One tree of the cache.
struct Tree<'a> {
    layers: &'a [LayerBlob],
    /// It is one layer that was made here, and no base.
    is_own: bool,
    folder: &'a Path,
    request: &'a RootfsRequest<'a>,
}

/// A tree that is there.
struct Prepared {
    path: PathBuf,
    /// Keeps it there.
    lock: Lock,
    is_new: bool,
}

impl Tree<'_> {
    fn name(&self) -> String {
        if let (true, [layer]) = (self.is_own, self.layers) {
            return layer_name(&layer.diff_id, self.request.map);
        }
        let diff_ids: Vec<DiffId> = self.layers.iter().map(|layer| layer.diff_id).collect();
        chain_name(&diff_ids, self.request.map)
    }

    fn prepare(&self) -> Result<Prepared, RootfsError> {
        let name = self.name();
        let entry = self.folder.join(&name);
        let lock = self.folder.join(format!("{name}.lock"));
        let mut is_new = false;
        loop {
            let shared = Lock::shared(&lock)?;
            if entry.exists() {
                // One that cannot be marked is removed earlier, which is no harm.
                let _ = mark_used(&lock);
                return Ok(Prepared { path: entry.join("fs"), lock: shared, is_new });
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
        let mut builder = tempfile::Builder::new();
        let half = builder.prefix(&prefix).tempdir_in(self.folder).context("create a folder in", self.folder)?;
        let half = half.keep();
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
        let tree = half.join("fs");
        if self.layers.is_empty() {
            create_folder(&tree)?;
        } else {
            if self.layers.iter().any(|layer| layer.descriptor.media_type.ends_with("zstd")) {
                self.request.umoci.check_zstd(&self.subject())?;
            }
            let layout = half.join("layout");
            write_layout(&layout, self.layers)?;
            self.request.umoci.unpack((&layout, TAG), &tree, self.request.map, &self.subject())?;
            std::fs::remove_dir_all(&layout).context("remove", &layout)?;
            if self.is_own {
                self.mark_untold(&tree)?;
            }
        }
        Ok(seal(half)?)
    }
}

impl Tree<'_> {
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
