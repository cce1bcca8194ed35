//! The warnings and notes of a build about the images that it makes.

use super::{Building, Reach, locked};
use crate::executor::BuiltImage;
use crate::image::Image;
use crate::manifest::{Build, Entrypoint};
use crate::model::Platform;
use crate::pack::unheeded;
use crate::plan::PlannedImage;
use crate::sanitize;

impl Building<'_> {
    /// Shows a warning once, also if several platforms give it. Neither a dry run nor a rehearsal shows any.
    pub(super) fn warn(&self, text: &str) {
        if self.reach == Reach::All && locked(&self.told).insert(text.to_owned()) {
            self.executor.reporter.warning(text);
        }
    }

    /// Notes what is wrong with the environment of the image below, where a build reads or changes it.
    pub(super) fn tell_environment(&self, build: &Build, below: &Image) {
        if !build.env.is_empty() || !build.steps.is_empty() {
            let note = below.config.environment().note(&build.base.value.to_string());
            note.iter().for_each(|note| self.tell_once(note));
        }
    }

    /// Shows a note once, also if several platforms give it. Neither a dry run nor a rehearsal shows any.
    pub(super) fn tell_once(&self, text: &str) {
        if self.reach == Reach::All && locked(&self.told).insert(text.to_owned()) {
            self.executor.reporter.note(text);
        }
    }

    /// Warns that the first package is no entrypoint, since it is a program without its executable bit. Stages are not
    /// warned about: what they run does not matter.
    pub(super) fn tell_inert(&self, image: &PlannedImage<'_>, path: &str) {
        let name = image.name;
        if image.build.entrypoint == Entrypoint::FirstPackage && self.executor.manifest.builds.contains_key(name) {
            self.warn(&format!(
                "`{name}` does not run its first package, the program `{path}`, which nobody may execute: `chmod +x` it, \
                 or give the package `mode = \"0755\"`; or say with `entrypoint` what the image runs"
            ));
        }
    }

    /// Notes that the first package replaces the base's entrypoint.
    pub(super) fn tell_replaced(&self, image: &PlannedImage<'_>, below: &Image, built: &BuiltImage) {
        let of_base = below.config.execution().entrypoint.filter(|words| !words.is_empty());
        if let (Entrypoint::FirstPackage, Some(program), Some(words)) =
            (&image.build.entrypoint, &built.program, of_base)
            && words != *program
        {
            let (words, program) = (sanitize::name(&format!("{words:?}")), sanitize::name(&program.join(" ")));
            self.tell_once(&format!(
                "`{}` runs its first package, `{program}`, instead of the base's {words} and its arguments; \
                 `entrypoint = false` keeps those",
                image.name
            ));
        }
    }

    /// Warns of a `.dockerignore` in a packed folder, if the manifest does not say whether ignore files count.
    pub(super) fn tell_unheeded(&self, build: &Build, platform: &Platform) {
        let manifest = self.executor.manifest;
        if manifest.project.ignore_files.is_some() {
            return;
        }
        let shared = build.layers.iter().filter_map(|name| manifest.layers.get(&name.value));
        let packages = shared.flat_map(|layer| &layer.packages).chain(&build.packages);
        for file in packages.filter_map(|package| unheeded(package, &manifest.folder, platform)) {
            self.warn(&format!(
                "what `{file}` leaves out goes into the image; add `ignore-files = [\".dockerignore\"]` to `[project]` \
                 to keep it out, or `ignore-files = []` to pack it"
            ));
        }
    }
}
