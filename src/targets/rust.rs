//! Targets of Rust: a program of `cargo`, for each target triple that is installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::manifest::package::of_platform;
use crate::manifest::target::{Libc, RustTarget};
use crate::model::Platform;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::At;
use crate::targets::TargetError;
use crate::targets::cargo_config::{CargoConfig, cargo_home};
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe, lexical};
use crate::targets::tool::{CARGO, RustToolchain};

/// Everything about a project that its files say.
struct Project {
    /// The folder with the package's `Cargo.toml`.
    folder: PathBuf,
    /// The folder with `Cargo.lock`.
    root: PathBuf,
    /// The name of the program.
    bin: String,
}

/// What cargo says, and what to do about it.
const HELP: [(&str, &str); 9] = [
    (
        "--locked was passed",
        "the lockfile is older than the project: run `cargo update --workspace`, and commit `Cargo.lock`",
    ),
    ("linker `cc` not found", "install a linker: the package `gcc`"),
    (
        "error: linking with",
        "a library or a linker for this target is missing: look what it printed, or make it in an image, with `in`",
    ),
    (
        "attempting to make an HTTP request, but --offline",
        "run it once without `--offline`, so that cargo has what `Cargo.lock` names",
    ),
    ("profile `", "name a profile that `Cargo.toml` has, or leave `profile` out for `release`"),
    ("does not contain this feature", "name features that the package has"),
    ("does not contain these features", "name features that the package has"),
    ("no bin target named", "name one that the package has: `bin = \"…\"`"),
    ("may not be installed", "run `rustup target add` with the target that it names"),
];

impl Kind for RustTarget {
    fn recipe(&self, making: &Making<'_>, _: &Path) -> Result<Recipe, At<TargetError>> {
        let (target, platform) = (making.request.target, making.request.platform);
        let project = self.project(making)?;
        let toolchain = RustToolchain::find(&project.folder);
        let triple = self.triple(platform, &toolchain)?;
        let git = making.git_values(target.env.values().map(|text| &text.value), &self.place)?;
        let value = |name: &str| of_platform(name, platform).or_else(|| git.get(name).cloned());
        let mut arguments: Vec<String> = ["build", "--locked", "--profile"].map(str::to_owned).to_vec();
        arguments.push(self.profile.clone());
        arguments.extend(["--target".to_owned(), triple.clone(), "--bin".to_owned(), project.bin.clone()]);
        arguments.extend(self.package.iter().flat_map(|package| ["--package".to_owned(), package.clone()]));
        arguments.extend((!self.features.is_empty()).then(|| format!("--features={}", self.features.join(","))));
        let config = CargoConfig::read(&project.folder, &triple);
        let decisive = arguments.iter().cloned().chain([toolchain.stamp.clone(), config.digest.to_string()]).collect();
        arguments.extend(making.targets.offline.then(|| "--offline".to_owned()));
        let command = Invocation::new(CARGO.program)
            .arguments(&arguments)
            .arguments(["--target-dir".as_ref(), folder_of_results(&project.root).as_os_str()])
            .argument("--config")
            .argument(flags(&triple, &project.root, platform, config.flags))
            .folder(&project.folder);
        let root = making.inside(&project.root, &self.project.place);
        let built = making.inside(&project.root.join("target"), &self.project.place);
        let others = path_dependencies(&project).into_iter().map(|path| making.inside(&path, &self.project.place));
        Ok(Recipe {
            place: self.place.clone(),
            inputs: making.inputs_or([root].into_iter().chain(others)),
            exclude: target.exclude.iter().map(|text| making.expanded(text)).chain([built]).collect(),
            decisive,
            environment: making.environment(&value),
            copied: Vec::new(),
            copies: Vec::new(),
            commands: vec![command],
            advice: Some(CARGO.advice.to_owned()),
            help: &HELP,
        })
    }

