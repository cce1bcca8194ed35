//! Starting a process in namespaces of its own (`namespaces(7)`).
//!
//! A process with several threads, as this one, cannot enter a user namespace; its forked child can,
//! before it executes its program. But a child may not write its own ID map, so the two talk over
//! two pipes: the child sends its process ID once it is in the new user namespace. A thread of the
//! parent (the [`Witness`]) writes the map, or has `newuidmap` write it, and answers. How far the
//! child came tells which step a failed start failed at, since an error number alone does not.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use crate::fs::write_private;
use crate::process::id_map::{IdMap, IdRange};
use crate::process::{Invocation, ProcessError};
use crate::sanitize;

/// The namespaces that a process gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespaces {
    map: IdMap,
    isolated: bool,
}

impl Namespaces {
    /// A user namespace alone, with the IDs of a map: to work on files that belong to other users outside of it.
    pub(crate) fn user(map: &IdMap) -> Self {
        Self { map: map.clone(), isolated: false }
    }

    /// The IDs of a map, mounts of its own, and children in a PID namespace of their own. Its first
    /// child is that namespace's first process, and with it end all the others.
    pub(crate) fn sandbox(map: &IdMap) -> Self {
        Self { map: map.clone(), isolated: true }
    }

    /// True if there is a namespace to enter. Root needs none for IDs alone.
    pub(super) fn are_new(&self) -> bool {
        self.isolated || self.map.is_namespaced()
    }
}

/// What the kernel or the machine's settings refused.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum NamespaceError {
    #[error("the kernel lets this user have no user namespace")]
    #[diagnostic(
        code(oci::run::no_user_namespace),
        help(
            "allow it: `sysctl user.max_user_namespaces=15000`, on Debian also \
             `kernel.unprivileged_userns_clone=1`, on Ubuntu `kernel.apparmor_restrict_unprivileged_userns=0`; \
             or run the command as root"
        )
    )]
    User { source: io::Error },
    #[error("could not map this user's subordinate IDs{}", because(stderr))]
    #[diagnostic(
        code(oci::run::no_id_map),
        help(
            "install the package `uidmap` and look at this user's ranges in /etc/subuid and /etc/subgid; \
             `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` gives some"
        )
    )]
    Map { stderr: String, source: Option<io::Error> },
    #[error("the kernel refused a mount and a PID namespace")]
    #[diagnostic(
        code(oci::run::no_namespace),
        help("inside a container, that container needs the right to make some (`CAP_SYS_ADMIN`)")
    )]
    Isolation { source: io::Error },
}

fn because(stderr: &str) -> String {
    stderr.lines().last().map(|line| format!(": {}", sanitize::name(line))).unwrap_or_default()
}

/// Starts a child that first enters the namespaces.
///
/// The outer error is about the namespaces, the inner one about the program.
pub(super) fn start(
    expression: duct::Expression,
    namespaces: &Namespaces,
) -> Result<io::Result<duct::Handle>, NamespaceError> {
    let pipes = || -> rustix::io::Result<_> {
        Ok((rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?, rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?))
    };
    let ((told, tell), (answered, answer)) =
        pipes().map_err(|error| NamespaceError::Isolation { source: error.into() })?;
    let child = Arc::new(Child {
        tell,
        answered,
        parent: rustix::process::getpid(),
        user: namespaces.map.is_namespaced(),
        isolated: namespaces.isolated,
    });
    let witness = Witness { told: told.into(), answer: answer.into(), map: namespaces.map.clone() };

    let expression = expression.before_spawn(move |command| {
        let child = Arc::clone(&child);
        // SAFETY: `enter` makes system calls alone and allocates nothing.
        unsafe { command.pre_exec(move || child.enter()) };
        Ok(())
    });
    let progress = std::thread::spawn(move || witness.watch());
    let started = expression.start();
    // The witness waits for the child, or until the last writing end of its pipe is closed.
    drop(expression);
    let progress = progress.join().unwrap_or(Progress::Nothing);
    match (started, progress) {
        (Err(source), Progress::Nothing) if namespaces.map.is_namespaced() => Err(NamespaceError::User { source }),
        (Err(_), Progress::Refused(error)) => Err(error),
        (Err(source), Progress::Nothing | Progress::Mapped) => Err(NamespaceError::Isolation { source }),
        (started, _) => Ok(started),
    }
}

/// The answers that the child may get.
const MAPPED: u8 = 1;
const REFUSED: u8 = 0;

/// What the forked child works with. It is made before the fork.
struct Child {
    tell: OwnedFd,
    answered: OwnedFd,
    parent: Pid,
    user: bool,
    isolated: bool,
}

