//! Root filesystems: an image's layers, unpacked once and kept for every run and step.
//!
//! ```text
//! <cache>/rootfs/<chain ID>-<created>-<ID map>/fs/    the tree of a base's layers; never written to
//! <cache>/rootfs/layer-<diff ID>-<time>-<ID map>/fs/  the tree of one layer, what it deletes marked for
//!                                                     overlays
//! <cache>/rootfs/<name>/size                          what it takes on the disk, in bytes
//! <cache>/rootfs/<name>/census                        the stats of all that was in the tree when it was made, with
//!                                                     a checksum: a tree without a valid census is made anew
//! <cache>/rootfs/<name>/newest                        the newest time in a base's tree
//! <cache>/rootfs/<name>/root                          there if the layer has an entry for the root folder
//! <cache>/rootfs/<name>.lock                          held alone while the tree is made, shared while it is used;
//!                                                     its time is that of the last use
//! <cache>/rootfs/.oci-tmp-<name>-<random>/            a tree that is being made, with umoci's layout beside it
//! ```
//!
//! The layers of a base are one tree. Each layer that is made here is a tree of its own, and an overlay stacks it on
//! the base's, so that a changed package unpacks only its own layer. The tree of a step's layer is the upper folder of
//! the overlay that the step ran on ([`adopt`]). An equal tree can be made from the layer's blob: umoci, which knows no
//! overlays, unpacks it, and then what the layer deletes is marked. Where trees cannot be stacked, all layers are one
//! tree, which each step copies; the copy becomes the tree of the layers up to that step's. A tree gets its name when
//! it is whole and on disk, so a tree with a name is complete, whatever was killed.
//!
//! [`dates`] says which times the files of a tree have. The time is part of the name, so that one layer at two places
//! of an image, or on two bases, has two trees.

pub(crate) mod dates;
mod seal;
#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../../tests/tools/stacks.rs"]
mod tools_tests;
mod tree;
mod unpack;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::contents::BaseLayerError;
use crate::contents::image::FlattenError;
use crate::fs::{
    FileContext as _, FileError, FileLock, TEMPORARY_PREFIX, create_private_folder, create_unique_folder, parent,
    sync_folder,
};
use crate::model::{ChainId, Descriptor, DiffId, Digest};
use crate::process::IdMap;
use crate::report::Reporter;
use crate::sandbox::{self, Depth, Overlays};
use crate::tools::{ToolError, Umoci};
use dates::{Dates, time_of};
#[cfg(all(test, feature = "tools-tests"))]
pub(super) use seal::seal as seal_for_test;
use seal::seal;
use tree::{CacheTree, TreeOf};

/// The name of the file that says what a tree takes on the disk.
pub(super) const SIZE: &str = "size";
/// The name of the file that says what was in a tree when it was made.
const CENSUS: &str = "census";
/// The name of the tree in its folder.
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
    /// The base's layers.
    pub(crate) base: &'a [LayerBlob],
    /// The layers that were made here, on top of the base.
    pub(crate) own: &'a [LayerBlob],
    pub(crate) dates: Dates<'a>,
    pub(crate) cache: &'a Path,
    pub(crate) map: &'a IdMap,
    pub(crate) overlays: Overlays,
    pub(crate) umoci: &'a Umoci,
    /// Says whether a blob's content has the digest of its name. It is asked before umoci gets the blob.
    pub(crate) verify: &'a dyn Fn(&Digest) -> Result<bool, FileError>,
    pub(crate) reporter: &'a dyn Reporter,
    /// What errors and reports call the image.
    pub(crate) subject: &'a str,
}

/// An unpacked image. While this value lives, no process removes its trees ([`trees`](super::trees)).
#[derive(Debug)]
pub(crate) struct Rootfs {
    /// The trees for an overlay, topmost first; at least one.
    pub(crate) lowers: Vec<PathBuf>,
    /// Set where trees cannot be stacked: there is one tree, of these layers.
    chain: Option<Chain>,
    /// The time of the files of the first layer that is made here, less a second; in seconds since 1970.
    pub(crate) start: i64,
    /// How many of its layers were made here.
    own: usize,
    /// At least one of its trees had to be unpacked.
    pub(crate) is_new: bool,
    in_use: Vec<FileLock>,
}

