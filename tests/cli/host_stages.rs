//! Stages that run on this machine, whatever they are for: cross-compiling.

use crate::support::images::{self, Base, blob, descriptor, read_json};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext, project};

/// A compiler of a kind, on a base that there is for this machine alone, and a build for two platforms.
const TABLES: &str = r#"
[project]
platforms = ["linux/amd64", "linux/arm64"]

[stage.system]
base = "busybox"
platform = "host"
packages = [{ path = "of-{arch}", to = "/system" }]

[stage.cross]
base = "system"
platform = "host"
steps = ["echo $TARGETOS $TARGETARCH $TARGETVARIANT $TARGETPLATFORM > /out"]

[build.app]
base = "scratch"
packages = [{ image = "cross", path = "/out" }, { image = "system", path = "/system" }]
"#;

fn cross_compiled(registry: &Registry) -> TestContext {
    let context = project::on_base(registry, Base::Busybox, "busybox", TABLES);
    for architecture in ["amd64", "arm64"] {
        context.write(&format!("of-{architecture}"), format!("of {architecture}"));
    }
    context
}

/// A file of each platform's image.
fn contents(context: &TestContext, layer: usize, file: &str) -> Vec<String> {
    let layout = context.layout();
    let index = read_json(&blob(&layout, &descriptor(&layout, "app")));
    let contents = index["manifests"].as_array().unwrap().iter().map(|manifest| {
        let layer = &read_json(&blob(&layout, manifest))["layers"][layer];
        succeed(tool("tar").arg("-xOzf").arg(blob(&layout, layer)).arg(file))
    });
    contents.collect()
}

#[test]
fn it_runs_here_and_knows_what_it_is_for() {
    let registry = Registry::start();
    let context = cross_compiled(&registry);
    let told = context.run(["build"]).success();
    assert_eq!(contents(&context, 0, "out"), ["linux amd64 linux/amd64", "linux arm64 linux/arm64"]);
    let here = format!("of {}", images::architecture());
    assert_eq!(contents(&context, 1, "system"), [&*here, &*here]);
    // Where no step can tell, once is enough.
    let count = |what: &str| told.stderr().lines().filter(|line| line.contains(what)).count();
    assert_eq!((count("packed of-"), count("running cross")), (1, 2), "{told}");
    let planned = context.run(["build", "--dry-run"]).success();
    assert!(planned.stdout().lines().all(|line| line.ends_with(": cached")), "{planned}");
    assert!(!context.run(["build"]).success().stderr().contains("running "));
    // Named by itself it is one image, for this machine.
    assert!(context.run(["build", "cross"]).success().stdout().starts_with("cross  sha256:"));
    let layout = context.layout();
    let config = &read_json(&blob(&layout, &descriptor(&layout, "cross")))["config"];
    assert_eq!(read_json(&blob(&layout, config))["architecture"], images::architecture());
    let other = format!("linux/{}", images::other_architecture());
    let seen = context.run(["run", "-q", "cross", "--platform", &other, "--", "cat", "/out"]).success().stdout();
    assert!(seen.contains(&other), "{seen}");
}

#[test]
fn what_it_holds_is_for_this_machine_unless_that_is_said() {
    let registry = Registry::start();
    let context = cross_compiled(&registry);
    let manifest = context.read("oci.toml");
    let foreign =
        manifest.replace("image = \"system\", path = \"/system\"", "image = \"system\", path = \"/bin/busybox\"");
    context.write("oci.toml", &foreign);
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::layer::wrong_architecture"), "{told}");
    context.write("oci.toml", foreign.replace("/bin/busybox\"", "/bin/busybox\", foreign = true"));
    context.run(["build"]).success();
}

#[test]
fn it_runs_once_where_it_says_so() {
    let registry = Registry::start();
    let context = cross_compiled(&registry);
    // The stage below is made for each target, where another one asks for that.
    let both = "steps = [\"echo $TARGETARCH > /of\"]\n";
    let once = "env | grep ^TARGET > /out || echo none >> /out; cat /of >> /out";
    let manifest = context.read("oci.toml");
    let manifest = manifest.replacen("\"/system\" }]\n", &format!("\"/system\" }}]\n{both}"), 1);
    let (before, rest) = manifest.split_once("[stage.cross]").unwrap();
    let (_, rest) = rest.split_once("[build.app]").unwrap();
    let stage = format!("base = \"system\"\nplatform = \"host\"\nper-target = false\nsteps = [\"{once}\"]\n\n");
    context.write("oci.toml", format!("{before}[stage.cross]\n{stage}[build.app]{rest}"));
    let told = context.run(["build"]).success();
    let here = images::architecture();
    let seen = format!("none\n{here}");
    assert_eq!(contents(&context, 0, "out"), [&*seen, &*seen]);
    let count = |what: &str| told.stderr().lines().filter(|line| line.contains(what)).count();
    assert_eq!((count("running cross"), count("running system")), (1, 2), "{told}");
    // Of a variable that is not there nothing can be taken.
    let stage = stage
        .replace("steps = [\"", "steps = [{ env = { A = \"${TARGETARCH}\" }, run = \"")
        .replace("\"]\n\n", "\" }]\n\n");
    context.write("oci.toml", format!("{before}[stage.cross]\n{stage}[build.app]{rest}"));
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("TARGETARCH") && !told.stderr().contains("running cross"), "{told}");
}

#[test]
fn a_base_without_this_machines_platform_is_an_error() {
    let registry = Registry::start();
    let context = cross_compiled(&registry);
    images::push(&registry, Base::Foreign, "library/busybox", "latest");
    context.run(["lock"]).success();
    let mut text = context.run(["build", "--progress", "none"]).failure(1).to_string();
    text = text.replace(images::architecture(), "[ARCH]");
    insta::with_settings!({ filters => crate::support::snapshot::FILTERS.to_vec() }, { insta::assert_snapshot!(text) });
    context.write(
        "oci.toml",
        context.read("oci.toml").replace("[build.app]\nbase = \"scratch\"", "[build.app]\nbase = \"cross\""),
    );
    assert_outcome!(context.run(["check"]).failure(2));
}
