//! The layers are equal whatever a root filesystem stands on: overlays on a disk, overlays with their
//! changes in memory, and copies, where no overlay can be mounted; as root and as an ordinary user.

use std::path::Path;
use std::process::Command;

use crate::support::images::{Base, blob, descriptor, read_json};
use crate::support::ordinary::{Ids, is_root_or_was, needs_root};
use crate::support::tools::{mounts_of, succeed, tool};
use crate::support::{Outcome, Registry, TestContext, project};

/// Every kind of change that a layer can hold; `OWNERS` stands for what takes more than one ID.
const CHANGES: &str = r#"
packages = [{ path = "files", to = "/" }]
[[build.app.steps]]
run = """
rm /pkg/one
rm -r /gone
rm /swap/file; mkdir /swap/file; echo x > /swap/file/inside
rm -r /folder; echo f > /folder
rm -r /opaque; mkdir /opaque; echo 3 > /opaque/c
mkdir -p /made/a/b
mkdir -m 700 /made/empty
mkdir -m 1777 /made/sticky
chmod 600 /mode/file
chmod 700 /same/file; chmod 644 /same/file
busybox ln /link/target /link/other
busybox ln -s ../nowhere /link/symbolic
busybox mkfifo -m 600 /made/fifo
touch "/made/a b" "$(busybox printf '/made/\\377')" "/made/ü"
echo more >> /etc/passwd
busybox cp /bin/busybox /made/suid
OWNERS
chmod 4755 /made/suid
busybox cp /bin/busybox /made/capable
SETCAP cap_net_raw+ep /made/capable
SETFATTR -n user.note -v kept /made/a
"""
mounts = [MOUNTS]
[[build.app.steps]]
run = "rm -r /place; busybox mv /moved /place; busybox mv /made/a/b /made/c; chmod 711 /"
[[build.app.steps]]
run = "chmod 755 /; rm -r /opaque/c; rm /made/fifo; echo 1 > /link/other"
[[build.app.steps]]
run = "true"
"#;

/// What is there to be changed.
const FILES: [&str; 11] = [
    "pkg/one",
    "pkg/two",
    "gone/three",
    "swap/file",
    "folder/x",
    "opaque/a",
    "link/target",
    "mode/file",
    "same/file",
    "moved/f",
    "place/f",
];

/// What takes more than one ID.
const OWNERS: &str = "busybox chown -R 12:34 /made/a /made/suid; busybox chown -h 5:6 /link/symbolic";

/// A project of these changes, with more than one ID or without.
fn changing(registry: &Registry, has_owners: bool) -> TestContext {
    let ([setcap, setfattr], mounts) = mounts_of(["setcap", "setfattr"]);
    let changes = CHANGES
        .replace("OWNERS", if has_owners { OWNERS } else { "true" })
        .replace("SETCAP", &setcap)
        .replace("SETFATTR", &setfattr)
        .replace("MOUNTS", &mounts);
    let build = format!("\n[build.app]\nbase = \"busybox\"\n{changes}\n");
    let context = project::on_base(registry, Base::Busybox, "busybox", &build);
    for file in FILES {
        context.write(&format!("files/{file}"), &file[..1]);
    }
    context
}

/// Everything in a root but what containers have mounted, attributes aside.
const LIST: &str = "busybox find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -print | \
                    busybox sort | while read -r path; do \
                    busybox stat -c '%n %A %u:%g' \"$path\"; [ -f \"$path\" ] && busybox md5sum \"$path\"; \
                    busybox readlink \"$path\"; done | busybox tr '\\377' '?'";

fn listing(oci: &mut Command) -> &mut Command {
    oci.args(["run", "-q", "app", "--network", "none", "--workdir", "/", "--entrypoint", "/bin/sh", "--", "-c", LIST])
}

fn is_told(outcome: &Outcome) -> bool {
    outcome.stderr().contains("see `oci doctor`")
}