/// What identifies the one tree of several layers.
#[derive(Debug)]
struct Chain {
    /// Lowest first.
    layers: Vec<DiffId>,
    /// Stands for the time at which the base was made.
    created: String,
}

impl Rootfs {
    /// The time of the files of its topmost layer, if that was made here; in seconds since 1970.
    pub(crate) fn time(&self) -> i64 {
        self.start.saturating_add(i64::try_from(self.own).unwrap_or(i64::MAX))
    }

    /// Replaces the tree of a layer that was made here by another tree of that layer. Layers made here are counted from
    /// 0 for the lowest. Returns `None` where that cannot be: trees are not stacked, or another layer uses that tree.
    pub(crate) fn replace(&mut self, layer: usize, by: Self) -> Option<()> {
        let other = by.lowers.into_iter().next().filter(|other| self.is_stacked() && !self.lowers.contains(other))?;
        let place = self.own.checked_sub(layer + 1)?;
        *self.lowers.get_mut(place)? = other;
        self.in_use.extend(by.in_use);
        Some(())
    }

    /// True if each layer that was made here has a tree of its own.
    pub(crate) fn is_stacked(&self) -> bool {
        self.chain.is_none()
    }

    /// The time that the files of the next layer get.
    pub(crate) fn next(&self) -> i64 {
        time_of(self.start, self.own)
    }
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
    Layer(#[from] BaseLayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Flatten(#[from] FlattenError),
    #[error("the cache's folder `{}` has a colon in its name, which umoci cannot read", path.display())]
    #[diagnostic(code(oci::rootfs::colon), help("set `dir` in `[cache]` to another folder"))]
    Colon { path: PathBuf },
}

/// Unpacks the trees of an image that are not there yet.
pub(crate) fn prepare(request: &RootfsRequest<'_>) -> Result<Rootfs, RootfsError> {
    let folder = folder(request)?;
    let own = request.own;
    let prepare = |layers, kind| CacheTree { layers, kind, folder: &folder, request }.prepare();
    // A tree of no layers is only needed where there is no other.
    let base = match request.base.is_empty() && !own.is_empty() {
        true => None,
        false => Some(prepare(request.base, TreeOf::Base)?),
    };
    let start = request.dates.start(base.as_ref().and_then(|base| base.newest));
    let mut trees = Vec::new();
    let mut chain = None;
    if request.overlays == Overlays::OnDisk {
        for (number, layer) in own.iter().enumerate().rev() {
            trees.push(prepare(std::slice::from_ref(layer), TreeOf::Layer(time_of(start, number)))?);
        }
        trees.extend(base);
    } else {
        let layers = [request.base, own].concat();
        let diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
        chain = Some(Chain { layers: diff_ids, created: request.dates.name() });
        trees.push(match base {
            Some(base) if own.is_empty() => base,
            base => {
                let newest = base.and_then(|base| base.newest);
                prepare(&layers, TreeOf::Whole { start, own: own.len(), newest })?
            }
        });
    }
    let is_new = trees.iter().any(|tree| tree.is_new);
    let (mut lowers, in_use): (Vec<_>, Vec<_>) = trees.into_iter().map(|tree| (tree.path, tree.lock)).unzip();
    // An overlay refuses a tree that is there twice; below itself a tree shows nothing.
    let mut above = BTreeSet::new();
    lowers.retain(|tree| above.insert(tree.clone()));
    Ok(Rootfs { lowers, chain, start, own: own.len(), is_new, in_use })
}

/// Unpacks one layer that belongs to no image, with this time for all its files.
pub(crate) fn prepare_layer(request: &RootfsRequest<'_>, time: i64) -> Result<Rootfs, RootfsError> {
    let folder = folder(request)?;
    let tree = CacheTree { layers: request.own, kind: TreeOf::Layer(time), folder: &folder, request }.prepare()?;
    let (lowers, is_new) = (vec![tree.path], tree.is_new);
    Ok(Rootfs { lowers, chain: None, start: time, own: 0, is_new, in_use: vec![tree.lock] })
}

/// The folder of all trees.
fn folder(request: &RootfsRequest<'_>) -> Result<PathBuf, RootfsError> {
    let folder = request.cache.join("rootfs");
    if folder.to_string_lossy().contains(':') {
        return Err(RootfsError::Colon { path: request.cache.to_owned() });
    }
    // Trees hold set-uid programs and device files of images; no other user may reach them.
    create_private_folder(&folder)?;
    Ok(folder)
}

/// Keeps the folder `fs` that a step left in this folder as the tree of the step's layer, or, if the step ran in a
/// copy, as the tree of all layers up to it. Afterwards `fs` is gone. If there is none, since it was in memory, nothing
/// is done.
///
/// On `Ok` a tree under the layer's name is whole and on disk.
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
        None => layer_name(layer, below.next(), map),
        Some(Chain { layers, created }) => {
            whole_name(&[&layers[..], &[*layer]].concat(), (created, below.start, below.own + 1), map)
        }
    };
    let entry = folder.join(&name);
    let _alone = FileLock::exclusive(&folder.join(format!("{name}.lock")), || {})?;
    if seal::recall(&entry).is_some() {
        return Ok(());
    }
    if entry.exists() {
        set_aside(&entry, map)?;
    }
    seal(made, map)?;
    std::fs::rename(made, &entry).context("rename", made)?;
    sync_folder(&folder)
}

