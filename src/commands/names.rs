//! `oci __names LINE…` prints the names that fit at a shell's cursor. The scripts of
//! [`completions`](super::completions) call it with the words of the line before the cursor.
//!
//! No registry is asked and nothing is written. If no name fits, nothing is printed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, CommandFactory};

use crate::cli::Cli;
use crate::manifest::{self, Outline};
use crate::source::Source;

/// The name of the command in the scripts. It is no command of [`Cli`], whose scripts would offer it.
pub(crate) const SUBCOMMAND: &str = "__names";

/// The commands that take names of the manifest.
pub(super) const COMMANDS: &[&str] = &["build", "fetch", "publish", "run", "update"];

/// Prints a name on each line. `line` begins with the program.
pub(crate) fn print(line: &[OsString]) {
    let names = fitting(line).unwrap_or_default();
    // The shell may have closed the pipe.
    let _ = super::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
}

fn fitting(line: &[OsString]) -> Option<Vec<String>> {
    // The line is unfinished, so most of its errors mean nothing.
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let (command, arguments) = matches.subcommand()?;
    if !COMMANDS.contains(&command) || (command == "run" && given(arguments, "name").next().is_some()) {
        return None;
    }
    let written: Vec<&String> = given(arguments, "names").collect();
    let mut names = of_command(command, outline(arguments)?);
    names.retain(|name| !written.contains(&name));
    Some(names)
}

/// The values of a positional argument, if the command has it.
fn given<'a>(arguments: &'a ArgMatches, id: &str) -> impl Iterator<Item = &'a String> {
    arguments.try_get_many::<String>(id).ok().flatten().into_iter().flatten()
}

fn outline(arguments: &ArgMatches) -> Option<Outline> {
    let path = |id: &str| arguments.try_get_one::<PathBuf>(id).ok().flatten();
    let here = std::env::current_dir().ok()?.join(path("folder").map_or(Path::new(""), PathBuf::as_path));
    let named = path("manifest_path").map(|path| here.join(path));
    let manifest = manifest::discover(named.as_deref(), &here).ok()?;
    Some(Outline::read(&Source::read(&manifest, manifest::MANIFEST_NAME).ok()?))
}

/// The names that a command takes, the likeliest first.
fn of_command(command: &str, outline: Outline) -> Vec<String> {
    let Outline { builds, stages, families, pins } = outline;
    match command {
        "build" => [builds, stages].concat(),
        "publish" => builds,
        "update" => [families, pins].concat(),
        _ => [builds, stages, pins].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "[build.web]\n[build.api]\n[stage.venv]\n[base.debian]\n[base.python.variants]\nslim = \"3\"\n";

    fn complete(folder: &Path, line: &str) -> Vec<String> {
        let line = line.replace("DIR", &folder.display().to_string());
        let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        fitting(&line).unwrap_or_default()
    }

    #[test]
    fn each_command_has_names_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("oci.toml"), MANIFEST).unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        for (line, names) in [
            ("oci -C DIR build", "api web venv"),
            ("oci build -C DIR", "api web venv"),
            ("oci build -C DIR/below", "api web venv"),
            ("oci --manifest-path DIR/oci.toml build", "api web venv"),
            ("oci -C DIR --manifest-path oci.toml build", "api web venv"),
            ("oci -C DIR build web --no-cache", "api venv"),
            ("oci -C DIR build --nonsense", "api web venv"),
            ("oci -C DIR build --jobs many", "api web venv"),
            ("oci -C DIR publish", "api web"),
            ("oci -C DIR run", "api web venv debian python#slim"),
            ("oci -C DIR run -e A=B --read-only", "api web venv debian python#slim"),
            ("oci -C DIR run web", ""),
            ("oci -C DIR run web -- a", ""),
            ("oci -C DIR fetch", "api web venv debian python#slim"),
            ("oci -C DIR update", "python debian python#slim"),
            ("oci -C DIR update python#slim", "python debian"),
            ("oci -C DIR lock", ""),
            ("oci -C DIR add", ""),
            ("oci -C DIR", ""),
            ("oci -C DIR build --help", ""),
            ("oci -C DIR/nowhere/at/all --manifest-path none build", ""),
            ("", ""),
        ] {
            assert_eq!(complete(folder.path(), line).join(" "), names, "{line}");
        }
    }

    #[test]
    fn the_commands_are_those_that_take_names() {
        let takes = |id: &str| id == "names" || id == "name";
        let command = Cli::command();
        let commands = command.get_subcommands().filter(|command| {
            command.get_name() != "add" && command.get_positionals().any(|argument| takes(argument.get_id().as_str()))
        });
        let mut commands: Vec<&str> = commands.map(clap::Command::get_name).collect();
        commands.sort_unstable();
        assert_eq!(commands, COMMANDS);
    }
}
