//! Runs a program whose outputs are worked on while it runs.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use duct::{Expression, Handle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PipeFlags;

use crate::process::capture::{end_group, kill_group};
use crate::process::{Invocation, ProcessError, TICK, signal};

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

impl Invocation {
    /// Runs the program to its end with nothing on standard input. `listen` gets both its outputs as they come, through
    /// one pipe. Processes that it leaves behind in its process group are killed; what others write later is not heard.
    ///
    /// On an interrupt the whole process group is ended and waited for.
    pub(crate) fn listen(&self, mut listen: impl FnMut(&[u8]) + Send) -> Result<ExitStatus, ProcessError> {
        let (output, output_end) = self.pipe()?;
        let error_end = output_end.try_clone().map_err(|error| self.start_error(error))?;
        let child = self.start_on(self.expression().stdin_null(), output_end, error_end)?;
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let listening = scope.spawn(|| {
                let mut buffer = vec![0; CHUNK];
                // A process that left the group may keep the pipe open for as long as it lives.
                loop {
                    let was_over = is_over.load(Ordering::Acquire);
                    match has_more(&output) {
                        false if was_over => break,
                        false => continue,
                        true => match rustix::io::read(&output, &mut buffer) {
                            Ok(length @ 1..) => listen(&buffer[..length]),
                            _ => break,
                        },
                    }
                }
            });
            let ended = loop {
                match child.wait_timeout(TICK) {
                    Ok(None) if signal::pending().is_some() => {
                        end_group(&child);
                        break Err(ProcessError::Interrupted);
                    }
                    Ok(None) => {}
                    Ok(Some(output)) => break Ok(output.status),
                    Err(error) => break Err(self.start_error(error)),
                }
            };
            kill_group(&child);
            let _ = child.wait();
            is_over.store(true, Ordering::Release);
            listening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended
        })
    }

    /// Runs the program to its end with `input` on standard input. `listen` gets its standard error as it comes, and
    /// `read` gets all of its standard output. Each has a thread.
    ///
    /// On an interrupt the program is killed at once, with all processes that die with it.
    pub(crate) fn stream<T: Send>(
        &self,
        input: Vec<u8>,
        mut listen: impl FnMut(&[u8]) + Send,
        read: impl FnOnce(&mut dyn Read) -> T + Send,
    ) -> Result<(ExitStatus, T), ProcessError> {
        let ((output, output_end), (error, error_end)) = (self.pipe()?, self.pipe()?);
        let child = self.start_on(self.expression().stdin_bytes(input), output_end, error_end)?;
        std::thread::scope(|scope| {
            let listening = scope.spawn(move || {
                let mut error = File::from(error);
                let mut buffer = vec![0; CHUNK];
                while let Ok(length @ 1..) = error.read(&mut buffer) {
                    listen(&buffer[..length]);
                }
            });
            let reading = scope.spawn(move || read(&mut File::from(output)));
            let mut is_interrupted = false;
            let ended = loop {
                match child.wait_timeout(TICK) {
                    Ok(None) if signal::pending().is_some() => {
                        is_interrupted = true;
                        let _ = child.kill();
                    }
                    Ok(None) => {}
                    ended => break ended,
                }
            };
            let result = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            listening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let output = ended.map_err(|error| self.start_error(error))?;
            match output {
                Some(output) if !is_interrupted => Ok((output.status, result)),
                _ => Err(ProcessError::Interrupted),
            }
        })
    }

    /// The reading and the writing end of a pipe.
    fn pipe(&self) -> Result<(OwnedFd, OwnedFd), ProcessError> {
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| self.start_error(error.into()))
    }

    /// Starts the program in a process group of its own, with these ends of pipes as its outputs.
    fn start_on(&self, expression: Expression, output: OwnedFd, error: OwnedFd) -> Result<Handle, ProcessError> {
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        // Only the child's `Command` keeps the ends: if this process kept them too, the pipes would stay open.
        let ends = Mutex::new(Some((output, error)));
        self.start(expression.before_spawn(move |command| {
            command.process_group(0);
            if let Some((output, error)) = ends.lock().unwrap_or_else(PoisonError::into_inner).take() {
                command.stdout(output).stderr(error);
            }
            Ok(())
        }))
    }
}

/// True if there is something to read, or nothing will come any more. Waits a moment.
fn has_more(output: &OwnedFd) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").argument("-c").argument(script)
    }

    #[test]
    fn hears_and_reads_all_of_it() {
        let mut heard = Vec::new();
        let script = "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2; cat; exit 7";
        let (status, read) = shell(script)
            .stream(
                b"input".to_vec(),
                |bytes| heard.extend_from_slice(bytes),
                |output| {
                    let mut bytes = Vec::new();
                    output.read_to_end(&mut bytes).map(|_| bytes)
                },
            )
            .unwrap();
        assert_eq!((status.code(), heard.len()), (Some(7), 200_000));
        let read = read.unwrap();
        assert_eq!((read.len(), &read[3_000_000..]), (3_000_005, &b"input"[..]));
    }

    #[test]
    fn hears_both_outputs_in_their_order_and_leaves_no_process() {
        let mut heard = Vec::new();
        // One process stays in the group, and one leaves it; both keep the pipe.
        let script = "echo one; echo two >&2; sleep 1000 & setsid sleep 30 & echo three; exit 3";
        let started = std::time::Instant::now();
        let status = shell(script).listen(|bytes| heard.extend_from_slice(bytes)).unwrap();
        assert_eq!((status.code(), heard.as_slice()), (Some(3), &b"one\ntwo\nthree\n"[..]));
        assert!(started.elapsed().as_secs() < 25);
    }

    #[test]
    fn who_reads_no_more_ends_the_writer() {
        let (status, ()) = shell("while :; do echo x; done").stream(Vec::new(), |_| {}, |_| ()).unwrap();
        assert!(!status.success());
    }

    #[test]
    fn a_missing_program_is_missing() {
        let result = Invocation::new("no-such-program").stream(Vec::new(), |_| {}, |_| ());
        assert!(matches!(result, Err(ProcessError::Missing { .. })), "{result:?}");
    }
}
