//! runc, which starts containers; crun may stand in.
//!
//! Its state is in a folder of ours, since its own default is another user's or everyone's. Whether
//! it failed or the container did is told by its log: its status alone does not.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tools::process::{Finished, Invocation, ProcessError};

/// How long the removal of a container may take.
const REMOVAL: Duration = Duration::from_secs(20);
/// How long a question about the version may take.
const QUESTION: Duration = Duration::from_secs(10);

/// Which of the programs it is, and they are not all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Runc,
    Crun,
}

impl Kind {
    /// Asks the program, by `--version`; one that does not answer is taken for runc, and fails later.
    pub(crate) fn ask(program: &Path) -> Self {
        let printed = Invocation::new(program).argument("--version").limit(QUESTION).capture();
        match printed {
            Ok(printed) if printed.stdout.starts_with(b"crun") => Self::Crun,
            _ => Self::Runc,
        }
    }
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
    /// Ours.
    Ours,
    /// Nothing to read, and our standard error to write on.
    Log,
}

impl Runc {
    /// `state` is created when it is needed.
    pub(crate) fn new(program: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), state: state.into(), without_cgroups: false }
    }

    /// Has crun make no cgroup. runc makes none by itself where it may not; crun has to be told.
    pub(crate) fn without_cgroups(mut self, without: bool) -> Self {
        self.without_cgroups = without;
        self
    }

    /// Whether the container that it knows is crun's: each writes its state in its own way.
    pub(crate) fn is_of_crun(&self, identifier: &str) -> bool {
        self.state.join(identifier).join("status").exists()
    }

    /// Whether it knows a container.
    pub(crate) fn has_state(&self, identifier: &str) -> bool {
        self.state.join(identifier).exists()
    }

    /// Runs a bundle in our place, to its end.
    ///
    /// We must be in a sandbox ([`crate::tools::Namespaces::sandbox`]): runc becomes the first process
    /// of its PID namespace, so that nothing of the container outlives it. What runc itself failed at
    /// is in `log` afterwards ([`last_error`]). `started` is a file that runc writes.
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
        match streams {
            Streams::Ours => invocation.attach(Some(started)),
            Streams::Log => invocation.for_log().attach(Some(started)),
        }
    }

    /// Ends a container if it lives, and removes its state and its cgroups. None of that name is no error.
    pub(crate) fn delete(&self, identifier: &str) -> Result<Finished, ProcessError> {
        self.deletion(identifier).limit(REMOVAL).despite_interrupts().capture()
    }

    /// The same in a sandbox, where there can be no threads to listen to it.
    pub(crate) fn delete_here(&self, identifier: &str) -> Result<ExitStatus, ProcessError> {
        self.deletion(identifier).for_log().attach(None)
    }

    fn deletion(&self, identifier: &str) -> Invocation {
        self.invocation().arguments(["delete", "--force", identifier])
    }

    fn invocation(&self) -> Invocation {
        let invocation = Invocation::new(&self.program).argument("--root").argument(&self.state);
        if self.without_cgroups { invocation.argument("--cgroup-manager=disabled") } else { invocation }
    }
}

/// The last error in a log of runc; `None` if it failed at nothing.
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
    fn knows_which_it_is() {
        assert_eq!(Kind::ask(Path::new("crun")), Kind::Crun);
        assert_eq!(Kind::ask(Path::new("runc")), Kind::Runc);
        assert_eq!(Kind::ask(Path::new("/nowhere/crun")), Kind::Runc);
    }

    #[test]
    fn deleting_nothing_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let runc = Runc::new("runc", folder.path());
        assert!(!runc.has_state("none"));
        assert!(runc.delete("none").unwrap().status.success());
    }
}
