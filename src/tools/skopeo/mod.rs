//! skopeo: asks registries for manifests and configs, and moves blobs between registries and layouts.
//!
//! | method | skopeo | answers |
//! | --- | --- | --- |
//! | [`Skopeo::inspect_raw`] | `inspect --raw` | a manifest's or index's exact bytes |
//! | [`Skopeo::inspect_config`] | `inspect --config --raw` | an image's config |
//! | [`Skopeo::stands_for`] | nothing: in process, or not at all | that a tag is this digest |
//! | [`Skopeo::list_tags`] | `list-tags` | what a repository has |
//! | [`Skopeo::fetch`] | `copy docker:// oci:` | blobs in a private folder, to be verified and taken over |
//! | [`Skopeo::verify`] | `--policy` `copy docker:// oci:` | that a signature policy accepts an image |
//! | [`Skopeo::push`] | `copy oci: docker://` | the digest in the registry |
//! | [`Skopeo::mirror`] | `copy docker:// docker://` | the digest in the other registry |
//!
//! Manifests and layers are read from a registry's mirrors first ([`source`]). A document is asked for in process, and
//! of skopeo only if that gives no plain answer ([`shortcut`]). Calls that fail for a reason that may pass are made
//! again ([`retry`]).
//!
//! skopeo's words are used for explanations only. Results are read from what skopeo made: bytes that we hash ourselves,
//! files, and the digest file. Passwords never stand in an argument, where every user of the machine could read them:
//! skopeo finds them in the files and helpers that the person configured.

mod copy;
mod fetch;
mod inspect;
mod retry;
mod shortcut;
mod source;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../../tests/tools/skopeo/mod.rs"]
mod tools_tests;
mod verify;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::model::{RegistryMirror, Repository};
use crate::process::Invocation;
use crate::tools::error::ToolError;
use crate::tools::registry::{Client, refuse_endless};
use crate::tools::{Cause, Subject, ToolTask, Version, environment};

pub(crate) use crate::tools::registry::Access;
pub(crate) use copy::LayoutImage;
pub(crate) use fetch::Wanted;
pub(crate) use retry::OnRetry;
use retry::Patience;
pub(crate) use source::OnMirror;
pub(crate) use verify::SignaturePolicy;

const TOOL: &str = "skopeo";
/// The first version that has `copy --preserve-digests`.
const MINIMUM: Version = Version(1, 6, 0);
/// How long a question may take that is answered with a few kilobytes.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);
/// How long nothing may move in a copy. Some registries are silent for minutes while they take in a large layer.
const STALL_LIMIT: Duration = Duration::from_secs(3 * 60);

/// Where the wrapper keeps its own files, in absolute paths, and what is known about registries.
pub(crate) struct Settings {
    /// The folder in which skopeo remembers which blobs are where, so that pushes can mount them.
    pub(crate) cache: PathBuf,
    /// The folder for logs of calls that failed.
    pub(crate) logs: PathBuf,
    /// How registries are to be talked to, by `host[:port]`. Registries that are not listed have no special settings.
    pub(crate) registries: BTreeMap<String, Access>,
    /// How long a registry may be silent, unless its limit is fixed.
    pub(crate) timeout: Option<Duration>,
    /// The client that is asked first; if it has a plain answer, skopeo is not started.
    pub(crate) shortcut: Option<Client>,
    /// Is told of every call that is about to be made again.
    pub(crate) on_retry: OnRetry,
    /// Is told of every mirror that did not help.
    pub(crate) on_mirror: OnMirror,
}

impl Access {
    /// skopeo's flags for it; `side` is empty, or `src-` or `dest-` for the two ends of a copy.
    fn flags(&self, repository: &Repository, side: &str) -> Vec<OsString> {
        let mut flags = Vec::new();
        if self.insecure || repository.is_loopback() {
            flags.push(format!("--{side}tls-verify=false").into());
        }
        if self.anonymous {
            flags.push(format!("--{side}no-creds").into());
        }
        if let Some(folder) = &self.certificates {
            flags.extend([format!("--{side}cert-dir").into(), folder.into()]);
        }
        if let Some(file) = self.credentials.as_ref().filter(|_| !self.anonymous) {
            flags.extend([format!("--{side}authfile").into(), file.into()]);
        }
        flags
    }
}

