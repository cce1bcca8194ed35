//! The same input gives the same digest, whatever surrounds it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::tools::tool;
use crate::support::{Registry, TestContext, project};

/// Makes every file of a project again, the last one first, with other times and other group bits.
fn make_again(folder: &Path, from: &Path) {
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.into_iter().rev() {
        let target = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            make_again(&target, &entry.path());
            fs::set_permissions(&target, Permissions::from_mode(0o700)).unwrap();
            continue;
        }
        let old = fs::metadata(entry.path()).unwrap();
        fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        // What the owner may do is input; the rest is the umask's.
        fs::set_permissions(&target, Permissions::from_mode(old.permissions().mode() & 0o700)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(&target).unwrap().set_modified(time).unwrap();
    }
}

/// Builds the same project elsewhere, under another umask, time zone, locale and number of threads.
fn build_elsewhere(context: &TestContext) -> TestContext {
    let other = TestContext::new();
    make_again(&other.project(), &context.project());
    let _ = fs::remove_dir_all(other.layout());
    let mut shell = tool("sh");
    shell.args(["-c", "umask 077; exec \"$0\" build -j 1", env!("CARGO_BIN_EXE_oci")]);
    shell.env_clear().envs(other.environment()).current_dir(other.project());
    shell.envs([("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")]);
    other.finish(&mut shell).success();
    other
}

#[test]
fn one_platform() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    context.run(["build"]).success();
    assert_eq!(build_elsewhere(&context).built("my-server"), context.built("my-server"));
}

#[test]
fn two_platforms() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    assert_eq!(build_elsewhere(&context).built("both"), context.built("both"));
}

#[test]
fn the_lockfile_too() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    context.run(["lock"]).success();
    let locked = context.read("oci.lock");
    fs::remove_file(context.project().join("oci.lock")).unwrap();
    let other = build_elsewhere(&context);
    // A build writes the entries it reaches; the rest comes with a lock.
    other.run(["lock"]).success();
    assert_eq!(other.read("oci.lock"), locked);
}

#[test]
fn what_is_input_does_change_it() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let before = context.built("both");
    context.finish(context.oci().env("SOURCE_DATE_EPOCH", "1").arg("build")).success();
    assert_ne!(context.built("both"), before);
    context.write_program("data/a", "content of a\n");
    context.run(["build"]).success();
    assert_ne!(context.built("both"), before);
}
