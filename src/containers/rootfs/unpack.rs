//! Unpacks the layers of a tree by umoci. Where umoci would misread layers, it gets one plain tar of them instead.
//!
//! If umoci reads the layers as they are meant, it gets them as they are, which costs nothing. They are made one plain
//! tar first ([`flatten`]) if
//!
//! - a blob is compressed with something that umoci 0.4.7 does not know: zstd, xz or bzip2;
//! - umoci would misread a whiteout. The layers are searched for such whiteouts while umoci works, so that the search
//!   costs no time; the lowest layer deletes nothing, and is not searched;
//! - umoci failed, as it does at a pax global header, or at an entry below what is no folder.
//!
//! The first bytes of a blob decide which media type umoci gets for it, and not the image's manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::containers::rootfs::{LayerBlob, RootfsError, RootfsRequest, TREE};
use crate::contents::image::{FlattenError, LayerFile, flatten, is_read_as_meant};
use crate::fs::{FileContext as _, FileError, Room, WithinRoom, create_folder, create_private, write_private};
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageConfig, ImageManifest, Index, Platform, canonical_json};
use crate::process::IdMap;
use crate::sandbox;
use crate::tar::StreamFormat;
use crate::tools::{Cause, ToolError};

/// The layout that umoci is given, and the image's name in it.
const LAYOUT: &str = "layout";
const TAG: &str = "image";
/// The layers made one tar.
const FLAT: &str = "flat.tar";

/// Layers on their way to a tree.
pub(super) struct Unpacking<'a> {
    pub(super) layers: &'a [LayerBlob],
    /// The folder that gets the tree.
    pub(super) half: &'a Path,
    pub(super) request: &'a RootfsRequest<'a>,
    /// What errors call the layers.
    pub(super) subject: String,
}

/// A layer as umoci is given it.
struct Given {
    descriptor: Descriptor,
    diff_id: DiffId,
    path: PathBuf,
}

/// What umoci made of the layers.
enum Unpacked {
    Right,
    /// The tree may differ from what the layers mean.
    Doubtful,
    Failed(ToolError),
}

