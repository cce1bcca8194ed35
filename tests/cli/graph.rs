//! Many builds in one command: what they share is made once, and what fails stops nothing else.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::support::images::read_json;
use crate::support::tools::{succeed, tool};
use crate::support::{TestContext, eventually};

/// Twelve builds on two stages, with a shared layer, a package that half of them have and one of each's own.
fn fleet() -> TestContext {
    let mut manifest = String::from(
        "[layer.shared]\npackages = [{ path = \"shared\", to = \"/shared\" }]\n\
         [stage.low]\nbase = \"scratch\"\nlayers = [\"shared\"]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         [stage.high]\nbase = \"low\"\npackages = [{ path = \"common\", to = \"/high\" }]\n",
    );
    for number in 0..12 {
        let base = ["high", "low", "scratch"][number % 3];
        let common = if number % 2 == 0 { ", { path = \"common\", to = \"/common\" }" } else { "" };
        write!(manifest, "[build.b{number}]\nbase = \"{base}\"\npackages = [\"own{number}\"{common}]\n").unwrap();
    }
    let context = TestContext::with_manifest(&manifest);
    let noise = |seed: usize| -> Vec<u8> { (0..300_000_usize).map(|at| (at * (seed + 7) / 11 % 251) as u8).collect() };
    for number in 0..12 {
        context.write(&format!("own{number}"), noise(number));
    }
    for number in 0..4 {
        context.write(&format!("shared/{number}"), noise(100 + number));
        context.write(&format!("common/{number}"), noise(200 + number));
    }
    context
}

/// The text of a run's results, without a cache.
fn built_with(context: &TestContext, jobs: &str) -> String {
    let _ = std::fs::remove_dir_all(context.root().join("cache/oci"));
    context.run(["build", "--jobs", jobs]).success().stdout()
}

#[test]
fn the_number_of_threads_decides_nothing() {
    let context = fleet();
    let one = built_with(&context, "1");
    assert_eq!(one.lines().count(), 12);
    for jobs in ["2", "3", "8"] {
        assert_eq!(built_with(&context, jobs), one, "{jobs}");
    }
    assert_eq!(context.run(["build", "--no-cache", "-j", "5"]).success().stdout(), one);
}

#[test]
fn a_layer_that_several_have_is_made_once() {
    let context = fleet();
    let told = context.run(["build"]).success();
    let packed = |what: &str| told.stderr().lines().filter(|line| line.contains(&format!("packed {what}"))).count();
    // Equal content for two platforms is one layer.
    assert_eq!((packed("layer shared"), packed("common to /common"), packed("own3")), (1, 1, 1), "{told}");
    let again = context.run(["build"]).success();
    assert_eq!(again.stdout(), told.stdout());
    assert!(!again.stderr().lines().any(|line| line.starts_with("packed")), "{again}");
    let anew = context.run(["build", "--no-cache"]).success();
    assert_eq!(anew.stdout(), told.stdout());
    let packed = |what: &str| anew.stderr().lines().filter(|line| line.contains(&format!("packed {what}"))).count();
    assert_eq!((packed("layer shared"), packed("common to /common"), packed("own3")), (1, 1, 1), "{anew}");
}

/// The start of a program for a machine of this number.
fn program(machine: u8) -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2, 0, machine, 0]);
    program.resize(4096, 0);
    program
}

#[test]
fn a_layer_that_is_there_is_refused_for_a_platform_that_its_programs_are_not_for() {
    let context = TestContext::new();
    let manifest = |platforms: &str, package: &str| {
        context.write(
            "oci.toml",
            format!("[build.app]\nbase = \"scratch\"\nplatforms = [{platforms}]\npackages = [{package}]\n"),
        );
    };
    context.write("tree/app", program(62));
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (amd64, both) = ("\"linux/amd64\"", "\"linux/amd64\", \"linux/arm64\"");
    manifest(amd64, "\"tree\"");
    context.run(["build"]).success();
    let again = context.run(["build"]).success();
    assert!(!again.stderr().contains("packed"), "it is known: {again}");
    for platforms in ["\"linux/arm64\"", both] {
        manifest(platforms, "\"tree\"");
        let told = context.run(["build"]).failure(1);
        assert!(told.stderr().contains("oci::layer::wrong_architecture"), "{told}");
        assert!(
            told.stderr().contains("`tree/app` is a program for amd64, and the image is for linux/arm64"),
            "{told}"
        );
    }
    manifest(both, "{ path = \"tree\", foreign = true }");
    let told = context.run(["build"]).success();
    assert_eq!(told.stderr().matches("packed tree").count(), 1, "{told}");
    // Archives too: their listing is known, and so is the layer.
    let tar = context.project().join("tree.tar");
    succeed(tool("tar").args(["-C", "tree", "-cf"]).arg(&tar).arg("app").current_dir(context.project()));
    std::thread::sleep(std::time::Duration::from_millis(50));
    manifest(amd64, "{ archive = \"tree.tar\", to = \"/opt\" }");
    context.run(["build"]).success();
    manifest(both, "{ archive = \"tree.tar\", to = \"/opt\" }");
    assert!(context.run(["build"]).failure(1).stderr().contains("oci::layer::wrong_architecture"));
}

