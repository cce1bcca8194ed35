//! What a command is going to do, as a value: which builds, in which order, for which platforms, and
//! which entries of the lockfile they need.

use std::collections::BTreeSet;

use crate::manifest::{Build, Manifest};
use crate::model::{ImageName, Platform};
use crate::suggest;

/// The builds that were asked for and those that they stand on, lowest first.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<PlannedBuild<'a>>,
}

/// A build, for some platforms.
#[derive(Clone, Debug)]
pub(crate) struct PlannedBuild<'a> {
    pub(crate) name: &'a str,
    pub(crate) build: &'a Build,
    pub(crate) platforms: Vec<Platform>,
    /// Named, or meant by naming none; else only something else's base.
    pub(crate) asked_for: bool,
}

/// A name on the command line that is none.
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

impl<'a> Plan<'a> {
    /// Plans these builds, or all of them. `platforms`, if not empty, replaces what the builds say.
    pub(crate) fn new(manifest: &'a Manifest, names: &[String], platforms: &[Platform]) -> Result<Self, PlanError> {
        let shown = || manifest.source.name().to_owned();
        if names.is_empty() && manifest.builds.is_empty() {
            return Err(PlanError::Nothing { manifest: shown() });
        }
        let mut asked_for = BTreeSet::new();
        for written in names {
            let name = written.strip_prefix(':').unwrap_or(written);
            if !manifest.builds.contains_key(name) {
                let known = manifest.builds.keys().map(String::as_str);
                let help = match manifest.bases.contains_key(name.split('#').next().unwrap_or(name)) {
                    true => Some(format!("`{name}` is a base: it is not built, but `oci run {name}` runs it")),
                    false => suggest::help("the builds are", name, known),
                };
                return Err(PlanError::UnknownBuild { name: name.to_owned(), manifest: shown(), help });
            }
            asked_for.insert(name);
        }
        if names.is_empty() {
            asked_for.extend(manifest.builds.keys().map(String::as_str));
        }
        let mut plan = Self { steps: Vec::new() };
        for name in &asked_for {
            if let Some((name, build)) = manifest.builds.get_key_value(*name) {
                let wanted = if platforms.is_empty() { manifest.platforms(build) } else { platforms.to_vec() };
                plan.add(manifest, name, build, &wanted);
            }
        }
        for step in &mut plan.steps {
            step.asked_for = asked_for.contains(step.name);
        }
        Ok(plan)
    }

    /// Adds a build behind those it stands on. There are no cycles: the manifest's validation refuses them.
    fn add(&mut self, manifest: &'a Manifest, name: &'a str, build: &'a Build, platforms: &[Platform]) {
        if let ImageName::Plain(base) = &build.base.value
            && let Some((base, below)) = manifest.builds.get_key_value(base)
        {
            self.add(manifest, base, below, platforms);
        }
        match self.steps.iter_mut().find(|step| step.name == name) {
            Some(step) => {
                let new: Vec<_> =
                    platforms.iter().filter(|platform| !step.platforms.contains(platform)).cloned().collect();
                step.platforms.extend(new);
            }
            None => self.steps.push(PlannedBuild { name, build, platforms: platforms.to_vec(), asked_for: false }),
        }
    }

    /// The names in the lockfile that these builds need.
    pub(crate) fn bases(&self) -> BTreeSet<String> {
        let names = self.steps.iter().map(|step| &step.build.base.value);
        let builds: BTreeSet<&str> = self.steps.iter().map(|step| step.name).collect();
        names
            .filter(|name| match name {
                ImageName::Scratch => false,
                ImageName::Plain(name) => !builds.contains(name.as_str()),
                ImageName::Variant(..) => true,
            })
            .map(ToString::to_string)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Source;

    fn manifest(text: &str) -> Manifest {
        crate::manifest::parse(&Source::new("oci.toml", text), Path::new(".")).unwrap()
    }

    const TEXT: &str = r#"
        [project]
        platforms = ["linux/amd64"]
        [base.debian]
        repository = "docker.io/library/debian"
        tag = "12"
        [build.top]
        base = "a-middle"
        [build.a-middle]
        base = "debian"
        platforms = ["linux/amd64", "linux/arm64"]
        [build.other]
        base = "scratch"
    "#;

    fn names(plan: &Plan<'_>) -> Vec<(String, bool, usize)> {
        plan.steps.iter().map(|step| (step.name.to_owned(), step.asked_for, step.platforms.len())).collect()
    }

    #[test]
    fn bases_come_first_and_only_what_is_needed() {
        let manifest = manifest(TEXT);
        let plan = Plan::new(&manifest, &["top".into()], &[]).unwrap();
        assert_eq!(names(&plan), [("a-middle".into(), false, 2), ("top".into(), true, 2)]);
        assert_eq!(plan.bases(), BTreeSet::from(["debian".to_owned()]));
        let all = Plan::new(&manifest, &[], &[Platform::parse("linux/arm64").unwrap()]).unwrap();
        assert_eq!(names(&all), [("a-middle".into(), true, 1), ("other".into(), true, 1), ("top".into(), true, 1)]);
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
