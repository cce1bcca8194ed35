//! `oci check` checks `oci.toml` and `oci.lock`. It asks no registry, starts nothing, writes nothing, and looks at no
//! other file: a hook can afford it before every commit. It starts git only to find the manifests that a commit
//! changes, or the manifests below the current folder. With `--locked`, an entry that `oci lock` would change is an
//! error. A platform that a build asks for, and that its base lacks by the lockfile, is always an error.

use std::collections::BTreeSet;

use miette::{Diagnostic, Report};

use super::manifests::{self, Choice, Chosen};
use super::project::{self, Difference, Project};
use crate::cli::{CheckArguments, Global};
use crate::diagnostic::{Failure, Status};
use crate::executor;
use crate::plan::Plan;
use crate::source::At;

/// An entry that `oci lock` would change: nothing is wrong yet.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(oci::lock::stale), severity(Warning), help("run `oci lock`, and commit `oci.lock`"))]
struct StaleWarning {
    message: String,
}

/// An entry that `oci lock` would change, where the lockfile may not change.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(oci::lock::stale), help("run `oci lock`, and commit `oci.lock`"))]
struct StaleError {
    message: String,
}

pub(super) fn run(global: &Global, arguments: &CheckArguments) -> Result<(), Failure> {
    let choice = if arguments.changed { Choice::Changed } else { Choice::NearestOrBelow };
    manifests::each(global, choice, check)
}

fn check(chosen: &Chosen) -> Result<(), Failure> {
    let global = &chosen.global;
    let project = Project::open(global)?;
    let differences = project::differences(&project.manifest, &project.lock);
    let locked = global.locked || global.frozen;
    let missing = missing_platforms(&project, &differences)?;
    if global.json {
        super::print(&format!("{}\n", project::as_json(&differences, chosen.name.as_deref())))?;
        return match (missing, locked && !differences.is_empty()) {
            (Some(failure), _) => Err(failure),
            (None, true) => Err(super::no()),
            (None, false) => Ok(()),
        };
    }
    if differences.is_empty() {
        return missing.map_or(Ok(()), Err);
    }
    // Warnings are rendered as errors are, but the exit status is 0.
    let (report, status): (fn(&Difference<'_>) -> Report, _) = match locked {
        true => (error, Status::Failed),
        false => (warning, Status::Done),
    };
    let drifted = Failure { reports: differences.iter().map(report).collect(), status };
    Err(match missing {
        Some(missing) => Failure { reports: drifted.reports.into_iter().chain(missing.reports).collect(), ..missing },
        None => drifted,
    })
}

/// An error for each platform of a build that a base does not have, by an entry of the lockfile that is current.
fn missing_platforms(project: &Project, differences: &[Difference<'_>]) -> Result<Option<Failure>, Failure> {
    let Project { manifest, lock, .. } = project;
    if manifest.builds.is_empty() {
        return Ok(None);
    }
    let plan = Plan::new(manifest, &[], &[]).map_err(super::invalid)?;
    let mut current = lock.clone();
    let drifted: BTreeSet<&str> = differences.iter().map(|difference| difference.name.as_str()).collect();
    current.entries.retain(|name, _| !drifted.contains(name.as_str()));
    let missing = executor::missing_platforms(manifest, &current, &plan);
    Ok(Failure::all(missing.into_iter().map(Failure::from)))
}

fn warning(difference: &Difference<'_>) -> Report {
    at(difference, StaleWarning { message: difference.to_string() })
}

fn error(difference: &Difference<'_>) -> Report {
    let message = format!("{difference}, and `--locked` forbids to change it");
    at(difference, StaleError { message })
}

fn at<E: Diagnostic + Send + Sync + 'static>(difference: &Difference<'_>, error: E) -> Report {
    match difference.place {
        Some(place) => Report::new(At::new(error, place, "")),
        None => Report::new(error),
    }
}
