//! Loads bases: images from elsewhere, of which only manifest and config are fetched until something needs the layers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::bases::trust::Trust;
use crate::fs::FileError;
use crate::image::{Image, ImageError};
use crate::layout::{Layout, LayoutError};
use crate::lock::LockEntry;
use crate::manifest::Base;
use crate::model::{Descriptor, Digest, ImageManifest, Origin, Platform, Reference};
use crate::report::{Meter, Reporter, WorkKind};
use crate::sanitize;
use crate::source::Place;
use crate::store::{BlobError, Store};
use crate::tools::skopeo::{Access, Skopeo, Wanted};
use crate::tools::{Cause, ToolError};

/// Why a base could not be loaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BaseError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layout(#[from] LayoutError),
    #[error("`{path}` no longer has what `oci.lock` pins for `{name}`, {locked}")]
    #[diagnostic(code(oci::fetch::layout_changed), help("run `oci update {name}` to pin what it has now, {found}"))]
    Changed { path: String, name: String, locked: Digest, found: Digest },
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
        /// The platforms that the base has, as a clause.
        has: String,
        #[help]
        help: String,
    },
    #[error("`{reference}` is not in the cache, and `--offline` forbids to ask the registry")]
    #[diagnostic(code(oci::fetch::offline), help("run `oci fetch` once without `--offline`"))]
    Offline { reference: String },
    #[error("no signature policy has accepted `{reference}` yet, and `--offline` forbids to ask the registry")]
    #[diagnostic(code(oci::policy::offline), help("run `oci fetch` once without `--offline`"))]
    NotJudged { reference: String },
    #[error("`{reference}` came without its layer `{digest}`, or with one of another size")]
    #[diagnostic(code(oci::fetch::missing_layer))]
    MissingLayer { reference: String, digest: Digest },
}

impl BaseError {
    /// The error of a base that has no image for a platform. It lists the platforms that the base has.
    pub(crate) fn no_platform(name: &str, entry: &LockEntry, platform: &Platform) -> Self {
        let known: Vec<String> = entry.platforms.keys().map(|platform| format!("`{platform}`")).collect();
        let variants = entry
            .platforms
            .keys()
            .filter(|known| known.os() == platform.os() && known.architecture() == platform.architecture());
        let near: Vec<String> = variants.map(|platform| format!("`{platform}`")).collect();
        let has = format!("it has {}", known.join(", "));
        let help = match near.is_empty() {
            false => format!("name the variant: it has {}", near.join(", ")),
            true => format!("{has}; set `platforms` to what all its bases have"),
        };
        Self::NoPlatform { name: name.to_owned(), platform: platform.to_string(), has, help }
    }

    /// True if the tag or digest is to blame. Otherwise the registry or repository is.
    pub(crate) fn is_about_reference(&self) -> bool {
        match self {
            Self::Tool(error) => error.cause().is_some_and(Cause::is_about_reference),
            _ => true,
        }
    }

    /// True if the only fault is that a registry may not be asked.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self, Self::Offline { .. } | Self::NotJudged { .. })
    }

    /// True if the signature policy refused the image, or has not judged it.
    pub(super) fn is_about_policy(&self) -> bool {
        match self {
            Self::Tool(error) => error.cause().is_some_and(Cause::is_about_policy),
            _ => matches!(self, Self::NotJudged { .. }),
        }
    }
}

/// Loads bases from where they are.
#[derive(Clone, Copy)]
pub(crate) struct Bases<'a> {
    pub(crate) store: &'a Store,
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) reporter: &'a dyn Reporter,
    /// The manifest's folder. Paths of layouts are relative to it.
    pub(crate) folder: &'a Path,
    pub(crate) offline: bool,
    /// The policy that images from registries have to satisfy, if there is one.
    pub(crate) trust: Option<&'a Trust>,
}

/// Where the bytes of a base are if the store does not have them.
#[derive(Clone, Debug)]
enum Supply {
    Registry { reference: Reference, access: Access },
    Layout { path: String, layout: Arc<Layout> },
}

/// The image's name in errors.
impl fmt::Display for Supply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { reference, .. } => reference.fmt(formatter),
            Self::Layout { path, .. } => formatter.write_str(path),
        }
    }
}

/// One platform of a base.
#[derive(Clone, Debug)]
pub(crate) struct BaseImage {
    pub(crate) image: Image,
    /// The name in the lockfile.
    name: String,
    /// The place in the manifest that names the base.
    pub(crate) place: Place,
    /// The digest of this platform's manifest, as the registry or the layout has it.
    pub(crate) digest: Digest,
    pub(super) manifest: ImageManifest,
    supply: Supply,
}

impl BaseImage {
    /// The name in the lockfile.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The image's reference, and how to access its registry. Returns `None` for an image in a layout.
    pub(crate) fn in_registry(&self) -> Option<(&Reference, &Access)> {
        match &self.supply {
            Supply::Registry { reference, access } => Some((reference, access)),
            Supply::Layout { .. } => None,
        }
    }
}

