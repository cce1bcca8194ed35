//! `oci cache`: what it tells, what it removes and what it never removes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::images::hex;
use crate::support::{Registry, TestContext, eventually, project};

fn cache(context: &TestContext) -> PathBuf {
    context.root().join("cache/oci")
}

fn json<const N: usize>(context: &TestContext, arguments: [&str; N]) -> Value {
    let told = context.finish(context.oci().arg("cache").args(arguments).arg("--json")).success();
    serde_json::from_str(&told.stdout()).unwrap()
}

/// Every file of the store's blobs.
fn blobs(context: &TestContext) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache(context).join("blobs/sha256")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Builds of a layer of 400 kB each, which no compression makes smaller, and this before them.
fn large_builds(before: &str, names: &[&str]) -> TestContext {
    let builds = names.iter().map(|name| {
        format!(
            "[build.{name}]\nbase = \"scratch\"\ncompression = \"none\"\n\
             packages = [{{ text = \"{}\", to = \"/{name}\" }}]\n",
            name.repeat(400_000 / name.len())
        )
    });
    TestContext::with_manifest(&format!("{before}\n{}", builds.collect::<String>()))
}

/// True if a build of these was still there: it is not packed again. It is used by that.
fn is_kept(context: &TestContext, name: &str) -> bool {
    let told = context.run(["build", name]).success();
    !told.stderr().contains("packed")
}

#[test]
fn its_folder_is_told_with_and_without_a_project() {
    let context = TestContext::new();
    let told = |command: &mut std::process::Command| {
        context.finish(command.args(["cache", "dir"])).success().stdout().trim_end().to_owned()
    };
    let root = context.root().display().to_string();
    assert_eq!(told(&mut context.oci()), format!("{root}/cache/oci"));
    assert_eq!(told(context.oci().env("OCI_CACHE_DIR", "here")), format!("{root}/project/here"));
    fs::create_dir_all(context.root().join("home/.config/oci")).unwrap();
    fs::write(context.root().join("home/.config/oci/config.toml"), "[cache]\ndir = \"/var/mine\"\n").unwrap();
    assert_eq!(told(&mut context.oci()), "/var/mine");
    context.write("oci.toml", "[cache]\ndir = \"ours\"\n[build.a]\nbase = \"scratch\"\n");
    assert_eq!(told(&mut context.oci()), format!("{root}/project/ours"));
    // What is wrong with a lockfile is no reason not to tell.
    context.write("oci.lock", "<<<<<<<");
    assert_eq!(told(&mut context.oci()), format!("{root}/project/ours"));
    context.write("oci.toml", "[cache]\nmax-size = \"1\"\n");
    context.run(["cache", "dir"]).failure(2);
    assert!(!context.project().join("ours").exists() && !cache(&context).exists(), "asking makes nothing");
}

#[test]
fn its_size_is_that_of_what_is_in_it() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho here\n");
    let nothing = json(&context, ["size"]);
    assert_eq!((&nothing["size"], cache(&context).exists()), (&Value::from(0), false));
    context.run(["run", "app"]).success();
    context.run(["build", "--complete"]).success();
    let told = json(&context, ["size"]);
    let kinds = &told["kinds"];
    let number = |kind: &str| kinds[kind]["number"].as_u64().unwrap();
    let size = |kind: &str| kinds[kind]["size"].as_u64().unwrap();
    assert_eq!(number("blobs"), blobs(&context).len() as u64);
    let blocks: u64 = blobs(&context).iter().map(|path| path.metadata().unwrap().blocks() * 512).sum();
    assert_eq!(size("blobs"), blocks);
    assert_eq!((number("root-filesystems"), number("runs"), size("unfinished") < 10_000), (2, 0, true));
    assert!(size("root-filesystems") > 1_000_000 && size("records") > 0, "{told}");
    let sum: u64 = kinds.as_object().unwrap().values().map(|kind| kind["size"].as_u64().unwrap()).sum();
    assert_eq!(told["size"], sum);
    let shared = kinds["blobs"]["shared"].as_u64().unwrap();
    assert!(shared > 500_000 && told["shared"] == shared, ".oci/ has the same files: {told}");
    let text = context.run(["cache", "size"]).success().stdout();
    for part in ["blobs ", "root filesystems         2", "in projects' .oci/ too"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let context = large_builds("", &["a", "b", "c", "d"]);
    for name in ["a", "b", "c"] {
        context.run(["build", name]).success();
    }
    assert!(is_kept(&context, "a"));
    // Otherwise all of them are in use, in a way: the project holds them too.
    fs::remove_dir_all(context.layout()).unwrap();
    let told = json(&context, ["prune", "--max-size", "1MB"]);
    let (freed, left) = (told["freed"].as_u64().unwrap(), told["size"].as_u64().unwrap());
    assert!((400_000..500_000).contains(&freed) && (800_000..1_000_000).contains(&left), "{told}");
    assert!(is_kept(&context, "a") && is_kept(&context, "c") && !is_kept(&context, "b"));
    fs::remove_dir_all(context.layout()).unwrap();
    assert_eq!(json(&context, ["prune", "--max-size", "0B"])["size"], 0);
    assert_eq!(json(&context, ["prune"])["files"], 0, "without a limit nothing goes but leftovers");
}

