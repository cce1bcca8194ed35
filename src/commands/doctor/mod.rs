//! `oci doctor` checks what this machine has of what the project needs, and says what to do about the rest.
//!
//! Each part of the machine is looked at by a file of its own and gives [`Finding`](finding::Finding)s; [`render`]
//! shows them. Works without an `oci.toml`: then nothing is needed, and what is not there is a warning.

mod cache;
mod finding;
mod languages;
mod machine;
mod platforms;
mod registries;
mod render;
mod tools;

use super::{project, settings};
use crate::cli::Global;
use crate::diagnostic::Failure;
use crate::manifest::Manifest;
use crate::process::IdMap;
use crate::store::Store;
use finding::State;

/// What a project cannot do without.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    /// Steps run in containers.
    containers: bool,
    /// Bases come from registries.
    registries: bool,
}

impl Needs {
    fn of(manifest: &Manifest) -> Self {
        let mut images = manifest.builds.values().chain(manifest.stages.values());
        Self {
            containers: images.any(|image| !image.steps.is_empty()),
            registries: manifest.bases.values().any(|base| base.origin.repository().is_some()),
        }
    }
}

/// Checks everything. Fails if something is missing that the project needs.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let project::Settings { manifest, cache, tools } = project::settings(global)?;
    let needs = manifest.as_ref().map(Needs::of).unwrap_or_default();
    let folder = settings::cache_folder(&cache)?;
    let store = Store::open(&folder);
    let map = IdMap::detect();

    let mut findings = tools::examine(&tools, needs);
    findings.extend(machine::user(&map));
    findings.extend(cache::examine(store.as_ref(), &map, needs));
    findings.extend(machine::kernel(&map));
    if let Some(manifest) = &manifest {
        findings.extend(platforms::examine(manifest));
        findings.extend(languages::examine(manifest));
        // Files that skopeo keeps for itself go into the cache folder, and nowhere else.
        if let Ok(store) = &store {
            findings.extend(registries::examine(global, manifest, store)?);
        }
    }
    super::print(&if global.json { render::json(&findings) } else { render::text(&findings) })?;
    let is_ready = findings.iter().all(|finding| finding.state != State::Missing);
    if is_ready { Ok(()) } else { Err(super::no()) }
}
