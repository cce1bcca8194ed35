//! Why a packaged target was not made.

use std::io;

use crate::fs::{FileError, LARGEST_TEXT};
use crate::layer::LayerError;
use crate::printed::{Heard, OutputEnd, signal};
use crate::process::ProcessError;
use crate::sanitize;
use crate::source::{At, Place};
use crate::store::LayoutFolderError;
use crate::tools::git::GitError;

/// A packaged target that was not made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum TargetError {
    #[error("the command ended with exit status {status}{}", signal(*status))]
    #[diagnostic(code(oci::target::failed))]
    Failed {
        status: i32,
        #[source]
        output: Option<OutputEnd>,
        #[help]
        help: Option<String>,
    },
    #[error("there is no program `{program}` on this machine")]
    #[diagnostic(code(oci::target::no_program))]
    NoProgram {
        program: String,
        #[help]
        help: String,
    },
    #[error("there is no folder `{folder}` for the command to start in")]
    #[diagnostic(code(oci::target::no_folder), help("`cwd` is relative to the folder of oci.toml"))]
    NoFolder { folder: String, source: ProcessError },
    #[error("the command was not started")]
    #[diagnostic(code(oci::target::not_started))]
    NotStarted { source: ProcessError },
    #[error("the secret `{name}` has no value")]
    #[diagnostic(
        code(oci::target::no_secret),
        help("set it in the environment: `export {name}=…`; with `optional = true` the command runs without it")
    )]
    NoVariable { name: String },
    #[error("what the command left holds the secret `{name}`")]
    #[diagnostic(
        code(oci::target::secret_in_output),
        help("have the command write it nowhere, or take the file that has it out of the output")
    )]
    SecretInOutput { name: String },
    #[error("`{{{name}}}` has no value here")]
    #[diagnostic(code(oci::target::no_git), help("it comes from the git repository that oci.toml is in"))]
    Git { name: String, source: GitError },
    #[error("there is no `{name}` in `{folder}`{}", if *above { ", nor above it" } else { "" })]
    #[diagnostic(code(oci::target::no_project))]
    NoProject {
        name: String,
        folder: String,
        /// It was looked for in the folders above, too.
        above: bool,
        #[help]
        help: String,
    },
    #[error("`{folder}` has no lockfile: there is no `{names}`")]
    #[diagnostic(code(oci::target::no_lockfile))]
    NoLockfile {
        names: String,
        folder: String,
        #[help]
        help: String,
    },
    #[error("`{main}` is no program")]
    #[diagnostic(
        code(oci::target::no_program_made),
        help("`go build` made none of it: name a folder with a `package main`")
    )]
    NoProgramMade { main: String },
    #[error("C code cannot be compiled for {platform} on this machine")]
    #[diagnostic(
        code(oci::target::cross_cgo),
        help("leave out `cgo = true`, or run `go build` in an image: a target with `in` and a `command`")
    )]
    CrossCgo { platform: String },
    #[error("Rust's standard library for {platform} is not installed")]
    #[diagnostic(code(oci::target::no_rust_target), help("run `rustup target add {triple}`"))]
    NoRustTarget { platform: String, triple: String },
    #[error("Rust compiles no programs for {platform}")]
    #[diagnostic(code(oci::target::no_triple), help("leave {platform} out of `platforms`"))]
    NoTriple { platform: String },
    #[error("it is not said which version of Python the wheels are for")]
    #[diagnostic(
        code(oci::target::no_python_version),
        help("add `version = \"3.12\"`, the Python of the base; or write it into `.python-version`")
    )]
    NoVersion,
    #[error("there are no wheels for {platform}")]
    #[diagnostic(code(oci::target::no_wheels), help("leave {platform} out of `platforms`"))]
    NoWheels { platform: String },
    #[error("the package `{name}` is a link to a folder, which no image has")]
    #[diagnostic(
        code(oci::target::linked_package),
        help("workspaces and `file:` dependencies are not packed yet: make this target with a `command`")
    )]
    LinkedPackage { name: String },
    #[error("Node is not made for {platform}")]
    #[diagnostic(code(oci::target::no_node), help("leave {platform} out of `platforms`"))]
    NoNode { platform: String },
    #[error("`{path}` is no jar that can be taken apart")]
    #[diagnostic(code(oci::target::not_a_jar), help("look at it with `unzip -t {path}`, and make it again"))]
    NotAJar { path: String, source: io::Error },
    #[error("the project has no script `{script}`")]
    #[diagnostic(code(oci::target::no_script), help("{}", scripts(known)))]
    NoScript { script: String, known: Vec<String> },
    #[error("`groups` and `extras` mean something with `uv.lock` alone")]
    #[diagnostic(
        code(oci::target::no_groups),
        help("run `uv lock`, or leave them out: the lockfile says what is installed")
    )]
    NoGroups,
    #[error("it is not said which program is meant")]
    #[diagnostic(code(oci::target::which))]
    Which {
        #[help]
        help: String,
    },
    #[error("there is no input `{path}`")]
    #[diagnostic(code(oci::target::no_input))]
    NoInput {
        path: String,
        #[help]
        help: String,
    },
    #[error("the input `{path}` changed while it was read")]
    #[diagnostic(
        code(oci::target::input_changed),
        help("if it decides nothing, such as a log, take it out of the inputs: `exclude = [\"{path}\"]`")
    )]
    InputChanged { path: String },
    #[error("no file matches this input")]
    #[diagnostic(
        code(oci::target::no_input),
        help("`*` does not cross `/`, `**` does; `exclude` and what the command makes are left out")
    )]
    NoMatch,
    #[error("the command ended well, and left no `{path}`")]
    #[diagnostic(code(oci::target::no_output))]
    NoOutput {
        path: String,
        #[help]
        help: Option<String>,
    },
    #[error("the files of the target could not be written")]
    #[diagnostic(code(oci::target::unwritten), help("look how much room the disk has"))]
    Unwritten { source: io::Error },
    #[error("{problem}")]
    #[diagnostic(
        code(oci::target::bad_input),
        help("take it out of the inputs: `exclude = [\"{path}\"]`; if it is a link, name what it leads to")
    )]
    BadInput { problem: String, path: String },
    #[error("{problem}")]
    #[diagnostic(
        code(oci::target::bad_output),
        help("have the command leave files there: copy what a link leads to, and remove what a layer cannot hold")
    )]
    BadOutput { problem: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(LayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] LayoutFolderError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error("interrupted")]
    #[diagnostic(code(oci::tools::interrupted))]
    Interrupted,
}

