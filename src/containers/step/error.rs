//! Why a step made no layer.

use std::io;
use std::path::PathBuf;

use crate::bases::BaseError;
use crate::containers::rootfs::RootfsError;
use crate::containers::unstarted::Unstarted;
use crate::contents::BaseLayerError;
use crate::fs::FileError;
use crate::fs::host::LeavesProject;
use crate::image::ImageError;
use crate::manifest::Step;
use crate::printed::{Heard, OutputEnd, signal};
use crate::process::ProcessError;
use crate::sandbox::Refusal;
use crate::sanitize;
use crate::source::At;

/// A step that failed, or could not be started.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum StepError {
    #[error("the step ended with exit status {status}{}", signal(*status))]
    #[diagnostic(code(oci::step::failed))]
    Failed {
        status: i32,
        #[source]
        output: Option<OutputEnd>,
        #[help]
        help: Option<String>,
    },
    #[error("there is no `{}` in the image to run the step's text", sanitize::name(shell))]
    #[diagnostic(
        code(oci::step::no_shell),
        help(
            "name a program of the image and its arguments, `run = [\"/app\", \"init\"]`, which needs no shell; or another `shell`"
        )
    )]
    NoShell { shell: String },
    #[error("the secret `{name}` has no value")]
    #[diagnostic(
        code(oci::step::no_secret),
        help("set it in the environment: `export {name}=…`; with `optional = true` the step runs without it")
    )]
    NoVariable { name: String },
    #[error("there is no file `{path}`, which is a secret of the step")]
    #[diagnostic(
        code(oci::step::no_secret),
        help(
            "put it there: paths are relative to the folder of oci.toml, and `~/` is the home folder; with \
             `optional = true` the step runs without it"
        )
    )]
    NoFile { path: String },
    #[error("could not read the secret `{path}`")]
    #[diagnostic(code(oci::step::secret_file), help("it has to be a regular file that this user may read"))]
    SecretFile { path: String, source: io::Error },
    #[error("the secret `{path}` has more than {limit} bytes")]
    #[diagnostic(code(oci::step::large_secret), help("secrets are kept in memory: mount what is large with `mounts`"))]
    LargeSecret { path: String, limit: u64 },
    #[error("could not read `{path}`, which the step mounts")]
    #[diagnostic(code(oci::step::mount), help("paths are relative to the folder of oci.toml"))]
    Mount { path: String, source: io::Error },
    #[error("the files that the step stands on were changed again while it ran, and its result is thrown away")]
    #[diagnostic(
        code(oci::step::changed_tree),
        help("another program writes below `{}`, where nobody should: find it, then run the command again", folder.display())
    )]
    ChangedTree { folder: PathBuf },
    #[error(transparent)]
    #[diagnostic(code(oci::step::link_leaves), help("mount the path that it leads to"))]
    MountLeaves(LeavesProject),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Variable(#[from] ImageError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Base(Box<At<BaseError>>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unstarted(#[from] Unstarted),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rootfs(#[from] RootfsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] BaseLayerError),
    #[error("interrupted")]
    #[diagnostic(code(oci::tools::interrupted))]
    Interrupted,
}

impl StepError {
    /// A step that was not started.
    pub(super) fn refused(refusal: Refusal, step: &Step) -> Self {
        match refusal {
            Refusal::NotFound { program, .. } if step.is_text => Self::NoShell { shell: program },
            refusal => Self::Unstarted(refusal.into()),
        }
    }

    pub(super) fn failed(status: i32, heard: Heard, network_host: bool) -> Self {
        let help = (heard.misses_network && !network_host).then(|| {
            "it seems to have needed the network, which steps do not have by default: give it `network = \"host\"`"
                .to_owned()
        });
        Self::Failed { status, output: heard.into_cause(), help }
    }
}

impl From<ProcessError> for StepError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Interrupted => Self::Interrupted,
            error => Self::Unstarted(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;

    #[test]
    fn how_it_is_told() {
        let heard = |misses_network, log: Option<&str>| Heard {
            last: vec!["cc: not found".to_owned(), "make: *** [all] Error 127".to_owned()],
            misses_network,
            log: log.map(PathBuf::from),
        };
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let errors = [
            StepError::failed(2, heard(false, Some("/cache/logs/step.log")), false),
            StepError::failed(137, heard(true, None), false),
            StepError::failed(1, heard(true, None), true),
            StepError::failed(1, Heard::default(), false),
            StepError::NoShell { shell: "/bin/sh".to_owned() },
            StepError::NoVariable { name: "TOKEN".to_owned() },
            StepError::NoFile { path: "~/.npmrc".to_owned() },
            StepError::SecretFile { path: "~/.npmrc".to_owned(), source: denied() },
            StepError::LargeSecret { path: "big".to_owned(), limit: 1 << 20 },
            StepError::Mount { path: "vendor".to_owned(), source: denied() },
            StepError::MountLeaves(LeavesProject { link: "vendor".to_owned(), target: "/opt/vendor".to_owned() }),
            StepError::ChangedTree { folder: PathBuf::from("/cache/rootfs/layer-c0ffee-host") },
        ];
        let text: Vec<String> = errors.iter().map(|error| rendered(error)).collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
