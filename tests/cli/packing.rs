//! What packages put in, what stays out, and what becomes of folders above them.

use std::os::unix::fs::symlink;

use crate::support::TestContext;
use crate::support::images::{blob, descriptor, read_json};
use crate::support::tools::{succeed, tool};

/// Every line of `tar -tv` of all layers that a build has: kind and mode, owner, name.
fn listed(context: &TestContext, name: &str) -> Vec<String> {
    let manifest = read_json(&blob(&context.layout(), &descriptor(&context.layout(), name)));
    let mut lines = Vec::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let path = blob(&context.layout(), layer);
        if !path.exists() {
            continue;
        }
        let listing = succeed(tool("tar").arg("-tvzf").arg(path).arg("--numeric-owner"));
        lines.extend(listing.lines().map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", fields[0], fields[1], fields[5])
        }));
    }
    lines
}

/// A project whose base, a layout, has folders of its own; packages of `app` go into them.
fn on_folders(packages: &str) -> TestContext {
    let context = TestContext::with_manifest(
        r#"
[build.base]
base = "scratch"
packages = [
  { folder = "/home/nonroot", mode = "0700", owner = "65532:65532" },
  { folder = "/var/www", mode = "2775", owner = "33:33" },
  { folder = "/opt/app", mode = "0700", owner = "5:5" },
]
"#,
    );
    context.run(["build"]).success();
    succeed(tool("cp").arg("-a").arg(context.layout()).arg(context.project().join("vendor")));
    context.write(
        "oci.toml",
        format!(
            r#"
[base.local]
layout = "vendor:base"

[stage.owned]
base = "local"
packages = [{{ folder = "/srv/app", mode = "0750", owner = "7:7" }}]

[build.app]
base = "owned"
packages = [{packages}]
"#
        ),
    );
    context
}

#[test]
fn folders_above_are_as_below_whatever_the_store_holds() {
    let context = on_folders(
        r#"
  { text = "1", to = "/home/nonroot/app/x" },
  { text = "2", to = "/var/www/html/x" },
  { text = "3", to = "/opt/app/x" },
  { text = "4", to = "/srv/app/x" },
"#,
    );
    context.run(["build"]).success();
    let lines = listed(&context, "app");
    for line in [
        "drwx------ 65532/65532 home/nonroot/",
        "drwxr-xr-x 0/0 home/nonroot/app/",
        "drwxrwsr-x 33/33 var/www/",
        "drwxr-xr-x 0/0 opt/app/",
        "drwxr-x--- 7/7 srv/app/",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line}: {lines:#?}");
    }
    let first = context.built("app");
    // A store that holds everything, and knows it.
    context.run(["fetch"]).success();
    context.run(["build", "--no-cache"]).success();
    assert_eq!(context.built("app"), first);
    // A store that is empty.
    let empty = tempfile::tempdir().unwrap();
    context.finish(context.oci().env("XDG_CACHE_HOME", empty.path()).args(["build"])).success();
    assert_eq!(context.built("app"), first);
    let planned = context.run(["build", "--dry-run"]).success();
    assert!(planned.stdout().is_empty() || !planned.stdout().contains("needed"), "{}", planned.stdout());
}

