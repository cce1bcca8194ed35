//! `oci build`: what is asked of whom, and what a second build does: nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::images::{self, Base, architecture};
use crate::support::tools::{find, search_path, succeed, tool};
use crate::support::{Registry, TestContext, project};

#[test]
fn a_base_is_not_downloaded() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["build"]).success();
    let layer = &images::layers(Base::Busybox)[0];
    assert_eq!(registry.blob_downloads(layer), 0, "{:#?}", registry.requests());
    let manifest = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "app")));
    assert_eq!(manifest["layers"][0]["digest"], layer.as_str());
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_second_build_starts_no_process_and_opens_no_package() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    // A file that has just changed may be read again, as its time tells nothing yet.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    context.run(["build"]).success();
    let asked = registry.requests().len();
    let before = context.built("both");
    let trace = context.root().join("trace");
    let mut traced = tool("strace");
    traced.args(["-f", "-e", "trace=execve,openat", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_oci")).arg("build");
    traced.env_clear().envs(context.environment()).current_dir(context.project());
    context.finish(&mut traced).success();
    let trace = fs::read_to_string(trace).unwrap();
    let calls = |name: &str| trace.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
    assert_eq!(calls("execve(").len(), 1, "only oci itself: {:#?}", calls("execve("));
    assert_ne!(calls("oci.toml").len(), 0, "strace saw nothing");
    let is_package = |line: &&str| line.contains("message-amd64\"") || line.contains("data/a\"");
    assert_eq!(calls("openat(").into_iter().filter(is_package).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(registry.requests().len(), asked);
    assert_eq!(context.built("both"), before);
}

#[test]
fn a_changed_package_is_seen_whatever_its_time_says() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho one\n");
    context.run(["build"]).success();
    let first = context.built("app");
    context.write("app", "#!/bin/sh\necho two\n");
    context.run(["build"]).success();
    let second = context.built("app");
    assert_ne!(first, second);
    context.write("app", "#!/bin/sh\necho one\n");
    context.run(["build"]).success();
    assert_eq!(context.built("app"), first);
}

#[test]
fn scratch_needs_no_tool() {
    let context = TestContext::with_manifest(
        "[build.alone]\nbase = \"scratch\"\npackages = [\"alone\"]\nenv = { A = \"1\" }\nargs = [\"x\"]\n",
    );
    context.write_program("alone", "#!/no/shell\n");
    context.finish(context.oci().env("PATH", "/nowhere").arg("build")).success();
    // All of it is there, and another tool reads it.
    let configuration =
        succeed(tool("skopeo").args(["inspect", "--config", "oci:.oci:alone"]).current_dir(context.project()));
    let configuration: serde_json::Value = serde_json::from_str(&configuration).unwrap();
    assert_eq!(configuration["config"]["Entrypoint"], serde_json::json!(["/alone"]));
    assert_eq!(configuration["config"]["Cmd"], serde_json::json!(["x"]));
    assert_eq!(configuration["config"]["Env"], serde_json::json!(["A=1"]));
    assert_eq!(configuration["architecture"], architecture());
    assert_eq!(configuration["created"], "2023-11-14T22:13:20Z");
}

#[test]
fn the_history_says_what_made_each_layer() {
    let context = TestContext::with_manifest(
        "[build.app]\nbase = \"scratch\"\npackages = [\n\
         { path = \"tree\", to = \"/opt\", include = [\"**/*.js\", \"bin\"], exclude = [\"*.map\"], owner = \"1000:1001\" },\n\
         { text = \"x\", to = \"/x\" },\n]\n",
    );
    context.write("tree/a.js", "a");
    context.run(["build"]).success();
    let layout = context.layout();
    let manifest = images::read_json(&images::blob(&layout, &images::descriptor(&layout, "app")));
    let config = images::read_json(&images::blob(&layout, &manifest["config"]));
    let made_by: Vec<&str> =
        config["history"].as_array().unwrap().iter().filter_map(|one| one["created_by"].as_str()).collect();
    assert_eq!(made_by, ["oci: tree to /opt include **/*.js bin exclude *.map owner 1000:1001", "oci: text to /x"]);
}

#[test]
fn what_is_built_on_schema_2_is_oci() {
    let registry = Registry::start();
    images::push_schema2(&registry, Base::Busybox, "library/old", "1");
    let context = TestContext::with_manifest(&format!(
        "[base.old]\nrepository = \"{}\"\ntag = \"1\"\n[build.new]\nbase = \"old\"\n\
         packages = [{{ text = \"x\", to = \"/x\" }}]\n",
        registry.repository("library/old")
    ));
    context.run(["build"]).success();
    let manifest = fs::read_to_string(images::blob(&context.layout(), &images::descriptor(&context.layout(), "new")));
    let manifest = manifest.unwrap();
    assert!(!manifest.contains("docker"), "{manifest}");
    assert!(manifest.contains(&images::layers(Base::Busybox)[0]), "{manifest}");
}

#[test]
fn a_build_for_two_platforms_is_an_index_with_a_file_for_each() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let index = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "both")));
    let entries = index["manifests"].as_array().unwrap();
    let platforms: Vec<_> = entries.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let told = context.run(["run", "both"]).success();
    assert_eq!(told.stdout(), format!("for {}\n", architecture()));
}

