//! Bases: an image from elsewhere, shallow (manifest and config) until something needs its layers.

use crate::fs::FileError;
use crate::image::{Image, ImageError};
use crate::lock::Entry;
use crate::manifest::Base;
use crate::model::{Digest, ImageManifest, Platform, Reference, Repository};
use crate::report::{Reporter, Stage};
use crate::store::{BlobError, Store};
use crate::tools::skopeo::{Access, Skopeo};
use crate::tools::{Cause, ToolError};

/// Why a base could not be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BaseError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Blob(#[from] BlobError),
    #[error("`{reference}` cannot be built on")]
    #[diagnostic(code(oci::fetch::bad_image))]
    Image {
        reference: String,
        #[source]
        #[diagnostic_source]
        source: ImageError,
    },
    #[error("`{name}` has no image for {platform}")]
    #[diagnostic(code(oci::fetch::no_such_platform))]
    NoPlatform {
        name: String,
        platform: String,
        #[help]
        help: String,
    },
    #[error("the image of `{reference}` for {expected} says that it is for {found}")]
    #[diagnostic(
        code(oci::fetch::platform_mismatch),
        help("the index in the registry is wrong: pin another tag or digest")
    )]
    WrongPlatform { reference: String, expected: String, found: String },
    #[error("`{reference}` is not in the cache, and `--offline` forbids to ask the registry")]
    #[diagnostic(code(oci::fetch::offline), help("run `oci fetch` once without `--offline`"))]
    Offline { reference: String },
    #[error("the registry sent `{reference}` without its layer `{digest}`")]
    #[diagnostic(code(oci::fetch::missing_layer))]
    MissingLayer { reference: String, digest: Digest },
}

impl BaseError {
    /// True if the tag or digest is to blame; else it is the registry or repository.
    pub(crate) fn is_about_reference(&self) -> bool {
        match self {
            Self::Tool(error) => error.cause().is_some_and(Cause::is_about_reference),
            _ => true,
        }
    }
}

/// Where bases come from.
#[derive(Clone, Copy)]
pub(crate) struct Bases<'a> {
    pub(crate) store: &'a Store,
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) offline: bool,
}

/// One platform of a base.
#[derive(Clone, Debug)]
pub(crate) struct BaseImage {
    pub(crate) image: Image,
    /// As in the lockfile.
    name: String,
    repository: Repository,
    /// Of this platform's manifest, as the registry has it.
    pub(crate) digest: Digest,
    manifest: ImageManifest,
    access: Access,
}

impl BaseImage {
    /// As in the lockfile.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How its registry is to be talked to.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// `repository@digest`, by which it can be fetched.
    pub(crate) fn reference(&self) -> Reference {
        Reference::Digest(self.repository.clone(), self.digest)
    }
}

impl Bases<'_> {
    /// Manifest and config of a base for a platform, from the store if it has them, else from the registry.
    pub(crate) fn load(
        &self,
        name: &str,
        base: &Base,
        entry: &Entry,
        platform: &Platform,
    ) -> Result<BaseImage, BaseError> {
        let Some(digest) = entry.platforms.get(platform) else {
            return Err(no_platform(name, entry, platform));
        };
        let access = self.skopeo.access(&entry.repository, base.anonymous);
        let reference = Reference::Digest(entry.repository.clone(), *digest);
        let bad = |source| BaseError::Image { reference: reference.to_string(), source };
        let bytes = self.document(digest, &reference, || self.skopeo.inspect_raw(&reference, &access))?;
        let manifest = Image::parse_manifest(&bytes).map_err(bad)?;
        let wanted = manifest.config.digest;
        let config = self.document(&wanted, &reference, || {
            self.skopeo.inspect_config(&entry.repository, digest, &wanted, &access)
        })?;
        let image = Image::parse(&manifest, &config).map_err(bad)?;
        let found = image.config.platform();
        if (found.os(), found.architecture()) != (platform.os(), platform.architecture()) {
            return Err(BaseError::WrongPlatform {
                reference: reference.to_string(),
                expected: platform.to_string(),
                found: found.to_string(),
            });
        }
        Ok(BaseImage {
            image,
            name: name.to_owned(),
            repository: entry.repository.clone(),
            digest: *digest,
            manifest,
            access,
        })
    }

    /// Brings the base's layers into the store. On `Ok` they are all there.
    pub(crate) fn fetch_layers(&self, base: &BaseImage) -> Result<(), BaseError> {
        let missing = || base.manifest.layers.iter().any(|layer| !self.store.has(layer));
        if !missing() {
            return Ok(());
        }
        let reference = base.reference().to_string();
        if self.offline {
            return Err(BaseError::Offline { reference });
        }
        let _lock = self.store.lock(&format!("fetch-{}", base.digest.hex()), || {
            self.reporter.note(&format!("waiting for another `oci` that is fetching {}", base.name));
        })?;
        if !missing() {
            return Ok(());
        }
        let platform = base.image.config.platform();
        let activity = self.reporter.begin(Stage::Fetch, format!("{} for {platform}", base.name));
        let mut present = Vec::new();
        for layer in base.manifest.layers.iter().filter(|layer| self.store.has(layer)) {
            if self.store.verify(&layer.digest)? {
                present.push((layer.digest, self.store.blob_path(&layer.digest)));
            }
        }
        let scratch = self.store.scratch()?;
        activity.meter().expect(base.manifest.layers.iter().map(|layer| layer.size).sum());
        activity.meter().watch(scratch.path());
        let files = self.skopeo.fetch(&base.repository, &base.digest, &present, scratch.path(), &base.access)?;
        for (digest, path) in files {
            if base.manifest.layers.iter().any(|layer| layer.digest == digest) {
                self.store.adopt(&path, &digest)?;
            }
        }
        if let Some(layer) = base.manifest.layers.iter().find(|layer| !self.store.has(layer)) {
            return Err(BaseError::MissingLayer { reference, digest: layer.digest });
        }
        activity.done();
        Ok(())
    }

    /// A document from the store, or else asked for and stored.
    fn document(
        &self,
        digest: &Digest,
        reference: &Reference,
        ask: impl FnOnce() -> Result<Vec<u8>, ToolError>,
    ) -> Result<Vec<u8>, BaseError> {
        if let Some(bytes) = self.store.read(digest)? {
            return Ok(bytes);
        }
        if self.offline {
            return Err(BaseError::Offline { reference: reference.to_string() });
        }
        let bytes = ask()?;
        let found = self.store.put(&bytes)?;
        if found != *digest {
            return Err(BlobError::Mismatch { expected: *digest, found }.into());
        }
        Ok(bytes)
    }
}

fn no_platform(name: &str, entry: &Entry, platform: &Platform) -> BaseError {
    let known: Vec<String> = entry.platforms.keys().map(|platform| format!("`{platform}`")).collect();
    let variants = entry
        .platforms
        .keys()
        .filter(|known| known.os() == platform.os() && known.architecture() == platform.architecture());
    let near: Vec<String> = variants.map(|platform| format!("`{platform}`")).collect();
    let help = match near.is_empty() {
        false => format!("name the variant: it has {}", near.join(", ")),
        true => format!("it has {}; set `platforms` to what all its bases have", known.join(", ")),
    };
    BaseError::NoPlatform { name: name.to_owned(), platform: platform.to_string(), help }
}
