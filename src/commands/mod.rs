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

use crate::cli::{Cli, Command, Global, Verbose};
use crate::diagnostic::{Failure, Status};
use crate::fs::FileError;
use crate::{sanitize, secrets};
use session::Session;

/// Does what was asked.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let with = |verbose: Verbose| Global { verbose: global.verbose || verbose.verbose, ..global.clone() };
    let open = |verbose: Verbose| Session::open(&with(verbose));
    match command {
        Command::Check(arguments) => check::run(&with(arguments.verbose), &arguments)?,
        Command::Add(arguments) => add::run(&with(arguments.verbose), &arguments)?,
        Command::Lock(arguments) => lock::run(&with(arguments.verbose), &arguments)?,
        Command::Update(arguments) => update::run(&mut open(arguments.verbose)?, &arguments)?,
        Command::Outdated(arguments) => outdated::run(&open(arguments.verbose)?, &arguments)?,
        Command::Fetch(arguments) => fetch::run(&mut open(arguments.verbose)?, &arguments)?,
        Command::Build(arguments) if arguments.dry_run => {
            dry_run::run(&Session::look(&with(arguments.verbose))?, &arguments)?;
        }
        Command::Build(arguments) => build::run(&mut open(arguments.verbose)?, &arguments)?,
        Command::Publish(arguments) => publish::run(&mut open(arguments.verbose)?, &arguments)?,
        Command::Run(arguments) => return run::run(&global, &arguments),
        Command::Cache(arguments) => cache::run(&with(arguments.command.verbose()), &arguments.command)?,
        Command::Doctor(arguments) => doctor::run(&with(arguments.verbose))?,
        Command::Schema => schema::print()?,
        Command::Completions(arguments) => completions::print(arguments.shell)?,
    }
    Ok(Status::Done.into())
}

/// A failure of what was asked for, not of the work.
fn invalid(error: impl miette::Diagnostic + Send + Sync + 'static) -> Failure {
    Failure::new(Status::Invalid, error)
}

/// An answer on standard output that says no: nothing more is to be told.
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
