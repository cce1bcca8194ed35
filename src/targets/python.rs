//! Targets of Python: wheels of a lockfile for any platform, and the project itself, without an interpreter of the base.
//!
//! ```text
//! OUT/requirements.txt          what the lockfile says
//! OUT/deps/                     the wheels of others, unpacked
//! OUT/large-NAME/               a large one of these, moved out of `deps`
//! OUT/wheels/                   wheels of the project and of the members of its workspace
//! OUT/members/, OUT/project/    these wheels, unpacked
//! OUT/files/                    the files of a project that is no package, instead
//! ```

use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::manifest::inputs;
use crate::manifest::package::{Package, PackageContent, of_platform};
use crate::manifest::target::{Libc, PythonTarget};
use crate::model::Platform;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::installed::{self, Whose};
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe};
use crate::targets::tool::UV;
use crate::targets::uv_lock::{self, Workspace};

/// What of a Python project is no input and goes into no image: it is made of the rest.
const BESIDE: [&str; 3] = ["**/.venv", "**/__pycache__", "**/*.egg-info"];

/// What uv says, and what to do about it.
const HELP: [(&str, &str); 7] = [
    ("needs to be updated", "the lockfile is older than the project: run `uv lock`, and commit `uv.lock`"),
    ("no wheels with a matching", WHEEL),
    ("has no usable wheels", WHEEL),
    ("has no wheels", WHEEL),
    (
        "In `--require-hashes` mode",
        "give each requirement its hashes: `uv pip compile --generate-hashes`, or use `uv.lock`",
    ),
    ("not found in the cache", OFFLINE),
    ("network connectivity is disabled", OFFLINE),
];
const WHEEL: &str = "take a version of the package that has a wheel for this platform and this version of Python, or \
                     make the target in an image that can compile it: `in`, with a `command`";
const OFFLINE: &str = "run it once without `--offline`, so that uv's cache has what the lockfile names";

/// Everything about a project that its files say.
struct Project {
    folder: PathBuf,
    /// What is installed of others.
    lockfile: Lockfile,
    /// `major.minor`.
    version: String,
    /// The name of the project, if it is built as a package.
    name: Option<String>,
}

enum Lockfile {
    /// `uv.lock`, in the folder of the workspace.
    Uv { root: PathBuf, workspace: Workspace },
    /// A file that uv installs as it is.
    Plain(PathBuf),
}

