//! Files of other images: what a package takes of one is in the result exactly as it is there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::images::{self, Base, blob, descriptor, read_json};
use crate::support::ordinary::{Ids, needs_root};
use crate::support::podman::{self, Storage};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};
use crate::support::tree::{Entry, entries};
use crate::support::{Outcome, Registry, TestContext, forms, project};

/// A stage with everything that an image can hold, in layers on a base, and builds that take all of it.
const EVERYTHING: &str = r#"
[stage.full]
base = "busybox"
packages = [{ archive = "tree.jpeg", to = "/opt/tree", strip = 1, exclude = ["xx*"] }, { path = "data", to = "/data" }]

[[stage.full.steps]]
run = """
mkdir -p /made/private /data/gone
busybox ln /opt/tree/a /opt/tree/again
busybox ln -s ../opt/tree/a /made/link
busybox ln -s /no/where /made/dangling
busybox chown 12:34 /made
busybox chmod 700 /made/private
busybox chmod 6755 /bin/busybox
echo secret > /made/private/file
"""

[[stage.full.steps]]
run = """
rm -r /data
mkdir /data
echo new > /data/new
rm /opt/tree/link
rm -r /var
"""

[build.whole]
base = "scratch"
packages = [{ image = "full", path = "/" }]

[build.parts]
base = "scratch"
layers = ["shared"]
packages = [
  { image = "full", path = "/made" },
  { image = "full", path = "/opt", exclude = ["tree/shared"] },
  { image = "full", path = "/bin/busybox", to = "/usr/bin/" },
]

[layer.shared]
packages = [{ image = "full", path = "/opt/*/shared/**" }]
"#;

fn everything(registry: &Registry) -> TestContext {
    let context = TestContext::new();
    forms::write_files(&context);
    context.write("oci.toml", format!("{}{EVERYTHING}", project::base(registry, Base::Busybox, "busybox")));
    context
}

/// All that is in a root filesystem, a line each, but for times.
fn listing(root: &Path) -> Vec<String> {
    let mut names = BTreeMap::new();
    let line = |entry: Entry| {
        let mut line = format!("/{} {:o} {}", entry.name, entry.stat.mode(), entry.owner());
        if entry.stat.is_symlink() {
            line += &format!(" -> {}", entry.target());
        } else if entry.stat.is_file() {
            let content = fs::read(&entry.path).unwrap();
            let sum = content.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            let first = names.entry(entry.stat.ino()).or_insert_with(|| entry.name.clone());
            line += &format!(" {} {sum:x} is {first}", content.len());
        }
        line + &entry.attributes()
    };
    entries(root).into_iter().map(line).collect()
}

fn unpacked(context: &TestContext, name: &str) -> Vec<String> {
    let tree = context.root().join(format!("tree-{name}"));
    let image = format!("{}:{name}", context.layout().display());
    succeed(tool("umoci").args(["raw", "unpack", "--image", &image]).arg(&tree));
    listing(&tree)
}

#[test]
fn only_root_what_is_taken_is_as_it_is_there() {
    needs_root();
    let registry = Registry::start();
    let context = everything(&registry);
    context.run(["build", "full", "whole", "parts", "--complete"]).success();
    let there = unpacked(&context, "full");
    let capability = format!("security.capability={}", forms::CAPABILITY.escape_ascii());
    for expected in [
        "/opt/tree/again 100640 100:200 12 ",
        "/made 40755 12:34",
        "/made/private 40700 0:0",
        "/made/dangling 120777 0:0 -> /no/where",
        "/bin/busybox 106755 0:0 ",
        "/opt/tree/shared 42775 100:200",
        capability.as_str(),
    ] {
        assert!(there.iter().any(|line| line.contains(expected)), "{expected}: {there:#?}");
    }
    assert!(!there.iter().any(|line| line.starts_with("/var") || line.starts_with("/data/large")), "{there:#?}");
    assert_eq!(unpacked(&context, "whole"), there);

    let parts = unpacked(&context, "parts");
    let taken = |lines: &[String]| -> Vec<String> {
        let is_taken = |line: &&String| ["/made", "/opt"].iter().any(|folder| line.starts_with(folder));
        lines.iter().filter(is_taken).cloned().collect()
    };
    assert_eq!(taken(&parts), taken(&there));
    assert!(parts.iter().any(|line| line.starts_with("/usr/bin/busybox 106755 0:0")), "{parts:#?}");

    // Engines that keep every layer apart stack equal root filesystems.
    let storage = Storage::new();
    for name in ["whole", "parts"] {
        let image = podman::image(&context, name);
        let mounted = listing(&storage.podman_mount(&image));
        assert_eq!(mounted, unpacked_before(&context, name), "podman, {name}");
        let mounted = listing(&storage.buildah_mount(&image));
        assert_eq!(mounted, unpacked_before(&context, name), "buildah, {name}");
    }
}

