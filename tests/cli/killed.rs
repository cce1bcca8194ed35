//! kill -9 of `oci` alone, a hundred times, while containers start, run and end, several at once: after the
//! next command there is no process, mount, state, cgroup or folder of any of them.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use crate::support::ordinary::Ids;
use crate::support::tools::tool;
use crate::support::{Base, Registry, Running, TestContext, eventually, eventually_none, project};

/// How many are killed at once, and how often.
const AT_ONCE: u32 = 5;
const ROUNDS: u32 = 5;

/// A build for each that is killed at once, whose step leaves processes behind as its program does.
fn lasting(registry: &Registry) -> TestContext {
    let context = TestContext::new();
    // By which processes in containers are found.
    let mark = context.root().display();
    let mut text = project::base(registry, Base::Busybox, "busybox");
    for number in 0..AT_ONCE {
        text += &format!(
            "[build.app-{number}]\nbase = \"busybox\"\n\
             steps = [\"echo {number} > /made; (trap '' TERM; sleep 4242) & sleep 0.2\"]\n\
             env = {{ MARK = \"{mark}\" }}\n\
             entrypoint = [\"/bin/sh\", \"-c\", \"echo x > /x; (sleep 4242 &); sleep 0.2\"]\n"
        );
    }
    context.write("oci.toml", text);
    context
}

/// The containers that there are folders of.
fn containers(context: &TestContext) -> BTreeSet<String> {
    let entries = std::fs::read_dir(context.root().join("cache/oci/runs")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("oci-")).collect()
}

fn cgroups(containers: &BTreeSet<String>) -> Vec<String> {
    let listed = tool("find").args(["/sys/fs/cgroup", "-type", "d", "-name", "oci-*"]).output().unwrap().stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let is_ours = |path: &&str| containers.iter().any(|name| path.ends_with(&format!("/{name}")));
    listed.lines().filter(is_ours).map(str::to_owned).collect()
}

/// Kills all of some commands again and again, each at another moment of its life.
fn kill(context: &TestContext, oci: &dyn Fn() -> Command, command: &[&str]) {
    let start = |number: u32| context.start_command(oci().args(command).arg(format!("app-{number}")));
    let started = Instant::now();
    assert_eq!(start(0).end(), Some(0));
    // Several at once take longer than one.
    let latest = started.elapsed() * 2;
    let mut seen = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut running: Vec<_> = (0..AT_ONCE).map(start).collect();
        if round == 0 {
            // However slow the machine has become, some live long enough.
            eventually("a container is there", || {
                seen.extend(containers(context));
                !seen.is_empty() || running.iter_mut().all(Running::has_ended)
            });
        }
        for (number, one) in (0..).zip(&running) {
            let pause = if number == 0 { latest * round / (ROUNDS * AT_ONCE) } else { latest / AT_ONCE };
            std::thread::sleep(pause);
            seen.extend(containers(context));
            one.signal(Signal::KILL);
        }
        running.iter_mut().for_each(|one| _ = one.end());
        // What was killed may take a moment to die.
        eventually_none("what was killed", || {
            context.finish(oci().args(["fetch", "app-0"])).success();
            [context.leftovers(), cgroups(&seen)].concat()
        });
    }
    assert!(!seen.is_empty(), "all were killed before they began");
    // Nor does anything stand in the way of what comes next.
    assert_eq!(start(0).end(), Some(0));
}

fn builds_and_runs(context: &TestContext, oci: &dyn Fn() -> Command) {
    context.finish(oci().arg("build")).success();
    kill(context, oci, &["build", "--no-cache"]);
    kill(context, oci, &["run"]);
}

#[test]
fn as_root_or_whoever_runs_the_tests() {
    let registry = Registry::start();
    let context = lasting(&registry);
    builds_and_runs(&context, &|| context.oci());
}

#[test]
fn as_an_ordinary_user() {
    let registry = Registry::start();
    let context = lasting(&registry);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    builds_and_runs(&context, &oci);
}
