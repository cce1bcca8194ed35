//! The folders that are written, `.oci/` and the cache: they are ours or refused, whatever a checkout holds, and what is
//! in the cache is for its owner alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::support::images::Base;
use crate::support::ordinary::{Ids, NAME, is_root};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{find, tool};
use crate::support::{Registry, TestContext, project};

const BUILD: &str = "[build.a]\nbase = \"scratch\"\npackages = [{ text = \"x\", to = \"/x\" }]\n";

fn with_cache_in(folder: &str) -> TestContext {
    TestContext::with_manifest(&format!("{BUILD}\n[cache]\ndir = \"{folder}\"\n"))
}

/// Files that nobody may touch.
fn precious(folder: &Path) {
    for name in ["tmp/thesis/chapter", "runs/oci-results/data", "logs/app.log", "rootfs/.oci-tmp-a-b/file"] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "precious").unwrap();
    }
}

#[track_caller]
fn are_kept(folder: &Path) {
    for name in ["tmp/thesis/chapter", "runs/oci-results/data", "logs/app.log", "rootfs/.oci-tmp-a-b/file"] {
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"precious", "{name}");
    }
}

/// Every command that opens the cache.
const COMMANDS: [&[&str]; 7] = [
    &["build"],
    &["build", "--dry-run"],
    &["lock"],
    &["fetch"],
    &["cache", "prune"],
    &["cache", "clean"],
    &["cache", "size"],
];

#[test]
fn a_folder_with_other_files_is_no_cache() {
    let context = with_cache_in(".");
    precious(&context.project());
    let before = context.project().metadata().unwrap().mode();
    assert_outcome!(context.run(["build"]).failure(1));
    for command in COMMANDS {
        context.finish(context.oci().args(command)).failure(1);
        are_kept(&context.project());
    }
    assert_eq!(fs::read_dir(context.project()).unwrap().count(), 5, "nothing was made there");
    assert_eq!(context.project().metadata().unwrap().mode(), before);
    let told = context.run(["doctor"]).stdout();
    assert!(told.contains("cannot be the cache folder: it holds `oci.toml`"), "{told}");
    are_kept(&context.project());
}

#[test]
fn a_folder_of_nothing_but_our_names_loses_nothing_else() {
    let context = with_cache_in("cache");
    precious(&context.project().join("cache"));
    context.run(["build"]).success();
    for command in COMMANDS {
        context.finish(context.oci().args(command)).success();
    }
    are_kept(&context.project().join("cache"));
}

#[test]
fn a_checkout_names_no_folder_outside() {
    for folder in ["../outside", "..", "~/cache", "/var/tmp/oci-test-nothing", "link/cache", "new/../../outside"] {
        let context = with_cache_in(folder);
        symlink("../outside", context.project().join("link")).unwrap();
        fs::create_dir(context.root().join("outside")).unwrap();
        for command in COMMANDS {
            let told = context.finish(context.oci().args(command)).failure(2);
            assert!(told.stderr().contains("has to lie in the project"), "{told}");
        }
        assert_eq!(fs::read_dir(context.root().join("outside")).unwrap().count(), 0);
        context.finish(context.oci().arg("build").env("OCI_CACHE_DIR", "../outside/cache")).success();
    }
    assert_outcome!(with_cache_in("../outside").run(["build"]).failure(2));
    with_cache_in("below/cache").run(["build"]).success();
}

#[test]
fn the_user_names_any_folder_and_is_told_what_is_wrong_with_it() {
    let context = TestContext::with_manifest(BUILD);
    let mine = context.root().join("mine");
    precious(&mine);
    fs::write(mine.join("letter"), "").unwrap();
    assert_outcome!(context.finish(context.oci().arg("build").env("OCI_CACHE_DIR", &mine)).failure(1));
    fs::create_dir_all(context.root().join("home/.config/oci")).unwrap();
    fs::write(context.root().join("home/.config/oci/config.toml"), "[cache]\ndir = \"../../../mine\"\n").unwrap();
    assert_outcome!(context.run(["build"]).failure(1));
    are_kept(&mine);
    fs::remove_file(mine.join("letter")).unwrap();
    context.run(["build"]).success();
    are_kept(&mine);
}

