//! `oci` builds, runs and publishes container images from a manifest, `oci.toml`, and a lockfile,
//! `oci.lock`, without a daemon and without a Dockerfile.
//!
//! The modules stand on floors, and use only what is below them: see `docs/architecture.md`.

#[cfg(test)]
mod as_root;
mod bases;
mod capture;
mod cli;
mod commands;
mod compress;
mod containers;
mod contents;
mod diagnostic;
mod executor;
mod fs;
mod image;
mod layer;
mod layout;
mod lock;
mod manifest;
mod model;
#[cfg(test)]
mod mutation;
mod pack;
mod parallel;
mod plan;
mod printed;
mod problem;
mod process;
mod prune;
mod report;
mod resolve;
mod sandbox;
mod sanitize;
mod secrets;
mod source;
mod store;
mod suggest;
mod tar;
mod targets;
mod tools;
mod turns;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use diagnostic::Format;

/// The whole program. Started by itself as the inside of a run, it is that, before any thread exists;
/// started by a shell that completes names, it is their list.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [first, task, ..] if first == sandbox::SUBCOMMAND => {
            ExitCode::from(u8::try_from(sandbox::main(Path::new(task))).unwrap_or(1))
        }
        [first, line @ ..] if first == commands::names::SUBCOMMAND => {
            commands::names::print(line);
            ExitCode::SUCCESS
        }
        _ => program(),
    }
}

/// Parses the command line, does what it says, and renders what went wrong.
fn program() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli.with_short_flags(),
        Err(error) => {
            let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
            return answer(&cli::explain(error, &arguments.collect::<Vec<_>>()));
        }
    };
    let colour = match cli.global.color {
        cli::When::Auto => None,
        cli::When::Always => Some(true),
        cli::When::Never => Some(false),
    };
    let format = Format::decide(cli.global.json, cli.global.verbose, colour);
    if let Err(error) = process::signal::install() {
        // Without it an interrupt ends the program at once, and later runs sweep up.
        eprintln!("warning: could not take care of signals: {error}");
    }
    let result = commands::dispatch(cli);
    if let Some(signal) = process::signal::pending().filter(|_| result.is_err()) {
        process::signal::die_of(signal);
    }
    result.unwrap_or_else(|failure| {
        diagnostic::render(&failure.reports, format);
        failure.status.into()
    })
}

/// Shows what clap has to say of the command line: its help, the version, or a fault. Where the words of a fault may be
/// ones that a terminal obeys, since an argument or a variable has such characters, they are shown without them, and
/// without colours.
fn answer(error: &clap::Error) -> ExitCode {
    let variables = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"OCI_"));
    let words = std::env::args_os().skip(1).chain(variables.map(|(_, value)| value));
    let is_foreign = words.into_iter().any(|word| word.to_string_lossy().contains(sanitize::is_hidden));
    match error.use_stderr() && is_foreign {
        true => eprint!("{}", sanitize::composed(&error.render().to_string())),
        // Nothing can be said to a closed terminal.
        false => drop(error.print()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
