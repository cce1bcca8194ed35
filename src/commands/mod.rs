//! One file for each command: options in, results on standard output, errors as a [`Failure`].

mod access;
mod add;
mod build;
mod cache;
mod check;
mod completions;
mod destination;
mod doctor;
mod dry_run;
mod fetch;
mod limits;
mod lock;
mod manifests;
mod metadata;
pub(crate) mod names;
mod outdated;
mod overrides;
mod project;
mod publish;
mod run;
mod schema;
mod session;
mod settings;
mod update;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::diagnostic::{Failure, Status};
use crate::fs::FileError;
use crate::{sanitize, secrets};
use session::Session;

/// Carries out a command.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Check(arguments) => check::run(&global, &arguments)?,
        Command::Add(arguments) => add::run(&global, &arguments)?,
        Command::Lock(arguments) => lock::run(&global, &arguments)?,
        Command::Update(arguments) => update::run(&mut Session::open(&global)?, &arguments)?,
        Command::Outdated(arguments) => outdated::run(&Session::open(&global)?, &arguments)?,
        Command::Fetch(arguments) => fetch::run(&mut Session::open(&global)?, &arguments)?,
        Command::Build(arguments) if arguments.dry_run => dry_run::run(&Session::look(&global)?, &arguments)?,
        Command::Build(arguments) => build::run(&mut Session::open(&global)?, &arguments)?,
        Command::Publish(arguments) => publish::run(&mut Session::open(&global)?, &arguments)?,
        Command::Run(arguments) => return run::run(&global, &arguments),
        Command::Cache(arguments) => cache::run(&global, &arguments.command)?,
        Command::Doctor(_) => doctor::run(&global)?,
        Command::Schema => schema::print()?,
        Command::Completions(arguments) => completions::print(arguments.shell)?,
    }
    Ok(Status::Done.into())
}

/// A failure of what was asked for, not of the work.
fn invalid(error: impl miette::Diagnostic + Send + Sync + 'static) -> Failure {
    Failure::new(Status::Invalid, error)
}

/// The failure of a command whose answer, on standard output, is no: there is no error to show.
fn no() -> Failure {
    Failure { reports: Vec::new(), status: Status::Failed }
}

/// Writes results. Control characters and the like are removed, or in JSON escaped, so that they are safe for a
/// terminal. A reader that has gone away, as `head` does, is no failure; a full disk is one.
fn print(text: &str) -> Result<(), FileError> {
    let text = secrets::strike_out(text);
    let text = if text.starts_with(['{', '[']) { sanitize::json(&text) } else { sanitize::composed(&text) };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(FileError::new("write to", Path::new("standard output"), error))
        }
        _ => Ok(()),
    }
}
