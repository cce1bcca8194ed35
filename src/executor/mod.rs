//! Carries out a plan: bases, layers, documents.
//!
//! Each platform of each image is worked on as soon as what it needs is there, by a [`building::Building`]: bases are
//! brought in, packages looked at, other images looked into where packages take files of them ([`files`]), layers taken
//! from the store or made ([`layers`]), steps run on top of them ([`steps`]), config, manifest and index put together
//! ([`documents`]). An image that fails does not stop the others; those that stand on it are left out. What comes out
//! does not depend on how many threads there are.

mod beforehand;
mod building;
mod documents;
mod files;
mod foreseen;
mod layers;
mod links;
mod mounts;
mod reasons;
mod schedule;
mod steps;

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use beforehand::missing_platforms;
pub(crate) use foreseen::{Foreseen, Readiness};

use crate::bases::trust::Trust;
use crate::bases::{BaseError, BaseImage, Bases};
use crate::compress::Compressors;
use crate::containers::machine::Machine;
use crate::containers::step::StepError;
use crate::contents::BaseLayerError;
use crate::fs::FileError;
use crate::image::{Image, ImageError};
use crate::layer::LayerError;
use crate::lock::{Lock, LockEntry};
use crate::manifest::{Build, Manifest};
use crate::model::{Descriptor, ImageName, Platform, Reference};
use crate::plan::Plan;
use crate::report::Reporter;
use crate::source::{At, Placed};
use crate::store::Store;
use crate::targets::TargetError;
use crate::tools::skopeo::Skopeo;

/// Everything that a build needs.
pub(crate) struct Executor<'a> {
    pub(crate) manifest: &'a Manifest,
    /// Has every entry that the plan needs.
    pub(crate) lock: &'a Lock,
    pub(crate) store: &'a Store,
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) offline: bool,
    /// `[policy] signatures`.
    pub(crate) trust: Option<&'a Trust>,
    /// How many threads keep a processor busy.
    pub(crate) workers: usize,
    /// Shared by all layers.
    pub(crate) compressors: &'a Compressors,
    /// What this machine can do for the containers of steps.
    pub(crate) machine: &'a Machine,
    /// Seconds since 1970 that everything carries.
    pub(crate) epoch: i64,
    pub(crate) options: BuildOptions,
}

/// What one build does differently.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BuildOptions {
    /// Begin nothing more once something failed.
    pub(crate) fail_fast: bool,
    /// Make layers that were made before too.
    pub(crate) anew: bool,
}

/// What was built, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By name, those that were only bases of others too.
    pub(crate) built: BTreeMap<String, Built>,
    /// In the order of the plan.
    pub(crate) errors: Vec<BuildError>,
    /// The packages' layers.
    pub(crate) layers: Tally,
    pub(crate) steps: Tally,
}

/// What became of layers or steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Made or run now.
    pub(crate) made: usize,
    /// Found: made before, or for another image.
    pub(crate) cached: usize,
}

impl Tally {
    fn count(&mut self, is_made: bool) {
        match is_made {
            true => self.made += 1,
            false => self.cached += 1,
        }
    }
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
    /// The command of the first package, if it is a program, or has one.
    pub(crate) program: Option<Vec<String>>,
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
    Links(#[from] At<BaseLayerError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Target(#[from] At<TargetError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Step(#[from] At<StepError>),
    #[error("interrupted")]
    #[diagnostic(code(oci::tools::interrupted))]
    Interrupted,
    /// Nothing that a person can cause: it keeps a fault of ours from looking like success.
    #[error("`{name}` was neither built nor refused")]
    #[diagnostic(
        code(oci::build::forgotten),
        help("this is a fault of `oci` itself: please report it, with `oci.toml` and what `oci build -v` says")
    )]
    Forgotten { name: String },
}