#[test]
fn a_base_stays_where_it_is_if_it_decides_nothing() {
    let context = on_folders(r#"{ text = "3", to = "/opt/app/x" }"#);
    let manifest = context.read("oci.toml").replace("base = \"owned\"", "base = \"local\"");
    context.write("oci.toml", manifest);
    let empty = tempfile::tempdir().unwrap();
    context.finish(context.oci().env("XDG_CACHE_HOME", empty.path()).args(["build"])).success();
    let lines = listed(&context, "app");
    assert!(lines.contains(&"drwxr-xr-x 0/0 opt/app/".to_owned()), "{lines:#?}");
    let records = empty.path().join("oci/records/folders");
    assert!(!records.exists(), "the base was looked into");
}

fn config(context: &TestContext, name: &str) -> serde_json::Value {
    let manifest = read_json(&blob(&context.layout(), &descriptor(&context.layout(), name)));
    read_json(&blob(&context.layout(), &manifest["config"]))["config"].clone()
}

#[test]
fn what_becomes_of_the_first_package_is_told() {
    let context = TestContext::with_manifest(
        r#"
[stage.below]
base = "scratch"
packages = [{ text = "x", to = "/entry", mode = "0755" }]
entrypoint = ["/entry", "--flag"]
args = ["one"]

[build.app]
base = "below"
packages = ["run.sh"]
"#,
    );
    context.write("run.sh", "#!/bin/sh\n");
    for _ in 0..2 {
        let told = context.run(["build"]).success().stderr();
        assert!(told.contains("`app` does not run its first package, the program `/run.sh`"), "{told}");
        assert_eq!(config(&context, "app")["Entrypoint"], serde_json::json!(["/entry", "--flag"]));
    }
    context.write_program("run.sh", "#!/bin/sh\n");
    let told = context.run(["build"]).success().stderr();
    assert!(!told.contains("does not run its first package"), "{told}");
    assert!(
        told.contains(r#"`app` runs its first package, `/run.sh`, instead of the base's ["/entry", "--flag"]"#),
        "{told}"
    );
    assert_eq!(config(&context, "app")["Cmd"], serde_json::Value::Null);
    let manifest = context.read("oci.toml");
    context.write("oci.toml", format!("{manifest}entrypoint = false\n"));
    let told = context.run(["build"]).success().stderr();
    assert!(!told.contains("first package"), "{told}");
    let config = config(&context, "app");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/entry", "--flag"]));
    assert_eq!(config["Cmd"], serde_json::json!(["one"]));
    // A text that is no program, and a program that is not the first package, are nobody's concern.
    context.write("oci.toml", manifest.replace("\"run.sh\"", "{ text = \"x\", to = \"/x\" }, \"run.sh\""));
    context.write("run.sh", "#!/bin/sh\n");
    let told = context.run(["build"]).success().stderr();
    assert!(!told.contains("first package"), "{told}");
}

#[test]
fn what_ignore_files_leave_out() {
    let context =
        TestContext::with_manifest("[build.app]\nbase = \"scratch\"\npackages = [{ path = \".\", to = \"/app\" }]\n");
    context.write("server.py", "");
    context.write(".env", "SECRET=1");
    context.write(".dockerignore", ".env\n.dockerignore\n");
    let told = context.run(["build"]).success().stderr();
    assert!(told.contains("warning: what `.dockerignore` leaves out goes into the image"), "{told}");
    let names = |context: &TestContext| -> Vec<String> {
        listed(context, "app").iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&context), ["app/", "app/.dockerignore", "app/.env", "app/server.py"]);
    let manifest = context.read("oci.toml");
    context.write("oci.toml", format!("[project]\nignore-files = [\".dockerignore\"]\n{manifest}"));
    assert_eq!(context.run(["build"]).success().stderr().matches("warning").count(), 0);
    assert_eq!(names(&context), ["app/", "app/server.py"]);
    // An unchanged build sees that an ignore file changed.
    context.write(".dockerignore", ".env\n");
    context.run(["build"]).success();
    assert_eq!(names(&context), ["app/", "app/.dockerignore", "app/server.py"]);
}

#[test]
fn a_link_on_the_way_out_of_the_project() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scratch\"\npackages = [\"link/secret\"]\n");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "SECRET").unwrap();
    symlink(outside.path(), context.project().join("link")).unwrap();
    let told = context.run(["build"]).failure(1).stderr();
    assert!(told.contains("oci::layer::link_leaves") && told.contains("`link` leads out of the project"), "{told}");
    let manifest = context.read("oci.toml");
    context.write("oci.toml", manifest.replace("\"link/secret\"", "{ path = \"link/secret\", follow = true }"));
    context.run(["build"]).success();
    context.write("real/secret", "mine");
    std::fs::remove_file(context.project().join("link")).unwrap();
    symlink("real", context.project().join("link")).unwrap();
    context.write("oci.toml", manifest);
    context.run(["build"]).success();
}
