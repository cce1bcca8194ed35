//! The programs of the ecosystems: where they are, which ones they are, and where to get one that is missing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::manifest::target::TargetKind;
use crate::process::on_path;

/// The program of an ecosystem.
pub(crate) struct EcosystemTool {
    pub(crate) program: &'static str,
    /// How to get it.
    pub(crate) advice: &'static str,
}

pub(super) const GO: EcosystemTool = EcosystemTool {
    program: "go",
    advice: "install Go: the package `golang-go`, or a newer one from https://go.dev/dl/",
};
pub(super) const CARGO: EcosystemTool =
    EcosystemTool { program: "cargo", advice: "install Rust: https://rustup.rs/, or the packages `cargo` and `rustc`" };

pub(super) const UV: EcosystemTool =
    EcosystemTool { program: "uv", advice: "install uv: `pip install uv`, or https://docs.astral.sh/uv/" };

pub(super) const NPM: EcosystemTool = EcosystemTool {
    program: "npm",
    advice: "install Node and npm: the packages `nodejs` and `npm`, or newer ones from https://nodejs.org/",
};

/// The tool that a kind of target is made with, if it has one.
pub(crate) fn tool_of(kind: &TargetKind) -> Option<EcosystemTool> {
    match kind {
        TargetKind::Go(_) => Some(GO),
        TargetKind::Rust(_) => Some(CARGO),
        TargetKind::Python(_) => Some(UV),
        TargetKind::Node(_) => Some(NPM),
        TargetKind::Command(_) | TargetKind::Java(_) => None,
    }
}

impl EcosystemTool {
    /// The real file of the program that a command would start; `None` if there is none.
    pub(super) fn real_path(&self) -> Option<PathBuf> {
        real_path(self.program)
    }

    /// What tells this program from another of its name: its real path, size and times. The program is not started.
    pub(super) fn stamp(&self) -> String {
        self.real_path().map_or_else(String::new, |path| stamp(&path))
    }
}

/// A file by its path, size and times; only the path if it is not there.
pub(super) fn stamp(path: &Path) -> String {
    let shown = path.display();
    match path.metadata() {
        Ok(found) => format!(
            "{shown} {} {}.{} {}.{}",
            found.size(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec()
        ),
        Err(_) => shown.to_string(),
    }
}

fn real_path(program: &str) -> Option<PathBuf> {
    std::fs::canonicalize(on_path(Path::new(program))?).ok()
}

/// A toolchain of Rust, found without starting anything: behind `rustup` it is the one that `rustup` would choose.
pub(super) struct RustToolchain {
    /// The folder with `bin/` and `lib/`; `None` if it was not found.
    pub(super) folder: Option<PathBuf>,
    /// What tells it from others.
    pub(super) stamp: String,
}

impl RustToolchain {
    /// The toolchain for a project in this folder.
    pub(super) fn find(project: &Path) -> Self {
        let Some(cargo) = real_path("cargo") else { return Self { folder: None, stamp: String::new() } };
        if cargo.file_name().is_some_and(|name| name == "rustup") {
            let folder = of_rustup(project).filter(|folder| folder.join("bin/rustc").exists());
            let stamp = folder.as_ref().map_or_else(|| stamp(&cargo), |folder| stamps(folder));
            return Self { folder, stamp };
        }
        // A package of the system: `/usr/bin/rustc` and `/usr/lib/rustlib`.
        let folder = real_path("rustc").and_then(|rustc| Some(rustc.parent()?.parent()?.to_owned()));
        let stamp = folder.as_ref().map_or_else(|| stamp(&cargo), |folder| stamps(folder));
        Self { folder, stamp }
    }

    /// True if programs can be compiled for this target: its standard library is installed. `None` if that cannot be
    /// known.
    pub(super) fn has(&self, triple: &str) -> Option<bool> {
        Some(self.folder.as_ref()?.join("lib/rustlib").join(triple).join("lib").is_dir())
    }
}

fn stamps(folder: &Path) -> String {
    format!("{} {}", stamp(&folder.join("bin/cargo")), stamp(&folder.join("bin/rustc")))
}

/// The folder of the toolchain that `rustup` chooses in a folder.
fn of_rustup(project: &Path) -> Option<PathBuf> {
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".rustup")))?;
    let named = std::env::var("RUSTUP_TOOLCHAIN").ok().or_else(|| of_files(project)).or_else(|| of_settings(&home))?;
    let toolchains = home.join("toolchains");
    let exact = toolchains.join(&named);
    if exact.is_dir() {
        return Some(exact);
    }
    // `1.95.0` stands for `1.95.0-x86_64-unknown-linux-gnu`.
    let mut longer: Vec<PathBuf> = std::fs::read_dir(&toolchains)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{named}-{}", std::env::consts::ARCH)))
        .map(|entry| entry.path())
        .collect();
    longer.sort();
    longer.into_iter().next()
}

/// The toolchain that a `rust-toolchain.toml` or `rust-toolchain` above a folder names.
fn of_files(project: &Path) -> Option<String> {
    for folder in project.ancestors() {
        for name in ["rust-toolchain.toml", "rust-toolchain"] {
            let Ok(text) = crate::fs::read_text(&folder.join(name), LARGEST_TEXT) else { continue };
            let table: Option<toml::Table> = text.parse().ok();
            let channel = table.and_then(|table| Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned()));
            return channel.or_else(|| Some(text.trim().to_owned()).filter(|text| !text.contains(['\n', '='])));
        }
    }
    None
}

fn of_settings(home: &Path) -> Option<String> {
    let settings: toml::Table = crate::fs::read_text(&home.join("settings.toml"), LARGEST_TEXT).ok()?.parse().ok()?;
    Some(settings.get("default_toolchain")?.as_str()?.to_owned())
}