impl Unpacking<'_> {
    /// Unpacks the layers. The tree of a failed attempt may be left behind.
    pub(super) fn run(&self) -> Result<(), RootfsError> {
        let Some(given) = self.as_they_are()? else { return self.flattened() };
        match self.unpack(&given)? {
            Unpacked::Right => Ok(()),
            Unpacked::Doubtful => {
                self.remove_tree()?;
                self.flattened()
            }
            Unpacked::Failed(error) if error.cause() == Some(&Cause::Failed) => {
                self.remove_tree()?;
                match self.flattened() {
                    // umoci has reported already that it cannot read them, with a log of its own.
                    Err(RootfsError::Flatten(FlattenError::Unreadable { .. } | FlattenError::DiffId { .. })) => {
                        Err(error.into())
                    }
                    flattened => flattened,
                }
            }
            Unpacked::Failed(error) => Err(error.into()),
        }
    }

    /// The layers with the media types that their bytes have; `None` if umoci does not know one of these.
    fn as_they_are(&self) -> Result<Option<Vec<Given>>, RootfsError> {
        let mut given = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            let format = File::open(&layer.path).and_then(|mut blob| StreamFormat::read(&mut blob));
            let media_type = match format.context("read", &layer.path)? {
                StreamFormat::Plain => media_type::LAYER,
                StreamFormat::Gzip => media_type::LAYER_GZIP,
                StreamFormat::Zstd | StreamFormat::Xz | StreamFormat::Bzip2 => return Ok(None),
            };
            let Descriptor { digest, size, .. } = layer.descriptor;
            let descriptor = Descriptor::new(media_type, digest, size);
            given.push(Given { descriptor, diff_id: layer.diff_id, path: layer.path.clone() });
        }
        Ok(Some(given))
    }

    /// Lets umoci unpack the layers, and searches them for misread whiteouts meanwhile.
    fn unpack(&self, given: &[Given]) -> Result<Unpacked, RootfsError> {
        let doubted = given.get(1..).unwrap_or_default();
        let (unpacked, are_meant) = std::thread::scope(|scope| {
            let look = || doubted.iter().all(|layer| is_as_meant(&layer.path));
            let looking = (!doubted.is_empty()).then(|| scope.spawn(look));
            let unpacked = self.hand_over(given);
            (unpacked, looking.is_none_or(|looking| looking.join().unwrap_or(false)))
        });
        match unpacked {
            Ok(()) if are_meant => Ok(Unpacked::Right),
            Ok(()) => Ok(Unpacked::Doubtful),
            Err(RootfsError::Tool(error)) => Ok(Unpacked::Failed(error)),
            Err(error) => Err(error),
        }
    }

    /// Makes one tar of the layers, and lets umoci unpack it.
    fn flattened(&self) -> Result<(), RootfsError> {
        let layers: Vec<LayerFile<'_>> = self.layers.iter().map(file).collect();
        let map = self.request.map;
        // With one ID umoci notes other owners in an attribute.
        let owners = |user, group| matches!(map, IdMap::Single { .. }) || map.holds(user, group);
        let path = self.half.join(FLAT);
        let file = create_private(&path)?;
        let mut out = BufWriter::with_capacity(1 << 20, WithinRoom::new(file, Room::of(self.half)?));
        let (digest, size) = match flatten(&layers, &owners, &mut out) {
            Ok(written) => written,
            Err(FlattenError::Output(error)) => return Err(FileError::new("write", &path, error).into()),
            Err(error) => return Err(error.into()),
        };
        out.flush().context("write", &path)?;
        drop(out);
        let descriptor = Descriptor::new(media_type::LAYER, digest, size);
        self.hand_over(&[Given { descriptor, diff_id: DiffId(digest), path: path.clone() }])?;
        Ok(std::fs::remove_file(&path).context("remove", &path)?)
    }

    fn hand_over(&self, given: &[Given]) -> Result<(), RootfsError> {
        let layout = self.half.join(LAYOUT);
        write_layout(&layout, given)?;
        let unpacked = self.request.umoci.unpack(self.half, (LAYOUT, TAG), TREE, self.request.map, &self.subject);
        std::fs::remove_dir_all(&layout).context("remove", &layout)?;
        Ok(unpacked?)
    }

    fn remove_tree(&self) -> Result<(), FileError> {
        let tree = self.half.join(TREE);
        match sandbox::remove_tree(&tree, self.request.map) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", &tree, error)),
            _ => Ok(()),
        }
    }
}

fn file(layer: &LayerBlob) -> LayerFile<'_> {
    LayerFile { path: &layer.path, digest: layer.descriptor.digest, diff_id: layer.diff_id }
}

/// False for a blob that is no tar: umoci itself refuses it.
fn is_as_meant(path: &Path) -> bool {
    File::open(path).and_then(is_read_as_meant).unwrap_or(true)
}

/// An OCI layout of one image with these layers, whose blobs stay where they are.
fn write_layout(layout: &Path, layers: &[Given]) -> Result<(), FileError> {
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

    // Of the config umoci reads the diff IDs alone.
    let mut config = ImageConfig::scratch(&Platform::new("linux", "amd64", None));
    config.set_diff_ids(&layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>());
    let config_bytes = config.to_bytes();
    let config = Descriptor::of(media_type::CONFIG, &config_bytes);
    write(blob(&config.digest), &config_bytes)?;

    let descriptors = layers.iter().map(|layer| layer.descriptor.clone());
    let manifest = ImageManifest::new(config, descriptors.collect(), BTreeMap::new());
    let manifest_bytes = canonical_json(&manifest);
    let mut manifest = Descriptor::of(media_type::MANIFEST, &manifest_bytes);
    write(blob(&manifest.digest), &manifest_bytes)?;

    manifest.annotations.insert("org.opencontainers.image.ref.name".to_owned(), TAG.to_owned());
    write(layout.join("index.json"), &canonical_json(&Index::new(vec![manifest], BTreeMap::new())))?;
    write(layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
}
