//! What else a person can do wrong: one line of a table each, and what the person sees of it.

use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::succeed;
use crate::support::{Registry, TestContext, project};

/// What each of these does, under a heading, one below the other.
fn gallery(context: &TestContext, commands: impl IntoIterator<Item = (&'static str, Command)>) -> String {
    let mut text = String::new();
    for (title, mut command) in commands {
        writeln!(text, "===== {title}\n{}", context.finish(&mut command)).unwrap();
    }
    text
}

fn command(context: &TestContext, arguments: &[&str]) -> Command {
    let mut command = context.oci();
    command.args(arguments);
    command
}

#[test]
fn usage() {
    let context = TestContext::with_manifest(
        "[build.app]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         repository = \"registry.example.com/acme/app\"\n",
    );
    context.write("empty/oci.toml", "");
    context.write("latin/oci.toml", b"# caf\xe9\n");
    context.write("locked/oci.toml", "[build.app]\nbase = \"scratch\"\n");
    std::fs::create_dir(context.project().join("locked/oci.lock")).unwrap();
    context.write(
        "commit/oci.toml",
        "[build.app]\nbase = \"scratch\"\nrepository = \"registry.example.com/acme/app\"\ntag = \"{git.sha}\"\n",
    );
    context.write("broken/oci.toml", "[build.app]\nbase = \"scratch\"\n");
    context.write("broken/.oci/index.json", "{");
    let run = |arguments: &[&str]| command(&context, arguments);
    let with = |name: &str, value: &str| {
        let mut command = command(&context, &["build"]);
        command.env(name, value);
        command
    };
    let mut without_git = run(&["-C", "commit", "publish"]);
    without_git.env("PATH", "/nowhere");
    let mut homeless = run(&["build"]);
    homeless.env_remove("HOME").env_remove("XDG_CACHE_HOME");
    assert_outcome!(gallery(
        &context,
        [
            ("a time that is none", with("SOURCE_DATE_EPOCH", "yesterday")),
            ("a platform that is none", run(&["build", "--platform", "linux"])),
            ("a tag that is none", run(&["publish", "--tag", "a b"])),
            ("fewer platforms", run(&["publish", "--platform", "linux/arm64"])),
            ("a folder that is not there", run(&["-C", "nowhere", "build"])),
            ("nothing to build", run(&["-C", "empty", "build"])),
            ("another encoding", run(&["-C", "latin", "build"])),
            ("a lockfile that is a folder", run(&["-C", "locked", "build"])),
            ("a layout that is none", run(&["-C", "broken", "build"])),
            ("a colon in the cache's path", with("OCI_CACHE_DIR", "a:b")),
            ("a cache that cannot be", with("OCI_CACHE_DIR", "/dev/null/cache")),
            ("no home", homeless),
            ("a variable that is none", run(&["build", "--var", "A"])),
            ("a variable that nobody knows", run(&["build", "--var", "A=1"])),
            ("no git", without_git),
        ]
    ));
}

#[test]
fn packages() {
    let context = TestContext::new();
    symlink("../../secret", context.write("leaves/a", "").with_file_name("link")).unwrap();
    symlink("loop", context.write("loops/a", "").with_file_name("loop")).unwrap();
    context.write("reserved/.wh.file", "");
    let pipe = context.write("special/a", "").with_file_name("pipe");
    succeed(Command::new("mkfifo").arg(pipe));
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 22, 0];
    elf.resize(64, 0);
    context.write_program("program", elf);
    let commands = [
        ("leaves", "\"leaves\""),
        ("loops", "{ path = \"loops\", follow = true }"),
        ("reserved", "\"reserved\""),
        ("special", "\"special\""),
        ("program", "\"program\""),
        ("slash", "\"special/a/\""),
        ("destination", "\".\""),
        ("glob", "{ path = \"leaves\", exclude = [\"[z-a]\"] }"),
        ("conflict", "{ text = \"1\", to = \"/a\" }, { text = \"2\", to = \"/a\" }"),
    ];
    let commands = commands.map(|(name, packages)| {
        let manifest = format!(
            "[project]\nplatforms = [\"linux/amd64\"]\n\n[build.app]\nbase = \"scratch\"\npackages = [{packages}]\n"
        );
        let file = context.write(&format!("{name}.toml"), manifest);
        let mut command = context.oci();
        command.arg("build").arg("--manifest-path").arg(file.file_name().unwrap());
        (name, command)
    });
    assert_outcome!(gallery(&context, commands));
}

#[test]
fn runs() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/none\n");
    let manifest = context.read("oci.toml");
    context.write(
        "oci.toml",
        format!("{manifest}\n[build.shell]\nbase = \"busybox\"\n[build.empty]\nbase = \"scratch\"\n[build.no-value]\nbase = \"scratch\"\nenv = {{ A = \"${{NOTHING}}\" }}\n"),
    );
    context.run(["run", "shell", "--", "true"]).success();
    let run = |name: &str, options: &[&str]| command(&context, &[&["--quiet", "run", name], options].concat());
    let mut named = context.start(["run", "--name", "web", "shell", "--", "sh", "-c", "echo ready; sleep 1000"]);
    named.wait_for_line("ready");
    assert_outcome!(gallery(
        &context,
        [
            ("no image", run("shel", &[])),
            ("no value", run("no-value", &[])),
            ("nothing to run", run("empty", &[])),
            ("no interpreter", run("app", &[])),
            ("no program", run("shell", &["--", "nothing"])),
            ("no executable", run("shell", &["--", "/etc/passwd"])),
            ("no user", run("shell", &["--user", "stranger", "--", "id"])),
            ("a user that is none", run("shell", &["--user", "root:root:root", "--", "id"])),
            ("a folder that cannot be", run("shell", &["--workdir", "/etc/passwd/below", "--", "true"])),
            ("no terminal", run("shell", &["-t"])),
            ("ports", run("shell", &["-p", "80:80"])),
            ("no volume", run("shell", &["-v", "/nowhere/at/all:/mnt"])),
            ("a volume that is none", run("shell", &["-v", "mnt"])),
            ("a volume on everything", run("shell", &["-v", "/tmp:/"])),
            ("a volume on the container's own", run("shell", &["-v", "/tmp:/proc/x", "--", "true"])),
            ("a folder on a file", run("shell", &["-v", "/tmp:/etc/passwd", "--", "true"])),
            ("a file on a folder", run("shell", &["-v", "/etc/passwd:/etc", "--", "true"])),
            ("a variable that is none", run("shell", &["-e", "=value"])),
            ("no file of variables", run("shell", &["--env-file", "nowhere"])),
            ("a name that is taken", run("shell", &["--name", "web", "--", "true"])),
            ("a name that is none", run("shell", &["--name", "a b", "--", "true"])),
        ]
    ));
}

#[test]
fn a_damaged_layer_is_not_run() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho whole\n");
    context.run(["fetch"]).success();
    let layer = &images::layers(Base::Busybox)[0];
    let path = context.root().join("cache/oci/blobs").join(layer.replace(':', "/"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert_outcome!(context.run(["run", "app"]).failure(125));
    assert_eq!(context.run(["run", "app"]).success().stdout(), "whole\n");
}
