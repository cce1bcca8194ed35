//! What the kinds of targets have in common: what decides the result, the commands that make it, and what these leave.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::manifest::target::TargetKind;
use crate::manifest::{Package, PackageContent};
use crate::pack::Provides;
use crate::process::Invocation;
use crate::sanitize;
use crate::source::{At, Place, Placed};
use crate::targets::{TargetError, TargetRequest, Targets};

/// What a dry run shows in place of the folder that a target is made in.
pub(super) const SHOWN_FOLDER: &str = "$OUT";

/// A kind of target.
pub(super) trait Kind {
    /// How the target is made in the folder `out`, which is empty. It starts no process but git.
    fn recipe(&self, making: &Making<'_>, out: &Path) -> Result<Recipe, At<TargetError>>;

    /// What the commands left, of which `out` is their folder.
    fn gather(&self, making: &Making<'_>, out: &Path) -> Result<Gathered, At<TargetError>>;
}

/// The target that is made, and what makes it.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) targets: &'a Targets<'a>,
    pub(super) request: TargetRequest<'a>,
}

/// How a target is made.
pub(super) struct Recipe {
    /// The place to blame for the commands.
    pub(super) place: Place,
    /// Globs of the inputs that the commands read where they are.
    pub(super) inputs: Vec<Placed<String>>,
    /// Globs of what is no input.
    pub(super) exclude: Vec<Placed<String>>,
    /// All that decides the result besides the inputs and `environment`; nothing of it depends on the folder that the
    /// target is made in.
    pub(super) decisive: Vec<String>,
    /// The variables of the commands that decide the result.
    pub(super) environment: BTreeMap<String, String>,
    /// Globs of the inputs of which the commands get a copy, and nothing else of the project.
    pub(super) copied: Vec<Placed<String>>,
    /// The folders that each get such a copy.
    pub(super) copies: Vec<PathBuf>,
    /// Run one after the other.
    pub(super) commands: Vec<Invocation>,
    /// Where to get the program of the commands.
    pub(super) advice: Option<String>,
    /// What the commands may print when they fail, and what to do about it.
    pub(super) help: &'static [(&'static str, &'static str)],
}

/// What a target's commands left.
pub(super) struct Gathered {
    pub(super) outputs: Vec<GatheredOutput>,
    pub(super) provides: Provides,
}

pub(super) struct GatheredOutput {
    /// The path in the layers of the one file or folder that it is; `/` if there may be several.
    pub(super) path: String,
    /// Lowest first: a few words for people, and what is in it.
    pub(super) layers: Vec<(String, Vec<Package>)>,
}

impl Making<'_> {
    pub(super) fn kind(&self) -> &dyn Kind {
        match &self.request.target.kind {
            TargetKind::Command(command) => command,
            TargetKind::Go(go) => go,
            TargetKind::Rust(rust) => rust,
            TargetKind::Python(python) => python,
            TargetKind::Node(node) => node,
            TargetKind::Java(java) => java,
        }
    }

    /// An error of the target as a whole.
    pub(super) fn blame(&self, error: impl Into<TargetError>) -> At<TargetError> {
        At::new(error.into(), &self.request.target.place, "")
    }
}

/// What targets of languages have in common.
impl Making<'_> {
    /// The folder that has a file of this name, at or above a folder of the project, and in the project.
    pub(super) fn project(&self, name: &str, within: &Placed<String>, help: &str) -> Result<PathBuf, At<TargetError>> {
        let folder = &self.targets.manifest.folder;
        let start: PathBuf = folder.join(&within.value).components().collect();
        let found = start.ancestors().find(|above| above.join(name).is_file());
        found.map(Path::to_owned).ok_or_else(|| {
            let error = TargetError::NoProject {
                name: name.to_owned(),
                folder: self.shown(&start),
                above: true,
                help: format!("{help}, or name the right folder"),
            };
            At::new(error, &within.place, "")
        })
    }

    /// A folder as messages show it.
    pub(super) fn shown(&self, folder: &Path) -> String {
        let shown = sanitize::path(folder, &self.targets.manifest.folder);
        if shown.is_empty() { ".".to_owned() } else { shown }
    }

    /// A path as an input: relative to the manifest's folder, with as many `..` as are necessary.
    pub(super) fn inside(&self, path: &Path, place: &Place) -> Placed<String> {
        let base = &self.targets.manifest.folder;
        let common = base.components().zip(path.components()).take_while(|(one, other)| one == other).count();
        let up = base.components().skip(common).map(|_| "..".as_ref());
        let relative: PathBuf = up.chain(path.components().skip(common).map(|part| part.as_os_str())).collect();
        let text = relative.to_string_lossy().into_owned();
        Placed::new(if text.is_empty() { ".".to_owned() } else { text }, place.clone())
    }

    /// The inputs that the manifest names, or else these.
    pub(super) fn inputs_or(&self, usual: impl Iterator<Item = Placed<String>>) -> Vec<Placed<String>> {
        let written = &self.request.target.inputs;
        if written.is_empty() { usual.collect() } else { written.iter().map(|text| self.expanded(text)).collect() }
    }

    /// The files of the project that are `oci`'s: they are in no copy.
    pub(super) fn own_files(&self) -> [Placed<String>; 2] {
        ["oci.toml", "oci.lock"].map(|name| Placed::new(name.to_owned(), self.request.target.place.clone()))
    }

    /// A glob for a folder of the project: in it, or with `**/` at any depth below it.
    pub(super) fn beside(&self, glob: &str, folder: &Path, place: &Place) -> Placed<String> {
        self.inside(folder, place)
            .map(|folder| if folder == "." { glob.to_owned() } else { format!("{folder}/{glob}") })
    }

    /// Layers within the budget: those that are over it are one layer, the lowest.
    pub(super) fn merged(&self, mut layers: Vec<(String, Vec<Package>)>) -> Vec<(String, Vec<Package>)> {
        let over = layers.len().saturating_sub(self.budget());
        let mut rest = layers.split_off(over).into_iter();
        let lowest = rest.next();
        let (titles, packages): (Vec<_>, Vec<_>) = layers.into_iter().chain(lowest).unzip();
        let lowest = (titles.join(", "), packages.into_iter().flatten().collect());
        std::iter::once(lowest)
            .filter(|(_, packages): &(String, Vec<Package>)| !packages.is_empty())
            .chain(rest)
            .collect()
    }

    /// At most so many layers.
    pub(super) fn budget(&self) -> usize {
        self.request.target.layer_budget
    }

    /// A package of a program, which goes to the root of its layer.
    pub(super) fn program(&self, path: &Path, name: &str, place: &Place) -> Package {
        let path = Placed::new(path.to_string_lossy().into_owned(), place.clone());
        let to = Placed::new(format!("/{name}"), place.clone());
        Package::new(place.clone(), PackageContent::Path { path, to: Some(to) })
    }

    /// The one program that a command left in a folder, and its name.
    pub(super) fn program_in(&self, out: &Path, blame: &Placed<String>) -> Result<(String, Package), At<TargetError>> {
        let mut names: Vec<String> = std::fs::read_dir(out)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        match (names.pop(), names.is_empty()) {
            (Some(name), true) => {
                let package = self.program(&out.join(&name), &name, &blame.place);
                Ok((name, package))
            }
            _ => Err(At::new(TargetError::NoProgramMade { main: blame.value.clone() }, &blame.place, "")),
        }
    }
}

/// A path without `.` and `..`.
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}
