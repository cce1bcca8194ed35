//! Packages of archives: real ones, each read once, as root and as a user.

use std::fs;

use crate::support::ordinary::Ids;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{static_busybox, succeed, tool};
use crate::support::{Base, Registry, TestContext, images};

const MANIFEST: &str = "[build.app]\nbase = \"scratch\"\npackages = [{ archive = \"root.tar.xz\", to = \"/\" }]\n";

/// A project with an archive of a folder with a file, a second name for it, and a link.
fn packed(manifest: &str) -> TestContext {
    let context = TestContext::with_manifest(manifest);
    context.write_program("root/usr/bin/tool", "#!/bin/sh\n".repeat(10_000));
    let root = context.project().join("root");
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/again")).unwrap();
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
    let archive = context.project().join("root.tar.xz");
    succeed(tool("tar").args(["-cJf"]).arg(archive).args(["--owner=5", "--group=6", "-C"]).arg(&root).arg("."));
    context
}

#[test]
fn an_unchanged_archive_is_not_opened() {
    let context = packed(MANIFEST);
    context.run(["build"]).success();
    let before = context.built("app");
    // What has just changed may be read again where a file system keeps whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    context.run(["build"]).success();
    let trace = context.root().join("trace");
    let mut traced = tool("strace");
    traced.args(["-f", "-e", "trace=openat", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_oci")).arg("build");
    traced.env_clear().envs(context.environment()).current_dir(context.project());
    context.finish(&mut traced).success();
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains("oci.toml"), "strace saw nothing");
    assert!(!trace.contains("root.tar.xz"), "{trace}");
    assert_eq!(context.built("app"), before);

    // An archive with another time and another name is another file, but gives an equal image.
    succeed(tool("touch").arg(context.project().join("root.tar.xz")));
    context.run(["build"]).success();
    assert_eq!(context.built("app"), before);
}

#[test]
fn everyone_gives_it_the_same_digest_and_leaves_nothing() {
    let context = packed(MANIFEST);
    context.run(["build"]).success();
    let digest = context.built("app");
    assert_eq!(context.leftovers(), Vec::<String>::new());
    let oci = context.as_ordinary_user(Ids::NoTool);
    fs::remove_dir_all(context.root().join("cache/oci")).unwrap();
    assert!(context.finish(oci().arg("build")).success().stdout().contains(&digest));
}

#[test]
fn it_is_the_root_of_an_image_that_runs() {
    let context = TestContext::with_manifest(&format!("{MANIFEST}entrypoint = [\"/bin/sh\", \"-c\"]\n"));
    let root = context.project().join("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::copy(static_busybox(), root.join("usr/bin/busybox")).unwrap();
    fs::hard_link(root.join("usr/bin/busybox"), root.join("usr/bin/sh")).unwrap();
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
    let archive = context.project().join("root.tar.xz");
    succeed(tool("tar").args(["-cf"]).arg(archive).args(["--owner=5", "--group=6", "-C"]).arg(&root).arg("."));
    let script = "busybox stat -c '%n %u:%g %h %i' /bin/sh /bin/busybox";
    let told = context.run(["run", "-q", "app", "--", script]).success().stdout();
    let [shell, busybox] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(shell.starts_with("/bin/sh 5:6 2 "), "{told}");
    assert_eq!(shell.rsplit(' ').next(), busybox.rsplit(' ').next(), "one file with two names");
}

#[test]
fn what_is_wrong_with_an_archive_is_told_at_its_line() {
    let context = packed(&MANIFEST.replace(".tar.xz", ".tar"));
    let archive = context.project().join("root.tar");
    let pack = |arguments: &[&str]| succeed(tool("tar").arg("-cf").arg(&archive).args(arguments));
    pack(&["-P", "-C", "/", "/dev/null", "/dev/zero"]);
    assert_outcome!(context.run(["build", "-q"]).failure(1));
    let whole = fs::read(context.project().join("root.tar.xz")).unwrap();
    context.write("root.tar", &whole[..whole.len() / 2]);
    assert_outcome!(context.run(["build", "-q"]).failure(1));
    context.write("root.tar", "PK");
    assert_outcome!(context.run(["build", "-q"]).failure(1));
    fs::remove_file(&archive).unwrap();
    assert_outcome!(context.run(["build", "-q"]).failure(1));
}

#[test]
fn a_folder_that_is_not_like_the_bases_is_a_warning() {
    let registry = Registry::start();
    images::push(&registry, Base::Merged, "library/merged", "1");
    let context = TestContext::new();
    let manifest = |more: &str| {
        let packages = format!("{{ text = \"x\", to = \"/bin/x\" }}, {{ text = \"y\", to = \"/root/y\" }}{more}");
        context.write(
            "oci.toml",
            format!(
                "[base.merged]\nrepository = \"{}\"\ntag = \"1\"\n[build.app]\nbase = \"merged\"\npackages = [{packages}]\n",
                registry.repository("library/merged")
            ),
        );
    };
    manifest("");
    let told = context.run(["build", "-q"]).success();
    assert_eq!(told.stderr(), "");
    manifest(", { archive = \"a.tar\", to = \"/root\" }");
    fs::create_dir(context.project().join("a")).unwrap();
    context.write("a/file", "");
    let archive = context.project().join("a.tar");
    let pack = ["--mode=0770", "--owner=0", "--group=0", "-C"];
    succeed(tool("tar").arg("-cf").arg(archive).args(pack).arg(context.project().join("a")).arg("."));
    let warning = "warning: `/root` becomes 0770 of 0:0, and in the base it is 0700 of 0:0; to keep that, add the package \
                   `{ folder = \"/root\", mode = \"0700\", owner = \"0:0\" }`\n";
    assert_eq!(context.run(["build", "-q"]).success().stderr(), warning);
    manifest(", { archive = \"a.tar\", to = \"/root\" }, { folder = \"/root\", mode = \"0700\", owner = \"0:0\" }");
    assert_eq!(context.run(["build", "-q"]).success().stderr(), "");
}

#[test]
fn a_plan_says_what_an_archive_holds_and_remembers_nothing() {
    let context = packed(MANIFEST);
    let told = context.run(["build", "--dry-run"]).success();
    assert!(told.stdout().contains("root.tar.xz to /"), "{told}");
    let listings = context.root().join("cache/oci/records/archive");
    assert!(!listings.exists());
    context.run(["build"]).success();
    assert_eq!(fs::read_dir(&listings).unwrap().count(), 1);
}
