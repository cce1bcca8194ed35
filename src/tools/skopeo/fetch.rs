//! Fetches an image's blobs from a registry into a private folder.
//!
//! skopeo trusts a blob file by its name only, rewrites `index.json` without a lock, and leaves pieces behind when it
//! is killed. So it never writes into the store: [`Skopeo::fetch`] gives it a folder of its own, and the store verifies
//! the files in there before it takes them over. Layers that the store already has are linked into that folder first,
//! so that skopeo does not download them.
//!
//! ```text
//! SCRATCH/image/blobs/sha256/HEX     layers that were linked, and blobs that were downloaded
//! SCRATCH/image/{index.json,oci-layout,oci-put-blob…}   skopeo's own, removed with the folder
//! SCRATCH/alone/…                    what skopeo writes while layers are fetched one by one
//! ```
//!
//! skopeo downloads until the registry has no more to send, and looks at sizes and digests afterwards. So the folder is
//! watched, and skopeo is ended when there is more in it than the manifest promises. skopeo tells only at its end which
//! layer a file is. To name the layer that is too long, the missing ones are then fetched one by one until one is too
//! long again.

use std::path::{Path, PathBuf};

use super::source::Source;
use super::{Access, Skopeo};
use crate::fs::{self, FileContext};
use crate::model::{Descriptor, Digest, ImageManifest, Reference, Repository};
use crate::process::Invocation;
use crate::process::bounds::Bounds;
use crate::tools::error::ToolError;
use crate::tools::{Cause, Subject};

/// A file that should hold the blob that its digest names.
pub(crate) type Blob = (Digest, PathBuf);

/// The most bytes that skopeo may read in a copy besides the blobs themselves: its certificates, tokens and errors.
const BESIDES: u64 = 64 << 20;
/// The most bytes that skopeo writes besides blobs: `index.json` and `oci-layout`.
const OWN_FILES: [u64; 2] = [64 << 10, 4 << 10];

/// One platform's image in a registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) repository: &'a Repository,
    /// The digest of its manifest.
    pub(crate) digest: &'a Digest,
    pub(crate) manifest: &'a ImageManifest,
}

impl Skopeo {
    /// Downloads the manifest, config and layers of one platform's image. Its bytes are kept as they are,
    /// whether OCI or Docker schema 2, compressed or not.
    ///
    /// `scratch` is an empty folder for this call alone. Blobs in `present` must be verified, and are not downloaded if
    /// they are on the file system of `scratch`. On `Ok` the files returned are the other blobs of the image, neither
    /// verified nor synced. A download is ended when the registry sends more than the manifest's descriptors promise.
    pub(crate) fn fetch(
        &self,
        wanted: Wanted<'_>,
        present: &[Blob],
        scratch: &Path,
        access: &Access,
    ) -> Result<Vec<Blob>, ToolError> {
        let blobs = scratch.join("image/blobs/sha256");
        fs::create_folder(&blobs)?;
        let mut linked = Vec::new();
        for (digest, path) in present {
            // A blob that cannot be linked is downloaded.
            if std::fs::hard_link(path, blobs.join(digest.hex())).is_ok() {
                linked.push(*digest);
            }
        }
        // Blobs that a mirror brought before it failed are not downloaded again.
        self.read(wanted.repository, access, |source| match self.fetch_into(scratch, source, wanted) {
            Err(error) if matches!(error.cause(), Some(Cause::TooMuch { .. })) => {
                self.fetch_one_by_one(scratch, source, wanted, error)
            }
            Err(error) if is_beyond_skopeo(&error) => self.fetch_in_process(&blobs, source, wanted, error),
            fetched => fetched,
        })?;
        let mut fetched = files(&blobs)?;
        fetched.retain(|(digest, _)| !linked.contains(digest));
        Ok(fetched)
    }

    /// The command of [`Skopeo::fetch`], which is run in a folder of its own.
    pub(crate) fn fetch_command(&self, image: &Reference, access: &Access) -> Invocation {
        let copy = self.copy().arguments(access.flags(image.repository(), "src-"));
        copy.arguments([format!("docker://{image}"), "oci:image:fetched".to_owned()])
    }

    /// Has skopeo fill `image` in this folder.
    fn fetch_into(&self, folder: &Path, source: &Source, wanted: Wanted<'_>) -> Result<(), ToolError> {
        let layout = folder.join("image");
        let reference = Reference::Digest(source.repository.clone(), *wanted.digest);
        let task = self.task("fetch", Subject::Image(reference.clone()));
        // The manifest lies in the folder as the registry sent it. skopeo itself limits its length.
        let documents = [4 << 20, wanted.manifest.config.size];
        let layers = wanted.manifest.layers.iter().filter(|layer| !layer.is_foreign()).map(|layer| layer.size);
        let sizes: Vec<u64> = layers.chain(documents).chain(OWN_FILES).collect();
        let all = sizes.iter().fold(BESIDES, |all, size| all.saturating_add(*size).saturating_add(*size));
        let bounds = Bounds::of_reading(all).with_files(vec![layout.join("blobs/sha256"), layout.clone()], sizes);
        let command = self.fetch_command(&reference, &source.access).folder(folder).within(bounds);
        let invocation = self.prepared(command)?;
        self.admit(&task, &invocation, &source.repository, &source.access)?;
        self.run_at(source, &task, &invocation, || remove_pieces(&layout)).map(drop)
    }