impl Rootfs {
    /// The trees whose stats differ from when they were unpacked. This walks through all trees.
    pub(crate) fn changed(&self, map: &IdMap) -> Result<Vec<PathBuf>, FileError> {
        let folders = self.lowers.iter().filter_map(|tree| tree.parent());
        let mut changed = Vec::new();
        for folder in folders {
            if !seal::is_as_made(folder, Depth::Stats, map)? {
                changed.push(folder.to_owned());
            }
        }
        Ok(changed)
    }
}

/// Returns true if a tree is what was unpacked, or is gone by now. A tree that was changed is set aside.
pub(crate) fn check(folder: &Path, map: &IdMap) -> Result<bool, FileError> {
    if seal::is_as_made(folder, Depth::Content, map)? || !folder.exists() {
        return Ok(true);
    }
    set_aside(folder, map).map(|()| false)
}

/// Takes the name away from a tree, so that it is made anew, and removes it. A container that stands on the tree goes
/// on with what it has open.
pub(crate) fn set_aside(folder: &Path, map: &IdMap) -> Result<(), FileError> {
    let (parent, name) = (parent(folder), folder.file_name().unwrap_or_default().to_string_lossy());
    let half = create_unique_folder(parent, &format!("{TEMPORARY_PREFIX}{name}-"))?;
    match std::fs::rename(folder, half.join(TREE)) {
        // Another process was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        renamed => renamed.context("set aside", folder)?,
    }
    // A later sweep removes what cannot be removed now.
    let _ = sandbox::remove_tree(&half, map);
    Ok(())
}

/// The name of the tree of one layer whose files have this time.
fn layer_name(layer: &DiffId, time: i64, map: &IdMap) -> String {
    format!("layer-{}-{time}-{map}", layer.0.hex())
}

/// The name of the tree of a base's layers, lowest first; `created` stands for the time at which it was made.
fn base_name(layers: &[DiffId], created: &str, map: &IdMap) -> String {
    let chain = ChainId::of(layers).map_or_else(|| "empty".to_owned(), |chain| chain.0.hex());
    format!("{chain}-{created}-{map}")
}

/// The name of the one tree of a base's layers and those made on top of it: how many these are, and the time of
/// the first, less a second.
fn whole_name(layers: &[DiffId], (created, start, own): (&str, i64, usize), map: &IdMap) -> String {
    base_name(layers, &format!("{created}-{start}-{own}"), map)
}