fn unpacked_before(context: &TestContext, name: &str) -> Vec<String> {
    listing(&context.root().join(format!("tree-{name}")))
}

#[test]
fn whoever_takes_gets_the_same() {
    let registry = Registry::start();
    let usual = everything(&registry);
    usual.run(["build"]).success();
    let context = everything(&registry);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    context.finish(oci().arg("build")).success();
    for name in ["whole", "parts"] {
        assert_eq!(context.built(name), usual.built(name));
    }
}

#[test]
fn owners_need_no_ids() {
    let registry = Registry::start();
    // Without a range of IDs no step can have files of several owners; packages can.
    let plain = || {
        let context = everything(&registry);
        let builds = EVERYTHING.split_once("[build.whole]").unwrap().1.replace("image = \"full\"", "image = \"plain\"");
        let stage = "[stage.plain]\nbase = \"busybox\"\npackages = [{ archive = \"tree.jpeg\", to = \"/opt/tree\", \
                     strip = 1 }, { folder = \"/made\", owner = \"12:34\" }]\n";
        let tables = project::base(&registry, Base::Busybox, "busybox");
        context.write("oci.toml", format!("{tables}{stage}[build.whole]{builds}"));
        context
    };
    let usual = plain();
    usual.run(["build"]).success();
    let context = plain();
    let oci = context.as_ordinary_user(Ids::NoEntry);
    context.finish(oci().arg("build")).success();
    for name in ["whole", "parts"] {
        assert_eq!(context.built(name), usual.built(name));
    }
}

/// A project that takes a program of a base, and puts it into nothing.
fn program(registry: &Registry) -> TestContext {
    let tables = project::base(registry, Base::Busybox, "busybox");
    TestContext::with_manifest(&format!(
        "{tables}[build.app]\nbase = \"scratch\"\n\
         packages = [{{ image = \"busybox\", path = \"/bin/busybox\" }}]\nargs = [\"echo\", \"here\"]\n"
    ))
}

fn made(told: &Outcome) -> bool {
    told.stderr().lines().any(|line| line.starts_with("packed ") || line.starts_with("unpacked "))
}

#[test]
fn what_did_not_change_is_neither_read_nor_fetched() {
    let registry = Registry::start();
    let context = program(&registry);
    context.run(["build"]).success();
    assert_eq!(context.run(["run", "app"]).success().stdout(), "here\n");
    let built = context.built("app");
    // Its blob is not needed any more, only what it holds is known.
    let layer = &images::layers(Base::Busybox)[0];
    let file = context.root().join("cache/oci/blobs/sha256").join(layer.replace("sha256:", ""));
    fs::remove_file(&file).unwrap();
    let asked = registry.requests().len();
    let told = context.run(["build", "--offline"]).success();
    assert!(!made(&told) && context.built("app") == built, "{told}");
    assert_eq!(registry.requests().len(), asked);
    // What only the image says of itself changes nothing.
    let manifest = context.read("oci.toml");
    let staged = manifest.replace("image = \"busybox\"", "image = \"named\"");
    let stage = "[stage.named]\nbase = \"busybox\"\nlabels = { a = \"1\" }\n";
    context.write("oci.toml", format!("{staged}{stage}"));
    assert!(!made(&context.run(["build", "--offline"]).success()));
    // To make another layer of it, it is fetched.
    context.write("oci.toml", manifest.replace("busybox\" }", "busybox\", owner = \"1:2\" }"));
    let told = context.run(["build", "--offline"]).failure(1);
    assert!(told.stderr().contains("oci::fetch::offline"), "{told}");
    assert!(made(&context.run(["build"]).success()));
    assert!(file.exists());
    // And again, if it was damaged.
    let before = context.built("app");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "damaged").unwrap();
    context.run(["build", "--no-cache"]).success();
    assert_eq!(context.built("app"), before);
}

