//! What others see of a run, and what a run may take and see of the machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;

use crate::support::ordinary::{Ids, needs_root};
use crate::support::{Registry, TestContext, project};

fn shell(context: &TestContext, options: &[&str], script: &str) -> String {
    let mut oci = context.oci();
    oci.args(["run", "-q", "busybox"]).args(options).args(["--", "sh", "-c", script]);
    context.finish(&mut oci).success().stdout()
}

/// Whether a file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let stat = entry.path().symlink_metadata().unwrap();
        match stat.is_dir() {
            true => holds(&entry.path(), text),
            false => stat.is_file() && String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).contains(text),
        }
    })
}

#[test]
fn only_root_what_a_run_is_given_lies_nowhere() {
    needs_root();
    for ids in [None, Some(Ids::Subordinate)] {
        let registry = Registry::start();
        let context = project::script(&registry, "#!/bin/sh\ntest -n \"$TOKEN\" && echo ready; sleep 1000\n");
        let ordinary = ids.map(|ids| context.as_ordinary_user(ids));
        let oci = || ordinary.as_ref().map_or_else(|| context.oci(), |ordinary| ordinary());
        context.finish(oci().arg("build")).success();
        let cache = context.root().join("cache/oci");
        // As an earlier version made them.
        for name in ["rootfs", "runs"] {
            fs::set_permissions(cache.join(name), Permissions::from_mode(0o755)).unwrap();
        }
        let mut run = context.start_command(oci().args(["run", "app", "-e", "TOKEN"]).env("TOKEN", "my-s3cret-value"));
        run.wait_for_line("ready");
        assert!(!holds(&cache, "my-s3cret-value"), "{ids:?}");
        for name in ["rootfs", "runs"] {
            let folder = cache.join(name);
            assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700, "{name} {ids:?}");
            let folders = fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
            for folder in folders {
                assert_eq!(folder.metadata().unwrap().mode() & 0o077, 0, "{folder:?} {ids:?}");
            }
        }
        run.signal(Signal::KILL);
        run.end();
        assert!(!holds(&cache, "my-s3cret-value"), "{ids:?}");
    }
}

#[test]
fn only_root_limits_hold() {
    needs_root();
    let registry = Registry::start();
    let context = project::on_base(&registry, crate::support::Base::Busybox, "busybox", "");
    // The shell itself cannot fork any more, and does with what it has in it.
    let bomb = "bomb() { bomb | bomb & }; bomb 2>/dev/null & \
                i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; set -- /proc/[0-9]*; echo $#";
    let number: u32 = shell(&context, &["--pids-limit", "30"], bomb).trim().parse().unwrap();
    assert!(number <= 31, "{number}");
    let mut oci = context.oci();
    oci.args(["run", "-q", "busybox", "--memory", "32MiB", "--", "sh", "-c"]);
    // More than there is, kept in a variable.
    let told = context.finish(oci.arg("x=$(busybox head -c 200000000 /dev/zero | busybox tr '\\0' x); echo ${#x}"));
    assert!(!told.stdout().contains("200000000"), "{told}");
    let seen = shell(
        &context,
        &["--memory", "64MiB", "--cpus", "0.5", "--pids-limit", "9"],
        "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes pids.max pids/pids.max 2>/dev/null; \
         cat cpu.max cpu/cpu.cfs_quota_us 2>/dev/null; mkdir x pids/x 2>/dev/null || echo refused",
    );
    for line in ["67108864", "9", "refused"] {
        assert!(seen.lines().any(|seen| seen == line), "{line}: {seen}");
    }
    assert!(seen.contains("50000"), "{seen}");
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn only_root_a_limit_that_cannot_be_is_an_error() {
    needs_root();
    let registry = Registry::start();
    let context = project::on_base(&registry, crate::support::Base::Busybox, "busybox", "");
    for [option, value] in [
        ["--memory", "0B"],
        ["--memory", "lots"],
        ["--cpus", "0"],
        ["--cpus", "1e3"],
        ["--pids-limit", "0"],
        ["--pids-limit", "1.5"],
    ] {
        let told = context.run(["run", "busybox", option, value, "--", "true"]).failure(2);
        assert!(told.stderr().contains("oci::cli::bad_limit"), "{told}");
    }
    let oci = context.as_ordinary_user(Ids::Subordinate);
    for option in [["--memory", "64MiB"], ["--cpus", "1"], ["--pids-limit", "10"]] {
        let told = context.finish(oci().args(["run", "-q", "busybox"]).args(option).args(["--", "echo", "ran"]));
        let told = told.failure(125);
        assert!(told.stderr().contains("oci::run::no_limit") && told.stdout().is_empty(), "{told}");
    }
}

#[test]
fn only_root_the_machines_own_state_is_out_of_reach() {
    needs_root();
    for ids in [None, Some(Ids::Subordinate), Some(Ids::NoEntry)] {
        let registry = Registry::start();
        let context = project::on_base(&registry, crate::support::Base::Busybox, "busybox", "");
        let ordinary = ids.map(|ids| context.as_ordinary_user(ids));
        for network in ["host", "none"] {
            let mut oci = ordinary.as_ref().map_or_else(|| context.oci(), |ordinary| ordinary());
            let script = "for folder in $(busybox find /sys -type d 2>/dev/null | busybox head -n 3000); do \
                          mkdir $folder/oci-test 2>/dev/null && echo made in $folder; done; \
                          echo $(busybox find /sys/fs/cgroup -mindepth 1 2>/dev/null | wc -l) in cgroups; \
                          cat /proc/interrupts /proc/kcore /proc/keys; ls /sys/firmware; ls /proc/self/fd | wc -l; \
                          echo 1 > /proc/sys/kernel/panic && echo wrote; ls /dev";
            oci.args(["run", "-q", "busybox", "--network", network, "--", "sh", "-c", script]);
            let told = context.finish(&mut oci).success().stdout();
            let devices = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
            // Some runtimes make a link to /proc/kcore, which is hidden.
            let words = told.split_whitespace().filter(|word| *word != "core").collect::<Vec<_>>().join(" ");
            // `ls` itself has a fourth open, the folder.
            assert_eq!(words, format!("0 in cgroups 4 {devices}"), "{ids:?} {network}: {told}");
        }
    }
}

#[test]
fn only_root_what_is_open_here_is_not_open_there() {
    needs_root();
    let registry = Registry::start();
    let context = project::on_base(&registry, crate::support::Base::Busybox, "busybox", "");
    context.run(["run", "-q", "busybox", "--", "true"]).success();
    let mut shell = crate::support::tools::tool("bash");
    let script =
        "exec 9</etc 19</etc/passwd; exec \"$OCI\" run -q busybox --workdir / -- sh -c 'ls /proc/self/fd | wc -l'";
    shell.args(["-c", script]).env_clear().envs(context.environment()).current_dir(context.project());
    shell.env("OCI", env!("CARGO_BIN_EXE_oci"));
    assert_eq!(context.finish(&mut shell).success().stdout().trim(), "4");
}
