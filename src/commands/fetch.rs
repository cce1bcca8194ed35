//! `oci fetch` brings the layers of bases, so that builds and runs need no network.

use std::collections::{BTreeMap, BTreeSet};

use super::{Session, settings};
use crate::cli::FetchArguments;
use crate::diagnostic::Failure;
use crate::executor::BuildError;
use crate::manifest::Manifest;
use crate::model::{ImageName, Platform};
use crate::plan::{Graph, NodeOrigin, Plan, PlanError};
use crate::suggest;

/// How many bases are fetched at once.
const LIMIT: usize = 4;

pub(super) fn run(session: &mut Session, arguments: &FetchArguments) -> Result<(), Failure> {
    let platforms = settings::platforms(&arguments.platforms)?;
    let manifest = session.manifest.clone();
    let wanted = wanted(&manifest, &arguments.names, &platforms)?;
    session.lock_needed(&wanted.keys().cloned().collect())?;
    let pins = manifest.pins();
    let items: Vec<_> =
        wanted.iter().flat_map(|(name, platforms)| platforms.iter().map(move |platform| (name, platform))).collect();
    let executor = session.executor();
    let bases = executor.bases();
    let results = crate::parallel::map(&items, LIMIT, |(name, platform)| {
        let (Some((base, pin)), Some(entry)) = (pins.get(*name), session.lock.entries.get(*name)) else {
            return Ok(());
        };
        let fetched = bases.load(name, base, entry, platform).and_then(|image| bases.fetch_layers(&image));
        fetched.map_err(|error| BuildError::from(bases.blame(error, &pin.place)))
    });
    if let Some(failure) = Failure::all(results.into_iter().filter_map(Result::err).map(Failure::from)) {
        return Err(failure);
    }
    // Images that were built before get their layers in `.oci/`, too.
    let layout = session.layout();
    if layout.folder().exists() {
        layout.update(&session.store, &BTreeMap::new(), |name| manifest.image(name).is_some())?;
    }
    session.hold_size(false);
    Ok(())
}

/// The bases and their platforms: those that the named builds need, or the named bases themselves.
fn wanted(
    manifest: &Manifest,
    names: &[String],
    platforms: &[Platform],
) -> Result<BTreeMap<String, BTreeSet<Platform>>, Failure> {
    let mut wanted: BTreeMap<String, BTreeSet<Platform>> = BTreeMap::new();
    let of_project = if platforms.is_empty() { &manifest.project.platforms } else { platforms };
    let (bases, builds): (Vec<String>, Vec<String>) = match names {
        [] => (Vec::new(), manifest.builds.keys().chain(manifest.stages.keys()).cloned().collect()),
        names => names.iter().cloned().partition(|name| is_base(manifest, name)),
    };
    if !builds.is_empty() {
        let plan =
            Plan::new(manifest, &builds, platforms).map_err(|error| super::invalid(with_bases(error, manifest)))?;
        for node in Graph::new(&plan).nodes {
            if let NodeOrigin::Elsewhere(name, _) = node.origin {
                wanted.entry(name.to_string()).or_default().insert(node.platform.clone());
            }
        }
    }
    for name in bases {
        if let Ok(name) = ImageName::parse(&name) {
            wanted.entry(name.to_string()).or_default().extend(of_project.iter().cloned());
        }
    }
    if names.is_empty() {
        for name in manifest.pins().into_keys() {
            wanted.entry(name).or_insert_with(|| of_project.iter().cloned().collect());
        }
    }
    Ok(wanted)
}

fn is_base(manifest: &Manifest, name: &str) -> bool {
    ImageName::parse(name).is_ok_and(|name| manifest.pin(&name).is_some())
}

/// An unknown name. Other than for a build, the name of a base would be right, too.
fn with_bases(error: PlanError, manifest: &Manifest) -> PlanError {
    match error {
        PlanError::UnknownBuild { name, manifest: shown, .. } => {
            let pins = manifest.pins();
            let known = manifest.builds.keys().chain(manifest.stages.keys()).chain(pins.keys()).map(String::as_str);
            PlanError::UnknownBuild { help: suggest::help("the images are", &name, known), name, manifest: shown }
        }
        other => other,
    }
}
