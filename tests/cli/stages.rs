//! Stages: images to build from, made when something needs them, and never published.

use crate::support::images::{self, Base, read_json};
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext, project};

/// Two builds on a stage on a stage, and a stage that nothing needs.
const TABLES: &str = r#"
[project]
platforms = ["linux/amd64", "linux/arm64"]

[stage.tools]
base = "busybox"
packages = [{ path = "tool-{arch}", to = "/opt/tool" }]
env = { TOOLS = "/opt" }

[stage.system]
base = "tools"
packages = [{ text = "system\n", to = "/etc/system" }]
entrypoint = ["/bin/cat", "/etc/system", "/opt/tool"]

[stage.unused]
base = "busybox"
packages = ["missing"]

[build.one]
base = "system"
env = { ONE = "${TOOLS}/one" }
packages = [{ text = "one\n", to = "/etc/one" }]

[build.two]
base = "system"
platforms = ["linux/amd64"]
"#;

fn staged(registry: &Registry) -> TestContext {
    let context = project::on_base(registry, Base::Index, "busybox", TABLES);
    for architecture in ["amd64", "arm64"] {
        context.write(&format!("tool-{architecture}"), format!("for {architecture}\n"));
    }
    context
}

#[test]
fn a_stage_is_what_its_builds_stand_on() {
    let registry = Registry::start();
    let context = staged(&registry);
    let told = context.run(["build"]).success();
    let names: Vec<String> =
        told.stdout().lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    assert_eq!(names, ["one", "two"], "{told}");
    let index = read_json(&context.layout().join("index.json"));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
    let layout = context.layout();
    let two = read_json(&images::blob(&layout, &images::descriptor(&layout, "two")));
    assert_eq!(two["layers"].as_array().unwrap().len(), 3);
    let config = read_json(&images::blob(&layout, &two["config"]));
    assert!(config["config"]["Env"].as_array().unwrap().contains(&"TOOLS=/opt".into()), "{config}");
    // Platforms are those of the stage where the build does not say.
    let one = read_json(&images::blob(&layout, &images::descriptor(&layout, "one")));
    let manifests = one["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 2);
    let manifest = read_json(&images::blob(&layout, &manifests[0]));
    let config = read_json(&images::blob(&layout, &manifest["config"]));
    assert!(config["config"]["Env"].as_array().unwrap().contains(&"ONE=/opt/one".into()), "{config}");
    // The one that says so has the layers of the other below its own.
    assert_eq!(manifest["layers"].as_array().unwrap()[..3], two["layers"].as_array().unwrap()[..]);
}

#[test]
fn a_stage_that_is_named_is_built_and_run() {
    let registry = Registry::start();
    let context = staged(&registry);
    let told = context.run(["build", "system"]).success();
    assert!(told.stdout().starts_with("system  sha256:"), "{told}");
    assert!(told.stdout().contains(&context.built("system")), "{told}");
    let told = context.run(["run", "system"]).success();
    assert_eq!(told.stdout(), format!("system\nfor {}\n", images::architecture()));
    // It stays beside what is built later.
    context.run(["build", "two"]).success();
    context.built("system");
    let told = context.run(["build", "unused"]).failure(1);
    assert!(told.stderr().contains("missing"), "{told}");
}

#[test]
fn a_stage_is_not_published() {
    let context = TestContext::with_manifest("[stage.tools]\nbase = \"scratch\"\n");
    assert_outcome!(context.run(["publish", "tools"]).failure(2));
}

#[test]
fn what_a_stage_lacks_is_told_once_for_all_that_stand_on_it() {
    let context = TestContext::with_manifest(
        "[stage.ground]\nbase = \"scratch\"\npackages = [\"missing\"]\n[build.a]\nbase = \"ground\"\n\
         packages = [\"missing-too\"]\n[build.b]\nbase = \"ground\"\n[build.c]\nbase = \"scratch\"\n",
    );
    let told = context.run(["build"]).failure(1);
    assert_eq!(told.stderr().matches("`missing`").count(), 1, "{told}");
    // What can be known of a build without its stage is told at once.
    assert_eq!(told.stderr().matches("`missing-too`").count(), 1, "{told}");
    assert!(told.stdout().contains(&context.built("c")), "{told}");
}
