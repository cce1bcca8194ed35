//! `oci run`.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Global, RunArguments};
use crate::diagnostic::Failure;

pub(super) fn run(_global: &Global, _arguments: &RunArguments) -> Result<ExitCode, Failure> {
    Ok(ExitCode::FAILURE)
}

pub(super) fn sandbox(_specification: &Path) -> ExitCode {
    ExitCode::FAILURE
}
