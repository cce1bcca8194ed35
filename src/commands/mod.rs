//! One file for each command: options in, results on standard output, errors as a [`Failure`].

mod build;
mod completions;
mod destination;
mod fetch;
mod lock;
mod overrides;
mod publish;
mod run;
mod schema;
mod session;

use std::io::Write;
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::diagnostic::{Failure, Status};
use session::Session;

/// Does what was asked.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let open = |verbose: bool| {
        let global = crate::cli::Global { verbose: global.verbose || verbose, ..global.clone() };
        Session::open(&global)
    };
    match command {
        Command::Lock(arguments) => lock::run(&mut open(arguments.verbose.verbose)?)?,
        Command::Fetch(arguments) => fetch::run(&mut open(arguments.verbose.verbose)?, &arguments)?,
        Command::Build(arguments) => build::run(&mut open(arguments.verbose.verbose)?, &arguments)?,
        Command::Publish(arguments) => publish::run(&mut open(arguments.verbose.verbose)?, &arguments)?,
        Command::Run(arguments) => return run::run(&global, &arguments),
        Command::Schema => schema::print(),
        Command::Completions(arguments) => completions::print(arguments.shell),
    }
    Ok(Status::Done.into())
}

/// A failure of what was asked for, not of the work.
fn invalid(error: impl miette::Diagnostic + Send + Sync + 'static) -> Failure {
    Failure::new(Status::Invalid, error)
}

/// Writes results. A reader that has gone away, as `head` does, is no failure.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
