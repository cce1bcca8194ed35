//! An unpacked root filesystem that someone changes is never what a later image is made of.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::support::ordinary::{Ids, needs_root};
use crate::support::{Base, Registry, TestContext, project};

/// A build whose step copies a file of its base.
fn copying(registry: &Registry) -> TestContext {
    project::on_base(
        registry,
        Base::Busybox,
        "busybox",
        "\n[build.app]\nbase = \"busybox\"\nsteps = [\"cat /usr/share/base > /copy\"]\n",
    )
}

/// The only folders in `rootfs/` that have a tree of the base.
fn file_of_base(context: &TestContext) -> PathBuf {
    let rootfs = context.root().join("cache/oci/rootfs");
    let trees = fs::read_dir(rootfs).unwrap().map(|entry| entry.unwrap().path().join("fs/usr/share/base"));
    let found: Vec<PathBuf> = trees.filter(|path| path.exists()).collect();
    let [file] = &found[..] else { panic!("{found:?}") };
    file.clone()
}

/// Writes other content of equal length, and puts the old modification time back.
fn change(file: &PathBuf) {
    let before = file.metadata().unwrap().modified().unwrap();
    let content = fs::read_to_string(file).unwrap();
    fs::write(file, content.to_uppercase()).unwrap();
    File::options().write(true).open(file).unwrap().set_modified(before).unwrap();
}

#[test]
fn only_root_a_step_on_a_tree_that_was_changed_runs_again_on_what_was_meant() {
    needs_root();
    for ids in [None, Some(Ids::Subordinate), Some(Ids::NoEntry)] {
        let registry = Registry::start();
        let context = copying(&registry);
        let ordinary = ids.map(|ids| context.as_ordinary_user(ids));
        let oci = |arguments: &[&str]| {
            let mut command = ordinary.as_ref().map_or_else(|| context.oci(), |ordinary| ordinary());
            context.finish(command.args(arguments)).success()
        };
        oci(&["build"]);
        let digest = context.built("app");
        change(&file_of_base(&context));
        let told = oci(&["build", "--no-cache"]);
        assert!(told.stderr().contains("was changed: it is unpacked anew"), "{ids:?} {told}");
        assert_eq!(context.built("app"), digest, "{ids:?}");
        assert_eq!(oci(&["run", "-q", "app", "--", "cat", "/copy"]).stdout(), "busybox\n", "{ids:?}");
        let told = oci(&["build", "--no-cache"]);
        assert!(!told.stderr().contains("was changed"), "{ids:?} {told}");
    }
}

#[test]
fn only_root_verifying_the_cache_finds_what_was_changed() {
    needs_root();
    let registry = Registry::start();
    let context = copying(&registry);
    context.run(["build"]).success();
    let told = context.run(["cache", "verify"]).success().stdout();
    assert!(told.contains(" and 2 root filesystems, 0 damaged"), "{told}");
    change(&file_of_base(&context));
    let told = context.run(["cache", "verify"]).failure(1).stdout();
    assert!(
        told.contains("-host  damaged, and set aside\n") && told.contains(" 2 root filesystems, 1 damaged"),
        "{told}"
    );
    context.run(["cache", "verify"]).success();
    assert_eq!(context.run(["run", "-q", "app", "--", "cat", "/copy"]).success().stdout(), "busybox\n");
    let told: serde_json::Value =
        serde_json::from_str(&context.run(["cache", "verify", "--json"]).success().stdout()).unwrap();
    assert_eq!((&told["kinds"]["root filesystems"], &told["damaged"]), (&serde_json::json!(2), &serde_json::json!([])));
}

#[test]
fn only_root_a_tree_that_nobody_knows_is_unpacked_anew() {
    needs_root();
    let registry = Registry::start();
    let context = copying(&registry);
    context.run(["build"]).success();
    let file = file_of_base(&context);
    change(&file);
    // As an earlier version left it.
    fs::remove_file(file.ancestors().nth(4).unwrap().join("census")).unwrap();
    assert_eq!(context.run(["run", "-q", "busybox", "--", "cat", "/usr/share/base"]).success().stdout(), "busybox\n");
}
