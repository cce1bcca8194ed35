//! Other values for `[vars]`: `--var NAME=VALUE`, and `OCI_VAR_NAME` in the environment.

use crate::cli::Global;
use crate::diagnostic::{Failure, Status};
use crate::manifest::{Manifest, Overrides};
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

/// What the command line and the environment say.
pub(super) fn overrides(global: &Global) -> Result<Overrides, Failure> {
    let mut overrides = Overrides::default();
    for written in &global.variables {
        let Some((name, value)) = written.split_once('=').filter(|(name, _)| !name.is_empty()) else {
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

/// Every `--var` names one that there is. The environment may speak to other projects too.
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
