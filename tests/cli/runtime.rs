//! crun in runc's place: the same streams, statuses, signals and layers, and nothing left.

use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::process::Signal;

use crate::support::ordinary::Ids;
use crate::support::tools::{find, tool};
use crate::support::{Registry, TestContext, project};

const STEP: &str = "steps = [\"rm -r /usr/share; mkdir /made; echo 1 > /made/file\"]\n";

fn with_a_step(registry: &Registry) -> TestContext {
    let context = project::my_server(registry);
    context.write("oci.toml", context.read("oci.toml") + STEP);
    context
}

/// `oci` with crun.
fn with_crun(mut command: Command) -> Command {
    command.env("OCI_RUNC", find("crun"));
    command
}

fn does_as_runc(context: &TestContext, digest: &str, oci: impl Fn() -> Command) {
    context.finish(with_crun(oci()).args(["build"])).success();
    assert_eq!(context.built("my-server"), digest);
    let shell = ["run", "-q", "my-server", "--entrypoint", "/bin/sh", "--", "-c"];
    let told = context.finish(with_crun(oci()).args(shell).arg("echo out; echo err >&2; cat /made/file; exit 7"));
    let told = told.failure(7);
    assert_eq!((told.stdout().as_str(), told.stderr().as_str()), ("out\n1\n", "err\n"));
    context.finish(with_crun(oci()).args(["run", "my-server", "--entrypoint", "/no/such/program"])).failure(127);
    let mut server = context.start_command(with_crun(oci()).args(["run", "my-server"]));
    server.wait_for_line("ready");
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(9), "{}", server.stderr());
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn crun_does_as_runc_does() {
    let registry = Registry::start();
    let usual = with_a_step(&registry);
    usual.run(["build"]).success();
    let digest = usual.built("my-server");
    let context = with_a_step(&registry);
    does_as_runc(&context, &digest, || context.oci());
    for ids in [Ids::Subordinate, Ids::NoEntry] {
        let context = with_a_step(&registry);
        does_as_runc(&context, &digest, context.as_ordinary_user(ids));
    }
}

#[test]
fn a_killed_run_of_crun_is_cleared_away() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let mut server = context.start_command(with_crun(context.oci()).args(["run", "my-server"]));
    server.wait_for_line("ready");
    let runs = context.root().join("cache/oci/runs");
    let names = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.filter(|name| name != "lock").collect::<Vec<_>>().concat();
    server.signal(Signal::KILL);
    assert_eq!(server.end(), None);
    context.is_cleared_by(|| {
        let mut next = with_crun(context.oci());
        next.args(["build", "-q"]);
        next
    });
    // Others' cgroups go while it looks, which it takes for a failure.
    let cgroups = tool("find").args(["/sys/fs/cgroup", "-name", &name]).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&cgroups), "");
}

#[test]
fn crun_stands_in_where_runc_is_not() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let bin = context.root().join("tools");
    std::fs::create_dir(&bin).unwrap();
    for name in ["skopeo", "umoci", "crun"] {
        symlink(find(name), bin.join(name)).unwrap();
    }
    let run = |arguments: &[&str]| context.finish(context.oci().env("PATH", &bin).args(arguments));
    let arguments = ["run", "-q", "my-server", "--entrypoint", "/bin/sh", "--", "-c", "exit 3"];
    run(&arguments).failure(3);
    // Where somebody says that runc is, it has to be.
    let missing = context.finish(context.oci().env("PATH", &bin).env("OCI_RUNC", "/nowhere/runc").args(arguments));
    assert!(missing.failure(125).stderr().contains("oci::tools::missing"));
}
