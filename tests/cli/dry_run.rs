//! `oci build --dry-run`: the plan with its reasons, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::tool;
use crate::support::{Registry, TestContext};

/// A base, a stage on it, and two builds.
fn project(registry: &Registry) -> TestContext {
    images::push(registry, Base::Index, "library/busybox", "latest");
    let context = TestContext::with_manifest(&manifest(registry, "latest", ""));
    for name in ["a", "b", "c"] {
        context.write(&format!("data/{name}"), format!("content of {name}\n"));
    }
    context.write_program("app", "#!/bin/sh\necho app\n");
    // What has only just changed is read again, whatever its stat says.
    std::thread::sleep(std::time::Duration::from_millis(50));
    context
}

fn manifest(registry: &Registry, tag: &str, more: &str) -> String {
    format!(
        r#"
[project]
platforms = ["linux/amd64", "linux/arm64"]

[base.busybox]
repository = "{}"
tag = "{tag}"

[stage.ground]
base = "busybox"
packages = [{{ path = "data", to = "/data" }}]

[build.app]
base = "ground"
packages = ["app"]
{more}

[build.tool]
base = "scratch"
platforms = ["linux/amd64"]
packages = [{{ text = "tool\n", to = "/bin/tool" }}]
"#,
        registry.repository("library/busybox"),
    )
}

/// Every file below a folder, with when it was last written.
fn files(folder: &Path) -> BTreeMap<String, std::time::SystemTime> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                pending.push(entry.path());
            }
            found.insert(entry.path().display().to_string(), metadata.modified().unwrap());
        }
    }
    found
}

#[test]
fn it_writes_starts_and_asks_nothing() {
    let registry = Registry::start();
    let context = project(&registry);
    let check = |starts_with: &str| {
        let (before, asked) = (files(context.root()), registry.requests().len());
        let trace = context.root().join("trace");
        let mut traced = tool("strace");
        traced.args([
            "-f",
            "-e",
            "trace=execve,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,utimensat",
        ]);
        traced.arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_oci")).args(["build", "--dry-run"]);
        traced.env_clear().envs(context.environment()).current_dir(context.project());
        let told = context.finish(&mut traced).success();
        assert!(told.stdout().starts_with(starts_with), "{told}");
        let calls = fs::read_to_string(&trace).unwrap();
        fs::remove_file(trace).unwrap();
        let calls: Vec<&str> = calls.lines().filter(|line| line.contains(" = 0")).collect();
        assert_eq!(calls.len(), 1, "only oci itself is started: {calls:#?}");
        let mut after = files(context.root());
        after.retain(|path, time| before.get(path) != Some(time));
        assert_eq!(after.into_keys().collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(registry.requests().len(), asked);
    };
    check("resolve");
    context.run(["build"]).success();
    check("fetch");
    // What is damaged stays for the build that replaces it.
    let index = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "app")));
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let path = context.root().join("cache/oci/blobs/sha256").join(manifest);
    let length = fs::metadata(&path).unwrap().len();
    fs::remove_file(&path).unwrap();
    fs::write(&path, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
    check("fetch");
}

#[test]
fn it_says_what_is_to_be_done_and_why() {
    let registry = Registry::start();
    let context = project(&registry);
    let mut told = Vec::new();
    let mut plan = |what: &str| {
        let outcome = context.run(["build", "--dry-run"]).success();
        told.push(format!("===== {what}\n{}", outcome.stdout()));
    };
    plan("before anything is locked");
    context.run(["lock"]).success();
    plan("before anything is built");
    context.run(["build"]).success();
    plan("nothing changed");
    context.write("data/a", "another content of a\n");
    context.write("data/d", "d\n");
    fs::remove_file(context.project().join("data/b")).unwrap();
    plan("files changed");
    context.run(["build"]).success();
    context.write("oci.toml", manifest(&registry, "latest", "compression = \"zstd\"\nenv = { A = \"1\" }"));
    plan("another compression");
    context.write("oci.toml", manifest(&registry, "latest", "env = { A = \"1\" }"));
    plan("another variable");
    context
        .write("oci.toml", manifest(&registry, "latest", "").replace("[project]", "[project]\nsource-date-epoch = 1"));
    plan("another time");
    context.write("oci.toml", manifest(&registry, "other", ""));
    plan("another tag");
    assert_outcome!(told.join("\n"));
}

#[test]
fn a_base_that_moved_is_a_reason() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/moving", "1");
    let context = TestContext::with_manifest(&format!(
        "[base.moving]\nrepository = \"{}\"\ntag = \"1\"\n[build.app]\nbase = \"moving\"\n",
        registry.repository("library/moving")
    ));
    context.run(["build"]).success();
    images::push(&registry, Base::Merged, "library/moving", "1");
    let told = context.run(["build", "--dry-run"]).success();
    assert!(told.stdout().contains("assemble app") && !told.stdout().contains("another image"), "{told}");
    context.run(["update"]).success();
    for _ in 0..2 {
        let told = context.run(["build", "--dry-run"]).success();
        assert!(told.stdout().contains("`moving` is another image than before"), "{told}");
        // Its documents are there then.
        context.run(["fetch"]).success();
    }
}

