//! The environment of an image that names a variable twice, or has an entry that is no variable: builds, steps
//! and runs read it alike.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::TestContext;
use crate::support::images::{self, Base, hex};

/// Keeps a document in a layout; what its descriptor has to say of it.
fn put(layout: &Path, document: &Value) -> (String, usize) {
    let bytes = serde_json::to_vec(document).unwrap();
    let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
    fs::write(layout.join("blobs/sha256").join(&digest), &bytes).unwrap();
    (format!("sha256:{digest}"), bytes.len())
}

/// A base with this environment, and a build on it with these keys.
fn on_environment(list: &[&str], keys: &str) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[base.odd]\nlayout = \"vendor\"\n\n[build.app]\nbase = \"odd\"\nentrypoint = [\"/bin/sh\", \"-c\"]\n{keys}\n"
    ));
    let layout = context.project().join("vendor");
    images::save(Base::Busybox, &format!("oci:{}:1", layout.display()));
    let descriptor = images::descriptor(&layout, "1");
    let mut manifest = images::read_json(&images::blob(&layout, &descriptor));
    let mut config = images::read_json(&images::blob(&layout, &manifest["config"]));
    config["config"]["Env"] = json!(list);
    let (digest, size) = put(&layout, &config);
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = put(&layout, &manifest);
    let mut index = images::read_json(&layout.join("index.json"));
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = size.into();
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    context
}

/// The environment of a build.
fn environment(context: &TestContext) -> Value {
    let manifest = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "app")));
    images::read_json(&images::blob(&context.layout(), &manifest["config"]))["config"]["Env"].clone()
}

const LIST: [&str; 4] = ["PATH=/bin:/usr/bin", "A=1", "B=b", "A=2"];
/// Shows the variable's value, and the environment that the shell was started with.
const SHOW: &str = "echo ${A-none}; cat /proc/$$/environ";

/// The value that was shown, and how often the variable was in the environment.
fn shown(text: &str) -> (&str, usize) {
    let (value, environment) = text.split_once('\n').unwrap();
    (value, environment.split('\0').filter(|entry| entry.starts_with("A=")).count())
}

#[test]
fn the_last_value_counts_in_runs_steps_and_builds() {
    let context = on_environment(&LIST, "steps = [\"echo $A > /of-step\"]\nenv = { C = \"${A}\" }");
    let run = |options: &[&str], script: &str| {
        let mut command = context.oci();
        context.finish(command.args(["run", "-q", "app"]).args(options).args(["--", script])).success().stdout()
    };
    assert_eq!(shown(&run(&[], SHOW)), ("2", 1));
    assert_eq!(shown(&run(&["-e", "A=3"], SHOW)), ("3", 1));
    assert_eq!(run(&[], "cat /of-step; echo $C"), "2\n2\n");
    let base = context.finish(context.oci().args(["run", "-q", "-e", "A=3", "odd", "--", "/bin/sh", "-c", SHOW]));
    assert_eq!(shown(&base.success().stdout()), ("3", 1));
    context.run(["build"]).success();
    assert_eq!(environment(&context), json!(["PATH=/bin:/usr/bin", "A=2", "B=b", "C=2"]));
}

#[test]
fn a_variable_is_set_and_removed_wholly() {
    for (env, expected, value) in [
        ("{ A = false }", json!(["PATH=/bin:/usr/bin", "B=b"]), ("none", 0)),
        ("{ A = \"3\" }", json!(["PATH=/bin:/usr/bin", "A=3", "B=b"]), ("3", 1)),
    ] {
        let context = on_environment(&LIST, &format!("env = {env}"));
        context.run(["build"]).success();
        assert_eq!(environment(&context), expected);
        assert_eq!(shown(&context.run(["run", "-q", "app", "--", SHOW]).success().stdout()), value);
        // A step's own changes are no others.
        let step = format!("[[build.app.steps]]\nrun = \"({SHOW}) > /shown\"\nenv = {env}");
        let context = on_environment(&LIST, &step);
        assert_eq!(shown(&context.run(["run", "-q", "app", "--", "cat /shown"]).success().stdout()), value);
    }
}

#[test]
fn an_image_that_changes_nothing_keeps_its_list() {
    let context = on_environment(&["A=1", "A=2", "B", "=c"], "labels = { a = \"1\" }");
    let told = context.run(["build"]).success();
    assert!(!told.stderr().contains("NAME=VALUE"), "{told}");
    assert_eq!(environment(&context), json!(["A=1", "A=2", "B", "=c"]));
}

#[test]
fn what_is_no_variable_is_left_out_and_told() {
    let context = on_environment(&["PATH=/bin", "B", "=c"], "steps = [\"true\"]\nenv = { A = \"1\" }");
    let told = context.run(["build"]).success();
    assert!(
        told.stderr().contains("the environment of `odd` has entries that are no `NAME=VALUE`, left out: `B`, `=c`"),
        "{told}"
    );
    assert_eq!(environment(&context), json!(["PATH=/bin", "A=1"]));
    let told = context.run(["run", "odd", "--", "/bin/sh", "-c", "echo ${B-none}"]).success();
    assert_eq!(told.stdout(), "none\n");
    assert!(told.stderr().contains("left out: `B`, `=c`"), "{told}");
}