impl Kind for PythonTarget {
    fn recipe(&self, making: &Making<'_>, out: &Path) -> Result<Recipe, At<TargetError>> {
        let (target, platform) = (making.request.target, making.request.platform);
        let project = self.project(making)?;
        let git = making.git_values(target.env.values().map(|text| &text.value), &self.place)?;
        let value = |name: &str| of_platform(name, platform).or_else(|| git.get(name).cloned());
        let uv = |arguments: &[&str]| {
            let offline = making.targets.offline.then_some("--offline");
            Invocation::new(UV.program).arguments(arguments).arguments(offline).folder(&project.folder)
        };
        let wheels_for = [
            "--no-deps",
            "--only-binary=:all:",
            "--python-platform",
            &self.machine(platform)?,
            "--python-version",
            &project.version,
        ]
        .map(str::to_owned);
        let install =
            |to: &str| uv(&["pip", "install", "--quiet", "--target"]).argument(out.join(to)).arguments(&wheels_for);
        let mut commands = Vec::new();
        let whole = making.inside(&project.folder, &self.project.place);
        // Of a project whose files are packed as they are, uv reads these alone; what is packed counts by itself.
        let read = ["pyproject.toml", "pylock.toml", "requirements.txt"].map(|name| project.folder.join(name));
        let read = read.iter().filter(|path| path.is_file()).map(|path| making.inside(path, &self.project.place));
        let mut inputs = if project.name.is_some() { vec![whole.clone()] } else { read.collect() };
        let requirements = match &project.lockfile {
            Lockfile::Uv { root, workspace } => {
                let chosen = ["--group", "--extra"].into_iter().zip([&self.groups, &self.extras]);
                let chosen = chosen.flat_map(|(flag, names)| names.iter().flat_map(move |name| [flag, name.as_str()]));
                commands.push(
                    uv(&[
                        "export",
                        "--quiet",
                        "--locked",
                        "--no-dev",
                        "--no-editable",
                        "--no-emit-workspace",
                        "--no-header",
                    ])
                    .arguments(chosen)
                    .argument("--output-file")
                    .argument(out.join("requirements.txt")),
                );
                inputs.extend(
                    ["uv.lock", "pyproject.toml"].map(|name| making.inside(&root.join(name), &self.project.place)),
                );
                inputs.extend(workspace.members.iter().map(|(_, folder)| making.inside(folder, &self.project.place)));
                out.join("requirements.txt")
            }
            Lockfile::Plain(path) => path.clone(),
        };
        commands.push(install("deps").argument("--require-hashes").argument("--requirement").argument(requirements));
        let members = match &project.lockfile {
            Lockfile::Uv { workspace, .. } => &workspace.members[..],
            Lockfile::Plain(_) => &[],
        };
        let own = project.name.iter().map(|name| ("project", name, &project.folder));
        let built = members.iter().map(|(name, folder)| ("members", name, folder)).chain(own);
        let wheels = out.join("wheels");
        for (_, _, folder) in built.clone() {
            commands.push(uv(&["build", "--quiet", "--wheel", "--out-dir"]).argument(&wheels).argument(folder));
        }
        for to in ["members", "project"] {
            let names: Vec<&String> = built.clone().filter(|(of, ..)| *of == to).map(|(_, name, _)| name).collect();
            if !names.is_empty() {
                let links = [Path::new("--no-index"), Path::new("--find-links"), &wheels];
                commands.push(install(to).arguments(links).arguments(names));
            }
        }
        let shown: Vec<String> = commands
            .iter()
            .map(|command| {
                let of_out = |argument: &std::ffi::OsString| !Path::new(argument).starts_with(out);
                let kept: Vec<String> = command
                    .all_arguments()
                    .iter()
                    .filter(|argument| of_out(argument))
                    .map(|argument| argument.to_string_lossy().into_owned())
                    .collect();
                kept.join(" ")
            })
            .collect();
        let own = members.iter().map(|(_, folder)| folder).chain([&project.folder]);
        // setuptools leaves its work in the project.
        let litter = own.filter(|folder| is_of_setuptools(folder));
        let litter = litter.map(|folder| making.beside("build", folder, &self.project.place));
        let beside = BESIDE.map(|glob| making.beside(glob, &project.folder, &self.project.place));
        let beside = beside.into_iter().chain(litter).chain(making.own_files());
        let exclude = target.exclude.iter().map(|text| making.expanded(text)).chain(beside).collect();
        // Where the files themselves are packed, what is packed decides.
        let copied = if project.name.is_none() { making.inputs_or([whole].into_iter()) } else { Vec::new() };
        let copies = if copied.is_empty() { Vec::new() } else { vec![out.join("files")] };
        Ok(Recipe {
            place: self.place.clone(),
            inputs: if copied.is_empty() { making.inputs_or(inputs.into_iter()) } else { inputs },
            exclude,
            decisive: shown.into_iter().chain([UV.stamp(), format!("{:?} {}", self.script, making.budget())]).collect(),
            environment: making.environment(&value),
            copied,
            copies,
            commands,
            advice: Some(UV.advice.to_owned()),
            help: &HELP,
        })
    }

    fn gather(&self, making: &Making<'_>, out: &Path) -> Result<Gathered, At<TargetError>> {
        let project = self.project(making)?;
        let blame = |error: TargetError| At::new(error, &self.place, "");
        for (folder, whose) in [("deps", Whose::Others), ("members", Whose::Own), ("project", Whose::Own)] {
            installed::settle(&out.join(folder), whose).map_err(|error| blame(error.into()))?;
        }
        let package = |folder: &Path| {
            let path = Placed::new(folder.to_string_lossy().into_owned(), self.place.clone());
            let to = Placed::new("/".to_owned(), self.place.clone());
            Package::new(self.place.clone(), PackageContent::Path { path, to: Some(to) })
        };
        // Of the budget, one layer each is for what is not large, for the members and for the project.
        let most = making.budget().saturating_sub(3);
        let large = installed::split(&out.join("deps"), out, most).map_err(|error| blame(error.into()))?;
        let mut layers: Vec<(String, Vec<Package>)> =
            large.into_iter().map(|(name, folder)| (name, vec![package(&folder)])).collect();
        for (folder, title) in [("deps", "dependencies"), ("members", "workspace"), ("project", "project")] {
            let folder = out.join(folder);
            if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
                layers.push((title.to_owned(), vec![package(&folder)]));
            }
        }
        if project.name.is_none() {
            // It is no package, so that its files themselves are what it is; but for its lockfile.
            let place = inputs::place(&making.inside(&project.folder, &self.project.place));
            let lockfiles = ["uv.lock", "pylock.toml", "requirements.txt"];
            let exclude = lockfiles.map(|name| Placed::new(name.to_owned(), self.place.clone())).to_vec();
            let files = Package { exclude, optional: true, ..package(&out.join("files").join(place)) };
            layers.push(("project".to_owned(), vec![files]));
        }
        let layers = making.merged(layers);
        let scripts = installed::scripts(&out.join("project"));
        let script = match &self.script {
            Some(script) if !scripts.contains(script) => {
                return Err(blame(TargetError::NoScript { script: script.clone(), known: scripts }));
            }
            Some(script) => Some(script.clone()),
            None => Some(&scripts).filter(|scripts| scripts.len() == 1).and_then(|scripts| scripts.first().cloned()),
        };
        if script.is_none() && scripts.len() > 1 {
            making.targets.reporter.note(&format!(
                "`:{}` runs nothing by itself: it has the scripts `{}`; choose one with `script = \"…\"`",
                making.request.name,
                scripts.join("`, `")
            ));
        }
        let entrypoint =
            script.map(|script| vec![Word::Plain("python3".to_owned()), Word::Inside(format!("bin/{script}"))]);
        let provides = Provides {
            entrypoint: entrypoint.unwrap_or_default(),
            is_workdir: true,
            environment: [("PYTHONPATH".to_owned(), Word::Inside(String::new()))].into(),
        };
        Ok(Gathered { outputs: vec![GatheredOutput { path: "/".to_owned(), layers }], provides })
    }
}

