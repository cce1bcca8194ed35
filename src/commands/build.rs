//! `oci build`: images into `.oci/`.

use std::fmt::Write;

use serde_json::json;

use super::{Session, session};
use crate::cli::BuildArguments;
use crate::diagnostic::Failure;
use crate::executor::{Built, Outcome};
use crate::fs::FileError;
use crate::plan::Plan;

pub(super) fn run(session: &mut Session, arguments: &BuildArguments) -> Result<(), Failure> {
    let platforms = session::platforms(&arguments.platforms)?;
    let manifest = session.manifest.clone();
    let plan = Plan::new(&manifest, &arguments.names, &platforms).map_err(super::invalid)?;
    session.lock_needed(&plan.bases())?;
    let (outcome, failure) = session.build(&plan)?;
    if arguments.complete {
        session.complete(&outcome)?;
        session.update_layout(&plan, &outcome)?;
    }
    print(session, &plan, &outcome)?;
    let is_shallow = |name: &&str| outcome.built.get(*name).is_some_and(|built| session.is_shallow(built));
    let shallow: Vec<&str> = plan.asked_for().map(|image| image.name).filter(is_shallow).collect();
    if !shallow.is_empty() {
        let names = shallow.join(" ");
        session.reporter.note(&format!(
            "the layers of the bases are not in .oci/, since nothing needed them: `oci fetch {names}` brings them"
        ));
    }
    failure.map_or(Ok(()), Err)
}

/// `NAME  sha256:…` for each image that was asked for.
fn print(session: &Session, plan: &Plan<'_>, outcome: &Outcome) -> Result<(), FileError> {
    let built: Vec<(&str, &Built)> =
        plan.asked_for().filter_map(|image| Some((image.name, outcome.built.get(image.name)?))).collect();
    if session.json {
        let images: Vec<_> = built.iter().map(|(name, built)| as_json(name, built)).collect();
        return super::print(&format!("{}\n", json!({ "images": images })));
    }
    let width = built.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, built) in built {
        let _ = writeln!(text, "{name:width$}  {}", built.descriptor.digest);
    }
    super::print(&text)
}

fn as_json(name: &str, built: &Built) -> serde_json::Value {
    let platforms: serde_json::Map<_, _> = built
        .platforms
        .iter()
        .map(|(platform, image)| {
            (platform.to_string(), json!({ "digest": image.manifest.digest, "size": image.manifest.size }))
        })
        .collect();
    json!({
        "name": name,
        "digest": built.descriptor.digest,
        "media-type": built.descriptor.media_type,
        "size": built.descriptor.size,
        "platforms": platforms,
    })
}
