//! Reads and checks `oci.toml`.
//!
//! The text is parsed into TOML with spans, compared with the [`schema`] ([`shape`]), and then interpreted
//! ([`validate`]). All three collect every problem they find. The result, a [`Manifest`], holds the field's own types,
//! and the place of each value that a later error may point at.

mod discover;
pub(crate) mod inputs;
mod needs;
mod outline;
pub(crate) mod package;
mod part;
mod placeholder;
mod read;
mod schema;
mod settings;
mod shape;
pub(crate) mod step;
pub(crate) mod target;
pub(crate) mod template;
#[cfg(test)]
mod tests;
mod validate;
pub(crate) mod variable;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(crate) use discover::{DiscoverError, discover};
pub(crate) use needs::Needs;
pub(crate) use outline::Outline;
pub(crate) use package::{IgnoreFile, Package, PackageContent};
pub(crate) use schema::json_schema;
pub(crate) use settings::{Cache, CacheFolder, HostPath, Insecure, Policy, RegistrySettings, Tools};
pub(crate) use step::Step;
pub(crate) use target::Target;
use template::Template;
pub(crate) use validate::{LAST_EPOCH, MANIFEST_NAME, UserSettings, parse_with};
use variable::VariableValue;

use crate::model::{Compression, Digest, ImageName, Origin, Platform, Tag};
use crate::source::{Place, Placed, Source};

/// A whole `oci.toml`, free of contradictions that can be seen without a network.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) source: Source,
    /// The folder that paths are relative to.
    pub(crate) folder: PathBuf,
    pub(crate) project: Project,
    pub(crate) bases: BTreeMap<String, Base>,
    pub(crate) builds: BTreeMap<String, Build>,
    /// `[stage.NAME]`: images to build from.
    pub(crate) stages: BTreeMap<String, Build>,
    pub(crate) layers: BTreeMap<String, SharedLayer>,
    /// `[package.NAME]` without `in`: what is made on this machine.
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) policy: Policy,
    pub(crate) tools: Tools,
    /// By registry, `host` or `host:port`.
    pub(crate) registries: BTreeMap<String, RegistrySettings>,
    pub(crate) cache: Cache,
    /// `[vars]`, with the values of this run.
    pub(crate) variables: BTreeMap<String, String>,
}

/// What changes a manifest for one run, or for one user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// Values of variables from the command line, by name. They win over the environment.
    pub(crate) command_line: BTreeMap<String, String>,
    /// Values of variables from the environment, by the part of the name after `OCI_VAR_`: the name of the variable as
    /// it is, or in capitals with `_` for `-`.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) user: UserSettings,
}

/// Parses and checks a manifest without overrides.
#[cfg(test)]
pub(crate) fn parse(source: &Source, folder: &std::path::Path) -> Result<Manifest, Vec<crate::problem::Problem>> {
    parse_with(source, folder, &Overrides::default())
}

impl Overrides {
    fn get(&self, name: &str) -> Option<&String> {
        let capitals = || name.to_uppercase().replace('-', "_");
        let environment = || self.environment.get(name).or_else(|| self.environment.get(&capitals()));
        self.command_line.get(name).or_else(environment)
    }
}

/// `[project]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    /// The platforms of builds that name none themselves; never empty.
    pub(crate) platforms: Vec<Platform>,
    /// Globs that no folder package ever packs.
    pub(crate) exclude: Vec<Placed<String>>,
    /// `ignore-files`: whose patterns stay out of folder packages, too; `None` if the manifest does not say.
    pub(crate) ignore_files: Option<Vec<IgnoreFile>>,
    /// `source-date-epoch`: seconds since 1970 that every file and history entry carries.
    pub(crate) epoch: Option<i64>,
}

/// `[base.NAME]`: an image from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) origin: Placed<Origin>,
    /// True if no credentials are sent to the registry.
    pub(crate) anonymous: bool,
    /// The pins by variant. `None` is the key of a base without variants; a layout never has variants.
    pub(crate) pins: BTreeMap<Option<String>, Pin>,
}

/// Which image of its origin is meant: a tag, a digest, or a digest with the tag it once had. In a layout
/// it may be neither: there the name is a part of the origin.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// The value that errors about this pin point at.
    pub(crate) place: Place,
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
}

/// `[layer.NAME]`: packages that are one layer, for any number of builds.
#[derive(Clone, Debug)]
pub(crate) struct SharedLayer {
    pub(crate) packages: Vec<Package>,
    pub(crate) needs: Needs,
}

