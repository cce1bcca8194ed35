//! runc, which starts containers; crun can take its place.
//!
//! Its state is in a folder of `oci`'s own, since other programs use its default folder too. Its log tells whether runc
//! or the container failed; the exit status alone does not.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Finished, Invocation, ProcessError};

/// Where cgroups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// The name that a container's first process has until it executes its program.
const BEGINNING: &str = "runc:[";
/// How long the removal of a container may take.
const REMOVAL: Duration = Duration::from_secs(20);
/// How long a question about the version may take.
const QUESTION: Duration = Duration::from_secs(10);

/// Which program it is; the two differ in some things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Runtime {
    Runc,
    Crun,
}

impl Runtime {
    /// False for crun, which cannot use cgroups of both versions together, and is shown those of version 1 only.
    pub(crate) fn takes_all_cgroups(self) -> bool {
        self == Self::Runc
    }

    /// True if a container can be shown its own cgroup, from which programs read their limits. crun cannot mount it,
    /// since crun is not shown all cgroups of the machine.
    pub(crate) fn shows_cgroup(self) -> bool {
        self == Self::Runc
    }

    /// False for crun, which has to be told to make no cgroup in a user namespace. runc makes none where it may not.
    pub(crate) fn knows_where_cgroups_are_made(self) -> bool {
        self == Self::Runc
    }

    /// Asks the program, by `--version`. A program that does not answer is taken for runc, and fails later.
    pub(crate) fn ask(program: &Path) -> Self {
        match version_question(program).capture() {
            Ok(printed) if printed.stdout.starts_with(b"crun") => Self::Crun,
            _ => Self::Runc,
        }
    }
}

/// Asks runc or crun for its version. crun looks for a state folder even for that, and an ordinary user without
/// `XDG_RUNTIME_DIR` has none; so `--root` names one, in which it makes nothing.
pub(crate) fn version_question(program: &Path) -> Invocation {
    Invocation::new(program).arguments(["--root", "/", "--version"]).limit(QUESTION)
}

/// A runc with a state folder.
#[derive(Clone, Debug)]
pub(crate) struct Runc {
    program: PathBuf,
    state: PathBuf,
    without_cgroups: bool,
}

/// Which standard streams a container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Our own streams.
    Ours,
    /// Nothing to read, and our standard error to write on.
    Log,
}

impl Runc {
    /// `state` is the state folder, which is created when it is needed.
    pub(crate) fn new(program: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), state: state.into(), without_cgroups: false }
    }

    /// Makes crun create no cgroup. runc creates none by itself where it may not; crun has to be told.
    pub(crate) fn without_cgroups(mut self, without: bool) -> Self {
        self.without_cgroups = without;
        self
    }

    /// True if the container that the state folder has is crun's. Each program writes its state in its own way.
    pub(crate) fn is_of_crun(&self, identifier: &str) -> bool {
        self.state.join(identifier).join("status").exists()
    }

    /// True if the state folder has a container.
    pub(crate) fn has_state(&self, identifier: &str) -> bool {
        self.state.join(identifier).exists()
    }

    /// Runs a bundle in place of this process, to its end.
    ///
    /// This process must be in a sandbox ([`crate::process::Namespaces::sandbox`]): runc becomes the first process of
    /// its PID namespace, so that nothing of the container outlives it. If runc itself fails, the reason is in `log`
    /// afterwards ([`last_error`]). `started` is a file that runc writes.
    pub(crate) fn run(
        &self,
        bundle: &Path,
        identifier: &str,
        log: &Path,
        started: &Path,
        streams: Streams,
    ) -> Result<ExitStatus, ProcessError> {
        let invocation = self
            .invocation()
            .argument("--log")
            .argument(log)
            .arguments(["--log-format", "json", "run", "--bundle"])
            .argument(bundle)
            .argument("--pid-file")
            .argument(started)
            .argument(identifier)
            .own_proc();
        let is_ready = || has_begun(started);
        match streams {
            Streams::Ours => invocation.attach(is_ready),
            Streams::Log => invocation.for_log().attach(is_ready),
        }
    }

    /// Ends a container if it lives, and removes its state and its cgroups. That there is no such container is no
    /// error.
    pub(crate) fn delete(&self, identifier: &str) -> Result<Finished, ProcessError> {
        self.deletion(identifier).limit(REMOVAL).despite_interrupts().capture()
    }

    /// Ends and removes a container in a sandbox, where no thread can be started to read its output.
    pub(crate) fn delete_here(&self, identifier: &str) -> Result<ExitStatus, ProcessError> {
        self.deletion(identifier).for_log().attach(|| true)
    }

    fn deletion(&self, identifier: &str) -> Invocation {
        self.invocation().arguments(["delete", "--force", identifier])
    }

    /// Removes the cgroups of a dead container that runc has no record of: runc makes cgroups before it records the
    /// container. On `Ok` there are none.
    pub(crate) fn remove_cgroups(identifier: &str) -> io::Result<()> {
        remove_folders(Path::new(CGROUPS), OsStr::new(identifier))
    }

    fn invocation(&self) -> Invocation {
        let invocation = Invocation::new(&self.program).argument("--root").argument(&self.state);
        if self.without_cgroups { invocation.argument("--cgroup-manager=disabled") } else { invocation }
    }
}