impl Bases<'_> {
    /// Manifest and config of a base for a platform, from the store if it has them, otherwise from their source. A
    /// layout has to have the pinned image, whatever the store has. An image from a registry has to be accepted by the
    /// signature policy.
    pub(crate) fn load(
        &self,
        name: &str,
        base: &Base,
        entry: &LockEntry,
        platform: &Platform,
    ) -> Result<BaseImage, BaseError> {
        let Some(digest) = entry.platforms.get(platform) else {
            return Err(BaseError::no_platform(name, entry, platform));
        };
        let supply = self.supply(name, base, entry, digest)?;
        let bad = |source| BaseError::Image { reference: supply.to_string(), source };
        let bytes = self.document(digest, &supply, |reference, access| self.skopeo.inspect_raw(reference, access))?;
        let manifest = Image::parse_manifest(&bytes).map_err(bad)?;
        let wanted = manifest.config.digest;
        let config = self.document(&wanted, &supply, |reference, access| {
            self.skopeo.inspect_config(reference.repository(), digest, &wanted, access)
        })?;
        let mut image = Image::parse(&manifest, &config).map_err(bad)?;
        self.correct_platform(&mut image, platform, &supply);
        if let Supply::Registry { reference, access } = &supply {
            self.judge(reference, access, &manifest)?;
        }
        let place = base.origin.place.clone();
        let mut loaded = BaseImage { image, name: name.to_owned(), place, digest: *digest, manifest, supply };
        self.correct_labels(&mut loaded)?;
        Ok(loaded)
    }

    /// Makes the image be for the platform that it was chosen for. The index decides the platform, as it does for
    /// container engines: many images that are built on another machine name a wrong platform in their config.
    fn correct_platform(&self, image: &mut Image, platform: &Platform, supply: &Supply) {
        let found = image.config.platform();
        if (found.os(), found.architecture()) == (platform.os(), platform.architecture()) {
            return;
        }
        if !found.is_unknown() {
            let said = sanitize::name(&found.to_string());
            self.reporter.warning(&format!(
                "the image of `{supply}` for {platform} says that it is for {said}; what the index says counts"
            ));
        }
        image.config.set_platform(platform);
    }

    fn supply(&self, name: &str, base: &Base, entry: &LockEntry, digest: &Digest) -> Result<Supply, BaseError> {
        let path = match &entry.origin {
            Origin::Registry(repository) => {
                let access = self.skopeo.access(repository, base.anonymous);
                return Ok(Supply::Registry { reference: Reference::Digest(repository.clone(), *digest), access });
            }
            Origin::Layout(path) => path,
        };
        let layout = Layout::open(path, self.folder)?;
        let shown = sanitize::name(&path.to_string());
        let Err(error) = layout.choose(Some(&entry.digest)) else {
            return Ok(Supply::Layout { path: shown, layout: Arc::new(layout) });
        };
        let moves = base.pins.values().all(|pin| pin.digest.is_none());
        match layout.choose(None) {
            Ok(found) if moves => {
                Err(BaseError::Changed { path: shown, name: name.to_owned(), locked: entry.digest, found })
            }
            _ => Err(error.into()),
        }
    }

    /// Brings the base's layers into the store. On `Ok` all of them are there, except foreign layers, which skopeo does
    /// not fetch.
    pub(crate) fn fetch_layers(&self, base: &BaseImage) -> Result<(), BaseError> {
        let is_missing = |layer: &&Descriptor| !layer.is_foreign() && !self.store.has(layer);
        let missing = || base.manifest.layers.iter().any(|layer| is_missing(&layer));
        if !missing() {
            return Ok(());
        }
        let reference = || base.supply.to_string();
        if self.offline && matches!(base.supply, Supply::Registry { .. }) {
            return Err(BaseError::Offline { reference: reference() });
        }
        let _lock = self.store.lock(&format!("fetch-{}", base.digest.hex()), || {
            self.reporter.note(&format!("waiting for another `oci` that is fetching {}", base.name));
        })?;
        if !missing() {
            return Ok(());
        }
        let platform = base.image.config.platform();
        let activity = self.reporter.begin(WorkKind::Fetch, format!("{} for {platform}", base.name));
        match &base.supply {
            Supply::Registry { reference, access } => {
                self.download(base, (reference, access), activity.meter())?;
            }
            Supply::Layout { layout, .. } => {
                for layer in base.manifest.layers.iter().filter(is_missing) {
                    layout.store_blob(layer, self.store)?;
                }
            }
        }
        if let Some(layer) = base.manifest.layers.iter().find(is_missing) {
            return Err(BaseError::MissingLayer { reference: reference(), digest: layer.digest });
        }
        activity.done();
        Ok(())
    }

    fn download(
        &self,
        base: &BaseImage,
        (reference, access): (&Reference, &Access),
        meter: &Meter,
    ) -> Result<(), BaseError> {
        let mut present = Vec::new();
        for layer in base.manifest.layers.iter().filter(|layer| self.store.has(layer)) {
            if self.store.verify(&layer.digest)? {
                present.push((layer.digest, self.store.blob_path(&layer.digest)));
            }
        }
        let scratch = self.store.scratch()?;
        meter.expect(base.manifest.layers.iter().map(|layer| layer.size).sum());
        meter.watch(scratch.path());
        let wanted = Wanted { repository: reference.repository(), digest: &base.digest, manifest: &base.manifest };
        let files = self.skopeo.fetch(wanted, &present, scratch.path(), access)?;
        for (digest, path) in files {
            if base.manifest.layers.iter().any(|layer| layer.digest == digest) {
                self.store.adopt(&path, &digest)?;
            }
        }
        Ok(())
    }

    /// A document from the store. If it is missing there, it is read or fetched, and stored.
    fn document(
        &self,
        digest: &Digest,
        supply: &Supply,
        ask: impl FnOnce(&Reference, &Access) -> Result<Vec<u8>, ToolError>,
    ) -> Result<Vec<u8>, BaseError> {
        if let Some(bytes) = self.store.read(digest)? {
            return Ok(bytes);
        }
        let bytes = match supply {
            Supply::Layout { layout, .. } => layout.document(digest)?,
            Supply::Registry { .. } if self.offline => {
                return Err(BaseError::Offline { reference: supply.to_string() });
            }
            Supply::Registry { reference, access } => ask(reference, access)?,
        };
        let found = self.store.put(&bytes)?;
        if found != *digest {
            return Err(BlobError::Mismatch { expected: *digest, found }.into());
        }
        Ok(bytes)
    }
}