fn scripts(known: &[String]) -> String {
    match known.is_empty() {
        true => "it has none: name one in `[project.scripts]` of `pyproject.toml`".to_owned(),
        false => format!("it has: `{}`", known.join("`, `")),
    }
}

impl TargetError {
    /// A key that has to choose one of several.
    pub(super) fn which(key: &str, known: Vec<String>) -> Self {
        let help = match known.is_empty() {
            true => format!("the project has none: name one with `{key} = \"…\"`"),
            false => format!("add `{key} = \"…\"`; the project has: `{}`", known.join("`, `")),
        };
        Self::Which { help }
    }

    /// A command that ended with another exit status than 0.
    pub(super) fn failed(status: i32, heard: Heard, known: &[(&str, &str)]) -> Self {
        let log = heard.log.as_ref().and_then(|log| crate::fs::read_text(log, LARGEST_TEXT).ok());
        let printed = log.unwrap_or_else(|| heard.last.join("\n"));
        let said = |(words, _): &&(&str, &str)| printed.contains(words);
        let known = known.iter().find(said).map(|(_, help)| (*help).to_owned());
        let unreached = "the network was not reached: look for a proxy, or build with `--offline`";
        let known = known.or_else(|| heard.misses_network.then(|| unreached.to_owned()));
        let help = known.or_else(|| match status {
            127 => Some(
                "exit status 127 is a shell's for a program that it does not find: look what it printed".to_owned(),
            ),
            _ => None,
        });
        Self::Failed { status, output: heard.into_cause(), help }
    }

    /// A command whose program is not there.
    pub(super) fn no_program(program: &str, advice: Option<String>) -> Self {
        let program = sanitize::name(program);
        let help = advice.unwrap_or_else(|| match program.contains('/') {
            true => "a path of a program is relative to the folder that the command starts in".to_owned(),
            false => format!("install it, or put the folder with `{program}` on `PATH`"),
        });
        Self::NoProgram { program, help }
    }

