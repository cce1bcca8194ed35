//! Puts a plan together: every image behind the images that it needs, with the platforms that are wanted of it.
//!
//! An image is visited once for each platform that is new to it. Nothing recurses, so a chain of images may be as long
//! as the manifest.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Build, Manifest};
use crate::model::{ImageName, Platform};
use crate::plan::PlannedImage;

/// The images planned so far.
pub(super) struct Planner<'a> {
    manifest: &'a Manifest,
    pub(super) host: Platform,
    pub(super) images: Vec<PlannedImage<'a>>,
    /// The index in `images` of each image, by name.
    planned: BTreeMap<&'a str, usize>,
    /// The platforms of each image by name, unless the command line has platforms.
    platforms: BTreeMap<&'a str, Vec<Platform>>,
    /// The stages on this machine's platform that are made for each target.
    telling: BTreeSet<&'a str>,
}

/// An image whose needs are being planned.
struct Visit<'a> {
    name: &'a str,
    build: &'a Build,
    platforms: Vec<Platform>,
    /// The images made here that it needs, and that are not visited yet. The last one is next.
    needed: Vec<(&'a str, &'a Build)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self {
            manifest,
            host: Platform::host(),
            images: Vec::new(),
            planned: BTreeMap::new(),
            platforms: BTreeMap::new(),
            telling: manifest.stages_telling_targets(),
        }
    }

    /// Finds what [`Manifest::platforms`] finds, but keeps the result for each base.
    pub(super) fn platforms(&mut self, name: &'a str) -> Vec<Platform> {
        let mut path = Vec::new();
        let mut next = Some(name);
        let found = loop {
            let Some((name, build)) = next.and_then(|name| self.manifest.image(name)) else {
                break self.manifest.project.platforms.clone();
            };
            if let Some(known) = self.platforms.get(name) {
                break known.clone();
            }
            path.push(name);
            next = match &build.base.value {
                // Platforms that the image itself names count.
                _ if build.host.is_some() || build.platforms.is_some() => break self.manifest.platforms(build),
                ImageName::Plain(base) => Some(base),
                _ => None,
            };
        };
        self.platforms.extend(path.into_iter().map(|name| (name, found.clone())));
        found
    }

    /// Adds an image behind the images that it needs. There are no cycles: the manifest's validation refuses them.
    pub(super) fn add(&mut self, name: &'a str, build: &'a Build, platforms: Vec<Platform>) {
        let mut visits: Vec<Visit<'a>> = self.visit(name, build, platforms).into_iter().collect();
        while let Some(visit) = visits.last_mut() {
            if let Some((name, build)) = visit.needed.pop() {
                // An image that runs on this machine needs images for this machine's platform.
                let is_for_host = visit.build.host.is_some() && build.host.is_none();
                let wanted = if is_for_host { vec![self.host.clone()] } else { visit.platforms.clone() };
                visits.extend(self.visit(name, build, wanted));
            } else if let Some(visit) = visits.pop() {
                self.finish(visit);
            }
        }
    }

    /// The visit of an image, unless it is planned for all of these platforms already.
    fn visit(&self, name: &'a str, build: &'a Build, platforms: Vec<Platform>) -> Option<Visit<'a>> {
        let is_one = build.host.is_some() && !self.telling.contains(name);
        let platforms = if is_one { vec![self.host.clone()] } else { platforms };
        if let Some(planned) = self.planned.get(name) {
            let known = &self.images[*planned].platforms;
            if platforms.iter().all(|platform| known.contains(platform)) {
                return None;
            }
        }
        let needed = self.manifest.images_needed(build).filter_map(|needed| match &needed.value {
            ImageName::Plain(name) => self.manifest.image(name),
            _ => None,
        });
        let mut needed: Vec<_> = needed.collect();
        needed.reverse();
        Some(Visit { name, build, platforms, needed })
    }

    /// Adds an image to the plan whose needs are all in it.
    fn finish(&mut self, visit: Visit<'a>) {
        let Visit { name, build, platforms, .. } = visit;
        match self.planned.get(name) {
            Some(planned) => {
                let known = &mut self.images[*planned].platforms;
                for platform in platforms {
                    if !known.contains(&platform) {
                        known.push(platform);
                    }
                }
            }
            None => {
                self.planned.insert(name, self.images.len());
                self.images.push(PlannedImage {
                    name,
                    build,
                    takes_from: self.manifest.images_taken_from(build).collect(),
                    targets: self
                        .manifest
                        .targets_needed(build)
                        .filter_map(|name| self.manifest.targets.get_key_value(&name.value))
                        .map(|(name, target)| (name.as_str(), target))
                        .collect(),
                    platforms,
                    asked_for: false,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::model::Platform;
    use crate::plan::tests::manifest;
    use crate::plan::{Graph, Plan};

    /// Each stage needs the stage below twice. If it were planned for each need, this would not end.
    fn ladder(kind: &str, length: usize) -> String {
        let mut text = format!("[stage.s0]\nbase = \"scratch\"\n{kind}\n");
        for number in 1..length {
            let below = number - 1;
            let _ = writeln!(
                text,
                "[stage.s{number}]\nbase = \"s{below}\"\npackages = [{{ image = \"s{below}\", path = \"/a\" }}]\n{kind}"
            );
        }
        let top = length - 1;
        text + &format!("[build.top]\nbase = \"scratch\"\npackages = [{{ image = \"s{top}\", path = \"/a\" }}]\n")
    }

    #[test]
    fn what_is_needed_in_many_ways_is_planned_once() {
        for (kind, nodes) in
            [("", 2_001), ("platform = \"host\"", 2_001), ("platform = \"host\"\nsteps = [\"true\"]", 2_001)]
        {
            let manifest = manifest(&ladder(kind, 2_000));
            let plan = Plan::new(&manifest, &[], &[]).unwrap();
            assert_eq!((plan.images.iter().len(), plan.images.iter().last().unwrap().name), (2_001, "top"));
            assert_eq!(Graph::new(&plan).nodes.iter().len(), nodes, "{kind}");
        }
    }

    #[test]
    fn a_chain_may_be_long() {
        let mut text = "[build.b0]\nbase = \"scratch\"\nplatforms = [\"linux/arm64\", \"linux/amd64\"]\n".to_owned();
        for number in 1..10_000 {
            let _ = writeln!(text, "[build.b{number}]\nbase = \"b{}\"", number - 1);
        }
        let manifest = manifest(&text);
        let plan = Plan::new(&manifest, &[], &[]).unwrap();
        let both = ["linux/arm64", "linux/amd64"].map(|text| Platform::parse(text).unwrap());
        assert!(plan.images.iter().all(|image| image.platforms == both && image.asked_for));
        let graph = Graph::new(&plan);
        assert_eq!(
            (graph.nodes.iter().len(), graph.made.iter().len(), graph.made.iter().last().unwrap().len()),
            (20_000, 10_000, 2)
        );
    }
}
