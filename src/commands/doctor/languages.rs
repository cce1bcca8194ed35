//! Checks the tools of the languages that packaged targets are made with.

use std::collections::BTreeSet;

use super::finding::{Finding, State, told};
use crate::manifest::Manifest;
use crate::manifest::target::TargetKind;
use crate::model::Platform;
use crate::process::{Invocation, on_path};
use crate::targets::{EcosystemTool, rust_target, tool_of};

use super::tools::QUESTION;

/// What is known of each tool that a target of the manifest needs.
pub(super) fn examine(manifest: &Manifest) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let tools = manifest.targets.values().filter_map(|target| tool_of(&target.kind));
    let mut findings: Vec<Finding> =
        tools.filter(|tool| seen.insert(tool.program)).map(|tool| question(&tool)).collect();
    let images = manifest.builds.values().chain(manifest.stages.values());
    let platforms: BTreeSet<Platform> = images.flat_map(|image| manifest.platforms(image)).collect();
    let mut missing = BTreeSet::new();
    for target in manifest.targets.values() {
        let TargetKind::Rust(rust) = &target.kind else { continue };
        for error in platforms.iter().filter_map(|platform| rust_target(rust, platform, &manifest.folder).err()) {
            let fix = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            if missing.insert(error.to_string()) {
                findings.push(Finding::bad("rust", State::Missing, error.to_string(), fix));
            }
        }
    }
    findings
}

/// Asks a tool for its version.
fn question(tool: &EcosystemTool) -> Finding {
    let EcosystemTool { program, advice } = tool;
    let bad = |found: String| Finding::bad(*program, State::Missing, found, *advice);
    let Some(path) = on_path(program.as_ref()) else { return bad(format!("`{program}` is not there")) };
    let argument = if *program == "go" { "version" } else { "--version" };
    let asked = Invocation::new(&path)
        .argument(argument)
        .inherit(["HOME", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "PYENV_ROOT"])
        .limit(QUESTION);
    match asked.capture() {
        Ok(finished) if finished.status.success() => {
            let printed = String::from_utf8_lossy(&finished.stdout);
            let version = printed.split_whitespace().map(|word| word.trim_start_matches("go"));
            let version = version.into_iter().find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
            Finding::good(*program, format!("{}, {}", version.unwrap_or("some version"), path.display()))
        }
        Ok(finished) => bad(format!("`{} {argument}` ended with {}", path.display(), finished.status)),
        Err(error) => bad(told(&error)),
    }
}
