//! Starts processes (no other module does), and notes the signals that this process gets ([`signal`]).
//!
//! An [`Invocation`] is a value: program, arguments, environment, folder and time limit. Its text form is a line that
//! can be pasted into a shell. It never holds a secret, because secrets are handed over in files. Tools run in a
//! process group of their own, so that the processes that they start end with them, and they are killed if this program
//! is. A program that a person talks to is attached instead ([`attach`]). A program whose output is needed while it
//! runs is streamed ([`stream`]). Some programs run in namespaces of their own ([`namespace`]).

mod attach;
pub(crate) mod bounds;
mod capture;
pub(crate) mod id_map;
pub(crate) mod namespace;
pub(crate) mod path;
pub(crate) mod signal;
mod stall;
mod stream;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

use crate::fs::{FileLock, Room};
use crate::process::path::search_path;
pub(crate) use attach::Insistence;
use bounds::Bounds;
pub(crate) use id_map::IdMap;
use namespace::NamespaceError;
pub(crate) use namespace::Namespaces;
pub(crate) use path::on_path;

/// How often a wait checks for an interrupt and the time limit.
pub(crate) const TICK: Duration = Duration::from_millis(40);

/// A program to be run, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
    limit: Option<Duration>,
    stall: Option<Duration>,
    room: Option<Room>,
    bounds: Option<Bounds>,
    namespaces: Option<Namespaces>,
    own_proc: bool,
    for_log: bool,
    despite_interrupts: bool,
    held: Option<RawFd>,
}

/// How a process ended, and its outputs.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Why a process has no exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("`{program}` is not on this machine")]
    Missing { program: String },
    #[error("could not start `{program}`")]
    Start { program: String, source: io::Error },
    #[error("it did not end within {}", crate::process::seconds(*limit))]
    TimedOut { limit: Duration, stderr: Vec<u8> },
    #[error("nothing moved for {}", crate::process::seconds(*limit))]
    Stalled { limit: Duration, stderr: Vec<u8> },
    #[error("it took in more than it may")]
    TooMuch { stderr: Vec<u8> },
    #[error("the disk is nearly full")]
    NoRoom { room: Room },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// Sleeps for a time. An interrupt ends it early, with an error.
pub(crate) fn wait(duration: Duration) -> Result<(), ProcessError> {
    let started = Instant::now();
    loop {
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        match duration.saturating_sub(started.elapsed()) {
            Duration::ZERO => return Ok(()),
            left => std::thread::sleep(left.min(TICK)),
        }
    }
}

impl Invocation {
    /// A program by name, looked up in [`search_path`], or by path. Its environment is that search path alone, so that
    /// programs that it starts are looked up in equal folders.
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        let environment = BTreeMap::from([("PATH".into(), search_path())]);
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment,
            folder: None,
            limit: None,
            stall: None,
            room: None,
            bounds: None,
            namespaces: None,
            own_proc: false,
            for_log: false,
            despite_interrupts: false,
            held: None,
        }
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn arguments<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The arguments that were added so far.
    pub(crate) fn all_arguments(&self) -> &[OsString] {
        &self.arguments
    }

    pub(crate) fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Passes on these variables of this process's environment, as far as they are set.
    pub(crate) fn inherit<T: AsRef<OsStr>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        for name in names {
            if let Some(value) = std::env::var_os(name.as_ref()) {
                self.environment.insert(name.as_ref().to_owned(), value);
            }
        }
        self
    }

    /// The program, by name or path as it was given.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Ends the process after this time.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Ends the process when it has read and written (next to) nothing for this time, however long it runs.
    pub(crate) fn stall(mut self, limit: Duration) -> Self {
        self.stall = Some(limit);
        self
    }

    /// Ends the process before it takes the space that has to stay free on a file system.
    pub(crate) fn leave(mut self, room: Room) -> Self {
        self.room = Some(room);
        self
    }

    /// Ends the process when it passes these bounds.
    pub(crate) fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// True if the process has no time limit.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.limit.is_none()
    }

    /// Runs the process in namespaces of its own. The error of a failed start says what the kernel refused.
    pub(crate) fn namespaces(mut self, namespaces: Namespaces) -> Self {
        self.namespaces = Some(namespaces);
        self
    }

    /// Mounts the `/proc` of the PID namespace whose first process this is. The mount namespace must belong to this
    /// process alone.
    pub(crate) fn own_proc(mut self) -> Self {
        self.own_proc = true;
        self
    }

    /// Gives the process nothing on standard input, and this process's standard error for both its outputs.
    pub(crate) fn for_log(mut self) -> Self {
        self.for_log = true;
        self
    }

    /// Lets the process, and all that it starts, hold this lock, too: if this process is killed, the lock is free once
    /// the last of them has ended. Dropping the lock frees it for all.
    pub(crate) fn holding(mut self, lock: &FileLock) -> Self {
        self.held = Some(lock.descriptor());
        self
    }

    /// For a short program that has to run even then, such as one that removes the remains of other work:
    /// [`capture`](Self::capture) runs it after an interrupt, too.
    pub(crate) fn despite_interrupts(mut self) -> Self {
        self.despite_interrupts = true;
        self
    }

    /// Starts the process, in its namespaces if it has any.
    pub(super) fn start(&self, expression: duct::Expression) -> Result<duct::Handle, ProcessError> {
        let (own_proc, held) = (self.own_proc, self.held);
        let expression = expression.before_spawn(move |command| {
            tie_to_parent(command, own_proc, held);
            Ok(())
        });
        let started = match &self.namespaces {
            Some(namespaces) if namespaces.are_new() => namespace::start(expression, namespaces)?,
            _ => expression.start(),
        };
        started.map_err(|error| self.start_error(error))
    }

    pub(super) fn expression(&self) -> duct::Expression {
        // `Command` would look for a bare `Path` in the current folder instead of on `PATH`.
        let program = self.program.as_os_str();
        let mut expression = duct::cmd(program, &self.arguments).full_env(&self.environment).unchecked();
        if let Some(folder) = &self.folder {
            expression = expression.dir(folder);
        }
        if self.for_log {
            expression = expression.stdin_null().stdout_to_stderr();
        }
        expression
    }

    pub(super) fn start_error(&self, source: io::Error) -> ProcessError {
        let program = self.program.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound if self.folder.as_ref().is_none_or(|folder| folder.is_dir()) => {
                ProcessError::Missing { program }
            }
            _ => ProcessError::Start { program, source },
        }
    }
}