impl Child {
    /// This runs between fork and exec: it allocates nothing and takes no lock.
    fn enter(&self) -> io::Result<()> {
        if self.user {
            unshare(UnshareFlags::NEWUSER)?;
            // With the change of credentials the kernel forgot it, and nobody would end the wait below.
            super::die_with(self.parent)?;
            let pid = rustix::process::getpid().as_raw_nonzero().get();
            rustix::io::write(&self.tell, &pid.to_ne_bytes())?;
            // A refusal is a byte, and not the end of the pipe: a fork holds every pipe open at both ends.
            let mut answer = [REFUSED];
            rustix::io::retry_on_intr(|| rustix::io::read(&self.answered, &mut answer))?;
            if answer[0] != MAPPED {
                return Err(Errno::PERM.into());
            }
        }
        if self.isolated {
            unshare(UnshareFlags::NEWNS | UnshareFlags::NEWPID)?;
        }
        rustix::io::write(&self.tell, &[0])?;
        Ok(())
    }
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the file descriptor table is not among what is unshared.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// How far the child came.
enum Progress {
    Nothing,
    Refused(NamespaceError),
    Mapped,
    Entered,
}

/// The parent's side of the talk.
struct Witness {
    told: std::fs::File,
    answer: std::fs::File,
    map: IdMap,
}

impl Witness {
    fn watch(mut self) -> Progress {
        if self.map.is_namespaced() {
            let mut pid = [0; 4];
            if self.told.read_exact(&mut pid).is_err() {
                return Progress::Nothing;
            }
            let mapped = write_map(&self.map, i32::from_ne_bytes(pid));
            // A child that is gone needs no answer.
            let _ = self.answer.write_all(&[if mapped.is_ok() { MAPPED } else { REFUSED }]);
            if let Err(error) = mapped {
                return Progress::Refused(error);
            }
        }
        match (self.told.read_exact(&mut [0]), self.map.is_namespaced()) {
            (Ok(()), _) => Progress::Entered,
            (Err(_), true) => Progress::Mapped,
            (Err(_), false) => Progress::Nothing,
        }
    }
}

/// Maps the IDs of the user namespace that this process has just made (`user_namespaces(7)`).
fn write_map(map: &IdMap, pid: i32) -> Result<(), NamespaceError> {
    match map {
        IdMap::Host => Ok(()),
        IdMap::Single { user, group } => {
            let write = |file: &str, text: String| {
                let path = format!("/proc/{pid}/{file}");
                write_private(std::path::Path::new(&path), text.as_bytes())
                    .map_err(|error| NamespaceError::User { source: error.source })
            };
            // A process that may not drop groups may map one group without privileges.
            write("setgroups", "deny".to_owned())?;
            write("uid_map", format!("0 {user} 1\n"))?;
            write("gid_map", format!("0 {group} 1\n"))
        }
        IdMap::Ranges { user, group, users, groups } => {
            run_mapper("newuidmap", pid, *user, *users)?;
            run_mapper("newgidmap", pid, *group, *groups)
        }
    }
}

fn run_mapper(program: &str, pid: i32, own: u32, range: IdRange) -> Result<(), NamespaceError> {
    let numbers = [0, own, 1, 1, range.start, range.count].map(|number| number.to_string());
    match Invocation::new(program).argument(pid.to_string()).arguments(numbers).despite_interrupts().capture() {
        Ok(finished) if finished.status.success() => Ok(()),
        Ok(finished) => {
            Err(NamespaceError::Map { stderr: String::from_utf8_lossy(&finished.stderr).into_owned(), source: None })
        }
        Err(ProcessError::Start { source, .. }) => {
            Err(NamespaceError::Map { stderr: String::new(), source: Some(source) })
        }
        Err(error) => Err(NamespaceError::Map { stderr: error.to_string(), source: None }),
    }
}

/// Mounts the `/proc` of the PID namespace that the caller is the first process of.
///
/// Safe between fork and exec.
pub(super) fn mount_proc() -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(c"proc", c"/proc", c"proc", flags, None)
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/namespace.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as_root::is_root_or_was;

    pub(super) fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").argument("-c").argument(script)
    }

    /// The map of the user who runs the tests, and of no other: root with a map of its own is in a user namespace, too.
    fn one_id() -> IdMap {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        IdMap::Single { user, group }
    }

    #[test]
    fn maps_one_id() {
        let map = one_id();
        let finished = shell("id -u; cat /proc/self/setgroups").namespaces(Namespaces::user(&map)).capture().unwrap();
        assert_eq!(String::from_utf8(finished.stdout).unwrap(), "0\ndeny\n");
    }

    #[test]
    fn a_missing_program_is_no_refusal() {
        if !is_root_or_was("process::namespace::tests::a_missing_program_is_no_refusal") {
            return;
        }
        for map in [IdMap::Host, one_id()] {
            let result = Invocation::new("no-such-program").namespaces(Namespaces::sandbox(&map)).capture();
            assert!(matches!(result, Err(ProcessError::Missing { .. })), "{result:?}");
        }
    }
}