#[test]
fn a_build_holds_the_cache_to_its_size() {
    let context = large_builds("[cache]\nmax-size = \"1MB\"", &["a", "b", "c"]);
    let size = || json(&context, ["size"])["size"].as_u64().unwrap();
    let digests = ["a", "b", "a", "c"].map(|name| {
        context.run(["build", name]).success();
        let digest = context.built(name);
        fs::remove_dir_all(context.layout()).unwrap();
        digest
    });
    assert!((800_000..1_000_000).contains(&size()), "{}", size());
    assert!(is_kept(&context, "a") && is_kept(&context, "c"));
    fs::remove_dir_all(context.layout()).unwrap();
    assert!(!is_kept(&context, "b"));
    assert_eq!(context.built("b"), digests[1]);
    // All of what one command needs is there when it ends, however much it is.
    context.run(["build"]).success();
    assert!(size() > 1_200_000, "{}", size());
    context.run(["cache", "verify"]).success();
}

#[test]
fn what_a_project_holds_too_frees_nothing() {
    let context = large_builds("", &["a"]);
    context.run(["build"]).success();
    let digest = context.built("a");
    let told = json(&context, ["clean"]);
    assert!(told["freed"].as_u64().unwrap() < 100_000 && told["size"] == 0, "{told}");
    assert!(blobs(&context).is_empty());
    // The layout is whole by itself, and a later build makes it one with the store again.
    let layer = fs::read_dir(context.layout().join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().metadata());
    assert!(layer.map(Result::unwrap).any(|metadata| metadata.len() > 400_000 && metadata.nlink() == 1));
    context.run(["build"]).success();
    assert_eq!(context.built("a"), digest);
    fs::remove_dir_all(context.layout()).unwrap();
    let told = json(&context, ["clean"]);
    assert!(told["freed"].as_u64().unwrap() > 400_000 && told["size"] == 0, "{told}");
}

#[test]
fn builds_and_runs_do_not_mind_who_cleans_meanwhile() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let digest = context.built("both");
    let mut cleaned = 0;
    for _ in 0..2 {
        let mut builds: Vec<_> = (0..10).map(|_| context.start(["build"])).collect();
        let mut run = context.start(["run", "both"]);
        while builds.iter_mut().chain([&mut run]).any(|process| !process.has_ended()) {
            cleaned += json(&context, ["clean"])["files"].as_u64().unwrap();
        }
        for build in &mut builds {
            assert_eq!(build.end(), Some(0), "{}", build.stderr());
            assert!(build.stdout().contains(&digest), "{}", build.stdout());
        }
        assert_eq!(run.end(), Some(0), "{}", run.stderr());
        assert!(run.stdout().starts_with("for "), "{}", run.stdout());
    }
    assert!(cleaned > 0, "nothing was ever removed");
    context.run(["cache", "verify"]).success();
    context.run(["build", "--complete"]).success();
    assert_eq!(context.built("both"), digest);
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn a_steps_cache_counts_and_goes_when_no_step_has_it() {
    let registry = Registry::start();
    let context = project::script(&registry, "");
    let steps = "\n[[build.app.steps]]\nrun = \"ls /kept; busybox dd if=/dev/zero of=/kept/big bs=1000 count=1000; \
                 echo started; sleep $TIME\"\nenv = { TIME = \"0\" }\ncache = [\"/kept\"]\n";
    context.write("oci.toml", context.read("oci.toml") + steps);
    context.run(["build"]).success();
    let caches = || json(&context, ["size"])["kinds"]["step-caches"].clone();
    assert!(caches()["number"] == 1 && caches()["size"].as_u64().unwrap() >= 1_000_000, "{}", caches());

    context.write("oci.toml", context.read("oci.toml").replace("TIME = \"0\"", "TIME = \"1000\""));
    let mut build = context.start(["build"]);
    eventually("the step runs", || build.stderr().contains("app | started"));
    assert!(build.stderr().contains("app | big"), "it is kept from step to step: {}", build.stderr());
    context.run(["cache", "clean"]).success();
    assert_eq!(caches()["number"], 1, "a step has it");
    build.signal(Signal::KILL);
    build.end();

    let mut told = serde_json::Value::Null;
    eventually("nobody has it", || {
        told = json(&context, ["clean"]);
        told["step-caches"] == 1
    });
    assert!(told["freed"].as_u64().unwrap() >= 1_000_000 && caches()["number"] == 0, "{told}");
    context.write("oci.toml", context.read("oci.toml").replace("TIME = \"1000\"", "TIME = \"0\""));
    context.run(["build"]).success();
    assert_eq!(caches()["number"], 1);
}

