//! What keys of the manifest do to an image, and to where it is published.

use std::process::Command;

use serde_json::Value;

use crate::support::images::{blob, descriptor, read_json};
use crate::support::podman::Storage;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::succeed;
use crate::support::{Registry, TestContext};

fn shared(registry: &Registry) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        r#"
[project]
version = "1.2+3"

[vars]
channel = "stable"

[defaults]
repository = "{}/{{build}}"
compression = "zstd"
labels = {{ version = "{{version}}" }}

[layer.data]
packages = ["data", {{ text = "{{var.channel}}", to = "/channel" }}]

[build.one]
base = "scratch"
layers = ["data"]
packages = ["app", {{ text = "x", to = "/x" }}]
squash-packages = true
tags = ["{{version}}", "{{git.branch}}", "{{git.tag}}"]

[build.two]
base = "scratch"
layers = ["data"]
packages = ["app", {{ text = "x", to = "/x" }}]
compression = "none"

[build.three]
base = "one"
packages = [":made"]

[package.made]
command = "false"
inputs = ["data"]
output = "made"
"#,
        registry.repository("acme")
    ));
    context.write("data", "data\n");
    context.write_program("app", "#!/bin/sh\n");
    context
}

fn manifest(context: &TestContext, name: &str) -> Value {
    read_json(&blob(&context.layout(), &descriptor(&context.layout(), name)))
}

#[test]
fn layers_are_shared_squashed_and_compressed_as_asked() {
    let registry = Registry::start();
    let context = shared(&registry);
    context.run(["build", "one", "two"]).success();
    let layers = |name: &str| manifest(&context, name)["layers"].as_array().unwrap().clone();
    let config = |name: &str| read_json(&blob(&context.layout(), &manifest(&context, name)["config"]));
    let kinds = |name: &str| -> Vec<String> {
        layers(name)
            .iter()
            .map(|layer| layer["mediaType"].as_str().unwrap().replace("application/vnd.oci.image.", ""))
            .collect()
    };
    assert_eq!(kinds("one"), ["layer.v1.tar+zstd", "layer.v1.tar+zstd"]);
    assert_eq!(kinds("two"), ["layer.v1.tar", "layer.v1.tar", "layer.v1.tar"]);
    let diff_id = |name: &str| config(name)["rootfs"]["diff_ids"][0].clone();
    assert_eq!(diff_id("one"), diff_id("two"), "a shared layer is the same in every build");
    assert_eq!(config("one")["config"]["Entrypoint"], serde_json::json!(["/app"]));
    assert_eq!(config("one")["config"]["Labels"]["version"], "1.2+3");

    // A value is part of what it changes, and of nothing else.
    let before = layers("two");
    context.run(["build", "two", "--var", "channel=beta"]).success();
    let after = layers("two");
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1..], after[1..]);
    context.finish(context.oci().env("OCI_VAR_CHANNEL", "stable").args(["build", "two"])).success();
    assert_eq!(layers("two"), before);
}

#[test]
fn a_level_is_part_of_what_a_layer_is_kept_under() {
    let context = TestContext::with_manifest("");
    let text: String = (0..20_000_u32).map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761))).collect();
    context.write("data", text);
    let digest = |level: i32| {
        context.write(
            "oci.toml",
            format!("[build.a]\nbase = \"scratch\"\npackages = [\"data\"]\ncompression = {{ kind = \"zstd\", level = {level} }}\n"),
        );
        context.run(["build"]).success();
        context.built("a")
    };
    let (low, high) = (digest(1), digest(19));
    assert_ne!(low, high);
    assert_eq!((digest(1), digest(19)), (low, high));
}

#[test]
fn templates_say_where_an_image_goes() {
    let registry = Registry::start();
    let context = shared(&registry);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(context.project()).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
        succeed(command.args(arguments));
    };
    let told = context.run(["publish", "one"]).failure(1);
    assert!(told.stderr().contains("oci::git::no_repository"), "{told}");
    git(&["init", "--quiet"]);
    git(&["checkout", "--quiet", "-b", "feature/a"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    let told = context.run(["publish", "one"]).success();
    assert!(told.stderr().contains("{git.tag}"), "{told}");
    let digest = context.built("one");
    for tag in ["1.2-3", "feature-a"] {
        assert_eq!(registry.digest("acme/one", tag), digest);
    }
    let name = format!("docker://{}@{digest}", registry.repository("acme/one"));
    succeed(Storage::new().buildah("pull").args(["--tls-verify=false", "--quiet", &name]));
}

#[test]
fn a_target_that_fails_stops_nothing_else() {
    let registry = Registry::start();
    let context = shared(&registry);
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::target::failed") && told.stderr().contains("command = \"false\""), "{told}");
    assert!(told.stdout().contains(&context.built("two")), "{told}");
}

#[test]
fn a_user_has_settings_too() {
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\n");
    let settings = context.root().join("settings");
    std::fs::create_dir_all(settings.join("oci")).unwrap();
    let run = |text: &str| {
        std::fs::write(settings.join("oci/config.toml"), text).unwrap();
        let mut command = context.oci();
        context.finish(command.env("XDG_CONFIG_HOME", &settings).env_remove("OCI_CACHE_DIR").args(["build"]))
    };
    run("[cache]\ndir = \"mine\"\n").success();
    assert!(settings.join("oci/mine").is_dir());
    let told = run("[project]\nname = \"a\"\n").failure(2);
    assert!(told.stderr().contains("oci::manifest::unknown_key") && told.stderr().contains("config.toml"), "{told}");
}

#[test]
fn values_that_none_takes() {
    let context = TestContext::with_manifest(
        "[vars]\nchannel = \"stable\"\n\n[build.app]\nbase = \"scratch\"\n\
         repository = \"registry.example.com/acme/app\"\ntag = \"{git.sha}\"\n",
    );
    let told = [
        context.run(["build", "--var", "channel"]).failure(2),
        context.run(["build", "--var", "chanel=beta"]).failure(2),
        context.finish(context.oci().env("PATH", "/nowhere").arg("publish")).failure(1),
    ];
    assert_outcome!(told.map(|told| told.to_string()).join("\n"));
}
