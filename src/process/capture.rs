//! Runs a program to its end, within its limits.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::stall::Watch;
use super::{Finished, Invocation, ProcessError, TICK};
use crate::process::signal;

/// How long a tool has to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

impl Invocation {
    /// Runs the program to its end with nothing on standard input. Both outputs are read meanwhile.
    ///
    /// On an interrupt, or at a limit, the whole process group is ended and waited for.
    pub(crate) fn capture(&self) -> Result<Finished, ProcessError> {
        let is_interrupted = || signal::pending().is_some() && !self.despite_interrupts;
        if is_interrupted() {
            return Err(ProcessError::Interrupted);
        }
        let expression = self.expression().stdin_null().stdout_capture().stderr_capture();
        let child = self.start(expression.before_spawn(|command| {
            command.process_group(0);
            Ok(())
        }))?;
        let started = Instant::now();
        let tick = if self.room.is_some() || self.bounds.is_some() { TICK / 5 } else { TICK };
        let process = child.pids().first().copied();
        let mut watch = self.stall.zip(process).map(|(limit, process)| Watch::new(process, limit));
        let failed = loop {
            if let Some(room) = self.room.as_ref().filter(|room| room.is_short_of(0)) {
                break Some(ProcessError::NoRoom { room: room.clone() });
            }
            match child.wait_timeout(tick).map_err(|error| self.start_error(error))? {
                Some(_) => break None,
                None if is_interrupted() => break Some(ProcessError::Interrupted),
                None => {}
            }
            if let (Some(bounds), Some(process)) = (&self.bounds, process)
                && bounds.is_passed_by(process)
            {
                break Some(ProcessError::TooMuch { stderr: Vec::new() });
            }
            if let Some(limit) = self.limit.filter(|limit| started.elapsed() >= *limit) {
                break Some(ProcessError::TimedOut { limit, stderr: Vec::new() });
            }
            if let Some(limit) = self.stall.filter(|_| watch.as_mut().is_some_and(Watch::is_stalled)) {
                break Some(ProcessError::Stalled { limit, stderr: Vec::new() });
            }
        };
        if failed.is_some() {
            end_group(&child);
        }
        let output = child.into_output().map_err(|error| self.start_error(error))?;
        match failed {
            Some(ProcessError::TimedOut { limit, .. }) => Err(ProcessError::TimedOut { limit, stderr: output.stderr }),
            Some(ProcessError::Stalled { limit, .. }) => Err(ProcessError::Stalled { limit, stderr: output.stderr }),
            Some(ProcessError::TooMuch { .. }) => Err(ProcessError::TooMuch { stderr: output.stderr }),
            Some(error) => Err(error),
            None => Ok(Finished { status: output.status, stdout: output.stdout, stderr: output.stderr }),
        }
    }
}

/// Sends SIGTERM, waits for the grace time, then sends SIGKILL. The signals go to the group, since a grandchild may
/// hold the pipes open.
pub(super) fn end_group(child: &duct::Handle) {
    let Some(group) = group_of(child) else { return };
    let _ = rustix::process::kill_process_group(group, Signal::TERM);
    if !matches!(child.wait_timeout(GRACE), Ok(Some(_))) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Kills all processes of the group that are left.
pub(super) fn kill_group(child: &duct::Handle) {
    if let Some(group) = group_of(child) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// The process group of a child, which is its first process.
fn group_of(child: &duct::Handle) -> Option<Pid> {
    Pid::from_raw(i32::try_from(*child.pids().first()?).ok()?)
}
