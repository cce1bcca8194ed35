//! `oci build` builds images into `.oci/`.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::{Session, metadata, settings};
use crate::cli::BuildArguments;
use crate::diagnostic::Failure;
use crate::executor::{BuildOptions, Built, Outcome, Tally};
use crate::fs::FileError;
use crate::plan::Plan;

pub(super) fn run(session: &mut Session, arguments: &BuildArguments) -> Result<(), Failure> {
    let started = Instant::now();
    let platforms = settings::platforms(&arguments.platforms)?;
    let manifest = session.manifest.clone();
    let plan = Plan::new(&manifest, &arguments.names, &platforms).map_err(super::invalid)?;
    let (reachable, unresolved) = session.lock_reachable(&plan)?;
    let unresolved = match unresolved {
        Some(failure) if arguments.fail_fast => return Err(failure),
        unresolved => unresolved,
    };
    let (outcome, failed) =
        session.build(&reachable, BuildOptions { fail_fast: arguments.fail_fast, anew: arguments.no_cache })?;
    if arguments.complete {
        session.complete(&outcome)?;
        session.update_layout(&plan, &outcome)?;
    }
    if let Some(path) = &arguments.metadata_file {
        metadata::write(path, &session.manifest.folder, &metadata::of(&plan, &outcome))?;
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
    // If nothing was built, there are only errors to show.
    if !outcome.built.is_empty() {
        session.reporter.note(&summary(&plan, &outcome, started.elapsed()));
    }
    session.hold_size(false);
    Failure::all(unresolved.into_iter().chain(failed)).map_or(Ok(()), Err)
}

/// A line that says how many images were built, how many layers were cached, and how long it took.
fn summary(plan: &Plan<'_>, outcome: &Outcome, elapsed: Duration) -> String {
    let several = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let wanted = plan.asked_for().count();
    let built = match plan.asked_for().filter(|image| outcome.built.contains_key(image.name)).count() {
        built if built == wanted => several(built, "image"),
        built => format!("{built} of {}", several(wanted, "image")),
    };
    let Tally { made, cached } = outcome.layers;
    let layers = format!("{} made, {cached} cached", several(made, "layer"));
    let steps = match outcome.steps {
        Tally { made: 0, cached: 0 } => String::new(),
        Tally { made, cached } => format!("; {} run, {cached} cached", several(made, "step")),
    };
    format!("{built} built in {:.1} s: {layers}{steps}", elapsed.as_secs_f64())
}

/// `NAME  sha256:…` for each image that was asked for.
fn print(session: &Session, plan: &Plan<'_>, outcome: &Outcome) -> Result<(), FileError> {
    if session.json {
        return super::print(&format!("{}\n", metadata::of(plan, outcome)));
    }
    let built: Vec<(&str, &Built)> =
        plan.asked_for().filter_map(|image| Some((image.name, outcome.built.get(image.name)?))).collect();
    let width = built.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, built) in built {
        let _ = writeln!(text, "{name:width$}  {}", built.descriptor.digest);
    }
    super::print(&text)
}
