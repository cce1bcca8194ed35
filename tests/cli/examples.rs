//! The examples: Dockerfiles of well-known projects as `oci.toml`.
//!
//! Every one is checked here, and some are built and run, each for a promise of its own;
//! `scripts/examples` without names does that with all of them. Their bases are images of public
//! registries, for which the script has stand-ins.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::TestContext;
use crate::support::tools::{find, kept_folder, succeed};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("examples")).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[test]
fn every_example_is_valid_and_tells_whom_it_follows_or_what_explains_it() {
    let context = TestContext::new();
    let found = examples();
    assert!(found.len() >= 10, "{found:?}");
    for example in found {
        let told = context.finish(context.oci().arg("check").current_dir(&example)).success();
        // Nothing is pinned that can be had nowhere, and there is nothing else to say.
        let codes: BTreeSet<String> =
            told.stderr().lines().filter(|line| line.starts_with("oci::")).map(str::to_owned).collect();
        let manifest = fs::read_to_string(example.join("oci.toml")).unwrap();
        let expected = manifest.contains("[base.").then(|| "oci::lock::stale".to_owned());
        assert_eq!(codes, expected.into_iter().collect(), "{}\n{told}", example.display());
        let readme = fs::read_to_string(example.join("README.md")).unwrap();
        assert!(readme.contains("Follows ") || readme.contains("](../../docs/"), "{}", example.display());
        assert!(!example.join("oci.lock").exists(), "{}", example.display());
    }
}

#[test]
fn the_script_asks_every_example() {
    let script = fs::read_to_string(repository().join("scripts/examples")).unwrap();
    for example in examples() {
        let name = example.file_name().unwrap().to_str().unwrap();
        assert!(script.contains(&format!("\nask_{name}() {{")), "scripts/examples does not ask {name}");
    }
}

/// Builds and runs some examples, with a root filesystem of Debian that is kept for other runs.
fn build_and_ask(names: &[&str]) {
    let context = TestContext::new();
    let mut command = Command::new(find("setpriv"));
    // It stops what it started when this process ends before it.
    command.args(["--pdeathsig", "TERM"]).arg(repository().join("scripts/examples"));
    command.args(["--oci", env!("CARGO_BIN_EXE_oci")]).args(names);
    command.env("XDG_CACHE_HOME", kept_folder()).env("TMPDIR", context.root().join("tmp"));
    let shown = succeed(&mut command);
    for name in names {
        assert!(shown.contains(&format!("{name} answers")), "{shown}");
    }
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

/// `apt-get install` in a step, `pip install` in a stage whose virtual environment runs in another
/// image, and a program in C that a stage compiles and that is alone in its image.
#[test]
fn real_dockerfiles_are_built_and_answer() {
    build_and_ask(&["redis", "vote", "hello-world"]);
}
