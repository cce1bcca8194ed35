//! What makes files for images: the checked form of `[package.NAME]`.

use std::collections::BTreeMap;

use crate::manifest::package::{expand_with, is_for_each_platform};
use crate::manifest::placeholder::PER_PLATFORM;
use crate::manifest::step::StepSecret;
use crate::source::{Place, Placed};

/// `[package.NAME]`: a packaged target that is made on this machine. One with `in` is a stage of the manifest.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The table's name in its header.
    pub(crate) place: Place,
    pub(crate) kind: TargetKind,
    /// Globs of the files that decide the result, relative to the manifest's folder; may hold placeholders.
    pub(crate) inputs: Vec<Placed<String>>,
    /// Globs of files that decide nothing, relative to the manifest's folder.
    pub(crate) exclude: Vec<Placed<String>>,
    /// Variables of the command; may hold placeholders and names that git has values for.
    pub(crate) env: BTreeMap<String, Placed<String>>,
    /// The folder that the command starts in; may hold placeholders.
    pub(crate) cwd: Option<Placed<String>>,
    pub(crate) secrets: Vec<Placed<StepSecret>>,
    /// A target of a language has at most so many layers; at least one.
    pub(crate) layer_budget: usize,
}

/// What makes a target.
#[derive(Clone, Debug)]
pub(crate) enum TargetKind {
    Command(CommandTarget),
    Go(GoTarget),
    Rust(RustTarget),
    Python(PythonTarget),
    Node(NodeTarget),
    Java(JavaTarget),
}

/// `go = { … }`: a program of a Go module.
#[derive(Clone, Debug)]
pub(crate) struct GoTarget {
    pub(crate) place: Place,
    /// The folder of the program; may hold placeholders.
    pub(crate) main: Placed<String>,
    pub(crate) tags: Vec<String>,
    /// Further flags of the linker; may hold placeholders and names that git has values for.
    pub(crate) ldflags: Option<Placed<String>>,
    /// The program has C code.
    pub(crate) cgo: bool,
    /// A folder that goes beside the program; may hold placeholders.
    pub(crate) data: Option<Placed<String>>,
}

/// `rust = { … }`: a program of a Cargo package.
#[derive(Clone, Debug)]
pub(crate) struct RustTarget {
    pub(crate) place: Place,
    /// The folder of the package; may hold placeholders.
    pub(crate) project: Placed<String>,
    pub(crate) package: Option<String>,
    /// The program; `None` if the package has only one.
    pub(crate) bin: Option<String>,
    pub(crate) features: Vec<String>,
    pub(crate) profile: String,
    /// `None` stands for musl where it is installed, and glibc elsewhere.
    pub(crate) libc: Option<Libc>,
}

/// `python = { … }`: a Python project and the wheels that its lockfile names.
#[derive(Clone, Debug)]
pub(crate) struct PythonTarget {
    pub(crate) place: Place,
    /// The folder of the project; may hold placeholders.
    pub(crate) project: Placed<String>,
    /// `major.minor`; `None` stands for what `.python-version` says.
    pub(crate) version: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) extras: Vec<String>,
    /// `None` stands for glibc.
    pub(crate) libc: Option<Libc>,
    /// The script that the image runs; `None` if the project has only one.
    pub(crate) script: Option<String>,
}

/// `node = { … }`: a Node project and the packages that its lockfile names.
#[derive(Clone, Debug)]
pub(crate) struct NodeTarget {
    pub(crate) place: Place,
    /// The folder of the project; may hold placeholders.
    pub(crate) project: Placed<String>,
    /// A line for the shell that runs with what development needs.
    pub(crate) build: Option<String>,
    /// What `build` makes, in the project.
    pub(crate) output: Vec<Placed<String>>,
    /// Scripts of packages run when these are installed for this machine's platform.
    pub(crate) scripts: bool,
    /// `None` stands for glibc.
    pub(crate) libc: Option<Libc>,
}

/// `java = { … }`: a jar, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct JavaTarget {
    pub(crate) place: Place,
    /// The path of the jar; may hold placeholders.
    pub(crate) jar: Placed<String>,
    /// A line for the shell that makes it.
    pub(crate) build: Option<String>,
    pub(crate) jvm_flags: Vec<String>,
}

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Libc {
    Musl,
    Gnu,
}

impl TargetKind {
    /// The key that says what kind it is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Go(_) => "go",
            Self::Rust(_) => "rust",
            Self::Python(_) => "python",
            Self::Node(_) => "node",
            Self::Java(_) => "java",
        }
    }
}

/// A command of the manifest, and what it leaves.
#[derive(Clone, Debug)]
pub(crate) struct CommandTarget {
    /// The place of `command`, for errors of the command.
    pub(crate) place: Place,
    /// The program and its arguments; may hold placeholders and names that git has values for. If `command` is a text,
    /// they are those of a shell.
    pub(crate) words: Vec<String>,
    /// Files, folders or globs, relative to the manifest's folder; may hold placeholders.
    pub(crate) outputs: Vec<Output>,
}

/// Something that a target makes.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// Its name in `outputs = { NAME = … }`.
    pub(crate) name: Option<String>,
    pub(crate) path: Placed<String>,
}

impl Target {
    /// Globs of what the target leaves in the project, on whatever platform.
    pub(crate) fn leaves(&self) -> Vec<Placed<String>> {
        let glob = |path: &Placed<String>| {
            let any = |name: &str| PER_PLATFORM.contains(&name).then(|| "*".to_owned());
            let path = path.clone().map(|path| expand_with(&path, &any));
            path.map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned())
        };
        match &self.kind {
            TargetKind::Command(command) => command.outputs.iter().map(|output| glob(&output.path)).collect(),
            TargetKind::Rust(rust) => vec![glob(&rust.project.clone().map(|folder| format!("{folder}/target")))],
            TargetKind::Java(java) if java.build.is_some() => vec![glob(&java.jar)],
            TargetKind::Go(_) | TargetKind::Python(_) | TargetKind::Node(_) | TargetKind::Java(_) => Vec::new(),
        }
    }

    /// True if the target may differ with the platform, so that it is made for each.
    pub(crate) fn is_for_each_platform(&self) -> bool {
        let outputs = match &self.kind {
            TargetKind::Command(command) => &command.outputs[..],
            TargetKind::Java(_) => &[],
            _ => return true,
        };
        let words = match &self.kind {
            TargetKind::Command(command) => &command.words[..],
            _ => &[],
        };
        let written = self.inputs.iter().chain(&self.exclude).chain(self.env.values()).chain(&self.cwd);
        let written = written.chain(outputs.iter().map(|output| &output.path));
        written.map(|text| &text.value).chain(words).any(|text| is_for_each_platform(text))
    }
}