    fn gather(&self, making: &Making<'_>, _: &Path) -> Result<Gathered, At<TargetError>> {
        let project = self.project(making)?;
        let toolchain = RustToolchain::find(&project.folder);
        let triple = self.triple(making.request.platform, &toolchain)?;
        let profile = if self.profile == "dev" { "debug" } else { &self.profile };
        let program = folder_of_results(&project.root).join(triple).join(profile).join(&project.bin);
        let package = making.program(&program, &project.bin, &self.place);
        let output = GatheredOutput { path: "/".to_owned(), layers: vec![(String::new(), vec![package])] };
        let provides = Provides { entrypoint: vec![Word::Inside(project.bin)], ..Provides::default() };
        Ok(Gathered { outputs: vec![output], provides })
    }
}

/// The target triple of Rust for a platform, which is an error if its standard library is not installed. `folder` is the
/// manifest's.
pub(crate) fn rust_target(rust: &RustTarget, platform: &Platform, folder: &Path) -> Result<String, At<TargetError>> {
    rust.triple(platform, &RustToolchain::find(&folder.join(&rust.project.value)))
}

impl RustTarget {
    fn project(&self, making: &Making<'_>) -> Result<Project, At<TargetError>> {
        let written = making.expanded(&self.project);
        let folder: PathBuf = making.targets.manifest.folder.join(&written.value).components().collect();
        let blame = |error| At::new(error, &self.project.place, "");
        let Ok(text) = crate::fs::read_text(&folder.join("Cargo.toml"), LARGEST_TEXT) else {
            return Err(blame(TargetError::NoProject {
                name: "Cargo.toml".to_owned(),
                folder: making.shown(&folder),
                above: false,
                help: "name the folder of the package: `rust = { project = \"…\" }`".to_owned(),
            }));
        };
        let root = folder.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
        let Some(root) = root.map(Path::to_owned) else {
            return Err(blame(TargetError::NoLockfile {
                names: "Cargo.lock".to_owned(),
                folder: making.shown(&folder),
                help: "run `cargo generate-lockfile`, and commit the `Cargo.lock` that it writes".to_owned(),
            }));
        };
        let bin = match &self.bin {
            Some(bin) => bin.clone(),
            None => {
                let mut known = programs(&text, &folder);
                match (known.pop_first(), known.is_empty()) {
                    (Some(bin), true) => bin,
                    (first, _) => {
                        let known = first.into_iter().chain(known).collect();
                        return Err(At::new(TargetError::which("bin", known), &self.place, ""));
                    }
                }
            }
        };
        Ok(Project { folder, root, bin })
    }

    /// The target triple for a platform. If it is known that no suitable one is installed, that is an error.
    fn triple(&self, platform: &Platform, toolchain: &RustToolchain) -> Result<String, At<TargetError>> {
        let blame = |error| At::new(error, &self.place, "");
        let Some((machine, suffix)) = machine(platform) else {
            return Err(blame(TargetError::NoTriple { platform: platform.to_string() }));
        };
        let triple = |libc: &str| format!("{machine}-unknown-linux-{libc}{suffix}");
        let wanted = match self.libc {
            Some(Libc::Musl) => vec![triple("musl")],
            Some(Libc::Gnu) => vec![triple("gnu")],
            None => vec![triple("musl"), triple("gnu")],
        };
        let known = wanted.iter().find(|triple| toolchain.has(triple) != Some(false));
        known.cloned().ok_or_else(|| {
            let triple = wanted.into_iter().next().unwrap_or_default();
            blame(TargetError::NoRustTarget { platform: platform.to_string(), triple })
        })
    }
}