    /// Fetches the missing layers one by one, after one of them was too long. `error` says so, and is returned with the
    /// name of that layer.
    fn fetch_one_by_one(
        &self,
        scratch: &Path,
        source: &Source,
        wanted: Wanted<'_>,
        error: ToolError,
    ) -> Result<(), ToolError> {
        let blobs = scratch.join("image/blobs/sha256");
        let is_missing = |layer: &&Descriptor| !layer.is_foreign() && !blobs.join(layer.digest.hex()).exists();
        let missing: Vec<&Descriptor> = wanted.manifest.layers.iter().filter(is_missing).collect();
        let named = |error: ToolError, layer: &Descriptor| {
            error.because(Cause::TooMuch { layer: Some((layer.digest, layer.size)) })
        };
        match missing.as_slice() {
            [] => return Err(error),
            [only] => return Err(named(error, only)),
            _ => {}
        }
        for layer in missing {
            let alone = tempfile::Builder::new().prefix("alone-").tempdir_in(scratch);
            let alone = alone.context("create a folder in", scratch)?;
            let folder = alone.path().join("image/blobs/sha256");
            fs::create_folder(&folder)?;
            for other in wanted.manifest.layers.iter().filter(|other| other.digest != layer.digest) {
                // skopeo takes a blob for there when a file has its name.
                fs::write_private(&folder.join(other.digest.hex()), b"")?;
            }
            let layers = vec![layer.clone()];
            let manifest = ImageManifest { layers, ..wanted.manifest.clone() };
            let fetched = self.fetch_into(alone.path(), source, Wanted { manifest: &manifest, ..wanted });
            fetched.map_err(|error| match error.cause() {
                Some(Cause::TooMuch { .. }) => named(error, layer),
                _ => error,
            })?;
            let (from, to) = (folder.join(layer.digest.hex()), blobs.join(layer.digest.hex()));
            std::fs::rename(&from, &to).context("move", &from)?;
        }
        Ok(())
    }

    /// Fetches in process the missing layers, which skopeo refused. If that fails without a plain answer, the error is
    /// skopeo's.
    fn fetch_in_process(
        &self,
        blobs: &Path,
        source: &Source,
        wanted: Wanted<'_>,
        error: ToolError,
    ) -> Result<(), ToolError> {
        let Some(client) = &self.settings.shortcut else { return Err(error) };
        for layer in wanted.manifest.layers.iter().filter(|layer| !layer.is_foreign()) {
            let path = blobs.join(layer.digest.hex());
            if path.exists() {
                continue;
            }
            let part = path.with_extension("part");
            let _ = std::fs::remove_file(&part);
            match client.blob(&source.repository, layer, &part, &source.access) {
                Ok(()) => std::fs::rename(&part, &path).context("move", &part)?,
                Err(Some(cause)) => return Err(error.because(cause)),
                Err(None) => return Err(error),
            }
        }
        Ok(())
    }
}

/// True for images that skopeo refuses to read though engines do: those with OCI's layer types in a Docker manifest or
/// with Docker's own type for zstd, manifests that are served as `application/json`, which skopeo takes for Docker's
/// schema 1, and (in some versions) images of a registry by an IPv6 address.
fn is_beyond_skopeo(error: &ToolError) -> bool {
    const REFUSALS: [&str; 4] = [
        "unsupported docker v2s2 media type",
        "nsupported manifest media type",
        "unsupported schema version",
        "invalid reference format",
    ];
    matches!(error, ToolError::Tool(failure) if failure.said.as_deref().is_some_and(|said| {
        REFUSALS.iter().any(|refusal| said.contains(refusal))
    }))
}

/// Removes the incomplete files of a skopeo that was ended. They would count as more bytes than there may be.
fn remove_pieces(layout: &Path) -> Result<(), ToolError> {
    for entry in std::fs::read_dir(layout).context("list", layout)? {
        let path = entry.context("list", layout)?.path();
        if path.is_file() {
            std::fs::remove_file(&path).context("remove", &path)?;
        }
    }
    Ok(())
}

/// The blob files of a folder, sorted. A file that is not named by a digest is no blob.
fn files(blobs: &Path) -> Result<Vec<Blob>, ToolError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(blobs).context("list", blobs)? {
        let path = entry.context("list", blobs)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(digest) = name.and_then(|name| Digest::parse_hex(name).ok()) {
            found.push((digest, path));
        }
    }
    found.sort();
    Ok(found)
}