#[test]
fn what_stands_on_a_link_is_known_once_the_base_is_there() {
    let registry = Registry::start();
    images::push(&registry, Base::Merged, "library/merged", "1");
    let context = TestContext::with_manifest(&format!(
        "[base.merged]\nrepository = \"{}\"\ntag = \"1\"\n[build.app]\nbase = \"merged\"\n\
         packages = [{{ text = \"1\", to = \"/bin/tool\" }}]\n[build.above]\nbase = \"app\"\n",
        registry.repository("library/merged")
    ));
    context.run(["lock"]).success();
    // With its manifest and config alone.
    context.write("shallow.toml", context.read("oci.toml").replace("\"/bin/tool\"", "\"/tool\""));
    fs::copy(context.project().join("oci.lock"), context.project().join("oci.lock.kept")).unwrap();
    context.run(["build", "--manifest-path", "shallow.toml"]).success();
    let told = context.run(["build", "--dry-run"]).success();
    context.run(["build"]).success();
    let after = context.run(["build", "--dry-run"]).success();
    let told = format!("{}=====\n{}", told.stdout(), after.stdout());
    assert_outcome!(told.replace(images::architecture(), "[HOST]"));
}

#[test]
fn what_several_images_wait_for_is_told_once() {
    let registry = Registry::start();
    images::push(&registry, Base::Merged, "library/merged", "1");
    let context = TestContext::with_manifest(&format!(
        "[base.merged]\nrepository = \"{}\"\ntag = \"1\"\n\
         [build.a]\nbase = \"merged\"\npackages = [{{ text = \"1\", to = \"/bin/tool\" }}]\nsteps = [\"true\"]\n\
         [build.b]\nbase = \"merged\"\npackages = [{{ text = \"1\", to = \"/bin/tool\" }}]\n\
         [build.c]\nbase = \"a\"\npackages = [{{ image = \"b\", path = \"/bin/tool\", to = \"/tool\" }}]\n",
        registry.repository("library/merged")
    ));
    context.run(["lock"]).success();
    // With its manifest and config alone.
    let shallow = context.read("oci.toml").replace("\"/bin/tool\"", "\"/tool\"").replace("[\"true\"]", "[]");
    context.write("shallow.toml", shallow.split("[build.c]").next().unwrap());
    context.run(["build", "--manifest-path", "shallow.toml"]).success();
    let before = context.run(["build", "--dry-run"]).success();
    context.run(["build"]).success();
    let after = context.run(["build", "--dry-run"]).success();
    let told = format!("{}=====\n{}", before.stdout(), after.stdout());
    let fetched = before.stdout().lines().filter(|line| line.starts_with("fetch ")).count();
    assert_eq!(fetched, 2, "manifest and config, and the layers: {told}");
    assert!(after.stdout().lines().all(|line| line.ends_with(": cached")), "{told}");
    assert_outcome!(told.replace(images::architecture(), "[HOST]"));
}

#[test]
fn it_is_data_too_and_tells_what_is_wrong() {
    let context = TestContext::with_manifest(
        "[build.bad]\nbase = \"scratch\"\npackages = [\"missing\"]\n\
         [build.good]\nbase = \"scratch\"\npackages = [{ text = \"x\", to = \"/x\" }]\n",
    );
    let told = context.run(["build", "--dry-run", "--json"]).failure(1);
    assert!(told.stderr().contains("missing"), "{told}");
    let plan: serde_json::Value = serde_json::from_str(&told.stdout()).unwrap();
    let stages: Vec<_> =
        plan["stages"].as_array().unwrap().iter().map(|stage| (&stage["stage"], &stage["state"])).collect();
    assert_eq!(stages, [(&"layer".into(), &"needed".into()), (&"assemble".into(), &"needed".into())]);
    assert_eq!(plan["stages"][0]["reasons"], serde_json::json!(["it was not built before"]));
    context.run(["build", "good"]).success();
    let told = context.run(["build", "good", "--dry-run", "--no-cache"]).success();
    assert!(told.stdout().contains("`--no-cache`"), "{told}");
}

#[test]
fn what_is_forbidden_is_an_error_here_too() {
    let context = TestContext::with_manifest(
        "[base.b]\nrepository = \"registry.invalid/b\"\ntag = \"1\"\n[build.a]\nbase = \"b\"\n",
    );
    for flag in ["--locked", "--offline"] {
        let told = context.run(["build", "--dry-run", flag]).failure(1);
        assert!(told.stderr().contains("oci::lock::stale"), "{told}");
    }
    context.run(["build", "--dry-run", "--complete"]).failure(2);
}
