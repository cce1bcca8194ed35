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
//! tree, to be copied for each step, and the copy becomes the tree of the layers up to that step's. A tree
//! gets its name when it is whole and on disk: what has the name is complete, whatever was killed.

mod seal;
#[cfg(test)]
mod stacks;
mod tree;
mod unpack;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fs::{FileContext as _, FileError, Lock, create_private_folder, sync_folder};
use crate::layer::{FlattenError, LinkError};
use crate::model::{ChainId, Descriptor, DiffId, Digest};
use crate::report::Reporter;
use crate::sandbox::Overlays;
use crate::tools::{IdMap, ToolError, Umoci};
use seal::seal;
use tree::Tree;

/// The name of the file that says what a tree takes on the disk.
pub(super) const SIZE: &str = "size";

/// The name of the tree, in the folder that has it.
const TREE: &str = "fs";

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
    #[error("the layer `{digest}` is a foreign one: its bytes are not where the image is")]
    #[diagnostic(
        code(oci::rootfs::foreign_layer),
        help("such an image can be built on and published, and run by engines that fetch the layer from its `urls`")
    )]
    Foreign { digest: Digest },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LinkError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Flatten(#[from] FlattenError),
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
    // Trees hold images' set-uid programs and device files, which are for no other user.
    create_private_folder(&folder)?;
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

/// The name of the tree of one layer.
fn layer_name(layer: &DiffId, map: &IdMap) -> String {
    format!("layer-{}-{map}", layer.0.hex())
}

/// The name of the tree of several layers, lowest first.
fn chain_name(layers: &[DiffId], map: &IdMap) -> String {
    let chain = ChainId::of(layers).map_or_else(|| "empty".to_owned(), |chain| chain.0.hex());
    format!("{chain}-{map}")
}