#[test]
fn what_a_link_at_the_default_place_leads_to_is_no_cache_for_that() {
    let context = TestContext::with_manifest(BUILD);
    let (home, photos) = (context.project().join("home"), context.project().join("photos"));
    fs::create_dir_all(home.join(".cache")).unwrap();
    fs::create_dir(&photos).unwrap();
    symlink(&photos, home.join(".cache/oci")).unwrap();
    let oci = |arguments: &[&str]| {
        let mut command = context.oci();
        command.env("HOME", &home).env_remove("XDG_CACHE_HOME").env_remove("OCI_CACHE_DIR").args(arguments);
        command.output().unwrap()
    };
    let other = photos.join(".oci-tmp-abcdefghijkl");
    fs::write(photos.join("a.jpg"), "precious").unwrap();
    fs::write(&other, "precious").unwrap();
    for arguments in [&["build"][..], &["cache", "prune"], &["cache", "clean"]] {
        let output = oci(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("`a.jpg`"), "{arguments:?}: {said}");
        assert_eq!(fs::read_dir(&photos).unwrap().count(), 2, "{arguments:?}");
    }
    fs::remove_file(photos.join("a.jpg")).unwrap();
    fs::remove_file(&other).unwrap();
    assert!(oci(&["build"]).status.success(), "a link to an empty folder is what moves a cache to a larger disk");
    assert!(photos.join("oci-cache").exists());
}

#[test]
fn a_newer_cache_and_a_link_in_one_are_told() {
    let context = TestContext::with_manifest(BUILD);
    context.run(["build"]).success();
    let cache = context.root().join("cache/oci");
    let outside = context.root().join("outside");
    precious(&outside);
    fs::remove_dir_all(cache.join("tmp")).unwrap();
    symlink(outside.join("tmp"), cache.join("tmp")).unwrap();
    assert_outcome!(context.run(["build"]).failure(1));
    are_kept(&outside);
    fs::remove_file(cache.join("tmp")).unwrap();
    // As a version 2 will write it.
    let newer = format!("oci-cache 2 {}\n", blake3::hash(b"oci-cache 2").to_hex());
    fs::write(cache.join("oci-cache"), newer).unwrap();
    assert_outcome!(context.run(["build"]).failure(1));
}

#[test]
fn the_layout_is_ours_or_nothing_is_touched() {
    for (place, target) in [
        (".oci/blobs/sha256", "photos"),
        (".oci/blobs", "photos"),
        (".oci", "photos"),
        (".oci/index.json", "photos/a.jpg"),
    ] {
        let context = TestContext::with_manifest(BUILD);
        let photos = context.root().join("photos");
        fs::create_dir(&photos).unwrap();
        fs::write(photos.join("a.jpg"), "precious").unwrap();
        let path = context.project().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(context.root().join(target), &path).unwrap();
        let told = context.run(["build"]).failure(1);
        assert!(told.stderr().contains("was not made by `oci`: it is a symbolic link"), "{told}");
        if place == ".oci/blobs/sha256" {
            assert_outcome!(told);
        }
        assert_eq!(fs::read(photos.join("a.jpg")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(&photos).unwrap().count(), 1);
    }
}

#[test]
fn what_is_no_blob_of_the_layout_is_left_and_named() {
    let context = TestContext::with_manifest(BUILD);
    context.write(".oci/blobs/sha256/a.jpg", "precious");
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains(".oci/blobs/sha256/a.jpg` where it is: it is no blob of `oci`'s"), "{told}");
    assert_eq!(context.read(".oci/blobs/sha256/a.jpg"), "precious");
    assert!(!context.run(["build"]).success().stderr().contains("a.jpg"), "it is said when something changed");
}

#[test]
fn a_linked_lockfile_is_written_in_the_project_and_nowhere_else() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let (outside, lock) = (context.root().join("outside"), context.project().join("oci.lock"));
    context.run(["lock"]).success();
    fs::copy(&lock, &outside).unwrap();
    context.write("shared/oci.lock", fs::read(&lock).unwrap());
    let before = fs::read(&outside).unwrap();
    let another =
        format!("\n[base.other]\nrepository = \"{}\"\ntag = \"latest\"\n", registry.repository("library/busybox"));
    context.write("oci.toml", context.read("oci.toml") + &another);
    let link = |target: &str| {
        fs::remove_file(&lock).unwrap();
        symlink(target, &lock).unwrap();
    };
    link("../outside");
    assert_outcome!(context.run(["lock"]).failure(1));
    link("../nothing");
    context.run(["lock"]).failure(1);
    link("shared/oci.lock");
    context.run(["lock"]).success();
    assert!(lock.is_symlink() && context.read("shared/oci.lock").contains("other"));
    symlink(&outside, context.project().join("meta.json")).unwrap();
    context.run(["build", "--metadata-file", "meta.json"]).failure(1);
    assert_eq!(fs::read(&outside).unwrap(), before);
    assert!(!context.root().join("nothing").exists());
}

