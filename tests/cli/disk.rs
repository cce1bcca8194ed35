//! Disks that are full, read-only, somebody else's or another one than the project's, and folders of odd
//! names.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use crate::support::images;
use crate::support::ordinary::{Ids, needs_root};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{find, search_path, succeed, tool};
use crate::support::{Registry, TestContext, project};

/// A shell in a namespace where it may mount, whose `$CACHE` is the cache folder and `$OCI` the program.
fn in_namespace(context: &TestContext, script: &str) -> Command {
    let cache = context.root().join("cache/oci");
    fs::create_dir_all(&cache).unwrap();
    let mut command = Command::new(find("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]).current_dir(context.project());
    command.env_clear().envs(context.environment()).env("PATH", search_path());
    command.env("CACHE", cache).env("OCI", env!("CARGO_BIN_EXE_oci"));
    command
}

/// What no compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut random = 1_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_full_disk_loses_nothing() {
    let context = TestContext::with_manifest(
        "[build.large]\nbase = \"scratch\"\npackages = [\"large\"]\n\
         [build.small]\nbase = \"scratch\"\npackages = [\"small\"]\n",
    );
    context.write("large", noise(4_000_000));
    context.write("small", "small");
    let script = "set -u
        mount -t tmpfs -o size=2m tmpfs $CACHE
        $OCI build small && $OCI build large
        echo status $?
        $OCI build small && $OCI cache verify && find $CACHE -name '.oci-tmp-*'
        dd if=/dev/zero of=$CACHE/rest bs=4k 2>/dev/null
        $OCI build small; echo status $?";
    assert_outcome!(context.finish(&mut in_namespace(&context, script)).success());
}

#[test]
fn a_disk_that_is_full_before_a_base_is_there() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let script = "mount -t tmpfs -o size=400k tmpfs $CACHE; $OCI fetch; echo status $?; find $CACHE -name '.oci-tmp-*'";
    assert_outcome!(context.finish(&mut in_namespace(&context, script)).success());
}

#[test]
fn a_cache_that_is_read_only_serves_what_it_has() {
    let context = TestContext::with_manifest(
        "[build.old]\nbase = \"scratch\"\npackages = [{ text = \"old\", to = \"/a\" }]\n\
         [build.new]\nbase = \"scratch\"\npackages = [{ text = \"new\", to = \"/a\" }]\n",
    );
    context.run(["build", "old"]).success();
    let script = "mount --bind $CACHE $CACHE && mount -o remount,bind,ro $CACHE
        $OCI build old; echo status $?
        $OCI cache verify; echo status $?
        $OCI build new; echo status $?
        $OCI cache clean; echo status $?";
    assert_outcome!(context.finish(&mut in_namespace(&context, script)).success());
}

#[test]
fn only_root_a_cache_that_is_somebody_elses() {
    needs_root();
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\n");
    let oci = context.as_ordinary_user(Ids::NoEntry);
    let cache = context.root().join("cache/oci");
    fs::create_dir_all(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o555)).unwrap();
    assert_outcome!(context.finish(oci().arg("build")).failure(1));
}

#[test]
fn a_cache_on_another_file_system_than_the_project() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let copies = || {
        let entries = fs::read_dir(context.layout().join("blobs/sha256")).unwrap();
        entries
            .map(|entry| entry.unwrap().metadata().unwrap())
            .map(|file| (file.ino(), file.nlink()))
            .collect::<Vec<_>>()
    };
    let script = "mount -t tmpfs tmpfs $CACHE
        $OCI build --complete && ls -i .oci/blobs/sha256 >../first
        sleep 0.1; $OCI build && ls -i .oci/blobs/sha256 >../second && $OCI cache size
        $OCI cache clean && $OCI build --complete";
    let told = context.finish(&mut in_namespace(&context, script)).success();
    assert!(!told.stdout().contains("projects'"), "nothing is shared: {told}");
    let listed = |name: &str| fs::read_to_string(context.root().join(name)).unwrap();
    assert_eq!(listed("first"), listed("second"), "what was copied is not copied again");
    assert!(copies().iter().all(|(_, links)| *links == 1));
    // It is whole without the cache, which is gone with its namespace.
    succeed(tool("umoci").args(["stat", "--image", ".oci:app"]).current_dir(context.project()));
    let manifest = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "app")));
    for layer in manifest["layers"].as_array().unwrap() {
        let bytes = fs::read(images::blob(&context.layout(), layer)).unwrap();
        let digest = images::hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes));
        assert_eq!(layer["digest"], format!("sha256:{digest}"));
    }
}

#[test]
fn a_copy_of_a_damaged_blob_is_not_shown() {
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\npackages = [\"large\"]\n");
    context.write("large", noise(400_000));
    // A layer is recorded if its files are older than a moment.
    let script = "set -u
        mount -t tmpfs tmpfs $CACHE; touch -d '1 hour ago' large
        $OCI --quiet build || exit
        layer=$(ls -S $CACHE/blobs/sha256/* | head -n 1)
        chmod 644 $layer; printf damage | dd of=$layer bs=1 seek=1000 conv=notrunc 2>/dev/null
        rm -r .oci
        $OCI --quiet build; echo status $?
        $OCI --quiet build; echo status $?; $OCI cache verify";
    assert_outcome!(context.finish(&mut in_namespace(&context, script)).success());
}

#[test]
fn a_cache_with_a_space_in_its_path() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho spaced\n");
    let folder: PathBuf = context.root().join("a cache's \"folder\" $HOME");
    let oci = |arguments: &[&str]| {
        let mut command = context.oci();
        context.finish(command.env("OCI_CACHE_DIR", &folder).args(arguments)).success()
    };
    oci(&["fetch"]);
    assert_eq!(oci(&["run", "app"]).stdout(), "spaced\n");
    oci(&["publish"]);
    assert_eq!(registry.digest("acme/app", "latest"), context.built("app"));
    assert_eq!(oci(&["cache", "dir"]).stdout(), format!("{}\n", folder.display()));
    oci(&["cache", "verify"]);
    oci(&["cache", "clean"]);
    assert!(!context.root().join("cache/oci").exists());
}
