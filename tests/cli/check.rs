//! `oci check` and `oci lock --check`: what is in order and what is not, told without a network, a cache
//! or a process.

use serde_json::{Value, json};

use crate::support::TestContext;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};

/// A registry that nobody could ask.
const REPOSITORY: &str = "registry.invalid/library/python";

/// `current` is pinned as it should be, `stale` by another tag, `missing` not at all, `gone` for nothing.
fn drifted() -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[base.current]\nrepository = \"{REPOSITORY}\"\ntag = \"1\"\n\n\
         [base.stale]\nrepository = \"{REPOSITORY}\"\ntag = \"2\"\n\n\
         [base.missing]\nrepository = \"{REPOSITORY}\"\ntag = \"3\"\n"
    ));
    let entries = ["current", "gone", "stale"].map(entry);
    context.write("oci.lock", format!("version = 1\n{}", entries.concat()));
    context
}

/// What `oci lock` would have written for a base with the tag 1.
fn entry(name: &str) -> String {
    let digest = format!("sha256:{}", "1".repeat(64));
    format!(
        "\n[image.\"{name}\"]\nrepository = \"{REPOSITORY}\"\ntag = \"1\"\ndigest = \"{digest}\"\n\
         media-type = \"application/vnd.oci.image.manifest.v1+json\"\n\n\
         [image.\"{name}\".platforms]\n\"linux/amd64\" = \"{digest}\"\n"
    )
}

/// Every file of the project and of the cache, with its content.
fn files(context: &TestContext) -> String {
    succeed(tool("find").arg(context.root()).args(["-type", "f", "-exec", "sha256sum", "{}", "+"]))
}

#[test]
fn a_stale_lockfile_is_a_warning_of_check() {
    let context = drifted();
    let before = files(&context);
    assert_outcome!(context.run(["check"]).success());
    assert_eq!(files(&context), before);
    assert!(!context.root().join("cache/oci").exists());
}

#[test]
fn lock_check_lists_what_differs_and_writes_nothing() {
    let context = drifted();
    let before = files(&context);
    let outcome = context.run(["lock", "--check"]).failure(1);
    assert_eq!(outcome.stdout(), "gone  gone\nmissing  missing\nstale  stale\n");
    assert_eq!(files(&context), before);
    assert!(!context.root().join("cache/oci").exists());
    for arguments in [&["check"][..], &["lock", "--check"]] {
        let told = context.finish(context.oci().args(arguments).arg("--json")).stdout();
        let expected = [("gone", "gone"), ("missing", "missing"), ("stale", "stale")]
            .map(|(name, state)| json!({ "name": name, "state": state }));
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({ "differences": expected }));
    }
}

#[test]
fn with_locked_what_would_change_is_an_error() {
    let context = drifted();
    let before = files(&context);
    assert_outcome!(context.run(["check", "--locked"]).failure(1));
    for (name, is_wrong) in [("current", false), ("stale", true), ("missing", true), ("gone", true)] {
        // Each by itself is enough.
        let base = |name: &str, tag: &str| format!("[base.{name}]\nrepository = \"{REPOSITORY}\"\ntag = \"{tag}\"\n");
        let (manifest, lock) = match name {
            "missing" => (base("missing", "1"), String::new()),
            "stale" => (base("stale", "2"), entry("stale")),
            "gone" => (String::new(), entry("gone")),
            _ => (base("current", "1"), entry("current")),
        };
        let context = TestContext::with_manifest(&manifest);
        context.write("oci.lock", format!("version = 1\n{lock}"));
        for arguments in [&["check", "--locked"][..], &["check", "--frozen"], &["check", "--locked", "--json"]] {
            let outcome = context.finish(context.oci().args(arguments));
            assert_eq!(outcome.code(), Some(i32::from(is_wrong)), "{name}: {outcome}");
        }
        let outcome = context.finish(context.oci().arg("check").env("OCI_LOCKED", "1"));
        assert_eq!(outcome.code(), Some(i32::from(is_wrong)), "{name}: {outcome}");
    }
    assert_eq!(files(&context), before);
}

#[test]
fn what_is_in_order_is_silent() {
    let context = TestContext::with_manifest(&format!("[base.a]\nrepository = \"{REPOSITORY}\"\ntag = \"1\"\n"));
    context.write("oci.lock", format!("version = 1\n{}", entry("a")));
    for arguments in [["check", "-v"], ["lock", "--check"]] {
        let outcome = context.run(arguments).success();
        assert_eq!((outcome.stdout().as_str(), outcome.stderr().as_str()), ("", ""));
    }
}

#[test]
fn what_is_wrong_is_an_error_of_check() {
    let context = drifted();
    context.write("oci.toml", "[base.a]\nrepository = \"python\"\n");
    context.run(["check"]).failure(2);
    context.run(["lock", "--check"]).failure(2);
    let context = drifted();
    context.write("oci.lock", "version = 1\n[image.x]\n");
    context.run(["check"]).failure(2);
    context.run(["lock", "--check"]).failure(2);
}

/// A missing package file is no concern of it; a build says so.
#[test]
fn check_looks_at_no_package() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scratch\"\npackages = [\"no-such-file\"]\n");
    context.run(["check"]).success();
    context.run(["build"]).failure(1);
}

#[test]
fn check_starts_nothing_and_asks_nobody() {
    let context = drifted();
    let trace = context.root().join("trace");
    let mut traced = tool("strace");
    traced.args(["-f", "-qq", "-e", "trace=execve,fork,vfork,connect", "-o"]).arg(&trace);
    traced.arg(env!("CARGO_BIN_EXE_oci")).args(["check", "-q"]);
    traced.env_clear().envs(context.environment()).current_dir(context.project());
    context.finish(&mut traced).success();
    let calls = std::fs::read_to_string(&trace).unwrap();
    assert_eq!(calls.lines().count(), 1, "{calls}");
    assert!(calls.contains("execve("), "{calls}");
}