#[test]
fn only_root_every_way_to_stack_makes_the_same_layers() {
    needs_root();
    let registry = Registry::start();
    let usual = changing(&registry, true);
    usual.run(["build"]).success();
    let layers = layers(&usual);
    let [.., first, second, third] = &layers[..] else { panic!("{layers:?}") };
    for (layer, names) in [
        (first, &["opaque/.wh..wh..opq", "pkg/.wh.one", ".wh.gone", "swap/file/inside", "link/other"][..]),
        (second, &["./", ".wh.moved", "made/a/.wh.b", "made/c/"]),
        (third, &["./", "made/.wh.fifo", "opaque/.wh.c"]),
    ] {
        let entries = entries(layer);
        for name in names {
            assert!(entries.iter().any(|entry| entry == name), "{name} in {entries:?}");
        }
        assert!(!entries.iter().any(|entry| entry == "same/file"), "{entries:?}");
    }
    let seen = usual.finish(listing(&mut usual.oci())).success().stdout();
    assert!(seen.contains("./made/suid -rwsr-xr-x 12:34") && seen.starts_with(". drwxr-xr-x 0:0"), "{seen}");

    for (depth, ids) in
        [(1, None), (2, None), (0, Some(Ids::Subordinate)), (1, Some(Ids::Subordinate)), (2, Some(Ids::Subordinate))]
    {
        let context = changing(&registry, true);
        let ordinary = ids.map(|ids| context.as_ordinary_user(ids));
        let oci = || ordinary.as_ref().map_or_else(|| context.oci(), |ordinary| ordinary());
        is_the_same(&context, depth, oci, &usual, &seen);
    }
    for depth in [0, 2] {
        let usual = changing(&registry, false);
        usual.run(["build"]).success();
        let seen = usual.finish(listing(&mut usual.oci())).success().stdout();
        let context = changing(&registry, false);
        is_the_same(&context, depth, context.as_ordinary_user(Ids::NoEntry), &usual, &seen);
    }
}

fn is_the_same(context: &TestContext, depth: usize, oci: impl Fn() -> Command, usual: &TestContext, seen: &str) {
    let oci = |change: &dyn Fn(&mut Command)| {
        let mut command = oci();
        change(&mut command);
        if depth == 0 { command } else { context.on_overlays(depth, &command) }
    };
    let told = context.finish(&mut oci(&|command| _ = command.arg("build"))).success();
    assert_eq!(is_told(&told), depth > 0, "{told}");
    let (ours, theirs) = (layers(context), layers(usual));
    assert_eq!(ours.len(), theirs.len(), "{depth}");
    for (ours, theirs) in ours.iter().zip(&theirs).skip(1) {
        if ours.file_name() == theirs.file_name() {
            continue;
        }
        // On a copy a folder can be renamed to where another was, and need not be made anew.
        let theirs: Vec<String> =
            listed(theirs).into_iter().filter(|entry| !entry.ends_with("place/.wh..wh..opq")).collect();
        assert!(depth > 0 && theirs.iter().any(|entry| entry.ends_with("place/f")), "{depth}");
        assert_eq!(listed(ours), theirs, "{depth}");
    }
    // The root is there: nothing is unpacked for a run.
    let run = context.finish(&mut oci(&|command| {
        listing(command).env("OCI_UMOCI", "/nowhere/umoci");
    }));
    let run = run.success();
    assert_eq!(run.stdout(), seen, "{depth}");
    assert!(!is_told(&run), "{run}");
    if depth > 0 {
        let runs = std::fs::read_dir(context.stacked_cache(depth).join("runs")).unwrap();
        assert_eq!(runs.filter(|run| run.as_ref().unwrap().file_name() != "lock").count(), 0);
    }
}

fn layers(context: &TestContext) -> Vec<std::path::PathBuf> {
    let manifest = read_json(&blob(&context.layout(), &descriptor(&context.layout(), "app")));
    manifest["layers"].as_array().unwrap().iter().map(|layer| blob(&context.layout(), layer)).collect()
}

fn entries(layer: &Path) -> Vec<String> {
    let listing = succeed(tool("tar").args(["--numeric-owner", "-tzf"]).arg(layer));
    listing.lines().map(str::to_owned).collect()
}

/// What is in a layer, with modes, owners and times.
fn listed(layer: &Path) -> Vec<String> {
    let listing = succeed(tool("tar").args(["--numeric-owner", "-tvzf"]).arg(layer));
    listing.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_in_a_copy_changes_nothing_and_ends_as_the_program_does() {
    if !is_root_or_was("overlays::a_run_in_a_copy_changes_nothing_and_ends_as_the_program_does") {
        return;
    }
    let registry = Registry::start();
    let context = changing(&registry, true);
    let oci = |arguments: &[&str]| {
        let mut command = context.oci();
        command.args(["run", "-q", "app", "--entrypoint", "/bin/sh"]).args(arguments);
        context.finish(&mut context.on_overlays(2, &command))
    };
    oci(&["--", "-c", "rm /pkg/two; echo x > /etc/passwd; exit 7"]).failure(7);
    assert_eq!(oci(&["--", "-c", "cat /pkg/two; busybox tail -n 1 /etc/passwd"]).success().stdout(), "pmore\n");
    let told = oci(&["--read-only", "--", "-c", "echo x > /etc/passwd"]).failure(1);
    assert!(told.stderr().contains("Read-only file system"), "{told}");
    oci(&["--", "-c", "kill -TERM $$; exit 3"]).failure(3);
}
