//! Equal input gives an equal digest, whatever surrounds it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::ordinary::Ids;
use crate::support::tools::tool;
use crate::support::{Registry, TestContext, forms, project};

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
        if entry.file_type().unwrap().is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
            continue;
        }
        let old = fs::metadata(entry.path()).unwrap();
        fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(&target).unwrap().set_modified(time).unwrap();
        // What the owner may do is input; the rest is the umask's.
        fs::set_permissions(&target, Permissions::from_mode(old.permissions().mode() & 0o700)).unwrap();
    }
}

/// This project in another context, without what was built.
fn moved(context: &TestContext, other: TestContext) -> TestContext {
    make_again(&other.project(), &context.project());
    let _ = fs::remove_dir_all(other.layout());
    other
}

/// Builds this project elsewhere, under another umask, time zone, locale and number of threads.
fn build_elsewhere(context: &TestContext) -> TestContext {
    let other = moved(context, TestContext::new());
    let mut shell = tool("sh");
    shell.args(["-c", "umask 077; exec \"$0\" build -j 1", env!("CARGO_BIN_EXE_oci")]);
    shell.env_clear().envs(other.environment()).current_dir(other.project());
    shell.envs([("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")]);
    other.finish(&mut shell).success();
    other
}

/// The digests of builds with a package of every form, for two platforms each. If these change, so does
/// every image that people have built before: count `WRITER_VERSION` up, and say so in the changelog.
const GOLDEN: [(&str, &str); 3] = [
    ("gzip", "sha256:0db7b6df48fd407c3e4493d71008cf6dbf13429d4a4125a59343b4d4f73a13bf"),
    ("none", "sha256:7d2d87c44e553ad4e2f94fac587debf69c07a93804328160f965d23afe1b03ce"),
    ("zstd", "sha256:038bd7a0c8998286f8fe42d023b1f3b13f5c417dc5b713d69dd67dd0d6e8d926"),
];

fn every_form() -> TestContext {
    let context = TestContext::new();
    let keys = GOLDEN.map(|(name, _)| (name, format!("base = \"scratch\"\ncompression = \"{name}\"")));
    forms::write_manifest(&context, "", &keys.each_ref().map(|(name, keys)| (*name, keys.as_str())));
    forms::write_files(&context);
    context
}

#[track_caller]
fn is_golden(context: &TestContext) {
    assert_eq!(
        GOLDEN.map(|(name, _)| (name, context.built(name))),
        GOLDEN.map(|(name, digest)| (name, digest.to_owned()))
    );
}

#[test]
fn every_form_of_package_has_the_digests_that_it_always_had() {
    let context = every_form();
    context.run(["build"]).success();
    is_golden(&context);
    is_golden(&build_elsewhere(&context));
}

#[test]
fn whatever_the_number_of_threads() {
    let context = every_form();
    for jobs in 1..=8 {
        let _ = fs::remove_dir_all(context.root().join("cache"));
        context.run(["build", "-j", &jobs.to_string()]).success();
        is_golden(&context);
    }
}

#[test]
fn whoever_builds() {
    let context = moved(&every_form(), TestContext::new());
    let oci = context.as_ordinary_user(Ids::NoTool);
    context.finish(oci().arg("build")).success();
    is_golden(&context);
}

#[test]
fn whatever_the_file_system() {
    let memory = Path::new("/dev/shm");
    let kind = |path: &Path| rustix::fs::statfs(path).unwrap().f_type;
    let context = every_form();
    let there = moved(&context, TestContext::within(memory));
    // The kernel's number for tmpfs.
    assert_eq!(kind(&there.project()), 0x0102_1994);
    there.run(["build"]).success();
    is_golden(&there);
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
