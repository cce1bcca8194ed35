//! Checks the user, and what the kernel has for containers.

use std::path::Path;

use rustix::fs::statfs;

use super::finding::{Finding, State};
use crate::process::id_map::has_all_ids;
use crate::process::{IdMap, on_path};

/// What the kernel says of file systems (`statfs(2)`).
const CGROUP2: i64 = 0x6367_7270;

const USERMOD: &str = "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` as root";

/// Checks which user runs `oci`, and which IDs a container can have.
pub(super) fn user(map: &IdMap) -> Vec<Finding> {
    let number = rustix::process::geteuid().as_raw();
    match map {
        IdMap::Host => {
            if has_all_ids() {
                return vec![Finding::good("user", "root")];
            }
            vec![Finding::bad(
                "user",
                State::Warning,
                "root of a user namespace, as inside a container: not all that root can will work",
                "have as many IDs as images have owners; on the machine itself nothing of this counts",
            )]
        }
        IdMap::Single { .. } => {
            let missing = ["newuidmap", "newgidmap"].into_iter().find(|tool| on_path(Path::new(tool)).is_none());
            let (found, fix) = match missing {
                Some(tool) => (
                    format!("`{tool}` is not there: containers have one ID, and steps that need others fail"),
                    format!("install the package `uidmap`, and if need be run {USERMOD}"),
                ),
                None => (
                    "none in /etc/subuid and /etc/subgid: containers have one ID, and steps that need others fail"
                        .to_owned(),
                    format!("run {USERMOD}"),
                ),
            };
            vec![
                Finding::good("user", format!("{number}, an ordinary user")),
                Finding::bad("subordinate IDs", State::Warning, found, fix),
            ]
        }
        IdMap::Ranges { users, groups, .. } => vec![
            Finding::good("user", format!("{number}, an ordinary user")),
            Finding::good(
                "subordinate IDs",
                format!("{} users from {}, {} groups from {}", users.count, users.start, groups.count, groups.start),
            ),
        ],
    }
}

/// Checks filters of system calls, and cgroups.
pub(super) fn kernel(map: &IdMap) -> Vec<Finding> {
    let seccomp = match Path::new("/proc/sys/kernel/seccomp").exists() {
        true => Finding::good("seccomp", "containers make only the system calls that programs need"),
        false => Finding::bad(
            "seccomp",
            State::Warning,
            "the kernel has no filters: containers may make any system call",
            "boot a kernel with `CONFIG_SECCOMP_FILTER`",
        ),
    };
    let root = "/sys/fs/cgroup";
    let is_second = |path: &str| statfs(path).is_ok_and(|found| found.f_type == CGROUP2);
    let cgroups = match (is_second(root), Path::new(root).join("devices").is_dir()) {
        (true, _) => Finding::good("cgroups", "version 2"),
        (false, true) if is_second("/sys/fs/cgroup/unified") => Finding::good("cgroups", "versions 1 and 2"),
        (false, true) => Finding::good("cgroups", "version 1"),
        (false, false) if map.is_namespaced() => Finding::good("cgroups", "none, and an ordinary user needs none"),
        (false, false) => Finding::bad(
            "cgroups",
            State::Warning,
            "none: root's containers can be kept from no device",
            "mount them: `mount -t cgroup2 none /sys/fs/cgroup`",
        ),
    };
    vec![seccomp, cgroups]
}