#[test]
fn every_platform_takes_from_its_own() {
    let registry = Registry::start();
    let tables = project::base(&registry, Base::Index, "busybox");
    let platforms = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    let context = TestContext::with_manifest(&format!(
        "[project]\n{platforms}{tables}[stage.named]\nbase = \"busybox\"\n\
         packages = [{{ text = \"{{arch}}\", to = \"/arch\" }}, {{ path = \"for-{{arch}}\", to = \"/for\" }}]\n\
         [build.app]\nbase = \"scratch\"\npackages = [{{ image = \"named\", path = \"/for\", to = \"/{{arch}}\" }}]\n",
    ));
    context.write("for-amd64", "amd64");
    context.write("for-arm64", "arm64");
    context.run(["build"]).success();
    let index = read_json(&blob(&context.layout(), &descriptor(&context.layout(), "app")));
    for manifest in index["manifests"].as_array().unwrap() {
        let architecture = manifest["platform"]["architecture"].as_str().unwrap();
        let layer = &read_json(&blob(&context.layout(), manifest))["layers"][0];
        let listed = succeed(tool("tar").args(["-xOzf"]).arg(blob(&context.layout(), layer)).arg(architecture));
        assert_eq!(listed, architecture);
    }
    context.write("oci.toml", context.read("oci.toml").replace("linux/arm64", "linux/s390x"));
    assert_outcome!(context.run(["build", "--locked"]).failure(1));
}

#[test]
fn what_is_planned_is_told() {
    let registry = Registry::start();
    let tables = project::base(&registry, Base::Busybox, "busybox");
    let manifest = |text: &str| {
        format!(
            "{tables}[stage.files]\nbase = \"scratch\"\npackages = [{{ text = \"{text}\", to = \"/etc/file\" }}]\n\
             [build.app]\nbase = \"scratch\"\npackages = [\n  {{ image = \"files\", path = \"/etc\" }},\n  \
             {{ image = \"busybox\", path = \"/bin/cat\", to = \"/usr/bin/\" }},\n]\n"
        )
        .replace("[project]", "")
    };
    let context = TestContext::with_manifest(&manifest("one"));
    let shown = |told: Outcome| told.success().stdout().replace(images::architecture(), "[ARCH]");
    let mut all = shown(context.run(["build", "--dry-run"]));
    context.run(["build"]).success();
    all += "----- built\n";
    all += &shown(context.run(["build", "--dry-run"]));
    context.write("oci.toml", manifest("two"));
    all += "----- changed\n";
    all += &shown(context.run(["build", "--dry-run"]));
    insta::with_settings!({ filters => crate::support::snapshot::FILTERS.to_vec() }, { insta::assert_snapshot!(all) });
}

#[test]
fn what_cannot_be_taken_is_told_at_its_line() {
    let registry = Registry::start();
    let tables = project::base(&registry, Base::Busybox, "busybox");
    let context = TestContext::with_manifest(&format!(
        "{tables}[build.app]\nbase = \"scratch\"\npackages = [\n  {{ image = \"busybox\", path = \"/bin/busibox\" }},\n  \
         {{ image = \"busybox\", path = \"/etc/*.conf\" }},\n  {{ image = \"busybox\", path = \"/etc/passwd/x\" }},\n  \
         {{ image = \"busybox\", path = \"/none\", optional = true }},\n]\n"
    ));
    context.run(["fetch"]).success();
    assert_outcome!(context.run(["build"]).failure(1));
}

#[test]
fn names_are_checked_before_anything_is_done() {
    let context = TestContext::with_manifest(
        "[build.app]\nbase = \"scratch\"\npackages = [{ image = \"stge\", path = \"/a\" }, \
         { image = \"scratch\", path = \"/a\" }]\n\
         [stage.stage]\nbase = \"scratch\"\npackages = [{ image = \"app\", path = \"/b\" }]\n\
         [stage.other]\nbase = \"app\"\nlayers = [\"round\"]\n\
         [layer.round]\npackages = [{ image = \"third\", path = \"/c\" }]\n\
         [stage.third]\nbase = \"scratch\"\npackages = [{ image = \"other\", path = \"/d\" }]\n",
    );
    assert_outcome!(context.run(["build"]).failure(2));
}
