//! Plans what a command is going to do: which builds and stages, in which order, for which platforms, and which entries
//! of the lockfile they need.

mod graph;
mod ids;
mod planner;

use std::collections::BTreeSet;

pub(crate) use graph::{Graph, Node, NodeOrigin};
pub(crate) use ids::{ById, ImageId, NodeId};
use planner::Planner;

use crate::manifest::{Build, Manifest, Target};
use crate::model::{ImageName, Platform};
use crate::source::Placed;
use crate::suggest;

/// The images that were asked for, and the images that they need. An image stands behind the images that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    /// This machine's platform.
    host: Platform,
    pub(crate) images: ById<ImageId, PlannedImage<'a>>,
}

/// A build or a stage, for some platforms.
#[derive(Clone, Debug)]
pub(crate) struct PlannedImage<'a> {
    pub(crate) name: &'a str,
    pub(crate) build: &'a Build,
    /// Each place where it names an image that files are taken from.
    pub(crate) takes_from: Vec<&'a Placed<ImageName>>,
    /// The targets made on this machine that its packages name.
    pub(crate) targets: Vec<(&'a str, &'a Target)>,
    /// The target platforms. There is an image for each, unless the build runs on this machine's platform.
    pub(crate) platforms: Vec<Platform>,
    /// The image was named on the command line, or the command line names none. Otherwise another image needs it.
    pub(crate) asked_for: bool,
}

/// Why there is no plan for a command line.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum PlanError {
    #[error("there is no build `{name}` in `{manifest}`")]
    #[diagnostic(code(oci::plan::unknown_build))]
    UnknownBuild {
        name: String,
        manifest: String,
        #[help]
        help: Option<String>,
    },
    #[error("there is no build in `{manifest}`")]
    #[diagnostic(code(oci::plan::nothing_to_build), help("add a `[build.NAME]` with a `base`"))]
    Nothing { manifest: String },
}

impl<'a> PlannedImage<'a> {
    /// The image that it starts from, and those that files are taken from.
    fn needs(&self) -> impl Iterator<Item = &'a ImageName> {
        std::iter::once(&self.build.base).chain(self.takes_from.iter().copied()).map(|name| &name.value)
    }
}

impl<'a> Plan<'a> {
    /// Plans these builds and stages, or all builds if `names` is empty. `platforms`, if not empty, replaces the
    /// platforms of the manifest.
    pub(crate) fn new(manifest: &'a Manifest, names: &[String], platforms: &[Platform]) -> Result<Self, PlanError> {
        let shown = || manifest.source.name().to_owned();
        if names.is_empty() && manifest.builds.is_empty() {
            return Err(PlanError::Nothing { manifest: shown() });
        }
        let mut asked_for = BTreeSet::new();
        for written in names {
            let name = written.strip_prefix(':').unwrap_or(written);
            if manifest.image(name).is_none() {
                let known = manifest.builds.keys().chain(manifest.stages.keys()).map(String::as_str);
                let help = match manifest.bases.contains_key(name.split('#').next().unwrap_or(name)) {
                    true => Some(format!("`{name}` is a base: it is not built, but `oci run {name}` runs it")),
                    false => suggest::help("the builds and stages are", name, known),
                };
                return Err(PlanError::UnknownBuild { name: name.to_owned(), manifest: shown(), help });
            }
            asked_for.insert(name);
        }
        if names.is_empty() {
            asked_for.extend(manifest.builds.keys().map(String::as_str));
        }
        let mut planner = Planner::new(manifest);
        for name in &asked_for {
            if let Some((name, build)) = manifest.image(name) {
                let wanted = if platforms.is_empty() { planner.platforms(name) } else { platforms.to_vec() };
                planner.add(name, build, wanted);
            }
        }
        let images = planner.images.into_iter().map(|image| {
            let asked_for = asked_for.contains(image.name);
            PlannedImage { asked_for, ..image }
        });
        Ok(Self { host: planner.host, images: images.collect() })
    }

