//! Images on this machine's disk. They are read in process: no tool and no network is needed, and no byte is used that
//! does not match its digest.
//!
//! ```text
//! FOLDER/{oci-layout,index.json,blobs/sha256/HEX}    OCI image spec, "Image Layout"
//! FILE.tar                                           such a folder in a tar, which is never unpacked
//! FILE.tar/{manifest.json,HEX.json,HEX.tar}          what `docker save` writes
//! ```
//!
//! [`Layout::open`] looks into the file to tell these forms apart. [`Layout::choose`] returns the digest of the chosen
//! image. [`Layout::document`] and [`Layout::store_blob`] read the bytes of a digest. The last form has no manifest
//! with a digest of its own, so one is made for it ([`docker`]).

mod container;
mod docker;
mod error;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use sha2::Digest as _;

use crate::fs::FileError;
use crate::image::{self, ImageError};
use crate::model::config::ConfigError;
use crate::model::document::DocumentError;
use crate::model::origin::LayoutKind;
use crate::model::reference::RepositoryError;
use crate::model::{Descriptor, Digest, Document, ImageManifest, Index, LayoutPath, Platform, Repository};
use crate::sanitize;
use crate::store::Store;

pub(crate) use error::LayoutError;
use files::Files;

/// The annotations that name an image in an index: the one of the spec, and the one of containerd and Docker.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// A layout or an archive, and which of its images to use.
#[derive(Debug)]
pub(crate) struct Layout {
    files: Files,
    /// The image's name, if the manifest has one.
    name: Option<String>,
    images: Vec<Named>,
    /// Where the bytes of a digest are, if they are not in a file of that name.
    pieces: BTreeMap<Digest, Piece>,
}

/// The part of a lockfile entry that a layout decides.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) platforms: BTreeMap<Platform, Digest>,
}

/// An image, and its name if it has one.
#[derive(Debug)]
struct Named {
    names: Vec<String>,
    digest: Digest,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Member(String),
}

impl Layout {
    /// Opens the layout at a path that is relative to the manifest's folder.
    pub(crate) fn open(path: &LayoutPath, folder: &Path) -> Result<Self, LayoutError> {
        let (files, name) = Files::open(path, folder)?;
        let mut layout = Self { name: name.map(str::to_owned), images: Vec::new(), pieces: BTreeMap::new(), files };
        match layout.files.kind(path.kind())? {
            LayoutKind::DockerArchive => docker::read(&mut layout)?,
            LayoutKind::Folder | LayoutKind::OciArchive => layout.images = named(&layout.files)?,
        }
        Ok(layout)
    }

    /// The digest of the chosen image: the image of the name, or the only image. If the manifest has a digest, the
    /// image with that digest.
    pub(crate) fn choose(&self, wanted: Option<&Digest>) -> Result<Digest, LayoutError> {
        let path = || self.files.path.clone();
        let candidates: Vec<&Named> = match &self.name {
            None => self.images.iter().collect(),
            Some(name) => of_name(&self.images, name, |image| &image.names),
        };
        let all: BTreeSet<Digest> = candidates.iter().map(|image| image.digest).collect();
        let found: Vec<Digest> =
            all.iter().filter(|digest| wanted.is_none_or(|wanted| wanted == *digest)).copied().collect();
        match (&found[..], wanted, &self.name) {
            ([digest], _, _) => Ok(*digest),
            ([], Some(wanted), _) if !all.is_empty() => {
                let there: Vec<String> = all.iter().take(5).map(ToString::to_string).collect();
                let help = Some(format!("there is {}", there.join(", ")));
                Err(LayoutError::NoSuchImage { path: path(), what: format!("image {wanted}"), help })
            }
            ([], _, Some(name)) => Err(LayoutError::no_such_name(&self.files.path, name, &self.names())),
            ([], _, None) => Err(LayoutError::NoSuchImage { path: path(), what: "image".to_owned(), help: None }),
            _ => Err(self.several(found.len())),
        }
    }

    /// The digests to pin: the chosen image and its platforms. On `Ok` the documents that were read are in the store.
    pub(crate) fn pin(&self, wanted: Option<&Digest>, store: &Store) -> Result<Pinned, LayoutError> {
        let bad = |source| LayoutError::Image { path: self.files.path.clone(), source };
        let digest = self.choose(wanted)?;
        let bytes = self.document(&digest)?;
        let document = Document::parse(&bytes).map_err(|error| bad(ImageError::Manifest(error)))?;
        store.put(&bytes)?;
        let platforms = image::platforms(&document, digest, &Kept { layout: self, store })?;
        if platforms.is_empty() {
            return Err(LayoutError::NoPlatform { path: self.files.path.clone() });
        }
        Ok(Pinned { digest, media_type: document.media_type().to_owned(), platforms })
    }