impl Executor<'_> {
    /// Builds everything in the plan that can be built; nothing, if it is known beforehand that something cannot.
    pub(crate) fn run(&self, plan: &Plan<'_>) -> Outcome {
        let building = building::Building::new(self, plan);
        let errors = self.beforehand(plan, building.graph());
        if !errors.is_empty() {
            return Outcome { errors, ..Outcome::default() };
        }
        building.run()
    }

    pub(crate) fn bases(&self) -> Bases<'_> {
        Bases {
            store: self.store,
            skopeo: self.skopeo,
            reporter: self.reporter,
            folder: &self.manifest.folder,
            offline: self.offline,
            trust: self.trust,
        }
    }

    /// The layers of an image that came from elsewhere, brought into the store.
    pub(crate) fn complete(&self, built: &BuiltImage) -> Result<(), At<BaseError>> {
        let Some(base) = &built.base else { return Ok(()) };
        self.bases().fetch_layers(base).map_err(|error| At::new(error, &base.place, ""))
    }

    /// Manifest and config of a base that this build asks for.
    fn load(&self, asked: &Placed<ImageName>, build: &Build, platform: &Platform) -> Result<BaseImage, At<BaseError>> {
        let name = asked.to_string();
        let (Some((base, _)), Some(entry)) = (self.manifest.pin(asked), self.lock.entries.get(&name)) else {
            let error = BaseError::Offline { reference: name };
            return Err(At::new(error, &asked.place, ""));
        };
        self.bases().load(&name, base, entry, platform).map_err(|error| self.blame(asked, build, platform, error))
    }

    /// Manifest and config of a base, if the store has them; `None` if a registry or a layout would have to be asked.
    fn recall(&self, asked: &Placed<ImageName>, platform: &Platform) -> Option<BaseImage> {
        let name = asked.to_string();
        let ((base, _), entry) = self.manifest.pin(asked).zip(self.lock.entries.get(&name))?;
        entry.origin.repository()?;
        Bases { offline: true, ..self.bases() }.load(&name, base, entry, platform).ok()
    }

    /// The commands by which manifest and config of a base are brought, unless they are here, and by which it
    /// is judged.
    fn commands_to_load(&self, name: &ImageName, entry: &LockEntry, platform: &Platform, is_here: bool) -> Vec<String> {
        let Some((digest, (base, _))) = entry.platforms.get(platform).zip(self.manifest.pin(name)) else {
            return Vec::new();
        };
        // What is in a layout is read in process.
        let Some(repository) = entry.origin.repository() else { return Vec::new() };
        let access = self.skopeo.access(repository, base.anonymous);
        let reference = Reference::Digest(repository.clone(), *digest);
        let documents = (!is_here).then(|| {
            let (reference, access) = self.skopeo.first(&reference, &access);
            [
                self.skopeo.inspect_raw_command(&reference, &access),
                self.skopeo.inspect_config_command(&reference, &access),
            ]
            .map(|question| self.skopeo.planned(&question))
        });
        let judge =
            self.trust.map(|trust| self.skopeo.verify_command(&reference, trust.path(), Path::new("image"), &access));
        documents.into_iter().flatten().chain(judge.map(|command| command.to_string())).collect()
    }

    /// The command by which the layers of a base are brought, into a folder that it is started in.
    fn command_to_fetch(&self, base: &BaseImage) -> Option<String> {
        let (reference, access) = base.in_registry()?;
        let (reference, access) = self.skopeo.first(reference, access);
        Some(self.skopeo.fetch_command(&reference, &access).to_string())
    }

    /// A platform that is missing is the fault of the line that asks for it, all else of the base's.
    fn blame(&self, asked: &Placed<ImageName>, build: &Build, platform: &Platform, error: BaseError) -> At<BaseError> {
        match (&error, self.manifest.pin(asked)) {
            (BaseError::NoPlatform { .. }, _) => no_platform_at(asked, build, platform, error),
            (_, None) => At::new(error, &asked.place, format!("wanted for {platform}")),
            (_, Some((base, pin))) => {
                let place = if error.is_about_reference() { &pin.place } else { &base.origin.place };
                self.bases().blame(error, place)
            }
        }
    }
}

/// The error of a platform that is missing, at the line that asks for it.
fn no_platform_at(asked: &Placed<ImageName>, build: &Build, platform: &Platform, error: BaseError) -> At<BaseError> {
    match (error, &build.host) {
        (BaseError::NoPlatform { name, platform: lacking, has, .. }, Some(place)) => {
            let help = format!("{has}; take a base for {lacking}, or leave out `platform = \"host\"`");
            let error = BaseError::NoPlatform { name, platform: lacking, has, help };
            At::new(error, place, format!("this machine is {platform}"))
        }
        (error, _) => match build.platforms.iter().flatten().find(|written| written.value == *platform) {
            Some(written) => At::new(error, &written.place, "asked for here"),
            None => At::new(error, &asked.place, format!("wanted for {platform}")),
        },
    }
}
