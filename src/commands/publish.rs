//! `oci publish` pushes images under every tag of every repository, and prints their digests.

use std::collections::BTreeMap;

use serde_json::json;

use super::destination::{Destination, Surroundings};
use super::{Session, settings};
use crate::cli::PublishArguments;
use crate::diagnostic::{Failure, Status};
use crate::executor::{BuildOptions, Built};
use crate::fs::FileError;
use crate::manifest::{Build, Manifest};
use crate::model::document::media_type;
use crate::model::{Digest, Reference, Repository, Tag};
use crate::plan::{Plan, PlannedImage};
use crate::report::WorkKind;
use crate::source::{At, Placed};
use crate::store::LayoutFolder;
use crate::tools::skopeo::{self, Access};
use crate::tools::{Cause, ToolError};

/// Why something was not published.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum PublishError {
    #[error("`{name}` has no repository to be published to")]
    #[diagnostic(code(oci::publish::no_repository), help("add `repository = \"registry.example.com/{name}\"`"))]
    NoRepository { name: String },
    #[error("`{name}` is a stage, and stages are not published")]
    #[diagnostic(code(oci::publish::stage), help("publish a build that has it for its base"))]
    Stage { name: String },
    #[error("no build has a repository to be published to")]
    #[diagnostic(code(oci::publish::no_repository), help("add a `repository` to a `[build.NAME]`"))]
    Nothing,
    #[error("`{written}` is no tag")]
    #[diagnostic(code(oci::cli::bad_tag))]
    Tag { written: String, source: crate::model::reference::TagError },
    #[error("without {missing}, the tags of `{name}` would lose platforms")]
    #[diagnostic(code(oci::publish::fewer_platforms), help("name a tag for this image alone: `--tag TAG`"))]
    FewerPlatforms { name: String, missing: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error("the cache's copy of the layer `{digest}` was damaged, and is set aside")]
    #[diagnostic(code(oci::publish::damaged_layer), help("run the command again: it fetches or builds the layer anew"))]
    Damaged { digest: Digest },
    #[error("the registry has `{found}` under `{reference}`, which was to be `{expected}`")]
    #[diagnostic(
        code(oci::publish::digest_mismatch),
        help("something between here and the registry changes images; `oci` never does")
    )]
    Digest { reference: String, expected: Digest, found: Digest },
}

pub(super) fn run(session: &mut Session, arguments: &PublishArguments) -> Result<(), Failure> {
    session.may_publish()?;
    let platforms = settings::platforms(&arguments.platforms)?;
    let tags = tags(&arguments.tags)?;
    let manifest = session.manifest.clone();
    let names = match &arguments.names[..] {
        [] => manifest
            .builds
            .iter()
            .filter(|(_, build)| !build.repositories.is_empty())
            .map(|(name, _)| name.clone())
            .collect(),
        names => names.to_vec(),
    };
    if names.is_empty() {
        return Err(Failure::new(Status::Failed, PublishError::Nothing));
    }
    let plan = Plan::new(&manifest, &names, &platforms).map_err(super::invalid)?;
    let asked_for: Vec<_> = plan.asked_for().collect();
    check(&asked_for, &manifest, &tags)?;
    let destinations = destinations(&asked_for, &tags, session)?;
    session.lock_needed(&plan.bases())?;
    let (outcome, failure) = session.build(&plan, BuildOptions::default())?;
    let mut failures: Vec<Failure> = failure.into_iter().collect();
    let mut published = Vec::new();
    for (image, destination) in asked_for.iter().zip(&destinations) {
        let Some(built) = outcome.built.get(image.name) else { continue };
        for repository in &destination.repositories {
            match publish(session, built, repository, &destination.tags) {
                Ok(()) => published.push((image.name, repository, built.descriptor.digest, &destination.tags)),
                Err(failure) => failures.push(failure),
            }
        }
    }
    if session.json {
        let images: Vec<_> = published
            .iter()
            .map(|(name, repository, digest, tags)| {
                let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
                json!({ "name": name, "repository": repository.to_string(), "digest": digest, "tags": tags })
            })
            .collect();
        super::print(&format!("{}\n", json!({ "published": images })))?;
    } else {
        let lines = published.iter().map(|(_, repository, digest, _)| format!("{}@{digest}\n", repository.value));
        super::print(&lines.collect::<String>())?;
    }
    session.hold_size(false);
    Failure::all(failures).map_or(Ok(()), Err)
}

