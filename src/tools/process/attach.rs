//! Running a program in our place: it has our standard streams, our terminal and our signals.
//!
//! A terminal sends its signals to every process of the foreground group, and the child stays in
//! ours; so only what a process sent us is passed on, else Ctrl-C would arrive twice. Signals are
//! held from before the child starts, so that none is lost in between. The child's end is a signal
//! too: no thread is needed, and a process whose children are in a new PID namespace can have none.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use duct::unix::HandleExt as _;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use crate::tools::process::{Invocation, ProcessError};
use crate::tools::signal;

/// What is passed on.
const FORWARDED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];
/// How often a held signal looks whether the child is ready for it.
const TICK: Duration = Duration::from_millis(3);

impl Invocation {
    /// Runs it to its end in our place.
    ///
    /// A signal from before the start is [`ProcessError::Interrupted`]; later ones are the child's
    /// affair and do not count as ours. They wait until it `is_ready`: a program that is the first of its
    /// PID namespace loses what comes before it listens.
    pub(crate) fn attach(&self, is_ready: impl Fn() -> bool) -> Result<ExitStatus, ProcessError> {
        let listened = FORWARDED.iter().filter(|&&number| number != SIGHUP || !signal::is_ignored(number));
        let mut signals =
            SignalsInfo::<WithOrigin>::new(listened.chain([&SIGCHLD])).map_err(|error| self.start_error(error))?;
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        let child = self.start(self.expression())?;
        let output = Self::accompany(&mut signals, &child, is_ready);
        signal::forget();
        let status = output.and_then(|()| Ok(child.wait()?.status));
        status.map_err(|error| self.start_error(error))
    }

    /// Passes signals on until the child has ended.
    fn accompany(
        signals: &mut SignalsInfo<WithOrigin>,
        child: &duct::Handle,
        is_ready: impl Fn() -> bool,
    ) -> io::Result<()> {
        for origin in signals.forever() {
            if origin.signal == SIGCHLD {
                if child.try_wait()?.is_some() {
                    break;
                }
                continue;
            }
            if matches!(origin.cause, Cause::Kernel) {
                continue;
            }
            while !is_ready() && child.try_wait()?.is_none() {
                std::thread::sleep(TICK);
            }
            // It fails when the child has just ended, which is no news.
            let _ = child.send_signal(origin.signal);
        }
        Ok(())
    }
}
