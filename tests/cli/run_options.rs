//! `oci run`: what its options do to the container, and which names it takes.

use crate::support::images::{self, Base};
use crate::support::{Outcome, Registry, TestContext, project};

/// Runs a script of a shell in `app`, with these options.
fn shell(context: &TestContext, options: &[&str], script: &str) -> Outcome {
    let mut command = context.oci();
    command.args(["run", "-q", "app", "--entrypoint", "/bin/sh"]).args(options).args(["--", "-c", script]);
    context.finish(command.env("PASSED_ON", "from here"))
}

fn project() -> (Registry, TestContext) {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho \"$1 runs\"\n");
    (registry, context)
}

#[test]
fn volumes_are_files_or_folders_by_any_path() {
    let (_registry, context) = project();
    context.write("data/file", "in\n");
    context.write("alone", "alone\n");
    context.write_program("tools/greet", "#!/bin/sh\necho greetings\n");
    let absolute = format!("{}:/absolute:ro", context.project().join("data").display());
    let options =
        ["-v", "data:/data", "-v", "./alone:/etc/alone:rw", "-v", &absolute, "-v", "data/../alone:/deep/er:ro"];
    let script = "cat /data/file /etc/alone /absolute/file /deep/er; echo out > /data/out; echo more >> /etc/alone; \
                  touch /absolute/x 2>/dev/null || echo refused; (echo x > /deep/er) 2>/dev/null || echo refused";
    let told = shell(&context, &options, script).success();
    assert_eq!(told.stdout(), "in\nalone\nin\nalone\nrefused\nrefused\n");
    assert_eq!((context.read("data/out").as_str(), context.read("alone").as_str()), ("out\n", "alone\nmore\n"));

    // A program may be in one.
    let run = |program: &str| {
        let arguments = ["run", "-q", "app", "-v", "tools:/tools:ro", "--entrypoint", program];
        context.finish(context.oci().args(arguments))
    };
    assert_eq!(run("/tools/greet").success().stdout(), "greetings\n");
    // Without the image's entrypoint there is nothing to run but what follows.
    assert!(run("").failure(125).stderr().contains("oci::run::nothing_to_run"));
    let told = run("/tools/none").failure(127);
    assert!(told.stderr().contains("oci::run::not_found"), "{told}");

    shell(&context, &["-v", "nowhere:/data"], "true").failure(125);
    for written in ["data", ":/data", "data:data", "data:/data:rx", "data:/data:ro:ro"] {
        let told = shell(&context, &["-v", written], "true");
        assert!(told.code() == Some(2) && told.stderr().contains("oci::cli::bad_volume"), "{written}: {told}");
    }
}

#[test]
fn users_are_the_images_own_or_numbers() {
    let (_registry, context) = project();
    for (user, expected) in [
        ("app", "1234:1234 /home/app"),
        ("1234", "1234:1234 /home/app"),
        ("app:root", "1234:0 /home/app"),
        ("0:app", "0:1234 /root"),
        ("4321", "4321:0 /"),
        ("4321:77", "4321:77 /"),
    ] {
        let told = shell(&context, &["--user", user], "echo $(id -u):$(id -g) $HOME").success();
        assert_eq!(told.stdout().trim(), expected, "{user}");
    }
    for user in ["stranger", "app:strangers"] {
        let told = shell(&context, &["--user", user], "true").failure(125);
        assert!(told.stderr().contains("oci::run::unknown_user"), "{told}");
    }
}

#[test]
fn variables_come_from_files_and_the_command_line() {
    let (_registry, context) = project();
    context.write(
        "one.env",
        "# a comment\n\n  INDENTED=a b\nQUOTED=\"kept\"\nEQUALS=a=b=c\r\nEMPTY=\nPASSED_ON\nUNSET_HERE\n",
    );
    context.write("two.env", "INDENTED=second\nBOTH=file\n");
    let script = "echo \"$INDENTED|$QUOTED|$EQUALS|${EMPTY-unset}|$PASSED_ON|${UNSET_HERE-unset}|$BOTH\"";
    let options = ["--env-file", "one.env", "-e", "BOTH=line", "--env-file", "two.env"];
    let told = shell(&context, &options, script).success();
    assert_eq!(told.stdout(), "second|\"kept\"|a=b=c||from here|unset|line\n");
    assert_eq!(shell(&context, &["-e", "PASSED_ON"], "echo $PASSED_ON").success().stdout(), "from here\n");
    for (content, code) in [(&b"=value\n"[..], "oci::cli::bad_variable"), (b"A=\xff\n", "oci::cli::bad_env_file")] {
        context.write("bad.env", content);
        let told = shell(&context, &["--env-file", "bad.env"], "true").failure(2);
        assert!(told.stderr().contains(code), "{told}");
    }
}

#[test]
fn a_read_only_root_still_has_what_is_mounted() {
    let (_registry, context) = project();
    context.write("data/file", "");
    let script = "(echo x > /x) 2>/dev/null || echo refused; echo x > /data/x && echo x > /dev/shm/x && echo written";
    let told = shell(&context, &["--read-only", "-v", "data:/data"], script).success();
    assert_eq!(told.stdout(), "refused\nwritten\n");
}

#[test]
fn a_name_is_the_host_name_and_one_containers_at_a_time() {
    let (_registry, context) = project();
    assert_eq!(shell(&context, &["--name", "web-1"], "busybox hostname").success().stdout(), "web-1\n");
    let wait = ["run", "app", "--name", "web-1", "--entrypoint", "/bin/sh", "--", "-c", "echo ready; sleep 1000"];
    let mut first = context.start(wait);
    first.wait_for_line("ready");
    let told = shell(&context, &["--name", "web-1"], "true").failure(125);
    assert!(told.stderr().contains("oci::run::name_taken"), "{told}");
    shell(&context, &["--name", "web-2"], "true").success();
    // The name of a container that has ended is free.
    first.signal(rustix::process::Signal::KILL);
    first.end();
    shell(&context, &["--name", "web-1"], "true").success();
}

#[test]
fn whatever_has_a_name_is_run() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    images::push(&registry, Base::Busybox, "library/plain", "1");
    let plain = format!("\n[base.plain]\nrepository = \"{}\"\ntag = \"1\"\n", registry.repository("library/plain"));
    let stage = "\n[stage.prepared]\nbase = \"python#buster\"\nsteps = [\"echo stage > /usr/share/base\"]\n";
    context.write("oci.toml", context.read("oci.toml") + &plain + stage);
    for (name, expected) in [
        ("my-server", "merged\n"),
        ("python#slim", "merged\n"),
        (":python#buster", "busybox\n"),
        ("plain", "busybox\n"),
        ("prepared", "stage\n"),
    ] {
        let told = context.run(["run", "-q", name, "--entrypoint", "/bin/cat", "--", "/usr/share/base"]).success();
        assert_eq!(told.stdout(), expected, "{name}");
    }
    let told = context.run(["run", "python"]).failure(125);
    assert!(told.stderr().contains("oci::run::unknown_image"), "{told}");
}