    /// The bytes of a manifest, index or config, verified.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let bytes = match self.pieces.get(digest) {
            Some(Piece::Bytes(bytes)) => bytes.clone(),
            _ => self.files.document(&self.member(digest))?.ok_or_else(|| self.missing(digest))?,
        };
        match Digest::of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(self.damaged(digest)),
        }
    }

    /// Copies a blob into the store. On `Ok` it is there, and matches its descriptor. A blob of another size is not
    /// copied at all.
    pub(crate) fn store_blob(&self, blob: &Descriptor, store: &Store) -> Result<(), LayoutError> {
        let (digest, size) = (&blob.digest, blob.size);
        let member = self.member(digest);
        let mut content = self.files.member(&member)?.ok_or_else(|| self.missing(digest))?;
        if content.size != size {
            return Err(self.damaged(digest));
        }
        let mut blob = store.start_blob()?;
        let mut hasher = sha2::Sha256::new();
        self.files.each_block(&member, &mut content, |block| {
            hasher.update(block);
            blob.write_all(block).map_err(|error| FileError::new("write", blob.path(), error).into())
        })?;
        if Digest::finish(hasher) != *digest {
            return Err(self.damaged(digest));
        }
        Ok(store.commit_blob(blob, digest)?)
    }

    fn member(&self, digest: &Digest) -> String {
        match self.pieces.get(digest) {
            Some(Piece::Member(member)) => member.clone(),
            _ => format!("blobs/sha256/{}", digest.hex()),
        }
    }

    fn missing(&self, digest: &Digest) -> LayoutError {
        LayoutError::MissingBlob { path: self.files.path.clone(), digest: *digest }
    }

    fn damaged(&self, digest: &Digest) -> LayoutError {
        LayoutError::Damaged { path: self.files.path.clone(), digest: *digest }
    }

    fn names(&self) -> Vec<String> {
        self.images.iter().flat_map(|image| image.names.clone()).collect()
    }

    fn several(&self, count: usize) -> LayoutError {
        let names: Vec<String> = self.names().iter().take(12).map(|name| sanitize::name(name)).collect();
        let help = match &names[..] {
            [] => {
                let digests: Vec<String> =
                    self.images.iter().take(12).map(|image| format!("`{}`", image.digest)).collect();
                format!("pin one by its `digest`: {}", digests.join(", "))
            }
            [first, ..] if self.name.is_none() => {
                format!("write `layout = \"{}:{first}\"`; its images are: `{}`", self.files.path, names.join("`, `"))
            }
            // Several images have this name.
            _ => "pin one of them by its `digest`, too".to_owned(),
        };
        LayoutError::Several { path: self.files.path.clone(), count, help }
    }
}

/// The documents of a layout. Each document that is read is also stored.
struct Kept<'a> {
    layout: &'a Layout,
    store: &'a Store,
}

impl Kept<'_> {
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let bytes = self.layout.document(digest)?;
        self.store.put(&bytes)?;
        Ok(bytes)
    }

    fn bad(&self, source: ImageError) -> LayoutError {
        LayoutError::Image { path: self.layout.files.path.clone(), source }
    }
}

impl image::Documents for Kept<'_> {
    type Error = LayoutError;

    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        self.document(digest)
    }

    fn config(&self, _: &Digest, manifest: &ImageManifest) -> Result<Vec<u8>, LayoutError> {
        self.document(&manifest.config.digest)
    }

    fn bad_document(&self, error: DocumentError) -> LayoutError {
        self.bad(error.into())
    }

    fn bad_config(&self, error: ConfigError) -> LayoutError {
        self.bad(error.into())
    }
}

/// The images of an OCI layout, without attestations.
fn named(files: &Files) -> Result<Vec<Named>, LayoutError> {
    const INDEX: &str = "index.json";
    let bytes = files.document(INDEX)?.unwrap_or_default();
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|error| LayoutError::unreadable(INDEX, &files.path, error))?;
    let images = index.manifests.into_iter().filter(|descriptor| {
        let platform = descriptor.platform.as_ref().map(Platform::from);
        !platform.is_some_and(|platform| platform.is_unknown())
    });
    let named = images.map(|descriptor| Named {
        names: NAMES.iter().filter_map(|name| descriptor.annotations.get(*name).cloned()).collect(),
        digest: descriptor.digest,
    });
    Ok(named.collect())
}

/// The images of a name. The name counts as written, or else as Docker completes it: `alpine` is
/// `docker.io/library/alpine:latest`.
fn of_name<'a, T>(images: &'a [T], name: &str, names: impl Fn(&T) -> &[String]) -> Vec<&'a T> {
    let with = |is_it: &dyn Fn(&String) -> bool| -> Vec<&'a T> {
        images.iter().filter(|image| names(image).iter().any(is_it)).collect()
    };
    let exact = with(&|known| known == name);
    if !exact.is_empty() {
        return exact;
    }
    let wanted = completed(name);
    with(&|known| completed(known) == wanted)
}

fn completed(name: &str) -> String {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match name[last..].find(':') {
        Some(colon) => (&name[..last + colon], &name[last + colon + 1..]),
        None => (name, "latest"),
    };
    match Repository::parse(repository) {
        Ok(repository) => format!("{repository}:{tag}"),
        Err(RepositoryError::Short { long, .. }) => format!("{long}:{tag}"),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
