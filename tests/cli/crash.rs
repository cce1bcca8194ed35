//! kill -9 at random moments: whatever was at work, the next command does what it should, and nothing
//! half done is left or believed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::ordinary::Ids;
use crate::support::tools::search_path;
use crate::support::{Registry, TestContext, eventually, project};

/// Moments, the same in every run of the test.
struct Moments(u32);

impl Moments {
    /// Between nothing and a little more than all of it.
    fn within(&mut self, duration: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        duration.mul_f64(f64::from(self.0 >> 8) / f64::from(1 << 24) * 1.1)
    }
}

/// Starts it, and kills it and what it started after this time; true if that was before its end.
fn kill(context: &TestContext, arguments: &[&str], moment: Duration) -> bool {
    let mut command = context.oci();
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut process = command.spawn().unwrap();
    std::thread::sleep(moment);
    let goes_on = process.try_wait().unwrap().is_none();
    if goes_on {
        kill_process_group(Pid::from_child(&process), Signal::KILL).unwrap();
    }
    process.wait().unwrap();
    goes_on
}

/// How long a command takes that must succeed.
fn duration(context: &TestContext, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    context.finish(context.oci().args(arguments)).success();
    started.elapsed()
}

fn empty_cache(context: &TestContext) {
    fs::remove_dir_all(context.root().join("cache/oci")).unwrap();
}

/// Nothing in the store is wrong, and nothing unfinished is left anywhere once it was swept. What was
/// killed may take a moment to die.
#[track_caller]
fn is_whole(context: &TestContext) {
    context.run(["cache", "verify"]).success();
    eventually("nothing is left", || {
        context.run(["cache", "prune"]).success();
        let folders = ["cache/oci", "project"].iter();
        context.leftovers().is_empty()
            && folders.flat_map(|folder| unfinished(&context.root().join(folder))).count() == 0
    });
}

/// What is on its way to its name, in a folder or below it.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let found = entries.flat_map(|entry| match entry.file_name().to_string_lossy().starts_with(".oci-tmp-") {
        true => vec![entry.path()],
        false if entry.file_type().unwrap().is_dir() => unfinished(&entry.path()),
        false => Vec::new(),
    });
    found.collect()
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
    let mut digests = Vec::new();
    let mut cold = Duration::ZERO;
    for number in 0..CONTENTS {
        write(number);
        cold = duration(&context, &["build"]);
        digests.push(context.built("both"));
        empty_cache(&context);
    }
    write(0);
    let warm = duration(&context, &["build"]);
    let mut moments = Moments(4711);
    let mut killed = 0;
    for round in 0..200_u32 {
        let number = u8::try_from(round % u32::from(CONTENTS)).unwrap();
        write(number);
        let is_cold = round % 10 == 0;
        if is_cold {
            empty_cache(&context);
        }
        killed += u32::from(kill(&context, &["build"], moments.within(if is_cold { cold } else { warm })));
        context.run(["build"]).success();
        assert_eq!(context.built("both"), digests[usize::from(number)], "round {round}");
        if round % 10 == 9 {
            is_whole(&context);
        }
    }
    assert!(killed > 20, "only {killed} were killed: the moments come too late");
}

#[test]
fn a_fetch_that_is_killed() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["lock"]).success();
    let cold = duration(&context, &["fetch"]);
    let mut moments = Moments(17);
    for _ in 0..20 {
        empty_cache(&context);
        kill(&context, &["fetch"], moments.within(cold));
        context.run(["fetch"]).success();
        is_whole(&context);
    }
    context.run(["build", "--frozen"]).success();
}

#[test]
fn a_publish_that_is_killed() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let whole = duration(&context, &["publish"]);
    let mut moments = Moments(23);
    for number in 0..20 {
        context.write("data/a", content(number));
        kill(&context, &["publish"], moments.within(whole));
        context.run(["publish"]).success();
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
    eventually("nobody waits", || processes().is_empty());
}

#[test]
fn a_run_that_is_killed() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho whole\n");
    context.run(["fetch"]).success();
    let cold = duration(&context, &["run", "app"]);
    let mut moments = Moments(42);
    for _ in 0..20 {
        fs::remove_dir_all(context.root().join("cache/oci/rootfs")).unwrap();
        kill(&context, &["run", "app"], moments.within(cold));
        assert_eq!(context.run(["run", "app"]).success().stdout(), "whole\n");
        is_whole(&context);
    }
}
