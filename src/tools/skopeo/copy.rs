//! Moving images: from a registry into a private folder, from a layout to a registry, and between two.
//!
//! skopeo trusts a blob file by its name alone, rewrites `index.json` without a lock, and leaves pieces
//! behind when it is killed. So it never writes into the store: [`Skopeo::fetch`] gives it a folder of
//! its own, and the store verifies what is in there before it takes it over. Layers that the store
//! already has are linked into that folder first, which keeps skopeo from downloading them.
//!
//! ```text
//! SCRATCH/image/blobs/sha256/HEX     what was linked, and what came
//! SCRATCH/image/{index.json,oci-layout,oci-put-blob…}   skopeo's own, removed with the folder
//! ```
//!
//! skopeo takes everything behind the first `:` of a layout's path for a tag. It is therefore started in
//! the layout's folder and given a relative path there, so that any path will do. All others that it is
//! given must be absolute.

use std::path::{Path, PathBuf};

use super::{Access, STALL_LIMIT, Skopeo};
use crate::fs::{self, FileContext};
use crate::model::{Digest, Reference, Repository};
use crate::tools::error::ToolError;
use crate::tools::{Cause, Invocation, Subject};

/// A file that should hold the blob that its digest names.
pub(crate) type Blob = (Digest, PathBuf);

/// An image in an OCI layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    pub(crate) folder: &'a Path,
    /// The image's `org.opencontainers.image.ref.name` in `index.json`.
    pub(crate) name: &'a str,
    /// The folder that has the blobs (in `sha256/`), if it is not `blobs` in the layout.
    pub(crate) blobs: Option<&'a Path>,
}

impl Skopeo {
    /// Downloads the manifest, config and layers of one platform's image. Its bytes are kept as they are,
    /// whether OCI or Docker schema 2, compressed or not.
    ///
    /// `scratch` is an empty folder for this call alone. Blobs in `present`, which must be verified, are
    /// not downloaded if they are on the file system of `scratch`. On `Ok` the files returned are all
    /// others of the image; nobody has verified or synced them.
    pub(crate) fn fetch(
        &self,
        repository: &Repository,
        manifest: &Digest,
        present: &[Blob],
        scratch: &Path,
        access: &Access,
    ) -> Result<Vec<Blob>, ToolError> {
        let blobs = scratch.join("image/blobs/sha256");
        fs::create_folder(&blobs)?;
        let mut linked = Vec::new();
        for (digest, path) in present {
            // Where there can be no link, it is downloaded.
            if std::fs::hard_link(path, blobs.join(digest.hex())).is_ok() {
                linked.push(*digest);
            }
        }
        // What a mirror that failed half-way did bring is not downloaded again.
        self.read(repository, access, |source| {
            let reference = Reference::Digest(source.repository.clone(), *manifest);
            let task = self.task("fetch", Subject::Image(reference.clone()));
            let invocation = self.prepared(self.fetch_command(&reference, &source.access).folder(scratch))?;
            self.run_at(source, &task, &invocation)
        })?;
        let mut fetched = files(&blobs)?;
        fetched.retain(|(digest, _)| !linked.contains(digest));
        Ok(fetched)
    }

    /// The command of [`Skopeo::fetch`]; it is run in a folder of its own.
    pub(crate) fn fetch_command(&self, image: &Reference, access: &Access) -> Invocation {
        let copy = self.copy().arguments(access.flags(image.repository(), "src-"));
        copy.arguments([format!("docker://{image}"), "oci:image:fetched".to_owned()])
    }

    /// Uploads an image, or with `all` an index and every image in it, and gives the digest that it has
    /// there. Blobs that the destination has need not be in the layout. Its manifests must be OCI's: of a
    /// Docker image in a layout skopeo says that it is not there.
    ///
    /// The tag moves last, and only if everything else is there.
    pub(crate) fn push(
        &self,
        layout: Layout,
        destination: &Reference,
        all: bool,
        access: &Access,
    ) -> Result<Digest, ToolError> {
        let mut invocation = self.copy().arguments(all.then_some("--all"));
        if let Some(blobs) = layout.blobs {
            invocation = invocation.argument("--src-shared-blob-dir").argument(blobs);
        }
        let invocation = invocation.arguments(access.flags(destination.repository(), "dest-"));
        let source = format!("oci:.:{}", layout.name);
        self.publish("push", invocation.folder(layout.folder), source, destination)
    }

    /// Copies an image, or with `all` an index and every image in it, from registry to registry, and
    /// gives the digest that it has there.
    #[cfg_attr(not(test), expect(dead_code, reason = "`oci mirror` is not there yet"))]
    pub(crate) fn mirror(
        &self,
        (source, source_access): (&Reference, &Access),
        (destination, destination_access): (&Reference, &Access),
        all: bool,
    ) -> Result<Digest, ToolError> {
        let invocation = self
            .copy()
            .arguments(all.then_some("--all"))
            .arguments(source_access.flags(source.repository(), "src-"))
            .arguments(destination_access.flags(destination.repository(), "dest-"));
        self.publish("mirror", invocation, format!("docker://{source}"), destination).map_err(|error| match &error {
            ToolError::Tool(failure) if failure.said.as_deref().is_some_and(is_about_source) => {
                error.about(Subject::Image(source.clone()))
            }
            _ => error,
        })
    }

    /// Copies to a registry; the digest comes from the digest file, never from what skopeo prints.
    fn publish(
        &self,
        stage: &'static str,
        invocation: Invocation,
        source: String,
        destination: &Reference,
    ) -> Result<Digest, ToolError> {
        let task = self.task(stage, Subject::Image(destination.clone()));
        fs::create_folder(&self.settings.cache)?;
        let digest_file = fs::Unnamed::new(&self.settings.cache)?;
        let command = invocation
            .argument("--digestfile")
            .argument(digest_file.path())
            .arguments([source, format!("docker://{destination}")]);
        let invocation = self.prepared(command)?;
        self.run(&task, &invocation).map_err(|error| match error.cause() {
            // It is not the tag that is missing where one is made.
            Some(Cause::TagNotFound { .. } | Cause::DigestNotFound) => error.because(Cause::NoSuchRepository),
            _ => error,
        })?;
        let written = std::fs::read_to_string(digest_file.path()).context("read", digest_file.path())?;
        let digest = Digest::parse(written.trim()).map_err(|error| {
            ToolError::untrue(&task, &invocation, Cause::Failed, format!("its digest file holds {written:?}: {error}"))
        })?;
        match destination {
            Reference::Digest(_, wanted) if *wanted != digest => {
                let evidence = format!("what was pushed has {digest}, and should have {wanted}");
                Err(ToolError::untrue(&task, &invocation, Cause::DigestMismatch, evidence))
            }
            _ => Ok(digest),
        }
    }

    /// `copy`, quiet, and without the right to change a digest: left to itself skopeo compresses layers
    /// that are not, and swaps others for equivalent ones.
    fn copy(&self) -> Invocation {
        self.copy_by(self.command())
    }

    /// The same, of a skopeo with other global flags.
    pub(super) fn copy_by(&self, command: Invocation) -> Invocation {
        let limit = self.settings.timeout.unwrap_or(STALL_LIMIT);
        command.stall(limit).arguments(["copy", "--quiet", "--preserve-digests"])
    }
}

/// True if it was the reading end of a copy that failed.
fn is_about_source(said: &str) -> bool {
    ["initializing source", "reading manifest", "reading blob", "fetching blob", "during read"]
        .iter()
        .any(|wording| said.contains(wording))
}

/// The blob files of a folder, sorted; what is not named by a digest is no blob.
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