    /// The images that were asked for.
    pub(crate) fn asked_for(&self) -> impl Iterator<Item = &PlannedImage<'a>> {
        self.images.iter().filter(|image| image.asked_for)
    }

    /// This plan without the images that need one of these entries of the lockfile, and without images that nothing
    /// needs any more.
    pub(crate) fn without(&self, missing: &BTreeSet<String>) -> Self {
        let mut lost = missing.clone();
        let mut images: Vec<PlannedImage<'a>> = self.images.iter().cloned().collect();
        images.retain(|image| {
            let is_lost = image.needs().any(|name| lost.contains(&name.to_string()));
            if is_lost {
                lost.insert(image.name.to_owned());
            }
            !is_lost
        });
        let mut needed = BTreeSet::new();
        images.reverse();
        images.retain(|image| {
            let is_needed = image.asked_for || needed.contains(image.name);
            if is_needed {
                needed.extend(image.needs().map(ToString::to_string));
            }
            is_needed
        });
        images.reverse();
        Self { host: self.host.clone(), images: images.into_iter().collect() }
    }

    /// The names in the lockfile that these images need.
    pub(crate) fn bases(&self) -> BTreeSet<String> {
        let names = self.images.iter().flat_map(PlannedImage::needs);
        let made: BTreeSet<&str> = self.images.iter().map(|image| image.name).collect();
        names
            .filter(|name| match name {
                ImageName::Scratch => false,
                ImageName::Plain(name) => !made.contains(name.as_str()),
                ImageName::Variant(..) => true,
            })
            .map(ToString::to_string)
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Source;

    pub(super) fn manifest(text: &str) -> Manifest {
        crate::manifest::parse(&Source::new("oci.toml", text), Path::new(".")).unwrap()
    }

    pub(super) const TEXT: &str = r#"
        [project]
        platforms = ["linux/amd64"]
        [base.debian]
        repository = "docker.io/library/debian"
        tag = "12"
        [build.top]
        base = "a-middle"
        [build.a-middle]
        base = "ground"
        [stage.ground]
        base = "debian"
        platforms = ["linux/amd64", "linux/arm64"]
        [stage.unused]
        base = "debian"
        [build.other]
        base = "scratch"
    "#;

    fn names(plan: &Plan<'_>) -> Vec<(String, bool, usize)> {
        plan.images.iter().map(|image| (image.name.to_owned(), image.asked_for, image.platforms.len())).collect()
    }

    #[test]
    fn bases_come_first_and_only_what_is_needed() {
        let manifest = manifest(TEXT);
        let plan = Plan::new(&manifest, &["top".into()], &[]).unwrap();
        let ground = ("ground".into(), false, 2);
        assert_eq!(names(&plan), [ground, ("a-middle".into(), false, 2), ("top".into(), true, 2)]);
        assert_eq!(plan.bases(), BTreeSet::from(["debian".to_owned()]));
        let all = Plan::new(&manifest, &[], &[Platform::parse("linux/arm64").unwrap()]).unwrap();
        let made = [("ground", false), ("a-middle", true), ("other", true), ("top", true)];
        assert_eq!(names(&all), made.map(|(name, asked_for)| (name.into(), asked_for, 1)));
        let stage = Plan::new(&manifest, &["unused".into()], &[]).unwrap();
        assert_eq!(names(&stage), [("unused".into(), true, 1)]);
    }

    #[test]
    fn what_needs_a_missing_entry_is_left_out() {
        let manifest = manifest(TEXT);
        let plan = Plan::new(&manifest, &[], &[]).unwrap();
        assert_eq!(names(&plan.without(&BTreeSet::new())), names(&plan));
        let other = [("other".to_owned(), true, 1)];
        assert_eq!(names(&plan.without(&BTreeSet::from(["debian".to_owned()]))), other);
        // The stage could be built, but nothing needs it any more.
        let two = |name: &str| (name.to_owned(), name != "ground", 2);
        assert_eq!(
            names(&plan.without(&BTreeSet::from(["a-middle".to_owned()]))),
            [two("ground"), two("a-middle"), other[0].clone()]
        );
        assert_eq!(names(&plan.without(&BTreeSet::from(["ground".to_owned()]))), other);
    }

    #[test]
    fn unknown_names_get_help() {
        let manifest = manifest(TEXT);
        let help = |name: &str| match Plan::new(&manifest, &[name.into()], &[]) {
            Err(PlanError::UnknownBuild { help, .. }) => help.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(help("otter"), "did you mean `other`?");
        assert!(help("debian").contains("oci run debian"));
    }
}
