//! Carries out a plan: bases, layers, documents.
//!
//! Bases are brought in first, several at a time. Then each build, lowest first, gets its layers, from
//! the store where it has them ([`layers`]), and its config, manifest and index. A build that fails
//! does not stop the others; those that stand on it are left out.

mod layers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::fs::FileError;
use crate::image::{Addition, Image, ImageError, annotations};
use crate::layer::{Compressors, LayerError, LinkError};
use crate::lock::Lock;
use crate::manifest::{Build, Manifest, NotYetError};
use crate::model::document::media_type;
use crate::model::platform::DescriptorPlatform;
use crate::model::{Descriptor, Digest, ImageName, Index, Platform, canonical_json};
use crate::parallel;
use crate::plan::{Plan, PlannedBuild};
use crate::report::Reporter;
use crate::source::At;
use crate::stage::base::{BaseError, BaseImage, Bases};
use crate::store::Store;
use crate::tools::skopeo::Skopeo;

/// How many bases are fetched at once.
const FETCH_LIMIT: usize = 8;

/// Everything that a build needs.
pub(crate) struct Executor<'a> {
    pub(crate) manifest: &'a Manifest,
    /// Has every entry that the plan needs.
    pub(crate) lock: &'a Lock,
    pub(crate) store: &'a Store,
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) offline: bool,
    /// Shared by all layers.
    pub(crate) compressors: &'a Compressors,
    /// Seconds since 1970 that everything carries.
    pub(crate) epoch: i64,
}

/// What was built, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By name, those that were only bases of others too.
    pub(crate) built: BTreeMap<String, Built>,
    pub(crate) errors: Vec<BuildError>,
}

/// A build's result. On disk in the store, but for the layers of bases that are shallow.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// Of the index, or of the one platform's manifest.
    pub(crate) descriptor: Descriptor,
    pub(crate) platforms: BTreeMap<Platform, BuiltImage>,
}

/// One platform of a build.
#[derive(Clone, Debug)]
pub(crate) struct BuiltImage {
    pub(crate) image: Image,
    pub(crate) manifest: Descriptor,
    /// The first package's path in the image, if it is one program.
    pub(crate) program: Option<String>,
    /// The base from elsewhere that it stands on, if any, however far down.
    pub(crate) base: Option<BaseImage>,
}

/// Why a build failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum BuildError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Base(#[from] At<BaseError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] At<LayerError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] At<ImageError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Links(#[from] At<LinkError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotYet(#[from] At<NotYetError>),
    #[error("interrupted")]
    #[diagnostic(code(oci::tools::interrupted))]
    Interrupted,
}

type LoadedBases = BTreeMap<(String, Platform), BaseImage>;

