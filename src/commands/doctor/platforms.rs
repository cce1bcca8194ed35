//! Checks the project's platforms that are not the machine's: can their programs be started?

use std::collections::BTreeMap;

use super::finding::{Finding, State};
use crate::manifest::Manifest;
use crate::model::Platform;
use crate::sandbox;

pub(super) fn examine(manifest: &Manifest) -> Vec<Finding> {
    let host = Platform::host();
    // With whether it has steps.
    let mut foreign: BTreeMap<Platform, bool> = BTreeMap::new();
    for image in manifest.builds.values().chain(manifest.stages.values()) {
        for platform in manifest.platforms(image).into_iter().filter(|platform| *platform != host) {
            *foreign.entry(platform).or_default() |= !image.steps.is_empty();
        }
    }
    let finding = |(platform, has_steps): (Platform, bool)| match sandbox::executes_programs_of(&platform) {
        true => Finding::good(platform.to_string(), "its programs can be started here"),
        false => Finding::bad(
            platform.to_string(),
            State::bad(has_steps),
            "its programs cannot be started here: it can be built without steps, and published, but not run",
            "install an emulator: `apt install qemu-user-static binfmt-support`",
        ),
    };
    foreign.into_iter().map(finding).collect()
}
