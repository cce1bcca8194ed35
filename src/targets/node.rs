//! Targets of Node: the packages of `package-lock.json` for any platform, and the project beside them.
//!
//! ```text
//! OUT/deps/     a copy of the inputs, and in the project there what npm installs for the platform
//! OUT/build/    another copy, with what only development needs, and for this machine: `build` runs there
//! OUT/*.tgz     the archive that npm makes of the project
//! ```

use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::manifest::inputs;
use crate::manifest::package::{Owner, Package, PackageContent, of_platform};
use crate::manifest::target::{Libc, NodeTarget};
use crate::model::Platform;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe};
use crate::targets::tool::NPM;

/// What npm says, and what to do about it.
const HELP: [(&str, &str); 4] = [
    ("are in sync", "the lockfile is older than the project: run `npm install`, and commit `package-lock.json`"),
    ("ENOTCACHED", "run it once without `--offline`, so that npm's cache has what the lockfile names"),
    ("Invalid package, must have name and version", "give the project a `name` and a `version` in `package.json`"),
    (
        "EBADPLATFORM",
        "a dependency is not made for this platform: leave the platform out of `platforms`, or the dependency",
    ),
];

/// Everything about a project that its files say.
struct Project {
    folder: PathBuf,
    /// Where it is in a copy of the inputs.
    place: String,
    /// The file that the image runs.
    main: Option<String>,
}

impl Kind for NodeTarget {
    fn recipe(&self, making: &Making<'_>, out: &Path) -> Result<Recipe, At<TargetError>> {
        let (target, platform) = (making.request.target, making.request.platform);
        let project = self.project(making)?;
        let git = making.git_values(target.env.values().map(|text| &text.value), &self.place)?;
        let value = |name: &str| of_platform(name, platform).or_else(|| git.get(name).cloned());
        let npm = |folder: &str, arguments: &[&str]| {
            let offline = making.targets.offline.then_some("--offline");
            Invocation::new(NPM.program)
                .arguments(arguments)
                .arguments(offline)
                .folder(out.join(folder).join(&project.place))
        };
        let quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=warn"];
        let mut install = npm("deps", &["ci", "--omit=dev"])
            .arguments(quiet)
            .argument(format!("--os={}", platform.os()))
            .argument(format!("--cpu={}", self.machine(platform)?))
            .argument(format!("--libc={}", if self.libc == Some(Libc::Musl) { "musl" } else { "glibc" }));
        // Scripts would run, and compile, for this machine.
        let scripts = self.scripts && *platform == Platform::host();
        install = install.arguments((!scripts).then_some("--ignore-scripts"));
        let mut copies = vec![out.join("deps")];
        let mut commands = vec![install];
        let from = match &self.build {
            Some(build) => {
                copies.push(out.join("build"));
                commands.push(npm("build", &["ci"]).arguments(quiet));
                let script =
                    Invocation::new("/bin/sh").arguments(["-ec", build]).folder(out.join("build").join(&project.place));
                commands.push(script);
                "build"
            }
            None => "deps",
        };
        commands.push(npm(from, &["pack", "--ignore-scripts", "--loglevel=warn", "--pack-destination"]).argument(out));
        let decisive = [
            self.machine(platform)?.to_owned(),
            format!("{:?} {scripts} {:?} {:?}", self.libc, self.build, self.outputs()),
            NPM.stamp(),
            making.budget().to_string(),
        ];
        let beside =
            ["**/node_modules", "**/.npm"].map(|glob| making.beside(glob, &project.folder, &self.project.place));
        // With a build, its output is what it makes, and no input.
        let made = self.outputs().into_iter().map(|path| making.beside(path, &project.folder, &self.place));
        Ok(Recipe {
            place: self.place.clone(),
            inputs: Vec::new(),
            copied: making.inputs_or([making.inside(&project.folder, &self.project.place)].into_iter()),
            exclude: target
                .exclude
                .iter()
                .map(|text| making.expanded(text))
                .chain(beside)
                .chain(made)
                .chain(making.own_files())
                .collect(),
            decisive: decisive.to_vec(),
            environment: making.environment(&value),
            copies,
            commands,
            advice: Some(NPM.advice.to_owned()),
            help: &HELP,
        })
    }

