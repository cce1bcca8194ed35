//! What a build tells of the images that it makes, besides errors.

use super::{Building, locked};
use crate::executor::BuiltImage;
use crate::image::Image;
use crate::layer::unheeded;
use crate::manifest::{Build, Entrypoint};
use crate::model::Platform;
use crate::plan::PlannedImage;
use crate::sanitize;

impl Building<'_> {
    /// Warns once, whichever platforms it is of.
    pub(super) fn warn(&self, text: &str) {
        if locked(&self.told).insert(text.to_owned()) {
            self.executor.reporter.warning(text);
        }
    }

    /// Tells once, whichever platforms it is of.
    pub(super) fn tell_once(&self, text: &str) {
        if locked(&self.told).insert(text.to_owned()) {
            self.executor.reporter.note(text);
        }
    }

    /// Warns that a program is no entrypoint, since nobody may execute it. What stages run matters to nobody.
    pub(super) fn tell_inert(&self, image: &PlannedImage<'_>, path: &str) {
        let name = image.name;
        if image.build.entrypoint == Entrypoint::FirstPackage && self.executor.manifest.builds.contains_key(name) {
            self.warn(&format!(
                "`{name}` does not run its first package, the program `{path}`, which nobody may execute: `chmod +x` it, \
                 or give the package `mode = \"0755\"`; or say with `entrypoint` what the image runs"
            ));
        }
    }

    /// Tells that the first package runs in place of what the base runs.
    pub(super) fn tell_replaced(&self, image: &PlannedImage<'_>, below: &Image, built: &BuiltImage) {
        let of_base = below.config.execution().entrypoint.filter(|words| !words.is_empty());
        if let (Entrypoint::FirstPackage, Some(program), Some(words)) =
            (&image.build.entrypoint, &built.program, of_base)
            && words[..] != [program.clone()]
        {
            let words = sanitize::name(&format!("{words:?}"));
            self.tell_once(&format!(
                "`{}` runs its first package, `{program}`, instead of the base's {words} and its arguments; \
                 `entrypoint = false` keeps those",
                image.name
            ));
        }
    }

    /// Warns of files that say what `docker build` leaves out, where the manifest does not say whether they count.
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