    /// The first problem of inputs, with words for inputs.
    pub(super) fn input(problem: At<LayerError>) -> At<Self> {
        problem.map(|error| match error {
            LayerError::NotFound { path, help } => {
                let near = help.filter(|help| help.starts_with("did you mean"));
                let help = near.unwrap_or_else(|| "inputs are relative to the folder of oci.toml".to_owned());
                Self::NoInput { path, help }
            }
            LayerError::NoMatch { .. } | LayerError::NothingLeft { .. } => Self::NoMatch,
            LayerError::Changed { path } => Self::InputChanged { path },
            ref error @ (LayerError::SpecialFile { ref path, .. } | LayerError::LinkLoop { ref path }) => {
                Self::BadInput { problem: error.to_string(), path: path.clone() }
            }
            ref error @ LayerError::PathLeaves(ref leaves) => {
                Self::BadInput { problem: error.to_string(), path: leaves.link.clone() }
            }
            error => Self::Layer(error),
        })
    }

    /// The first problem of an output, with words for outputs.
    pub(super) fn output(problem: At<LayerError>) -> At<Self> {
        problem.map(|error| match error {
            LayerError::NotFound { path, help } => {
                let near = help.filter(|help| help.starts_with("did you mean"));
                Self::NoOutput { path, help: near }
            }
            LayerError::NoMatch { pattern: path } | LayerError::NothingLeft { path } => {
                Self::NoOutput { path, help: None }
            }
            ref error @ (LayerError::SpecialFile { .. }
            | LayerError::LinkLeaves { .. }
            | LayerError::PathLeaves(_)
            | LayerError::LinkLoop { .. }) => Self::BadOutput { problem: error.to_string() },
            error => Self::Layer(error),
        })
    }

    /// The first of several problems; there is one.
    pub(super) fn first(problems: Vec<At<LayerError>>, place: &Place, of: fn(At<LayerError>) -> At<Self>) -> At<Self> {
        match problems.into_iter().next() {
            Some(problem) => of(problem),
            None => At::new(Self::NoMatch, place, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;

    #[test]
    fn how_it_is_told() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let names = |known: &[&str]| known.iter().map(|name| (*name).to_owned()).collect();
        let errors = [
            TargetError::NotStarted { source: ProcessError::Start { program: "make".to_owned(), source: denied() } },
            TargetError::NoVariable { name: "TOKEN".to_owned() },
            TargetError::SecretInOutput { name: "TOKEN".to_owned() },
            TargetError::Unwritten { source: denied() },
            TargetError::BadInput {
                problem: "`run.sock` is a socket, which a layer cannot hold".to_owned(),
                path: "run.sock".to_owned(),
            },
            TargetError::BadOutput { problem: "`out/pipe` is a FIFO, which a layer cannot hold".to_owned() },
            TargetError::no_program("go", Some("install Go".to_owned())),
            TargetError::NoProject {
                name: "go.mod".to_owned(),
                folder: "cmd".to_owned(),
                above: true,
                help: "run `go mod init`, or name the right folder".to_owned(),
            },
            TargetError::NoLockfile {
                names: "go.sum".to_owned(),
                folder: ".".to_owned(),
                help: "run `go mod tidy`".to_owned(),
            },
            TargetError::NoProgramMade { main: "./lib".to_owned() },
            TargetError::CrossCgo { platform: "linux/arm64".to_owned() },
            TargetError::NoRustTarget {
                platform: "linux/arm64".to_owned(),
                triple: "aarch64-unknown-linux-musl".to_owned(),
            },
            TargetError::NoTriple { platform: "windows/amd64".to_owned() },
            TargetError::NoVersion,
            TargetError::NoScript { script: "srve".to_owned(), known: names(&["serve"]) },
            TargetError::NoScript { script: "srve".to_owned(), known: names(&[]) },
            TargetError::NoGroups,
            TargetError::InputChanged { path: "build.log".to_owned() },
            TargetError::LinkedPackage { name: "lib".to_owned() },
            TargetError::NoNode { platform: "linux/mips64le".to_owned() },
            TargetError::NotAJar { path: "a.jar".to_owned(), source: denied() },
            TargetError::NoWheels { platform: "linux/s390x".to_owned() },
            TargetError::which("bin", names(&["a", "b"])),
            TargetError::which("bin", names(&[])),
        ];
        let text: Vec<String> = errors.iter().map(|error| rendered(error)).collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