/// The tool skopeo. Any number of threads may use it at once.
pub(crate) struct Skopeo {
    program: PathBuf,
    settings: Settings,
    version: OnceLock<Version>,
    patience: Patience,
    /// The mirrors that do not work, and why.
    lost_mirrors: Mutex<BTreeMap<RegistryMirror, String>>,
}

impl Skopeo {
    /// skopeo, by the name or path of its program. Nothing runs yet.
    pub(crate) fn new(program: &Path, settings: Settings) -> Self {
        Self {
            program: program.to_owned(),
            settings,
            version: OnceLock::new(),
            patience: Patience::default(),
            lost_mirrors: Mutex::default(),
        }
    }

    /// How this repository's registry is to be talked to.
    pub(crate) fn access(&self, repository: &Repository, anonymous: bool) -> Access {
        let known = self.settings.registries.get(repository.registry()).cloned().unwrap_or_default();
        let anonymous = anonymous || (known.withholds_credentials && !repository.is_loopback());
        Access { anonymous, ..known }
    }

    /// The version, read once.
    pub(crate) fn version(&self) -> Result<Version, ToolError> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let task = self.task("run", Subject::Other("skopeo --version".to_owned()));
        let invocation = Invocation::new(&self.program).argument("--version").limit(QUESTION_LIMIT);
        let printed = task.run(&invocation)?;
        let printed = String::from_utf8_lossy(&printed);
        let version = Version::parse(&printed).ok_or_else(|| {
            ToolError::untrue(&task, &invocation, Cause::Failed, format!("it printed {:?}", printed.trim()))
        })?;
        Ok(*self.version.get_or_init(|| version))
    }

    fn task(&self, stage: &'static str, subject: Subject) -> ToolTask<'_> {
        ToolTask { tool: TOOL, stage, subject, logs: &self.settings.logs }
    }

    /// The start of a command line, to be shown. The machine's trust policy does not apply: digests are pinned, and
    /// [`Skopeo::verify`] asks about them once, if the project has a policy.
    fn command(&self) -> Invocation {
        Invocation::new(&self.program).argument("--insecure-policy")
    }

    /// The start of a command line, to be run.
    fn prepared(&self, command: Invocation) -> Result<Invocation, ToolError> {
        let named = self.settings.registries.values().filter_map(|access| access.credentials.as_deref());
        refuse_endless(named)?;
        Ok(environment::for_registries(command, &self.settings.cache)?)
    }

    /// Runs the command, and again if the fault may pass.
    fn run(&self, task: &ToolTask, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
        self.persist(task, invocation, || self.run_once(task, invocation))
    }

    /// Makes this call of the task until it succeeds, or fails for good.
    fn persist(
        &self,
        task: &ToolTask,
        invocation: &Invocation,
        call: impl FnMut() -> Result<Vec<u8>, ToolError>,
    ) -> Result<Vec<u8>, ToolError> {
        let registry = task.subject.registry().unwrap_or_default();
        let limit = (!invocation.is_unlimited()).then_some(retry::LIMIT);
        self.patience.persist(registry, limit, &self.settings.on_retry, call)
    }

    /// Runs the command. If skopeo does not know a flag, it is too old.
    fn run_once(&self, task: &ToolTask, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
        task.run(invocation).map_err(|error| match &error {
            ToolError::Tool(failure) if failure.said.as_ref().is_some_and(|said| said.contains("unknown flag: ")) => {
                match self.version() {
                    Ok(found) if found < MINIMUM => error.because(Cause::TooOld { found, minimum: MINIMUM }),
                    _ => error,
                }
            }
            _ => error,
        })
    }
}
