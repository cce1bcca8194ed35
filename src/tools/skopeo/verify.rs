//! Whether an image is one that a containers `policy.json` accepts, as skopeo judges it.
//!
//! skopeo judges only images that it copies. So the image is copied without its layers: skopeo takes a blob for present
//! when a file has its name, and an empty file stands in for each layer. The signature is for the manifest, which names
//! the layers by digest and so vouches for them.
//!
//! As for other tools of the kind, it is the platform's own manifest that has to be signed, not the index
//! that names it. It is asked for by digest: a signature has to be for the repository, whatever the tag, and
//! a policy that wants a tag (`matchExact`) accepts nothing.
//!
//! ```text
//! SCRATCH/policy.json                the policy, byte for byte as it was read
//! SCRATCH/image/blobs/sha256/HEX     an empty file for each layer; manifest and config, as skopeo brings them
//! ```

use std::path::Path;

use super::{Access, Skopeo};
use crate::fs;
use crate::model::{Digest, Reference};
use crate::process::Invocation;
use crate::process::bounds::Bounds;
use crate::tools::Subject;
use crate::tools::error::ToolError;

/// The most bytes that skopeo may read for it: documents, keys and signatures.
const LARGEST: u64 = 256 << 20;

/// A policy to judge by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignaturePolicy<'a> {
    pub(crate) text: &'a [u8],
    /// The folder in which skopeo is started, and which relative paths of keys start from.
    pub(crate) folder: &'a Path,
}

impl Skopeo {
    /// Asks the registry for the image and its signatures. On `Ok` the policy accepts it.
    ///
    /// Mirrors are left out: a policy names registries, and signatures are kept by the names that these have.
    /// `scratch` is an empty folder for this call alone, whose path is absolute and without a colon.
    pub(crate) fn verify(
        &self,
        image: &Reference,
        layers: impl Iterator<Item = Digest>,
        policy: SignaturePolicy<'_>,
        scratch: &Path,
        access: &Access,
    ) -> Result<(), ToolError> {
        let layout = scratch.join("image");
        let blobs = layout.join("blobs/sha256");
        fs::create_folder(&blobs)?;
        for digest in layers {
            fs::write_private(&blobs.join(digest.hex()), b"")?;
        }
        let file = scratch.join("policy.json");
        fs::write_private(&file, policy.text)?;
        let task = self.task("verify", Subject::Image(image.clone()));
        let command = self.verify_command(image, &file, &layout, access).folder(policy.folder);
        let invocation = self.prepared(command.within(Bounds::of_reading(LARGEST)))?;
        self.admit(&task, &invocation, image.repository(), access)?;
        self.run(&task, &invocation)?;
        Ok(())
    }

    /// The command of [`Skopeo::verify`]; it is run in the policy's folder. A layout has no room for
    /// signatures, which skopeo would take for an error.
    pub(crate) fn verify_command(
        &self,
        image: &Reference,
        policy: &Path,
        layout: &Path,
        access: &Access,
    ) -> Invocation {
        let trusting = Invocation::new(&self.program).argument("--policy").argument(policy);
        let copy = self.copy_by(trusting).argument("--remove-signatures");
        let copy = copy.arguments(access.flags(image.repository(), "src-"));
        copy.arguments([format!("docker://{image}"), format!("oci:{}:verified", layout.display())])
    }
}
