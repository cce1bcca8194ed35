//! `oci check`: whether `oci.toml` and `oci.lock` are in order. Asks nobody, starts nothing, writes
//! nothing, and looks at no other file: a hook can afford it before every commit.

use miette::Report;

use super::project::{self, Difference, Project};
use crate::cli::Global;
use crate::diagnostic::{Failure, Status};
use crate::source::At;

/// An entry that `oci lock` would change: nothing is wrong yet.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(oci::lock::stale), severity(Warning), help("run `oci lock`, and commit `oci.lock`"))]
struct StaleWarning {
    message: String,
}

pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let project = Project::open(global)?;
    let differences = project::differences(&project.manifest, &project.lock);
    if global.json {
        super::print(&format!("{}\n", project::as_json(&differences)))?;
        return Ok(());
    }
    if differences.is_empty() {
        return Ok(());
    }
    // Warnings are shown as errors are, and the program returns 0 all the same.
    Err(Failure { reports: differences.iter().map(warning).collect(), status: Status::Done })
}

fn warning(difference: &Difference<'_>) -> Report {
    let warning = StaleWarning { message: difference.to_string() };
    match difference.place {
        Some(place) => Report::new(At::new(warning, place, "")),
        None => Report::new(warning),
    }
}