/// Removes the empty folders of this name, however deep, and the empty folders in them.
fn remove_folders(folder: &Path, name: &OsStr) -> io::Result<()> {
    // A folder that may not be read, or is gone by now, has no cgroup of ours.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let (path, own) = (entry.path(), entry.file_name());
        match own == name {
            true => remove_empty(&path)?,
            false => remove_folders(&path, name)?,
        }
    }
    Ok(())
}

/// A cgroup is removed as a folder that only holds folders is, although it also has files.
fn remove_empty(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path())?;
        }
    }
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// True if the container's first process, whose ID runc wrote to this file, already executes its program. Before, it
/// executes runc, which takes signals for itself. `/proc` must show the container's PID namespace.
fn has_begun(started: &Path) -> bool {
    let Ok(process) = std::fs::read_to_string(started) else { return false };
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.trim()));
    !name.is_ok_and(|name| name.starts_with(BEGINNING))
}

/// The last error in a log of runc; `None` if there is none.
pub(crate) fn last_error(log: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        level: String,
        msg: String,
    }
    let text = std::fs::read_to_string(log).ok()?;
    let entries = text.lines().rev().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    entries.filter(|entry| entry.level == "error" || entry.level == "fatal").map(|entry| entry.msg).next()
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/runc.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_error() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(last_error(&log), None);
        for (text, error) in [
            ("", None),
            (r#"{"level":"warning","msg":"a","time":"t"}"#, None),
            (
                "{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"error\",\"msg\":\"b\"}\n{\"level\":\"info\",\"msg\":\"c\"}\n",
                Some("b"),
            ),
            ("not json\n{\"level\":\"error\",\"msg\":\"a\"}\n{\"lev", Some("a")),
        ] {
            std::fs::write(&log, text).unwrap();
            assert_eq!(last_error(&log).as_deref(), error, "{text}");
        }
    }

    #[test]
    fn removes_folders_by_name_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/oci-1/sub/sub", "oci-1", "oci-2", "b/c"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("b/loop")).unwrap();
        remove_folders(folder.path(), OsStr::new("oci-1")).unwrap();
        let there = |path: &str| folder.path().join(path).exists();
        assert!(!there("oci-1") && !there("a/oci-1") && there("a") && there("oci-2") && there("b/c"));
        std::fs::write(folder.path().join("oci-2/busy"), "").unwrap();
        assert!(remove_folders(folder.path(), OsStr::new("oci-2")).is_err());
    }
}