#[test]
fn a_long_run_keeps_its_root_filesystem_and_nothing_else() {
    let registry = Registry::start();
    let context = project::script(&registry, project::SERVER);
    let mut server = context.start(["run", "app"]);
    server.wait_for_line("ready");
    fs::remove_dir_all(context.layout()).ok();
    let cleaned = context.run(["cache", "clean"]).success();
    assert!(cleaned.stderr().contains("kept ") && cleaned.stderr().contains("a running `oci`"), "{cleaned}");
    let left = json(&context, ["size"]);
    assert_eq!((&left["kinds"]["blobs"]["number"], &left["kinds"]["records"]["number"]), (&0.into(), &0.into()));
    assert_eq!(
        (&left["kinds"]["root-filesystems"]["number"], &left["kinds"]["runs"]["number"]),
        (&2.into(), &1.into())
    );
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(9), "{}", server.stderr());
    context.run(["cache", "clean"]).success();
    assert_eq!(json(&context, ["size"])["kinds"]["root-filesystems"]["number"], 0);
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn verify_sets_aside_what_is_damaged_and_a_build_makes_it_again() {
    let context = large_builds("", &["a"]);
    context.run(["build"]).success();
    let digest = context.built("a");
    let layer = blobs(&context).into_iter().find(|path| path.metadata().unwrap().len() > 400_000).unwrap();
    let used = layer.metadata().unwrap().modified().unwrap();
    let whole = context.run(["cache", "verify"]).success();
    assert_eq!(whole.stdout(), "read 3 blobs and 3 records, 0 damaged\n");
    assert_eq!(layer.metadata().unwrap().modified().unwrap(), used, "to be read is not to be used");
    let damage = |change: &dyn Fn(&Path)| {
        fs::set_permissions(&layer, fs::Permissions::from_mode(0o644)).unwrap();
        change(&layer);
        let told = context.run(["cache", "verify"]).failure(1);
        let name = format!("sha256:{}", layer.file_name().unwrap().to_str().unwrap());
        assert_eq!(told.stdout(), format!("{name}  damaged, and set aside\nread 3 blobs and 3 records, 1 damaged\n"));
        assert!(!layer.exists());
        assert_eq!(json(&context, ["verify"])["damaged"], Value::Array(Vec::new()));
        context.run(["build"]).success();
        assert_eq!(context.built("a"), digest);
        assert_eq!(hex(&<sha2::Sha256 as sha2::Digest>::digest(fs::read(&layer).unwrap())), name[7..]);
    };
    damage(&|path| fs::File::options().write(true).open(path).unwrap().set_len(100).unwrap());
    damage(&|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[1000] ^= 1;
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_blob_that_is_gone_is_made_again() {
    let context = large_builds("", &["a", "b"]);
    context.run(["build"]).success();
    let digests = (context.built("a"), context.built("b"));
    for path in blobs(&context) {
        fs::remove_file(path).unwrap();
    }
    context.run(["build"]).success();
    assert_eq!((context.built("a"), context.built("b")), digests);
    context.run(["cache", "verify"]).success();
}

#[test]
fn a_size_that_is_none_is_wrong_usage() {
    let context = TestContext::new();
    let told = context.run(["cache", "prune", "--max-size", "lots"]).failure(2);
    assert!(told.stderr().contains("write a whole number and its unit, such as `20GB`"), "{told}");
}