impl Executor<'_> {
    /// Builds everything in the plan that can be built.
    pub(crate) fn run(&self, plan: &Plan<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let (now, later): (Vec<_>, Vec<_>) =
            plan.steps.iter().partition(|step| self.manifest.not_yet(step.build).is_empty());
        for step in later {
            outcome.errors.extend(self.manifest.not_yet(step.build).into_iter().map(BuildError::from));
        }
        let bases = self.load_bases(&now, &mut outcome.errors);
        for step in now {
            if let Some(built) = self.build(step, &bases, &outcome.built, &mut outcome.errors) {
                outcome.built.insert(step.name.to_owned(), built);
            }
        }
        outcome
    }

    pub(crate) fn bases(&self) -> Bases<'_> {
        Bases { store: self.store, skopeo: self.skopeo, reporter: self.reporter, offline: self.offline }
    }

    /// The layers of an image that came from elsewhere, brought into the store.
    pub(crate) fn complete(&self, built: &BuiltImage) -> Result<(), BaseError> {
        built.base.as_ref().map_or(Ok(()), |base| self.bases().fetch_layers(base))
    }

    /// Every base that the plan's builds stand on, for every platform that they have. A base that fails
    /// is told once for each build that needs it.
    fn load_bases(&self, steps: &[&PlannedBuild<'_>], errors: &mut Vec<BuildError>) -> LoadedBases {
        let mut wanted: BTreeMap<(String, Platform), Vec<&PlannedBuild<'_>>> = BTreeMap::new();
        for step in steps {
            if self.manifest.pin(&step.build.base.value).is_some() {
                for platform in &step.platforms {
                    wanted.entry((step.build.base.value.to_string(), platform.clone())).or_default().push(step);
                }
            }
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let loaded = parallel::map(&wanted, FETCH_LIMIT, |((name, platform), steps)| {
            let entry = self.lock.entries.get(name)?;
            let (base, _) = self.manifest.pin(&steps.first()?.build.base.value)?;
            Some(self.bases().load(name, base, entry, platform))
        });
        let mut bases = LoadedBases::new();
        for ((key, steps), result) in wanted.into_iter().zip(loaded) {
            match result {
                Some(Ok(base)) => drop(bases.insert(key, base)),
                Some(Err(error)) => {
                    if let Some(step) = steps.first() {
                        errors.push(self.blame(step.build, &key.1, error).into());
                    }
                }
                None => {}
            }
        }
        bases
    }

    /// A platform that is missing is the fault of the line that asks for it, all else of the base's.
    fn blame(&self, build: &Build, platform: &Platform, error: BaseError) -> At<BaseError> {
        let asks = build.platforms.iter().flatten().find(|written| written.value == *platform);
        match (&error, asks, self.manifest.pin(&build.base.value)) {
            (BaseError::NoPlatform { .. }, Some(written), _) => At::new(error, &written.place, "asked for here"),
            (BaseError::NoPlatform { .. }, None, _) | (_, _, None) => {
                At::new(error, &build.base.place, format!("wanted for {platform}"))
            }
            (_, _, Some((base, pin))) => {
                let place = if error.is_about_reference() { &pin.place } else { &base.repository.place };
                At::new(error, place, "")
            }
        }
    }

    fn build(
        &self,
        step: &PlannedBuild<'_>,
        bases: &LoadedBases,
        built: &BTreeMap<String, Built>,
        errors: &mut Vec<BuildError>,
    ) -> Option<Built> {
        let mut platforms = BTreeMap::new();
        let mut told = BTreeSet::new();
        for platform in &step.platforms {
            // What is missing was told when it failed.
            let below = self.below(step.build, platform, bases, built)?;
            match self.build_platform(step.build, platform, below) {
                Ok(image) => drop(platforms.insert(platform.clone(), image)),
                // The same problem on several platforms is one problem.
                Err(failed) => errors.extend(failed.into_iter().filter(|error| told.insert(error.to_string()))),
            }
        }
        if platforms.len() < step.platforms.len() {
            return None;
        }
        match self.index(step.build, &platforms) {
            Ok(descriptor) => Some(Built { descriptor, platforms }),
            Err(error) => {
                errors.push(error.into());
                None
            }
        }
    }

    /// The image that a build starts from.
    fn below(
        &self,
        build: &Build,
        platform: &Platform,
        bases: &LoadedBases,
        built: &BTreeMap<String, Built>,
    ) -> Option<(Image, Option<BaseImage>)> {
        if build.base.value == ImageName::Scratch {
            return Some((Image::scratch(platform), None));
        }
        let name = build.base.value.to_string();
        if let Some(base) = bases.get(&(name.clone(), platform.clone())) {
            return Some((base.image.clone(), Some(base.clone())));
        }
        let below = built.get(&name)?.platforms.get(platform)?;
        Some((below.image.clone(), below.base.clone()))
    }

    fn build_platform(
        &self,
        build: &Build,
        platform: &Platform,
        (below, base): (Image, Option<BaseImage>),
    ) -> Result<BuiltImage, Vec<BuildError>> {
        let made = self.layers(build, platform, &below, base.as_ref())?;
        let addition = Addition {
            build,
            layers: &made.layers,
            program: made.program.clone(),
            epoch: self.epoch,
            base: self.base_name(build),
        };
        let image = below.derive(&addition).map_err(|error| vec![error.into()])?;
        let manifest = self.store_documents(&image).map_err(|error| vec![error.into()])?;
        Ok(BuiltImage { image, manifest, program: made.program, base })
    }

    /// Name and digest for `org.opencontainers.image.base.*`.
    fn base_name(&self, build: &Build) -> Option<(String, Digest)> {
        self.manifest.pin(&build.base.value)?;
        let entry = self.lock.entries.get(&build.base.value.to_string())?;
        let name = match &entry.tag {
            Some(tag) => format!("{}:{tag}", entry.repository),
            None => format!("{}@{}", entry.repository, entry.digest),
        };
        Some((name, entry.digest))
    }

    fn store_documents(&self, image: &Image) -> Result<Descriptor, FileError> {
        let (config, manifest) = image.documents();
        self.store.put(&config)?;
        self.store.put(&manifest)?;
        Ok(Descriptor::of(media_type::MANIFEST, &manifest))
    }

    /// One platform is its manifest; several are an index.
    fn index(&self, build: &Build, platforms: &BTreeMap<Platform, BuiltImage>) -> Result<Descriptor, FileError> {
        let mut manifests = platforms.iter().map(|(platform, built)| Descriptor {
            platform: Some(DescriptorPlatform::from(platform)),
            ..built.manifest.clone()
        });
        if platforms.len() == 1
            && let Some(manifest) = manifests.next()
        {
            return Ok(manifest);
        }
        let annotations = annotations(build, self.base_name(build).as_ref());
        let index = canonical_json(&Index::new(manifests.collect(), annotations));
        self.store.put(&index)?;
        Ok(Descriptor::of(media_type::INDEX, &index))
    }

    fn folder(&self) -> &Path {
        &self.manifest.folder
    }
}