#[test]
fn failures_are_told_in_the_order_of_the_builds() {
    let mut manifest = String::new();
    for number in 0..8 {
        write!(manifest, "[build.b{number}]\nbase = \"scratch\"\npackages = [\"missing{number}\", \"there\"]\n")
            .unwrap();
    }
    let context = TestContext::with_manifest(&manifest);
    context.write("there", "there");
    let expected: Vec<String> = (0..8).map(|number| format!("missing{number}")).collect();
    for jobs in ["1", "4"] {
        let told = context.run(["build", "-j", jobs]).failure(1).stderr();
        let words = told.split('`').filter(|word| word.starts_with("missing"));
        let mut named: Vec<&str> = words.collect();
        named.dedup();
        assert_eq!(named, expected, "{told}");
    }
}

#[test]
fn a_base_that_cannot_be_had_stops_only_what_stands_on_it() {
    // Nobody can listen at port 0.
    let context = TestContext::with_manifest(
        "[base.gone]\nrepository = \"127.0.0.1:0/gone\"\ntag = \"1\"\n\
         [build.a]\nbase = \"gone\"\npackages = [\"there\"]\n\
         [build.b]\nbase = \"scratch\"\npackages = [\"there\"]\n\
         [build.c]\nbase = \"scratch\"\npackages = [\"missing\"]\n",
    );
    context.write("there", "there");
    let told = context.run(["build"]).failure(1);
    assert!(told.stdout().starts_with("b  sha256:") && told.stdout().lines().count() == 1, "{told}");
    assert!(told.stderr().contains("1 of 3 images built"), "{told}");
    let stderr = told.stderr();
    let codes: Vec<&str> = stderr.lines().filter(|line| line.starts_with("oci::")).collect();
    assert_eq!(codes, ["oci::registry::refused", "oci::layer::not_found"], "{told}");
    let told = context.run(["build", "--no-cache", "--fail-fast"]).failure(1);
    assert!(told.stdout().is_empty(), "{told}");
}

#[test]
fn with_fail_fast_nothing_more_begins() {
    let context = TestContext::with_manifest(
        "[build.a]\nbase = \"scratch\"\npackages = [\"missing\"]\n[build.b]\nbase = \"scratch\"\npackages = [\"there\"]\n",
    );
    context.write("there", "there");
    let told = context.run(["build", "--fail-fast", "-j1"]).failure(1);
    assert!(told.stderr().contains("missing") && !told.stdout().contains("b "), "{told}");
    let told = context.run(["build", "-j1"]).failure(1);
    assert!(told.stderr().contains("missing") && told.stdout().contains("b "), "{told}");
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing() {
    let context = fleet();
    let large = context.write_large("large", 40 << 20, 0);
    for number in 0..12 {
        let own = context.project().join(format!("own{number}"));
        std::fs::remove_file(&own).unwrap();
        std::fs::hard_link(&large, own).unwrap();
    }
    let mut build = context.start(["build", "-v"]);
    eventually("it packs", || build.stderr().contains("packing own"));
    build.signal(rustix::process::Signal::INT);
    assert_eq!(build.end(), None, "{}", build.stderr());
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn metadata_says_what_was_built() {
    let context = TestContext::with_manifest(
        "[build.a]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         packages = [{ text = \"x\", to = \"/x\" }]\n\
         repository = \"registry.example.com/acme/{build}\"\ntags = [\"1\", \"{git.sha}\"]\n\
         [build.b]\nbase = \"a\"\nplatforms = [\"linux/amd64\"]\n[build.bad]\nbase = \"scratch\"\npackages = [\"missing\"]\n",
    );
    let told = context.run(["build", "--json", "--metadata-file", "metadata.json"]).failure(1);
    let metadata = read_json(&context.project().join("metadata.json"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&told.stdout()).unwrap(), metadata);
    let images = metadata["images"].as_array().unwrap();
    assert_eq!(images.iter().map(|image| image["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(images[0]["digest"], context.built("a").as_str());
    assert_eq!(images[0]["repositories"], serde_json::json!(["registry.example.com/acme/a"]));
    assert_eq!(images[0]["tags"], serde_json::json!(["1", "{git.sha}"]));
    let platforms: BTreeSet<&String> = images[0]["platforms"].as_object().unwrap().keys().collect();
    assert_eq!(platforms.into_iter().collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    let amd64 = &images[0]["platforms"]["linux/amd64"];
    assert_eq!(amd64["layers"], images[1]["platforms"]["linux/amd64"]["layers"]);
    assert!(amd64["layers"][0]["diff-id"].as_str().unwrap().starts_with("sha256:"), "{metadata}");
    assert_eq!(images[1]["digest"], images[1]["platforms"]["linux/amd64"]["digest"]);
    // A second build writes equal metadata; where it cannot be written, no part of it is left.
    let bytes = std::fs::read(context.project().join("metadata.json")).unwrap();
    context.run(["build", "--metadata-file", "metadata.json"]).failure(1);
    assert_eq!(std::fs::read(context.project().join("metadata.json")).unwrap(), bytes);
    let told = context.run(["build", "a", "--metadata-file", "no/such/folder.json"]).failure(1);
    assert!(told.stderr().contains("oci::fs::failed"), "{told}");
}
