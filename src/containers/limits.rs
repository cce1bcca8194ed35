//! Whether this machine can set the limits that a run asks for. A limit that would do nothing is an error.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD};

use crate::process::IdMap;
use crate::sandbox::Limits;

/// Where cgroups are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A limit that cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{option}` cannot be set here: {reason}")]
#[diagnostic(
    code(oci::run::no_limit),
    help(
        "limits need root, and the kernel's cgroup controller `{controller}`; leave `{option}` out to run without one"
    )
)]
pub(crate) struct LimitError {
    option: &'static str,
    controller: &'static str,
    reason: String,
}

/// Refuses a limit that would do nothing.
pub(super) fn check(limits: &Limits, map: &IdMap) -> Result<(), LimitError> {
    check_in(limits, map, Path::new(CGROUPS))
}

fn check_in(limits: &Limits, map: &IdMap, cgroups: &Path) -> Result<(), LimitError> {
    let wanted = [
        (limits.memory.is_some(), "--memory", "memory"),
        (limits.processors.is_some(), "--cpus", "cpu"),
        (limits.processes.is_some(), "--pids-limit", "pids"),
    ];
    for (_, option, controller) in wanted.into_iter().filter(|(is_wanted, ..)| *is_wanted) {
        let refuse = |reason: String| Err(LimitError { option, controller, reason });
        if map.is_namespaced() {
            return refuse("an ordinary user has no cgroups".to_owned());
        }
        let Some(folder) = folder_of(controller, cgroups) else {
            return refuse(format!("the cgroup controller `{controller}` is not there"));
        };
        if rustix::fs::accessat(CWD, &folder, Access::WRITE_OK, rustix::fs::AtFlags::EACCESS).is_err() {
            return refuse("cgroups are read-only".to_owned());
        }
    }
    Ok(())
}

/// Where cgroups with this controller are made: one tree for all with cgroups of the second version, one for
/// each with those of the first.
fn folder_of(controller: &str, cgroups: &Path) -> Option<PathBuf> {
    match std::fs::read_to_string(cgroups.join("cgroup.controllers")) {
        Ok(all) => all.split_whitespace().any(|one| one == controller).then(|| cgroups.to_owned()),
        Err(_) => Some(cgroups.join(controller)).filter(|folder| folder.join("cgroup.procs").exists()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;

    #[test]
    fn a_limit_that_would_do_nothing_is_refused() {
        let first = tempfile::tempdir().unwrap();
        std::fs::create_dir(first.path().join("pids")).unwrap();
        std::fs::create_dir(first.path().join("memory")).unwrap();
        std::fs::write(first.path().join("pids/cgroup.procs"), "").unwrap();
        let second = tempfile::tempdir().unwrap();
        std::fs::write(second.path().join("cgroup.controllers"), "cpuset cpu memory\n").unwrap();
        let memory = Limits { memory: Some(1), ..Limits::default() };
        let processors = Limits { processors: Some(1), ..Limits::default() };
        let processes = Limits { processes: Some(1), ..Limits::default() };
        let user = IdMap::Single { user: 1, group: 1 };
        for (limits, map, cgroups, option) in [
            (&memory, &IdMap::Host, first.path(), Some("--memory")),
            (&processors, &IdMap::Host, first.path(), Some("--cpus")),
            (&processes, &IdMap::Host, first.path(), None),
            (&memory, &IdMap::Host, second.path(), None),
            (&processors, &IdMap::Host, second.path(), None),
            (&processes, &IdMap::Host, second.path(), Some("--pids-limit")),
            (&processes, &user, first.path(), Some("--pids-limit")),
            (&Limits::default(), &user, Path::new("/nowhere"), None),
            (&memory, &IdMap::Host, Path::new("/nowhere"), Some("--memory")),
        ] {
            assert_eq!(check_in(limits, map, cgroups).err().map(|error| error.option), option, "{limits:?} {map}");
        }
        let errors = [(&processes, &user), (&memory, &IdMap::Host)];
        let told = errors.map(|(limits, map)| rendered(&check_in(limits, map, first.path()).unwrap_err()));
        insta::assert_snapshot!(told.join("\n\n"));
    }
}