/// Set-uid programs and devices of images lie in the cache.
#[test]
fn nobody_else_comes_into_the_cache() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho ran\n");
    let cache = context.root().join("cache/oci");
    fs::create_dir_all(&cache).unwrap();
    // One of before is closed, too.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(context.run(["run", "app"]).success().stdout(), "ran\n");
    assert_eq!(cache.metadata().unwrap().mode() & 0o7777, 0o700);
    fs::set_permissions(context.root(), fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        let as_another = |path: &Path| {
            let mut command = tool("runuser");
            command.args(["-u", NAME, "--", "ls"]).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap().success()
        };
        assert!(as_another(&context.project()) && !as_another(&cache) && !as_another(&cache.join("rootfs")));
    }
}

#[test]
fn an_ordinary_user_runs_from_a_cache_that_is_closed() {
    let registry = Registry::start();
    let build = "\n[build.app]\nbase = \"busybox\"\nsteps = [\"echo made > /made\"]\n";
    for ids in [Ids::Subordinate, Ids::NoEntry] {
        let context = project::on_base(&registry, Base::Busybox, "busybox", build);
        let oci = context.as_ordinary_user(ids);
        let told = context.finish(oci().args(["run", "app", "--", "cat", "/made"])).success();
        assert_eq!(told.stdout(), "made\n");
        assert_eq!(context.root().join("cache/oci").metadata().unwrap().mode() & 0o7777, 0o700);
    }
}

#[test]
fn a_file_that_may_not_grow_is_told() {
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\npackages = [\"large\"]\n");
    context.write_large("large", 3 << 20, 1);
    let mut command = std::process::Command::new(find("sh"));
    command.args(["-c", "ulimit -f 64; exec \"$OCI\" build"]).env_clear().envs(context.environment());
    command.env("OCI", env!("CARGO_BIN_EXE_oci")).current_dir(context.project());
    assert_outcome!(context.finish(&mut command).failure(1));
    assert_eq!(context.leftovers(), Vec::<String>::new());
    context.run(["build"]).success();
}

#[test]
fn ten_that_begin_at_once_share_one_cache() {
    let context = TestContext::new();
    for round in 0..3 {
        let manifests: Vec<String> = (0..10).map(|number| format!("{round}/{number}/oci.toml")).collect();
        for (number, path) in manifests.iter().enumerate() {
            context.write(path, BUILD.replace("\"x\"", &format!("\"{}\"", number % 3)));
        }
        let cache = context.root().join(format!("new-{round}/deep/cache"));
        let started: Vec<_> = manifests
            .iter()
            .map(|path| {
                let mut command = context.oci();
                command.args(["build", "--manifest-path", path]).env("OCI_CACHE_DIR", &cache);
                context.start_command(&mut command)
            })
            .collect();
        for mut running in started {
            assert_eq!(running.end(), Some(0), "{}", running.stderr());
        }
        assert!(cache.join("CACHEDIR.TAG").is_file() && cache.join("oci-cache").is_file());
    }
}

#[test]
fn without_a_home_or_with_odd_variables() {
    let context = TestContext::with_manifest(BUILD);
    let dir = |command: &mut std::process::Command| context.finish(command.args(["cache", "dir"])).success().stdout();
    let home = context.root().join("home/.cache/oci");
    assert_eq!(dir(context.oci().env("XDG_CACHE_HOME", "relative")), format!("{}\n", home.display()));
    context.finish(context.oci().arg("build").env("XDG_CACHE_HOME", "relative")).success();
    assert!(home.is_dir() && !context.project().join("relative").exists());
    let nowhere = context.finish(context.oci().arg("build").env_remove("HOME").env("XDG_CACHE_HOME", "relative"));
    assert!(nowhere.failure(1).stderr().contains("oci::store::no_folder"));
    context.finish(context.oci().arg("build").env_remove("HOME")).success();
}
