//! Why a container was not started. The helper finds out, and its parent shows it; a file carries it between them.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::capture::CaptureError;
use crate::sanitize;
use crate::tools::program::Absence;

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, miette::Diagnostic)]
pub(crate) enum Refusal {
    #[error("there is no {kind} `{name}` in the image")]
    #[diagnostic(
        code(oci::run::unknown_user),
        help("name one that its /etc/passwd and /etc/group have, or give numbers, such as `1000:1000`")
    )]
    UnknownUser { kind: String, name: String },
    #[error("`{text}` is no user")]
    #[diagnostic(code(oci::run::invalid_user), help("write `USER`, `UID`, `USER:GROUP` or `UID:GID`"))]
    InvalidUser { text: String },
    #[error("the container's user {user}:{group} stands for no ID of this machine")]
    #[diagnostic(
        code(oci::run::unmapped_user),
        help(
            "install the package `uidmap` and have `usermod --add-subuids 100000-165535 --add-subgids \
             100000-165535 USER` give this user some, or run it as the container's root: `--user 0`, in a step `user = \"0\"`"
        )
    )]
    UnmappedUser { user: u32, group: u32 },
    #[error("could not find `{program}` in the image{}", searched(path.as_deref()))]
    #[diagnostic(code(oci::run::not_found), help("check the spelling and `PATH`, or give its path in the image"))]
    NotFound { program: String, path: Option<String> },
    #[error("`{program}` needs `{interpreter}`, which the image does not have")]
    #[diagnostic(
        code(oci::run::no_interpreter),
        help("take a base that has it, or link the program statically (for Rust: a `musl` target)")
    )]
    NoInterpreter { program: String, interpreter: String },
    #[error(
        "`{script}` has the line ends of Windows: its first line asks for `{wanted}` with a carriage return behind it"
    )]
    #[diagnostic(
        code(oci::run::line_ends),
        help(
            "give its lines the ends of Unix: `sed -i 's/\\r$//' FILE`; with `*.sh text eol=lf` in .gitattributes git \
             checks them out so everywhere"
        )
    )]
    LineEnds { script: String, wanted: String },
    #[error("`{program}` is not executable: {reason}")]
    #[diagnostic(code(oci::run::not_executable))]
    NotExecutable { program: String, reason: String },
    #[error("`{program}` is a program for {machine}, which this machine cannot execute")]
    #[diagnostic(
        code(oci::run::foreign_program),
        help("install an emulator: `apt install qemu-user-static binfmt-support`; or take a build for this platform")
    )]
    Foreign { program: String, machine: String },
    #[error("could not mount an overlay on the image's root filesystem")]
    #[diagnostic(
        code(oci::run::no_overlay),
        help(
            "overlays need Linux 5.11 for an ordinary user, and a cache that is on no overlay itself: \
             set `dir` in `[cache]` to a folder on a disk or a volume"
        )
    )]
    Overlay {
        #[source]
        cause: SystemError,
    },
    #[error("could not copy the image's root filesystem")]
    #[diagnostic(
        code(oci::run::no_copy),
        help(
            "without overlays every run and step copies the image; have room for that, or set `dir` in `[cache]` to \
             a folder where overlays can be mounted: `oci doctor` tells"
        )
    )]
    Copy {
        #[source]
        cause: SystemError,
    },
    #[error("could not mount {what} on `{target}` of the image: {there}")]
    #[diagnostic(
        code(oci::run::mount_place),
        help("give it another place: folders are mounted on folders, files on files, and what is not there is made")
    )]
    Unfit { what: String, target: String, there: String },
    #[error("{what} `{path}` of `{image}` leads to `{to}`, which may be outside of the container")]
    #[diagnostic(
        code(oci::run::leads_out),
        help(
            "open files of this machine may be there while a container starts: name another, with `--workdir` or \
             `--entrypoint`, or in oci.toml"
        )
    )]
    Beyond { what: String, path: String, image: String, to: String },
    #[error("could not {verb} `{path}`")]
    #[diagnostic(code(oci::run::failed))]
    Failed {
        verb: String,
        path: String,
        #[source]
        cause: SystemError,
    },
    #[error("`runc` is needed to run an image, and {}", Absence::of("runc", Path::new(program)).state())]
    #[diagnostic(code(oci::tools::missing), help("{}", Absence::of("runc", Path::new(program)).advice("install it")))]
    NoRuntime { program: String },
    #[error("the container runtime failed: {}", sanitize::name(message))]
    #[diagnostic(code(oci::run::runtime))]
    Runtime { message: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Capture(#[from] CaptureError),
    #[error("interrupted")]
    #[diagnostic(code(oci::run::interrupted))]
    Interrupted,
}

/// The words of an error of the system, which can be written to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SystemError(String);

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Refusal {
    /// A path that leads to where the magic links of a container's own folders are; `to` is that place in the
    /// container.
    pub(super) fn beyond(what: &str, path: &Path, to: &Path, image: &str) -> Self {
        let shown = |path: &Path| sanitize::name(&path.to_string_lossy());
        Self::Beyond { what: what.to_owned(), path: shown(path), image: sanitize::name(image), to: shown(to) }
    }

    pub(super) fn failed(verb: &str, path: &Path, error: io::Error) -> Self {
        Self::Failed { verb: verb.to_owned(), path: sanitize::name(&path.to_string_lossy()), cause: error.into() }
    }
}

fn searched(path: Option<&str>) -> String {
    path.map(|path| format!(" (PATH is `{}`)", sanitize::name(path))).unwrap_or_default()
}

/// Says what was tried, and with what.
pub(super) trait Attempt<T> {
    fn attempt(self, verb: &str, path: impl AsRef<Path>) -> Result<T, Refusal>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, verb: &str, path: impl AsRef<Path>) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::failed(verb, path.as_ref(), error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;

    #[test]
    fn how_a_path_that_leads_out_is_told() {
        let [what, path, image, to] = ["the working folder", "/to-fd", "app", "/proc/self/fd/7"].map(str::to_owned);
        insta::assert_snapshot!(rendered(&Refusal::Beyond { what, path, image, to }));
    }
}