impl PythonTarget {
    fn project(&self, making: &Making<'_>) -> Result<Project, At<TargetError>> {
        let written = making.expanded(&self.project);
        let folder: PathBuf = making.targets.manifest.folder.join(&written.value).components().collect();
        let blame = |error| At::new(error, &self.project.place, "");
        if !folder.is_dir() {
            return Err(blame(TargetError::NoProject {
                name: "pyproject.toml".to_owned(),
                folder: written.value,
                above: false,
                help: "name the folder of the project: `python = { project = \"…\" }`".to_owned(),
            }));
        }
        let root = folder.ancestors().find(|above| above.join("uv.lock").is_file()).map(Path::to_owned);
        let plain =
            ["pylock.toml", "requirements.txt"].map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        let text = crate::fs::read_text(&folder.join("pyproject.toml"), LARGEST_TEXT).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_default();
        let lockfile = match (root, plain) {
            (Some(root), _) => {
                let lock = crate::fs::read_text(&root.join("uv.lock"), LARGEST_TEXT).unwrap_or_default();
                let workspace = uv_lock::workspace(&lock, &root, &folder);
                Lockfile::Uv { root, workspace }
            }
            (None, Some(_)) if !self.groups.is_empty() || !self.extras.is_empty() => {
                return Err(At::new(TargetError::NoGroups, &self.place, ""));
            }
            (None, Some(plain)) => Lockfile::Plain(plain),
            (None, None) => {
                return Err(blame(TargetError::NoLockfile {
                    names: "uv.lock`, `pylock.toml` or `requirements.txt".to_owned(),
                    folder: making.shown(&folder),
                    help: "run `uv lock`, and commit the `uv.lock` that it writes".to_owned(),
                }));
            }
        };
        let version = self.version.clone().or_else(|| {
            let folders = folder.ancestors().take(3);
            let pinned =
                folders.filter_map(|folder| crate::fs::read_text(&folder.join(".python-version"), LARGEST_TEXT).ok());
            pinned.into_iter().next().and_then(|text| uv_lock::minor(text.trim()))
        });
        let Some(version) = version else {
            return Err(At::new(TargetError::NoVersion, &self.place, ""));
        };
        let name =
            table.get("build-system").and_then(|_| Some(table.get("project")?.get("name")?.as_str()?.to_owned()));
        Ok(Project { folder, lockfile, version, name })
    }

    /// What uv calls a platform.
    fn machine(&self, platform: &Platform) -> Result<String, At<TargetError>> {
        let libc = if self.libc == Some(Libc::Musl) { "musl" } else { "gnu" };
        let machine = match (platform.os(), platform.architecture()) {
            ("linux", "amd64") => "x86_64",
            ("linux", "arm64") => "aarch64",
            ("linux", "riscv64") if libc == "gnu" => return Ok("riscv64-unknown-linux".to_owned()),
            _ => {
                let error = TargetError::NoWheels { platform: platform.to_string() };
                return Err(At::new(error, &self.place, ""));
            }
        };
        Ok(format!("{machine}-unknown-linux-{libc}"))
    }
}

/// True for a package that setuptools builds, as it does where no other backend is named.
fn is_of_setuptools(folder: &Path) -> bool {
    let text = crate::fs::read_text(&folder.join("pyproject.toml"), LARGEST_TEXT).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let backend = table.get("build-system").map(|system| system.get("build-backend").and_then(|name| name.as_str()));
    backend.is_some_and(|backend| backend.is_none_or(|backend| backend.starts_with("setuptools")))
}