/// The kernel kills the child when the thread ends that started it, and waits for it. The file mode mask and the
/// reactions to signals that this program was started with are not passed on.
fn tie_to_parent(command: &mut Command, own_proc: bool, held: Option<RawFd>) {
    let parent = rustix::process::getpid();
    let hook = move || {
        die_with(parent)?;
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: `signal` is safe between fork and exec, and the default action is no function of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        if own_proc {
            namespace::mount_proc()?;
        }
        if let Some(held) = held {
            // SAFETY: the lock is borrowed by whoever waits for this process, so that its descriptor is open.
            let held = unsafe { BorrowedFd::borrow_raw(held) };
            rustix::io::fcntl_setfd(held, rustix::io::FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the hook makes system calls alone and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// Has the kernel kill this process when its parent is gone.
fn die_with(parent: Pid) -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before that. The first process of a PID namespace sees no parent.
    match rustix::process::getppid().is_some_and(|now| now != parent) {
        true => Err(rustix::io::Errno::SRCH),
        false => Ok(()),
    }
}

/// The exit status as a shell reports it: 128 and the signal's number if a signal ended it.
pub(crate) fn shell_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// The line for a shell, which changes to the folder first if there is one.
impl fmt::Display for Invocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.folder {
            write!(formatter, "cd {} && ", shell_words::quote(&folder.to_string_lossy()))?;
        }
        let program = self.program.to_string_lossy();
        formatter.write_str(&shell_words::quote(&program))?;
        for argument in &self.arguments {
            write!(formatter, " {}", shell_words::quote(&argument.to_string_lossy()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").argument("-c").argument(script)
    }

    #[test]
    fn keeps_the_outputs_apart_and_the_status() {
        let finished = shell("echo out; echo err >&2; exit 7").capture().unwrap();
        assert_eq!((finished.stdout.as_slice(), finished.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(shell_status(finished.status), 7);
    }

    #[test]
    fn gives_only_the_environment_it_was_given() {
        let finished = shell("env").variable("A", "1").capture().unwrap();
        let text = String::from_utf8(finished.stdout).unwrap();
        let names = text.lines().filter_map(|line| Some(line.split_once('=')?.0));
        // The shell sets these itself.
        let own = ["PWD", "SHLVL", "_", "OLDPWD"];
        let given: BTreeSet<&str> = names.filter(|name| !own.contains(name)).collect();
        assert_eq!(given, BTreeSet::from(["A", "PATH"]));
    }

    #[test]
    fn finds_a_name_on_the_path_from_any_folder() {
        for invocation in [Invocation::new("pwd"), Invocation::new("pwd").folder("/")] {
            assert!(invocation.capture().unwrap().status.success());
        }
    }

    #[test]
    fn drains_more_than_a_pipe_holds() {
        let finished = shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2").capture().unwrap();
        assert_eq!((finished.stdout.len(), finished.stderr.len()), (1_000_000, 1_000_000));
    }

    #[test]
    fn ends_what_takes_too_long_with_its_children() {
        // A slow machine may not have started it when the first limits are reached.
        let said = [100, 1_000, 10_000, 100_000].into_iter().find_map(|limit| {
            let result = shell("sleep 4242 & echo $! >&2; sleep 4242").limit(Duration::from_millis(limit)).capture();
            let Err(ProcessError::TimedOut { stderr, .. }) = result else { panic!("{result:?}") };
            (!stderr.is_empty()).then(|| String::from_utf8(stderr).unwrap())
        });
        // Its command is gone before the pipe that it held open until then.
        let child = PathBuf::from("/proc").join(said.unwrap().trim()).join("cmdline");
        assert!(!std::fs::read_to_string(child).unwrap_or_default().contains("4242"));
    }

    #[test]
    fn says_that_a_program_is_missing() {
        let result = Invocation::new("no-such-program").capture();
        assert!(matches!(result, Err(ProcessError::Missing { program }) if program == "no-such-program"));
    }

    #[test]
    fn prints_a_line_for_a_shell() {
        let line = Invocation::new("tool").argument("--flag").argument("a b").argument("it's").to_string();
        assert_eq!(line, r#"tool --flag 'a b' 'it'\''s'"#);
        assert_eq!(Invocation::new("tool").folder("/a b").to_string(), "cd '/a b' && tool");
    }
}