/// Finds everything that can be known to be wrong before anything is built.
fn check(images: &[&PlannedImage<'_>], manifest: &Manifest, tags: &[Tag]) -> Result<(), Failure> {
    let problems = images.iter().filter_map(|image| {
        let name = image.name.to_owned();
        if manifest.stages.contains_key(image.name) {
            return Some(At::new(PublishError::Stage { name }, &image.build.place, ""));
        }
        if image.build.repositories.is_empty() {
            return Some(At::new(PublishError::NoRepository { name }, &image.build.place, ""));
        }
        let declared = manifest.platforms(image.build);
        let missing: Vec<String> =
            declared.iter().filter(|platform| !image.platforms.contains(platform)).map(ToString::to_string).collect();
        if tags.is_empty() && !missing.is_empty() {
            let error = PublishError::FewerPlatforms { name, missing: missing.join(", ") };
            return Some(At::new(error, platforms_place(image.build), ""));
        }
        None
    });
    Failure::all(problems.map(|problem| Failure::new(Status::Invalid, problem))).map_or(Ok(()), Err)
}

/// The destination of each build, or all errors about it, before anything is built.
fn destinations(images: &[&PlannedImage<'_>], tags: &[Tag], session: &Session) -> Result<Vec<Destination>, Failure> {
    let surroundings = Surroundings::new(&session.manifest.folder, &*session.reporter);
    let mut destinations = Vec::new();
    let mut failures = Vec::new();
    for image in images {
        match surroundings.destination(image.build, tags) {
            Ok(destination) => destinations.push(destination),
            Err(error) => failures.push(Failure::new(Status::Failed, error)),
        }
    }
    Failure::all(failures).map_or(Ok(destinations), Err)
}

fn platforms_place(build: &Build) -> &crate::source::Place {
    build.platforms.as_ref().and_then(|platforms| platforms.first()).map_or(&build.place, |platform| &platform.place)
}

fn tags(written: &[String]) -> Result<Vec<Tag>, Failure> {
    let parsed = written.iter().map(|written| {
        Tag::parse(written)
            .map_err(|source| Failure::new(Status::Invalid, PublishError::Tag { written: written.clone(), source }))
    });
    parsed.collect()
}

fn publish(session: &Session, built: &Built, repository: &Placed<Repository>, tags: &[Tag]) -> Result<(), Failure> {
    for tag in tags {
        let destination = Reference::Tag(repository.value.clone(), tag.clone());
        let access = session.skopeo.access(destination.repository(), false);
        // A registry accepts a manifest only after its blobs, so a match means that nothing has to be pushed.
        if session.skopeo.is_published(&destination, &built.descriptor.digest, &access) {
            session.reporter.note(&format!("{destination} is this image already"));
            continue;
        }
        let activity = session.reporter.begin(WorkKind::Push, destination.to_string());
        let pushed = match push(session, built, &destination, &access) {
            // The destination lacks layers that this machine lacks, too: now they have to be fetched.
            Err(error) if is_failure_of_tool(&error) && session.is_shallow(built) => {
                session.complete_one(built)?;
                push(session, built, &destination, &access)
            }
            pushed => pushed,
        };
        let pushed = match pushed {
            Err(error) if is_mismatch(&error) => Err(damage(session, built)?.unwrap_or(error)),
            pushed => pushed,
        };
        pushed.map_err(|error| At::new(error, &repository.place, ""))?;
        activity.done();
    }
    Ok(())
}

/// True for a failure whose cause is not known, such as a missing blob.
fn is_failure_of_tool(error: &PublishError) -> bool {
    matches!(error, PublishError::Tool(error) if matches!(error.cause(), Some(Cause::BlobAbsent { .. } | Cause::Failed)))
}

/// True if bytes did not match a digest: the registry's bytes, or ours.
fn is_mismatch(error: &PublishError) -> bool {
    matches!(error, PublishError::Tool(error) if matches!(error.cause(), Some(Cause::DigestMismatch)))
}

/// The layer that does not match its digest, if there is one. It is moved aside. The documents have just been written.
fn damage(session: &Session, built: &Built) -> Result<Option<PublishError>, FileError> {
    let layers = built.platforms.values().flat_map(|platform| &platform.image.layers);
    for layer in layers.filter(|layer| session.store.has(&layer.descriptor)) {
        let digest = layer.descriptor.digest;
        if !session.store.verify(&digest)? {
            return Ok(Some(PublishError::Damaged { digest }));
        }
    }
    Ok(None)
}

fn push(session: &Session, built: &Built, destination: &Reference, access: &Access) -> Result<(), PublishError> {
    const NAME: &str = "image";
    let folder = session.store.scratch().map_err(ToolError::from)?;
    let layout = LayoutFolder::new(folder.path().to_owned());
    layout.create_private(&BTreeMap::from([(NAME.to_owned(), built.descriptor.clone())])).map_err(ToolError::from)?;
    let blobs = session.store.blobs();
    let source = skopeo::LayoutImage { folder: folder.path(), name: NAME, blobs: Some(&blobs) };
    let index = match built.descriptor.media_type == media_type::INDEX {
        true => session.store.read(&built.descriptor.digest).map_err(ToolError::from)?,
        false => None,
    };
    let found = session.skopeo.push(source, destination, index.as_deref(), access)?;
    if found != built.descriptor.digest {
        let expected = built.descriptor.digest;
        return Err(PublishError::Digest { reference: destination.to_string(), expected, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_changes_images() {
        let error = PublishError::Digest {
            reference: "registry.example.com/acme/app:1".to_owned(),
            expected: Digest::of(b"expected"),
            found: Digest::of(b"found"),
        };
        insta::assert_snapshot!(crate::diagnostic::rendered(&error));
    }
}
