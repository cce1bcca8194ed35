//! Runs a program whose outputs are worked on while it runs.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use rustix::pipe::PipeFlags;

use crate::process::capture::{end_group, kill_group};
use crate::process::{Invocation, ProcessError, TICK, signal};

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

impl Invocation {
    /// Runs the program to its end with nothing on standard input. `listen` gets both its outputs as they come, through
    /// one pipe. Processes that it leaves behind in its process group are killed.
    ///
    /// On an interrupt the whole process group is ended and waited for.
    pub(crate) fn listen(&self, mut listen: impl FnMut(&[u8]) + Send) -> Result<ExitStatus, ProcessError> {
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        let pipe = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| self.start_error(error.into()));
        let (output, output_end) = pipe?;
        let error_end = output_end.try_clone().map_err(|error| self.start_error(error))?;
        let ends = Mutex::new(Some((output_end, error_end)));
        let child = self.start(self.expression().stdin_null().before_spawn(move |command| {
            command.process_group(0);
            if let Some((output, error)) = ends.lock().unwrap_or_else(PoisonError::into_inner).take() {
                command.stdout(output).stderr(error);
            }
            Ok(())
        }))?;
        std::thread::scope(|scope| {
            let listening = scope.spawn(move || {
                let mut output = File::from(output);
                let mut buffer = vec![0; CHUNK];
                while let Ok(length @ 1..) = output.read(&mut buffer) {
                    listen(&buffer[..length]);
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
            // One that is left would keep the pipe open.
            kill_group(&child);
            let _ = child.wait();
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
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| self.start_error(error.into()));
        let ((output, output_end), (error, error_end)) = (pipe()?, pipe()?);
        // Only the child's `Command` keeps the pipe's writing end: if this process kept it too, the pipe would stay
        // open.
        let ends = Mutex::new(Some((output_end, error_end)));
        let child = self.start(self.expression().stdin_bytes(input).before_spawn(move |command| {
            command.process_group(0);
            if let Some((output, error)) = ends.lock().unwrap_or_else(PoisonError::into_inner).take() {
                command.stdout(output).stderr(error);
            }
            Ok(())
        }))?;
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
        let script = "echo one; echo two >&2; sleep 1000 & echo three; exit 3";
        let started = std::time::Instant::now();
        let status = shell(script).listen(|bytes| heard.extend_from_slice(bytes)).unwrap();
        assert_eq!((status.code(), heard.as_slice()), (Some(3), &b"one\ntwo\nthree\n"[..]));
        assert!(started.elapsed().as_secs() < 900);
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
