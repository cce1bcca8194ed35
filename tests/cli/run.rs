//! `oci run`: the program's own streams, signals and status, and nothing left of it.

use std::io::Write;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::tools::tool;
use crate::support::{Registry, TestContext, eventually, project};

fn nothing_is_left(context: &TestContext) {
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn the_status_is_the_programs_own() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho \"to $1\"\necho \"from $2\" >&2\nexit $3\n");
    let told = context.run(["run", "-q", "app", "--", "out", "err", "7"]).failure(7);
    assert_eq!((told.stdout().as_str(), told.stderr().as_str()), ("to out\n", "from err\n"));
    // 125 to 127 may also be the program's.
    context.run(["run", "app", "--", "a", "b", "1"]).failure(1);
    nothing_is_left(&context);
}

#[test]
fn streams_pass_through_whole() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\nwc -c\n");
    let mut command = context.oci();
    let mut child = command.args(["run", "-q", "app"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 3_000_000]).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "3000000");
}

#[test]
fn a_program_that_is_missing_is_127_and_one_that_cannot_run_126() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["run", "app", "--entrypoint", "/no/such/program"]).failure(127);
    context.run(["run", "app", "--entrypoint", "no-such-program"]).failure(127);
    context.run(["run", "app", "--entrypoint", "/etc/passwd"]).failure(126);
    nothing_is_left(&context);
}

#[test]
fn a_script_with_the_line_ends_of_windows_is_told_as_such() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\r\necho started\r\n");
    let told = context.run(["run", "-q", "app"]).failure(127);
    assert!(told.stderr().contains("oci::run::line_ends") && told.stderr().contains(".gitattributes"), "{told}");
    assert!(!told.stderr().contains("which the image does not have"), "{told}");
    nothing_is_left(&context);
}

#[test]
fn signals_reach_the_program() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let signals = [
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ];
    let traps: String = signals.iter().map(|(name, _)| format!("trap 'echo got {name}; exit 9' {name}\n")).collect();
    context.write_program("my-server", project::SERVER.replace("trap 'echo stopping; exit 9' TERM\n", &traps));
    for (name, signal) in signals {
        // The shell that starts the tests may ignore some signals.
        let mut command = tool("env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_oci"), "run", "my-server"]);
        command.env_clear().envs(context.environment()).current_dir(context.project());
        let mut server = context.start_command(&mut command);
        server.wait_for_line("ready");
        server.signal(signal);
        assert_eq!(server.end(), Some(9), "{name}: {}", server.stderr());
        assert!(server.stdout().ends_with(&format!("got {name}\n")), "{}", server.stdout());
        nothing_is_left(&context);
    }
}

#[test]
fn what_outlives_the_program_ends_with_it() {
    let registry = Registry::start();
    let context = project::script(
        &registry,
        "#!/bin/sh\n(trap '' TERM HUP; sleep 4242) &\n(sleep 4242 </dev/null >/dev/null 2>&1 &)\n\
         until [ $(ps | busybox grep -c 'sleep 424[2]') = 2 ]; do sleep 0.1; done; echo both\nexit 4\n",
    );
    // Its output would stay open as long as one of them lives.
    let mark = format!("MARK={}", context.root().display());
    assert_eq!(context.run(["run", "-q", "app", "-e", &mark]).failure(4).stdout(), "both\n");
    nothing_is_left(&context);
}

#[test]
fn a_program_that_is_killed_is_128_and_the_signal() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho ready\nexec sleep 4343\n");
    let root = context.root().display().to_string();
    let mut run = context.start(["run", "app", "-e", &format!("MARK={root}")]);
    run.wait_for_line("ready");
    let mut program = None;
    eventually("the program sleeps", || {
        let sleeps = |left: &String| left.trim_end().ends_with("sleep 4343");
        program = context.leftovers().into_iter().find(sleeps);
        program.is_some()
    });
    // `process "NUMBER" sleep 4343`
    let program = program.unwrap();
    let number: i32 = program.split('"').nth(1).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(number).unwrap(), Signal::KILL).unwrap();
    assert_eq!(run.end(), Some(137), "{}", run.stderr());
    nothing_is_left(&context);
}

#[test]
fn several_run_at_once_and_do_not_meet() {
    let registry = Registry::start();
    let context = project::script(
        &registry,
        "#!/bin/sh\nls /mine* 2>/dev/null\necho $1 > /mine-$1\nsleep 0.3\ncat /mine*\nls /proc/1/cwd >/dev/null\n",
    );
    context.run(["build"]).success();
    // The first of them unpacks for all.
    let mut runs: Vec<_> =
        ["a", "b", "c", "d"].into_iter().map(|name| (name, context.start(["run", "-q", "app", "--", name]))).collect();
    for (name, run) in &mut runs {
        assert_eq!(run.end(), Some(0), "{}", run.stderr());
        assert_eq!(run.stdout(), format!("{name}\n"));
    }
    nothing_is_left(&context);
}

#[test]
fn what_a_killed_run_leaves_the_next_one_removes() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let mut server = context.start(["run", "my-server"]);
    server.wait_for_line("ready");
    server.signal(Signal::KILL);
    server.end();
    context.is_cleared_by(|| {
        let mut next = context.oci();
        next.args(["run", "-q", "my-server", "--entrypoint", "/bin/true"]);
        next
    });
}

#[test]
fn options_change_the_run_and_not_the_image() {
    let registry = Registry::start();
    let context = project::script(
        &registry,
        "#!/bin/sh\necho \"$GREETING $PWD $(id -u):$(id -g)\"\ncat /mounted/file\ntouch /touched 2>/dev/null || echo refused\n",
    );
    context.write("mounted/file", "from the host\n");
    let mounted = format!("{}:/mounted", context.project().join("mounted").display());
    let options = ["-e", "GREETING=hello", "--user", "1234:1234", "--workdir", "/usr", "-v", &mounted, "--read-only"];
    let told = context.finish(context.oci().args(["run", "-q", "app"]).args(options)).success();
    assert_eq!(told.stdout(), "hello /usr 1234:1234\nfrom the host\nrefused\n");
    nothing_is_left(&context);
}

#[test]
fn what_a_run_writes_is_gone_with_it() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\nls /written 2>/dev/null; echo x >/written\n");
    for _ in 0..2 {
        assert_eq!(context.run(["run", "-q", "app"]).success().stdout(), "");
    }
}

#[test]
fn the_user_of_the_image_is_looked_up_in_it() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let manifest = context.read("oci.toml").replace("tag = \"1.0\"", "tag = \"1.0\"\nuser = \"app\"");
    context.write("oci.toml", manifest);
    let told = context.run(["run", "-q", "my-server", "--entrypoint", "/bin/id", "--", "-u"]).success();
    assert_eq!(told.stdout(), "1234\n");
}