/// `[build.NAME]` or `[stage.NAME]`: an image to build, or to build from.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// The table's name in its header.
    pub(crate) place: Place,
    pub(crate) base: Placed<ImageName>,
    /// The place where a stage says that it runs on this machine's platform, whatever the target platform is.
    pub(crate) host: Option<Place>,
    /// True if a stage with `host` is made for each target platform, and its steps are told which one.
    pub(crate) per_target: bool,
    /// Names in [`Manifest::layers`].
    pub(crate) layers: Vec<Placed<String>>,
    pub(crate) packages: Vec<Package>,
    /// All packages are one layer.
    pub(crate) squash_packages: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) needs: Needs,
    pub(crate) entrypoint: Entrypoint,
    pub(crate) args: Option<Placed<Vec<String>>>,
    /// `None` removes.
    pub(crate) env: BTreeMap<String, Placed<Option<VariableValue>>>,
    pub(crate) user: Option<String>,
    pub(crate) workdir: Option<String>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) ports: Vec<Change>,
    pub(crate) volumes: Vec<Change>,
    /// `None` removes.
    pub(crate) labels: BTreeMap<String, Option<String>>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    /// The platforms that the image itself names. [`Manifest::platforms`] finds them if this is `None`.
    pub(crate) platforms: Option<Vec<Placed<Platform>>>,
    pub(crate) compression: Compression,
    pub(crate) terminal: bool,
    pub(crate) repositories: Vec<Placed<Template>>,
    /// Empty if the build names no tags.
    pub(crate) tags: Vec<Placed<Template>>,
}

/// What an image runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Entrypoint {
    /// The first package if it is a program; otherwise the entrypoint of the base.
    #[default]
    FirstPackage,
    /// What the base runs, with the base's arguments.
    OfBase,
    /// A program and its arguments; empty clears the base's.
    Words(Placed<Vec<String>>),
}

/// An entry that is added to a set of the base or, with `!`, removed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(String),
    Remove(String),
}

impl Manifest {
    /// The build or stage of this name, with the name as the manifest keeps it.
    pub(crate) fn image(&self, name: &str) -> Option<(&str, &Build)> {
        let found = self.builds.get_key_value(name).or_else(|| self.stages.get_key_value(name));
        found.map(|(name, build)| (name.as_str(), build))
    }

    /// The images that a build needs, at each place where it names them: its base, and the images that it takes files
    /// from.
    pub(crate) fn images_needed<'a>(&'a self, build: &'a Build) -> impl Iterator<Item = &'a Placed<ImageName>> {
        std::iter::once(&build.base).chain(self.images_taken_from(build))
    }

    /// The images that a build takes files from, by packages, shared layers and mounts.
    pub(crate) fn images_taken_from<'a>(&'a self, build: &'a Build) -> impl Iterator<Item = &'a Placed<ImageName>> {
        let layers = build.layers.iter().filter_map(|name| self.layers.get(&name.value));
        layers.flat_map(|layer| &layer.needs.images).chain(&build.needs.images)
    }

    /// The stages that run on this machine's platform and may differ with what they are for: unless they say that they
    /// do not, a step can tell, of the stage or of a stage that it needs.
    pub(crate) fn stages_telling_targets(&self) -> BTreeSet<&str> {
        let host = || self.stages.iter().filter(|(_, stage)| stage.host.is_some() && stage.per_target);
        let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, stage) in host() {
            for needed in self.images_needed(stage) {
                if let ImageName::Plain(needed) = &needed.value {
                    needed_by.entry(needed).or_default().push(name);
                }
            }
        }
        let mut pending: Vec<&str> =
            host().filter(|(_, stage)| !stage.steps.is_empty()).map(|(name, _)| name.as_str()).collect();
        let mut telling = BTreeSet::new();
        while let Some(name) = pending.pop() {
            if telling.insert(name) {
                pending.extend(needed_by.get(name).into_iter().flatten());
            }
        }
        telling
    }

    /// The platforms of an image: its own, those of a base that is made here, or the project's.
    pub(crate) fn platforms<'a>(&'a self, build: &'a Build) -> Vec<Platform> {
        let mut build = build;
        loop {
            if build.host.is_some() {
                return vec![Platform::host()];
            }
            if let Some(platforms) = &build.platforms {
                return platforms.iter().map(|platform| platform.value.clone()).collect();
            }
            let base = match &build.base.value {
                ImageName::Plain(name) => self.image(name),
                _ => None,
            };
            match base {
                Some((_, base)) => build = base,
                None => return self.project.platforms.clone(),
            }
        }
    }

    /// The targets made on this machine that a build's packages and shared layers name, at each place.
    pub(crate) fn targets_needed<'a>(&'a self, build: &'a Build) -> impl Iterator<Item = &'a Placed<String>> {
        let layers = build.layers.iter().filter_map(|name| self.layers.get(&name.value));
        let named = layers.flat_map(|layer| &layer.needs.targets).chain(&build.needs.targets);
        named.filter(|name| self.targets.contains_key(&name.value))
    }

    /// The base and pin that a name stands for. Returns `None` if it stands for no pin.
    pub(crate) fn pin(&self, name: &ImageName) -> Option<(&Base, &Pin)> {
        let (name, variant) = match name {
            ImageName::Scratch => return None,
            ImageName::Plain(name) => (name, None),
            ImageName::Variant(name, variant) => (name, Some(variant.clone())),
        };
        let base = self.bases.get(name)?;
        Some((base, base.pins.get(&variant)?))
    }

    /// Every pin with its name, sorted as the lockfile is.
    pub(crate) fn pins(&self) -> BTreeMap<String, (&Base, &Pin)> {
        let pins = self.bases.iter().flat_map(|(name, base)| {
            base.pins.iter().map(move |(variant, pin)| {
                let name = match variant {
                    Some(variant) => format!("{name}#{variant}"),
                    None => name.clone(),
                };
                (name, (base, pin))
            })
        });
        pins.collect()
    }
}
