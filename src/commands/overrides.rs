//! Collects what changes a manifest: `--var NAME=VALUE`, `OCI_VAR_NAME` in the environment, and the user's own
//! settings, `oci/config.toml` in the folder for configuration.

use std::path::{Path, PathBuf};

use crate::cli::Global;
use crate::diagnostic::{Failure, Status};
use crate::manifest::{Manifest, Overrides, UserSettings};
use crate::model::Environment;
use crate::source::Source;
use crate::suggest;

/// A `--var` that changes nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum VariableError {
    #[error("`{written}` gives no variable a value")]
    #[diagnostic(code(oci::cli::bad_var), help("write `--var NAME=VALUE`"))]
    Form { written: String },
    #[error("there is no variable `{name}` in `{manifest}`")]
    #[diagnostic(code(oci::cli::unknown_var))]
    Unknown {
        name: String,
        manifest: String,
        #[help]
        help: Option<String>,
    },
}

const PREFIX: &str = "OCI_VAR_";

/// Values from the command line, the environment and the user's settings.
pub(super) fn read(global: &Global) -> Result<Overrides, Failure> {
    let mut overrides = Overrides { user: user()?, ..Overrides::default() };
    for written in &global.variables {
        let Some((name, value)) = Environment::split(written) else {
            return Err(Failure::new(Status::Invalid, VariableError::Form { written: written.clone() }));
        };
        overrides.command_line.insert(name.to_owned(), value.to_owned());
    }
    for (name, value) in std::env::vars_os() {
        if let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) {
            overrides.environment.insert(name.to_owned(), value.to_string_lossy().into_owned());
        }
    }
    Ok(overrides)
}

/// The user's own settings. Returns `None` if there is no such file.
fn user() -> Result<UserSettings, Failure> {
    let Some(path) = user_file() else { return Ok(UserSettings::default()) };
    let source = match Source::read(&path, &path.display().to_string()) {
        Ok(source) => source,
        Err(error) if error.is_not_found() => return Ok(UserSettings::default()),
        Err(error) => return Err(Failure::new(Status::Invalid, error)),
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    UserSettings::parse(&source, folder).map_err(|problems| {
        let failures = problems.into_iter().map(|problem| Failure::new(Status::Invalid, problem));
        Failure::all(failures).unwrap_or(Failure { reports: Vec::new(), status: Status::Invalid })
    })
}

/// Follows the XDG base directory specification: a path that is not absolute is ignored.
fn user_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("oci/config.toml"))
}

/// Checks that every `--var` names a variable of the manifest. Variables of the environment may be for other projects.
pub(super) fn check(overrides: &Overrides, manifest: &Manifest) -> Result<(), Failure> {
    let unknown = overrides.command_line.keys().filter(|name| !manifest.variables.contains_key(*name));
    let failures = unknown.map(|name| {
        let known = manifest.variables.keys().map(String::as_str);
        let help = suggest::help("the variables are", name, known)
            .unwrap_or_else(|| format!("declare it: `[vars]` with `{name} = \"…\"`"));
        let error = VariableError::Unknown {
            name: name.clone(),
            manifest: manifest.source.name().to_owned(),
            help: Some(help),
        };
        Failure::new(Status::Invalid, error)
    });
    Failure::all(failures).map_or(Ok(()), Err)
}