/// The names of a machine in target triples, and what stands behind the C library.
fn machine(platform: &Platform) -> Option<(&'static str, &'static str)> {
    if platform.os() != "linux" {
        return None;
    }
    Some(match (platform.architecture(), platform.variant()) {
        ("amd64", _) => ("x86_64", ""),
        ("arm64", _) => ("aarch64", ""),
        ("386", _) => ("i686", ""),
        ("arm", Some("v5")) => ("armv5te", "eabi"),
        ("arm", Some("v6")) => ("arm", "eabihf"),
        ("arm", _) => ("armv7", "eabihf"),
        ("riscv64", _) => ("riscv64gc", ""),
        ("ppc64le", _) => ("powerpc64le", ""),
        ("s390x", _) => ("s390x", ""),
        ("loong64", _) => ("loongarch64", ""),
        _ => return None,
    })
}

/// cargo keeps there what it compiled for targets of ours: the user's own builds have other flags.
fn folder_of_results(root: &Path) -> PathBuf {
    root.join("target/oci")
}

/// The setting that keeps paths of this machine out of programs. Cargo joins it to the user's own flags for the target;
/// `others` are the user's flags for all targets, which it would put in their place.
fn flags(triple: &str, root: &Path, platform: &Platform, others: Vec<String>) -> String {
    let mut flags = others;
    flags.extend(cargo_home().iter().map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    flags.push(format!("--remap-path-prefix={}=/src", root.display()));
    if triple.contains("musl") && *platform != Platform::host() {
        // The linker of this machine knows no other, and musl needs nothing of the system.
        flags.push("-Clinker=rust-lld".to_owned());
    }
    let flags: Vec<String> = flags.iter().map(|flag| toml_edit::Value::from(flag.as_str()).to_string()).collect();
    format!("target.{triple}.rustflags=[{}]", flags.join(","))
}

/// The programs that a package has: those that `Cargo.toml` names, and those that cargo finds by the names of files that
/// none of these is (the Cargo Book, "Cargo Targets").
fn programs(text: &str, folder: &Path) -> BTreeSet<String> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let said = |table: &toml::Value, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let bins: Vec<&toml::Value> = table.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten().collect();
    let mut known: BTreeSet<String> = bins.iter().filter_map(|bin| said(bin, "name")).collect();
    let package = table.get("package");
    if package.and_then(|package| package.get("autobins")?.as_bool()) == Some(false) {
        return known;
    }
    let named: BTreeSet<PathBuf> =
        bins.iter().filter_map(|bin| said(bin, "path")).map(|path| lexical(&folder.join(path))).collect();
    let mut add = |path: PathBuf, name: Option<String>| {
        if path.is_file() && !named.contains(&path) {
            known.extend(name);
        }
    };
    add(folder.join("src/main.rs"), package.and_then(|package| said(package, "name")));
    for entry in std::fs::read_dir(folder.join("src/bin")).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        match path.is_dir() {
            true => add(path.join("main.rs"), name),
            false if path.extension().is_some_and(|end| end == "rs") => add(path, name),
            false => {}
        }
    }
    known
}

/// The folders outside of the workspace that the package and the workspace name as dependencies, and those that these
/// name in turn.
fn path_dependencies(project: &Project) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut pending = vec![project.folder.clone(), project.root.clone()];
    let mut seen = BTreeSet::new();
    while let Some(folder) = pending.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        let text = crate::fs::read_text(&folder.join("Cargo.toml"), LARGEST_TEXT).unwrap_or_default();
        let Ok(table) = text.parse::<toml::Table>() else { continue };
        let mut paths = Vec::new();
        paths_in(&toml::Value::Table(table), &mut paths);
        for path in paths {
            let path = lexical(&folder.join(path));
            if !path.starts_with(&project.root) && path.join("Cargo.toml").is_file() {
                found.insert(path.clone());
            }
            if path.join("Cargo.toml").is_file() {
                pending.push(path);
            }
        }
    }
    found
}

fn paths_in(value: &toml::Value, paths: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            paths.extend(table.get("path").and_then(|path| path.as_str()).map(str::to_owned));
            table.values().for_each(|value| paths_in(value, paths));
        }
        toml::Value::Array(values) => values.iter().for_each(|value| paths_in(value, paths)),
        _ => {}
    }
}