    fn gather(&self, making: &Making<'_>, out: &Path) -> Result<Gathered, At<TargetError>> {
        let project = self.project(making)?;
        let blame = |error| At::new(error, &self.place, "");
        let placed = |path: &Path| Placed::new(path.to_string_lossy().into_owned(), self.place.clone());
        let at = |to: &str| Placed::new(to.to_owned(), self.place.clone());
        let mut layers = Vec::new();
        let modules = out.join("deps").join(&project.place).join("node_modules");
        if modules.is_dir() {
            let content = PackageContent::Path { path: placed(&modules), to: Some(at("/node_modules")) };
            layers.push(("node_modules".to_owned(), vec![Package::new(self.place.clone(), content)]));
        }
        let left = std::fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path());
        let packed = left.into_iter().find(|path| path.extension().is_some_and(|end| end == "tgz"));
        let Some(packed) = packed else {
            return Err(blame(TargetError::NoOutput { path: "package.tgz".to_owned(), help: None }));
        };
        let content = PackageContent::Archive { archive: placed(&packed), to: at("/"), strip: 1 };
        let own = Package {
            exclude: self.outputs().into_iter().map(at).collect(),
            owner: Some(Owner::default()),
            ..Package::new(self.place.clone(), content)
        };
        let mut built = Vec::new();
        for path in &self.output {
            let from = out.join("build").join(&project.place).join(&path.value);
            if from.symlink_metadata().is_err() {
                let error = TargetError::NoOutput { path: path.value.clone(), help: None };
                return Err(At::new(error, &path.place, ""));
            }
            let content = PackageContent::Path { path: placed(&from), to: Some(at(&format!("/{}", path.value))) };
            built.push(Package::new(path.place.clone(), content));
        }
        layers.push(("project".to_owned(), std::iter::once(own).chain(built).collect()));
        let layers = making.merged(layers);
        if project.main.is_none() {
            making.targets.reporter.note(&format!(
                "`:{}` runs nothing by itself: its `package.json` has no `main`, and there is no `index.js` nor `server.js`",
                making.request.name
            ));
        }
        let entrypoint = project.main.map(|main| vec![Word::Plain("node".to_owned()), Word::Inside(main)]);
        let provides = Provides {
            entrypoint: entrypoint.unwrap_or_default(),
            is_workdir: true,
            environment: [("NODE_ENV".to_owned(), Word::Plain("production".to_owned()))].into(),
        };
        Ok(Gathered { outputs: vec![GatheredOutput { path: "/".to_owned(), layers }], provides })
    }
}

impl NodeTarget {
    /// What `build` makes, in the project.
    fn outputs(&self) -> Vec<&str> {
        self.output.iter().map(|path| path.value.as_str()).collect()
    }

    fn project(&self, making: &Making<'_>) -> Result<Project, At<TargetError>> {
        let written = making.expanded(&self.project);
        let folder: PathBuf = making.targets.manifest.folder.join(&written.value).components().collect();
        let blame = |error| At::new(error, &self.project.place, "");
        let Ok(text) = crate::fs::read_text(&folder.join("package.json"), LARGEST_TEXT) else {
            return Err(blame(TargetError::NoProject {
                name: "package.json".to_owned(),
                folder: making.shown(&folder),
                above: false,
                help: "name the folder of the project: `node = { project = \"…\" }`".to_owned(),
            }));
        };
        if !folder.join("package-lock.json").is_file() {
            let other = ["pnpm-lock.yaml", "yarn.lock"].into_iter().find(|name| folder.join(name).is_file());
            let help = match other {
                Some(other) => format!("`{other}` is not read yet: make the target with a `command`"),
                None => "run `npm install`, and commit the `package-lock.json` that it writes".to_owned(),
            };
            let names = "package-lock.json".to_owned();
            return Err(blame(TargetError::NoLockfile { names, folder: making.shown(&folder), help }));
        }
        let lock = crate::fs::read_text(&folder.join("package-lock.json"), LARGEST_TEXT).unwrap_or_default();
        if let Some(name) = linked(&lock) {
            return Err(blame(TargetError::LinkedPackage { name }));
        }
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let main = json.get("main").and_then(|main| main.as_str()).map(|main| main.trim_start_matches("./").to_owned());
        let usual = ["index.js", "server.js"].into_iter().find(|name| folder.join(name).is_file());
        let place = inputs::place(&making.inside(&folder, &self.project.place));
        Ok(Project { folder, place, main: main.or_else(|| usual.map(str::to_owned)) })
    }

    /// What npm calls the architecture of a platform.
    fn machine(&self, platform: &Platform) -> Result<&'static str, At<TargetError>> {
        Ok(match (platform.os(), platform.architecture()) {
            ("linux", "amd64") => "x64",
            ("linux", "arm64") => "arm64",
            ("linux", "arm") => "arm",
            ("linux", "386") => "ia32",
            ("linux", "ppc64le") => "ppc64",
            ("linux", "riscv64") => "riscv64",
            ("linux", "s390x") => "s390x",
            ("linux", "loong64") => "loong64",
            _ => {
                let error = TargetError::NoNode { platform: platform.to_string() };
                return Err(At::new(error, &self.place, ""));
            }
        })
    }
}

/// The first package of a lockfile that npm installs as a link to a folder.
fn linked(lock: &str) -> Option<String> {
    let lock: serde_json::Value = serde_json::from_str(lock).ok()?;
    let packages = lock.get("packages")?.as_object()?.iter();
    let is_link = |package: &serde_json::Value| package.get("link").and_then(|link| link.as_bool()) == Some(true);
    let name = packages.into_iter().find(|(_, package)| is_link(package)).map(|(name, _)| name)?;
    Some(name.trim_start_matches("node_modules/").to_owned())
}
