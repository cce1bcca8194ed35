//! Steps that see files of other images, and keep none of them.

use crate::support::images::{self, Base, blob, descriptor, read_json};
use crate::support::ordinary::Ids;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};
use crate::support::{Outcome, Registry, TestContext, project};

/// A stage of tools with links of all kinds, and a build whose step is given some of it.
const TABLES: &str = r##"
[stage.tools]
base = "busybox"
packages = [
  { text = "#!/bin/sh\necho tool of ${TARGETARCH}\n", to = "/opt/tools-1/bin/tool", mode = "0755", owner = "7:8" },
  { text = "not the machine's\n", to = "/inside/passwd" },
  { link = "/opt/tools", target = "tools-1" },
  { link = "/opt/passwd", target = "../../../../inside/passwd" },
  { link = "/opt/absolute", target = "/inside" },
  { folder = "/empty", mode = "0711" },
]
labels = { version = "1" }

[build.app]
base = "busybox"

[[build.app.steps]]
run = """
/usr/local/bin/tool > /seen
busybox stat -c '%a %u:%g' /usr/local/bin/tool /mnt/tools/bin/tool /mnt/empty >> /seen
cat /mnt/passwd /mnt/absolute/passwd >> /seen
busybox readlink /mnt/whole/opt/tools >> /seen
ls /mnt/tools >> /seen
if echo x > /mnt/tools/bin/tool; then exit 1; fi
if touch /mnt/empty/x; then exit 1; fi
"""
mounts = [
  { image = "tools", path = "/opt/tools/bin/tool", to = "/usr/local/bin/tool" },
  { image = "tools", path = "/opt/tools", to = "/mnt/tools" },
  { image = "tools", path = "/opt/passwd", to = "/mnt/passwd" },
  { image = "tools", path = "/opt/absolute", to = "/mnt/absolute" },
  { image = "tools", path = "/empty", to = "/mnt/empty" },
  { image = "tools", path = "/", to = "/mnt/whole" },
]
"##;

fn tools(registry: &Registry) -> TestContext {
    project::on_base(registry, Base::Busybox, "busybox", TABLES)
}

/// What the layer of the step holds, and what the step saw.
fn layer(context: &TestContext) -> (Vec<String>, String) {
    let manifest = read_json(&blob(&context.layout(), &descriptor(&context.layout(), "app")));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    let layer = blob(&context.layout(), &layers[1]);
    let names = succeed(tool("tar").args(["-tzf"]).arg(&layer));
    (names.lines().map(str::to_owned).collect(), succeed(tool("tar").args(["-xOzf"]).arg(&layer).arg("seen")))
}

fn ran(told: &Outcome) -> bool {
    told.stderr().lines().any(|line| line.starts_with("running "))
}

#[test]
fn a_step_sees_files_of_an_image_and_keeps_none() {
    let registry = Registry::start();
    let context = tools(&registry);
    assert!(ran(&context.run(["build"]).success()));
    let (names, seen) = layer(&context);
    assert_eq!(names, ["seen"]);
    let expected = [
        &format!("tool of {}", images::architecture()),
        "755 7:8",
        "755 7:8",
        "711 0:0",
        "not the machine's",
        "not the machine's",
        "tools-1",
        "bin",
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
    assert_eq!(context.leftovers(), Vec::<String>::new());

    // What the image only says of itself, and what is not mounted of it, changes nothing.
    let manifest = context.read("oci.toml");
    let smaller = manifest.replace("  { image = \"tools\", path = \"/\", to = \"/mnt/whole\" },\n", "");
    context.write("oci.toml", smaller.replace("busybox readlink /mnt/whole/opt/tools >> /seen", ""));
    assert!(ran(&context.run(["build"]).success()));
    let smaller = context.read("oci.toml");
    context
        .write("oci.toml", smaller.replace("version = \"1\"", "version = \"2\"").replace("/opt/tools-1", "/opt/new"));
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::layer::not_in_image"), "{told}");
    context.write(
        "oci.toml",
        smaller.replace("version = \"1\"", "version = \"2\"").replace("0711", "0711\" }, { text = \"x\", to = \"/x"),
    );
    assert!(!ran(&context.run(["build"]).success()));
    let planned = context.run(["build", "--dry-run"]).success();
    assert!(planned.stdout().lines().all(|line| line.ends_with(": cached")), "{planned}");
    // What is mounted does.
    context.write("oci.toml", smaller.replace("echo tool", "echo another tool"));
    assert!(ran(&context.run(["build"]).success()));
    assert!(layer(&context).1.starts_with("another tool of"));
}

#[test]
fn an_ordinary_user_sees_the_same() {
    let registry = Registry::start();
    for ids in [Ids::Subordinate, Ids::NoEntry] {
        let context = tools(&registry);
        if ids == Ids::NoEntry {
            // Nobody else's files can be there.
            context.write("oci.toml", context.read("oci.toml").replace(", owner = \"7:8\"", ""));
        }
        let oci = context.as_ordinary_user(ids);
        context.finish(oci().arg("build")).success();
        let (names, seen) = layer(&context);
        assert_eq!(names, ["seen"]);
        let owner = if ids == Ids::NoEntry { "755 0:0" } else { "755 7:8" };
        assert_eq!(seen.lines().nth(1), Some(owner), "{ids:?}");
    }
}

#[test]
fn what_is_not_there_is_told_at_the_mount() {
    let registry = Registry::start();
    let context = tools(&registry);
    let manifest = context.read("oci.toml");
    context.write("oci.toml", manifest.replace("path = \"/empty\"", "path = \"/emty\""));
    context.run(["fetch"]).success();
    let told = context.run(["build", "--progress", "none"]).failure(1);
    assert_outcome!(told);
}

#[test]
fn no_link_leads_a_mount_out_of_the_project() {
    let registry = Registry::start();
    let tables = |path: &str| {
        format!(
            "[build.app]\nbase = \"busybox\"\n[[build.app.steps]]\nrun = \"cat /mnt/file > /seen\"\n\
             mounts = [{{ path = \"{path}\", to = \"/mnt\" }}]\n"
        )
    };
    let context = project::on_base(&registry, Base::Busybox, "busybox", &tables("vendor"));
    let outside = context.project().parent().unwrap().join("outside");
    std::fs::create_dir_all(outside.join("inner")).unwrap();
    std::fs::write(outside.join("inner/file"), "outside").unwrap();
    context.write("real/file", "inside");
    let link = |target: &std::path::Path, name: &str| std::os::unix::fs::symlink(target, context.project().join(name));
    link("real".as_ref(), "vendor").unwrap();
    context.run(["build", "--progress", "none"]).success();
    link(&outside, "away").unwrap();
    let manifest = context.read("oci.toml");
    for path in ["away", "away/inner", "real/../away/inner"] {
        context.write("oci.toml", manifest.replace("path = \"vendor\"", &format!("path = \"{path}\"")));
        let told = context.run(["build", "--progress", "none"]).failure(1);
        assert!(told.stderr().contains("`away` leads out of the project"), "{}", told.stderr());
    }
}