#[test]
fn ten_builds_at_once_on_a_cold_cache_agree() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    let mut running: Vec<_> = (0..10).map(|_| context.start(["build"])).collect();
    for build in &mut running {
        assert_eq!(build.end(), Some(0), "{}", build.stderr());
    }
    let digest = context.built("both");
    for build in &running {
        assert!(build.stdout().contains(&digest), "{}", build.stdout());
    }
    context.run(["fetch"]).success();
    succeed(tool("skopeo").args(["inspect", "--raw", "oci:.oci:both"]).current_dir(context.project()));
    // Each blob is there once, under its own name, and the layout has the very same.
    context.run(["cache", "verify"]).success();
    let linked: Vec<_> = fs::read_dir(context.layout().join("blobs/sha256")).unwrap().map(Result::unwrap).collect();
    assert_eq!(linked.len(), 9, "the index, and of each platform manifest, config and message, and what they share");
    for entry in linked {
        let stored = context.root().join("cache/oci/blobs/sha256").join(entry.file_name());
        assert_eq!(entry.metadata().unwrap().ino(), stored.metadata().unwrap().ino());
    }
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn a_build_that_is_killed_leaves_nothing_that_misleads() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    for delay in [5, 20, 60, 120] {
        let mut build = context.start(["build"]);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        build.signal(rustix::process::Signal::KILL);
        build.end();
    }
    context.run(["build"]).success();
    let digest = context.built("both");
    let other = project::two_platforms(&registry);
    other.run(["build"]).success();
    assert_eq!(other.built("both"), digest);
}

#[test]
fn tools_may_be_missing_from_the_path_once_all_is_there() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    assert!(search_path().contains("/usr/bin") && find("skopeo").is_file());
    context.run(["build"]).success();
    context.finish(context.oci().env("PATH", "/nowhere").arg("build")).success();
}

#[test]
fn results_are_json_where_that_is_asked_for() {
    let context = TestContext::with_manifest(
        "[build.a]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[build.b]\nbase = \"a\"\n",
    );
    let told = context.run(["build", "--json", "-q"]).success();
    assert_eq!(told.stderr(), "");
    let told: serde_json::Value = serde_json::from_str(&told.stdout()).unwrap();
    let images = told["images"].as_array().unwrap();
    let names: Vec<_> = images.iter().map(|image| image["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(images[0]["digest"], context.built("a").as_str());
    assert_eq!(images[0]["platforms"].as_object().unwrap().len(), 2);
}

#[test]
fn the_manifest_is_found_from_below_and_from_elsewhere() {
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\npackages = [\"deep/er/a\"]\n");
    context.write("deep/er/a", "a");
    context.finish(context.oci().current_dir(context.project().join("deep/er")).arg("build")).success();
    let digest = context.built("a");
    let folder = context.project().display().to_string();
    let told = context.finish(context.oci().current_dir("/").args(["build", "-C", &folder])).success();
    assert!(told.stdout().contains(&digest));
    let path = format!("{folder}/oci.toml");
    let told = context.finish(context.oci().current_dir("/").args(["build", "--manifest-path", &path])).success();
    assert!(told.stdout().contains(&digest));
}

#[test]
fn one_failing_build_does_not_stop_the_others() {
    let context = TestContext::with_manifest(
        "[build.bad]\nbase = \"scratch\"\npackages = [\"missing\"]\n\n\
         [build.good]\nbase = \"scratch\"\npackages = [\"there\"]\n",
    );
    context.write("there", "x");
    let told = context.run(["build"]).failure(1);
    assert!(told.stdout().contains(&context.built("good")), "{told}");
    assert!(told.stderr().contains("missing"), "{told}");
}

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let context = TestContext::with_manifest("[build.empty]\nbase = \"scratch\"\n");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = context.oci().arg("build").stdout(full()).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = context.oci().arg("build").stdout(writer).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(gone.code(), Some(0), "a reader that has gone away has read what it wanted");
}

#[test]
fn packages_that_meet_behind_a_link_of_the_base_must_agree() {
    let registry = Registry::start();
    images::push(&registry, Base::Merged, "library/merged", "1");
    let context = TestContext::with_manifest(&format!(
        r#"
[base.merged]
repository = "{}"
tag = "1"
[build.app]
base = "merged"
packages = [{{ text = "1", to = "/usr/bin/tool" }}, {{ text = "2", to = "/bin/tool" }}]
"#,
        registry.repository("library/merged")
    ));
    let conflict = context.run(["build"]).failure(1);
    assert!(conflict.stderr().contains("two packages disagree about `/usr/bin/tool`"), "{conflict}");
}
