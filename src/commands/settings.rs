//! Finds settings in the command line, the environment, the manifest and the user's own settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::access;
use crate::cli::{Global, HowProgress};
use crate::containers::machine::Machine;
use crate::diagnostic::{Failure, Status};
use crate::manifest::Tools;
use crate::manifest::{self, Cache, CacheFolder, Manifest};
use crate::model::Platform;
use crate::process::on_path;
use crate::report::{self, Progress, Reporter, Verbosity};
use crate::source::At;
use crate::store::{OpenError, Store};
use crate::tools::registry::Client;
use crate::tools::skopeo::{OnMirror, OnRetry, Settings, Skopeo};

/// Why a value of the command line or the environment is refused.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum UsageError {
    #[error("`SOURCE_DATE_EPOCH` is `{value}`, which is no number of seconds since 1970")]
    #[diagnostic(code(oci::cli::bad_epoch), help("unset it, or set `source-date-epoch` under `[project]`"))]
    Epoch { value: String },
    #[error("`{written}` is no platform")]
    #[diagnostic(code(oci::cli::bad_platform), help("write it as `linux/amd64` or `linux/arm/v7`"))]
    Platform { written: String, source: crate::model::platform::PlatformError },
}

/// The reporter that shows progress, as the options say.
pub(super) fn reporter(global: &Global) -> Arc<dyn Reporter> {
    report::reporter(verbosity(global), progress(global))
}

/// skopeo, with the settings of all of these.
pub(super) fn skopeo(
    global: &Global,
    manifest: &Manifest,
    store: &Store,
    reporter: &Arc<dyn Reporter>,
) -> Result<Skopeo, Failure> {
    let timeout = global.network_timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let registries = access::of_registries(manifest)?;
    let insecure = registries.iter().filter(|(_, access)| access.insecure && !access.withholds_credentials);
    let insecure = insecure.map(|(registry, _)| registry.clone()).collect();
    let settings = Settings {
        cache: store.tool_state(),
        logs: store.logs(),
        registries,
        timeout,
        shortcut: Some(Client::new(timeout, insecure)),
        on_retry: on_retry(Arc::clone(reporter)),
        on_mirror: on_mirror(Arc::clone(reporter)),
    };
    Ok(Skopeo::new(&tool("OCI_SKOPEO", manifest.tools.skopeo.as_deref(), "skopeo"), settings))
}

pub(super) fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    }
}

/// With `--json`, progress is shown as lines.
fn progress(global: &Global) -> Progress {
    match global.progress {
        HowProgress::Auto if !global.json => Progress::Auto,
        HowProgress::Auto | HowProgress::Plain => Progress::Lines,
        HowProgress::None => Progress::Nothing,
    }
}

/// Notes that something failed and is tried again.
fn on_retry(reporter: Arc<dyn Reporter>) -> OnRetry {
    Box::new(move |retry| reporter.note(&retry.to_string()))
}

/// Notes that a mirror did not help. That a mirror lacks an image is shown with `-v` only.
fn on_mirror(reporter: Arc<dyn Reporter>) -> OnMirror {
    Box::new(move |passed_over| match passed_over.is_normal() {
        true => reporter.detail(&passed_over.to_string()),
        false => reporter.note(&passed_over.to_string()),
    })
}

/// The program of a tool: from its variable, otherwise from the manifest or the user's settings, otherwise its plain
/// name.
pub(super) fn tool(variable: &str, written: Option<&Path>, name: &str) -> PathBuf {
    let from_environment = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    from_environment.or_else(|| written.map(Path::to_owned)).unwrap_or_else(|| name.into())
}

/// The programs that containers need, as the user and the manifest name them. They are not looked for yet.
pub(super) fn machine(tools: Option<&Tools>, store: &Store) -> Machine {
    let written = |path: fn(&Tools) -> Option<&Path>| tools.and_then(path);
    let umoci = tool("OCI_UMOCI", written(|tools| tools.umoci.as_deref()), "umoci");
    Machine::new(umoci, runtime(written(|tools| tools.runc.as_deref())), store.logs())
}

/// The program for runc: crun, if only that is installed and nothing names one.
pub(super) fn runtime(written: Option<&Path>) -> PathBuf {
    let runc = tool("OCI_RUNC", written, "runc");
    let crun = Path::new("crun");
    if runc == Path::new("runc") && on_path(&runc).is_none() && on_path(crun).is_some() {
        crun.to_owned()
    } else {
        runc
    }
}

/// How many threads work, at most.
pub(super) fn workers(global: &Global) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    global.jobs.map_or(processors, usize::from)
}

/// Why the folder in `OCI_CACHE_DIR` cannot be the cache folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`OCI_CACHE_DIR` names no folder that can be used")]
#[diagnostic(code(oci::store::bad_variable))]
struct VariableError {
    source: OpenError,
    #[help]
    help: Option<String>,
}

/// A project's own setting that leads out of the project.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the cache folder that a project names has to lie in the project; `{}` does not", path.display())]
#[diagnostic(
    code(oci::store::outside_project),
    help(
        "which folder of this machine is used, its user says: set `OCI_CACHE_DIR`, or `[cache] dir` in `~/.config/oci/config.toml`"
    )
)]
struct OutsideError {
    path: PathBuf,
}

/// The cache folder of the environment, of the manifest or the user, or the usual place. Returns an error if the
/// manifest of a project names a folder outside the project: a checkout decides about nothing else.
pub(super) fn cache_folder(cache: &Cache) -> Result<PathBuf, Failure> {
    match (&cache.folder, Store::named_root()) {
        (Some(CacheFolder { path, project }), None) => {
            if let Some(project) = project
                && !crate::fs::lies_in(path, project)
            {
                let error = OutsideError { path: path.value.clone() };
                return Err(super::invalid(At::new(error, &path.place, "")));
            }
            Ok(path.value.clone())
        }
        _ => Ok(Store::default_root()?),
    }
}

/// The store in the cache folder, which is made if it is missing.
pub(super) fn open_cache(cache: &Cache) -> Result<Store, Failure> {
    blame(cache, Store::open(&cache_folder(cache)?))
}

/// The store in the cache folder, only to look at it.
pub(super) fn look_into_cache(cache: &Cache) -> Result<Store, Failure> {
    blame(cache, Store::look(&cache_folder(cache)?))
}

/// Adds to an error about the cache folder where its path was set.
fn blame(cache: &Cache, opened: Result<Store, OpenError>) -> Result<Store, Failure> {
    opened.map_err(|error| match (&cache.folder, Store::named_root()) {
        (_, Some(_)) if error.is_about_what_is_there() => {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
            VariableError { source: error, help }.into()
        }
        (Some(folder), None) => At::new(error, &folder.path.place, "").into(),
        _ => error.into(),
    })
}

pub(super) fn epoch(manifest: &Manifest) -> Result<i64, UsageError> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(manifest.project.epoch.unwrap_or(0));
    };
    if let Some(epoch) = manifest.project.epoch {
        return Ok(epoch);
    }
    let value = value.to_string_lossy().into_owned();
    let parsed = value.parse().ok().filter(|epoch| (0..=manifest::LAST_EPOCH).contains(epoch));
    parsed.ok_or(UsageError::Epoch { value })
}

/// The platforms that were named.
pub(super) fn platforms(written: &[String]) -> Result<Vec<Platform>, Failure> {
    let parsed = written.iter().map(|written| {
        Platform::parse(written)
            .map_err(|source| Failure::new(Status::Invalid, UsageError::Platform { written: written.clone(), source }))
    });
    parsed.collect()
}
