//! What the scripts of this repository find out about a machine: its apt sources, its Rust toolchains.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::TestContext;
use crate::support::tools::{succeed, tool};

/// bash, with a part of `scripts/lib` and with `repository` set.
fn bash(context: &TestContext, part: &str, script: &str) -> Command {
    let repository = env!("CARGO_MANIFEST_DIR");
    let mut command = tool("bash");
    command.env_clear().envs(context.environment()).current_dir(context.project());
    command.arg("-euc").arg(format!("repository={repository}; . {repository}/scripts/lib/{part}; {script}"));
    command
}

/// Entries of the release are taken whatever their files are called, and whatever else is in these; others are not.
#[test]
fn apt_sources_are_found_wherever_they_lie() {
    let context = TestContext::new();
    let suite = succeed(tool("sh").args(["-c", ". /etc/os-release && echo $VERSION_CODENAME"]));
    let apt = context.project().join("apt");
    context.write(
        "apt/sources.list",
        format!(
            "# A comment.\n\n\
             deb [trusted=yes] http://one.example.com/debian {suite} main contrib\n\
             deb http://other.example.com/linux {suite} stable\n"
        ),
    );
    context.write(
        "apt/parts/0000-no-usual-name.sources",
        format!(
            "# Only a comment.\n\n\
             Types: deb\nURIs: http://other.example.com/apt\nSuites: elsewhere\nComponents: main\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.example.com/debian\nSuites: {suite}\nComponents: main\n\n\
             Types: deb deb-src\n# Inside.\nURIs: http://two.example.com/debian\nSuites: {suite}-security\n\
             Components: main\n"
        ),
    );
    context.write("apt/lists/partial/none", "");
    context.write("found/none", "");
    let settings = format!(
        "Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"{0}/parts\";\n\
         Dir::State::lists \"{0}/lists\";\nDir::Cache \"{0}/cache\";\n",
        apt.display()
    );
    let settings = context.write("apt/settings", settings);
    let mut command = bash(&context, "sources.sh", "copy_apt_sources found");
    assert_eq!(succeed(command.env("APT_CONFIG", &settings)), "found/apt.list\nfound/apt.sources");
    assert_eq!(
        context.read("found/apt.list"),
        format!("deb [trusted=yes] http://one.example.com/debian {suite} main contrib\n")
    );
    assert_eq!(
        context.read("found/apt.sources"),
        format!(
            "Types: deb deb-src\nURIs: http://two.example.com/debian\nSuites: {suite}-security\nComponents: main\n\n"
        )
    );

    context.write("apt/sources.list", "");
    fs::remove_dir_all(apt.join("parts")).unwrap();
    let mut command = bash(&context, "sources.sh", "copy_apt_sources found");
    let told = context.finish(command.env("APT_CONFIG", &settings)).failure(1);
    assert!(told.stderr().contains(&format!("apt has no source for {suite}")), "{told}");
}

/// A `cargo` and a `rustc` that say that they are of this version.
fn toolchain(folder: &Path, version: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(folder).unwrap();
    for name in ["cargo", "rustc"] {
        let program = folder.join(name);
        fs::write(&program, format!("#!/bin/sh\necho \"{name} {version} (0123abcd 2026-01-01)\"\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_good_toolchain_is_told_from_an_old_one() {
    let context = TestContext::new();
    let (on_path, at_home) = (context.root().join("bin"), context.root().join("home/.cargo/bin"));
    let found = || {
        let mut command = bash(&context, "rust.sh", "find_rust && command -v cargo");
        command.env("PATH", format!("{}:/usr/bin:/bin", on_path.display()));
        command.output().unwrap()
    };
    let is = |folder: &Path| {
        let output = found();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), folder.join("cargo").to_str().unwrap());
    };
    toolchain(&on_path, "1.1000.0");
    toolchain(&at_home, "1.1001.0-nightly");
    is(&on_path);
    // The numbers are compared, not their letters.
    toolchain(&on_path, "1.9.0");
    is(&at_home);
    // One of the two does not help.
    fs::remove_file(at_home.join("rustc")).unwrap();
    let elsewhere = found();
    let path = String::from_utf8(elsewhere.stdout).unwrap();
    assert!(!path.contains(context.root().to_str().unwrap()), "{path}");
}
