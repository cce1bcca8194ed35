//! kill -9 at random moments: whatever was at work, the next command does what it should, and nothing
//! half done is left or believed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;

use crate::support::kills::Kills;
use crate::support::ordinary::Ids;
use crate::support::tools::search_path;
use crate::support::{Registry, TestContext, eventually, eventually_none, project};

fn empty_cache(context: &TestContext) {
    fs::remove_dir_all(context.root().join("cache/oci")).unwrap();
}

/// Nothing in the store is wrong, and nothing unfinished is left anywhere once it was swept.
#[track_caller]
fn is_whole(context: &TestContext) {
    context.run(["cache", "verify"]).success();
    context.is_cleared_by(|| command(context, &["cache", "prune"]));
}

fn command(context: &TestContext, arguments: &[&str]) -> Command {
    let mut command = context.oci();
    command.args(arguments);
    command
}

/// What a file of the project holds in turn: some compresses well, some does not.
fn content(number: u8) -> Vec<u8> {
    let mut random = u32::from(number) + 1;
    let noise = (0..200_000).map(|_| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random.to_le_bytes()[0]
    });
    noise.chain(std::iter::repeat_n(number, 100_000)).collect()
}

#[test]
fn a_build_that_is_killed_at_any_of_200_moments() {
    const CONTENTS: u8 = 4;
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    let write = |number: u8| context.write("data/a", content(number));
    let build = || command(&context, &["build"]);
    let mut digests = Vec::new();
    for number in 0..CONTENTS {
        write(number);
        context.finish(&mut build()).success();
        digests.push(context.built("both"));
    }
    let mut warm = Kills::new(4711, &context, &mut build());
    empty_cache(&context);
    let mut cold = Kills::new(42, &context, &mut build());
    let mut killed = 0;
    for round in 0..200_u32 {
        let number = u8::try_from(round % u32::from(CONTENTS)).unwrap();
        write(number);
        let is_cold = round % 10 == 0;
        if is_cold {
            empty_cache(&context);
        }
        let kills = if is_cold { &mut cold } else { &mut warm };
        killed += u32::from(kills.kill(&mut build()));
        context.finish(&mut build()).success();
        assert_eq!(context.built("both"), digests[usize::from(number)], "round {round}");
        if round % 10 == 9 {
            is_whole(&context);
        }
    }
    assert!(killed > 50, "only {killed} were killed: the moments come too late");
}

#[test]
fn a_fetch_that_is_killed() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["lock"]).success();
    empty_cache(&context);
    let fetch = || command(&context, &["fetch"]);
    let mut kills = Kills::new(17, &context, &mut fetch());
    for _ in 0..20 {
        empty_cache(&context);
        kills.kill(&mut fetch());
        context.finish(&mut fetch()).success();
        is_whole(&context);
    }
    context.run(["build", "--frozen"]).success();
}

#[test]
fn a_publish_that_is_killed() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let publish = || command(&context, &["publish"]);
    let mut kills = Kills::new(23, &context, &mut publish());
    for number in 0..20 {
        context.write("data/a", content(number));
        kills.kill(&mut publish());
        context.finish(&mut publish()).success();
        assert_eq!(registry.digest("acme/both", "latest"), context.built("both"));
        is_whole(&context);
    }
}

/// Between fork and exec it holds whatever its parent holds: had it waited on, so would later runs.
#[test]
fn a_child_that_waits_for_its_ids_ends_with_its_parent() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["fetch"]).success();
    let slow = context.root().join("slow");
    fs::create_dir(&slow).unwrap();
    fs::write(slow.join("newuidmap"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(slow.join("newuidmap"), fs::Permissions::from_mode(0o755)).unwrap();
    let oci = context.as_ordinary_user(Ids::Subordinate);
    let mut command = oci();
    command.args(["run", "app"]).env("PATH", format!("{}:{}", slow.display(), search_path()));
    let mut running = context.start_command(&mut command);
    let processes = || context.leftovers().into_iter().filter(|left| left.starts_with("process ")).collect::<Vec<_>>();
    eventually("newuidmap is asked", || processes().iter().any(|process| process.contains("sleep 1000")));
    running.signal(Signal::KILL);
    running.end();
    eventually_none("those who wait", processes);
}

#[test]
fn a_run_that_is_killed() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho whole\n");
    context.run(["fetch"]).success();
    let run = || command(&context, &["run", "app"]);
    let mut kills = Kills::new(42, &context, &mut run());
    for _ in 0..20 {
        fs::remove_dir_all(context.root().join("cache/oci/rootfs")).unwrap();
        kills.kill(&mut run());
        assert_eq!(context.finish(&mut run()).success().stdout(), "whole\n");
        is_whole(&context);
    }
}
