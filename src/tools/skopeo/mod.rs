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
//! What is read comes from a registry's mirrors first ([`source`]). A document is asked for in process, and
//! of skopeo only if that comes to nothing plain ([`shortcut`]). Calls that fail for a
//! reason that may pass are made again ([`retry`]).
//!
//! What skopeo says is used for explanations only. What it did is read from what it made: bytes that we
//! hash ourselves, files, and the digest file. Passwords never stand in an argument, where every user of
//! the machine could read them: skopeo finds them in the files and helpers that the person configured.

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
/// For a question that is answered with a few kilobytes.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);
/// For a copy in which nothing moves. Some registries are silent for minutes while they take in a large
/// layer that was pushed.
const STALL_LIMIT: Duration = Duration::from_secs(3 * 60);

/// Where the wrapper keeps what is its own, in absolute paths, and what is known about registries.
pub(crate) struct Settings {
    /// What skopeo remembers from run to run: which blobs are where, so that pushes can mount them.
    pub(crate) cache: PathBuf,
    /// The whole output of calls that failed.
    pub(crate) logs: PathBuf,
    /// How registries are to be talked to, by `host[:port]`; of others nothing special is known.
    pub(crate) registries: BTreeMap<String, Access>,
    /// How long a registry may be silent, if it is not for this program to say.
    pub(crate) timeout: Option<Duration>,
    /// Asked first, where what it answers needs no skopeo.
    pub(crate) shortcut: Option<Client>,
    /// Told of every call that is about to be made again.
    pub(crate) on_retry: OnRetry,
    /// Told of every mirror that did not help.
    pub(crate) on_mirror: OnMirror,
}

impl Access {
    /// The flags that say so; `side` is empty, or `src-` or `dest-` for the two ends of a copy.
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

/// The tool. Any number of threads may use it at once.
pub(crate) struct Skopeo {
    program: PathBuf,
    settings: Settings,
    version: OnceLock<Version>,
    patience: Patience,
    /// Those that do not work, and why.
    lost_mirrors: Mutex<BTreeMap<RegistryMirror, String>>,
}

impl Skopeo {
    /// The program by name or path. Nothing runs yet.
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

    /// skopeo, to be shown. A trust policy of the machine's does not apply: digests are pinned, and
    /// [`Skopeo::verify`] asks about them once, if the project has a policy.
    fn command(&self) -> Invocation {
        Invocation::new(&self.program).argument("--insecure-policy")
    }

    /// The same, to be run.
    fn prepared(&self, command: Invocation) -> Result<Invocation, ToolError> {
        let named = self.settings.registries.values().filter_map(|access| access.credentials.as_deref());
        refuse_endless(named)?;
        Ok(environment::for_registries(command, &self.settings.cache)?)
    }

    /// Runs it, and again if what went wrong may pass.
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

    /// Runs it; a flag that it does not know means that it is too old.
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
