//! Copies images: from a layout to a registry, and from one registry to another. [`fetch`](super::fetch) brings images
//! from a registry to this machine.
//!
//! skopeo takes everything behind the first `:` of a layout's path for a tag. So it is started in the layout's folder
//! and given a relative path there, and the folder may have any path. All other paths that it is given must be
//! absolute.

use std::path::Path;

use super::{Access, STALL_LIMIT, Skopeo};
use crate::fs::{self, FileContext};
use crate::model::{Digest, Reference};
use crate::process::Invocation;
use crate::process::bounds::Bounds;
use crate::tools::error::ToolError;
use crate::tools::{Cause, Subject};

/// An image in an OCI layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayoutImage<'a> {
    pub(crate) folder: &'a Path,
    /// The image's `org.opencontainers.image.ref.name` in `index.json`.
    pub(crate) name: &'a str,
    /// The folder that has the blobs (in `sha256/`), if it is not `blobs` in the layout.
    pub(crate) blobs: Option<&'a Path>,
}

impl Skopeo {
    /// Uploads an image or, if `index` has its bytes, an index with every image in it. Returns the digest that it has
    /// in the registry. Blobs that the destination has need not be in the layout. The manifests must be OCI's: skopeo
    /// does not find a Docker image in a layout.
    ///
    /// The tag moves last, and only if everything else is there.
    pub(crate) fn push(
        &self,
        layout: LayoutImage,
        destination: &Reference,
        index: Option<&[u8]>,
        access: &Access,
    ) -> Result<Digest, ToolError> {
        let mut invocation = self.copy().arguments(index.map(|_| "--all"));
        if let Some(blobs) = layout.blobs {
            invocation = invocation.argument("--src-shared-blob-dir").argument(blobs);
        }
        let invocation = invocation.arguments(access.flags(destination.repository(), "dest-"));
        let source = format!("oci:.:{}", layout.name);
        let sides = [(destination, access)];
        let pushed = self.publish("push", invocation.folder(layout.folder), source, destination, &sides);
        match (pushed, index) {
            (Err(error), Some(index)) if hides_refusal(&error) => self.put_index(index, destination, access, error),
            (pushed, _) => pushed,
        }
    }

    /// Puts an index that the registry refused when skopeo sent it; skopeo's `error` hides the reason. Everything that
    /// the index names is already there, since skopeo puts the index last. It is put again if the fault may pass.
    fn put_index(
        &self,
        index: &[u8],
        destination: &Reference,
        access: &Access,
        error: ToolError,
    ) -> Result<Digest, ToolError> {
        let Some(client) = &self.settings.shortcut else { return Err(error) };
        let task = self.task("push", Subject::Image(destination.clone()));
        let invocation = self.copy().arguments(access.flags(destination.repository(), "dest-"));
        let mut hidden = Some(error);
        self.persist(&task, &invocation, || match client.put_index(destination, index, access) {
            Some(Ok(())) => Ok(Vec::new()),
            Some(Err((cause, said))) => Err(ToolError::unanswered(&task, &invocation, cause, said)),
            None => Err(hidden.take().unwrap_or_else(|| {
                ToolError::unanswered(&task, &invocation, Cause::Failed, "there was no answer".to_owned())
            })),
        })?;
        Ok(Digest::of(index))
    }

    /// Copies an image or, with `all`, an index and every image in it, from one registry to another. Returns the digest
    /// that it has there.
    #[cfg_attr(not(all(test, feature = "tools-tests")), expect(dead_code, reason = "`oci mirror` is not there yet"))]
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
        let sides = [(source, source_access), (destination, destination_access)];
        let copied = self.publish("mirror", invocation, format!("docker://{source}"), destination, &sides);
        copied.map_err(|error| match &error {
            ToolError::Tool(failure) if failure.said.as_deref().is_some_and(is_about_source) => {
                error.about(Subject::Image(source.clone()))
            }
            _ => error,
        })
    }

    /// Copies to a registry; `sides` are the registries of the copy. The digest is read from the digest file, never
    /// from what skopeo prints.
    fn publish(
        &self,
        stage: &'static str,
        invocation: Invocation,
        source: String,
        destination: &Reference,
        sides: &[(&Reference, &Access)],
    ) -> Result<Digest, ToolError> {
        let task = self.task(stage, Subject::Image(destination.clone()));
        fs::create_folder(&self.settings.cache)?;
        let digest_file = fs::Unnamed::new(&self.settings.cache)?;
        let command = invocation
            .argument("--digestfile")
            .argument(digest_file.path())
            .arguments([source, format!("docker://{destination}")]);
        let invocation = self.prepared(command.within(Bounds::of_memory()))?;
        for (image, access) in sides {
            self.admit(&task, &invocation, image.repository(), access)?;
        }
        self.run(&task, &invocation).map_err(|error| match error.cause() {
            // A push makes its tag, so a missing tag is not the cause.
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

    /// `copy`, quiet, and forbidden to change a digest: skopeo would otherwise compress layers that are not compressed,
    /// and swap others for equivalent ones.
    pub(super) fn copy(&self) -> Invocation {
        self.copy_by(self.command())
    }

    /// Such a `copy`, of a skopeo with other global flags.
    pub(super) fn copy_by(&self, command: Invocation) -> Invocation {
        let limit = self.settings.timeout.unwrap_or(STALL_LIMIT);
        command.stall(limit).arguments(["copy", "--quiet", "--preserve-digests"])
    }
}

/// True if the registry refused an index. skopeo then offers it as a Docker list, and its words say why that cannot be.
fn hides_refusal(error: &ToolError) -> bool {
    matches!(error, ToolError::Tool(failure) if failure.said.as_deref().is_some_and(|said| {
        said.contains("Manifest list must be converted to type") || said.contains("Uploading manifest list failed")
    }))
}

/// True if the registry that a copy reads from failed.
fn is_about_source(said: &str) -> bool {
    ["initializing source", "reading manifest", "reading blob", "fetching blob", "during read"]
        .iter()
        .any(|wording| said.contains(wording))
}
