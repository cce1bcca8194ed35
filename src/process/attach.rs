//! Runs a program in place of this one: it has this program's standard streams, terminal and signals.
//!
//! A terminal sends its signals to every process of the foreground group, and the child stays in this process's group.
//! So only signals that a process sent are passed on: otherwise Ctrl-C would arrive twice. If a program does not end by
//! Ctrl-C, the second one sends SIGTERM, and the third one SIGKILL. Signals are held from before the child starts, so
//! that none is lost in between. The child's end is a signal, too: no thread is needed, and a process whose children
//! are in a new PID namespace can have none.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use duct::unix::HandleExt as _;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use crate::process::{Invocation, ProcessError, signal};

/// The signals that are passed on.
const FORWARDED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];
/// How often a held signal checks whether the child is ready for it.
const TICK: Duration = Duration::from_millis(3);
/// If another Ctrl-C comes within this time, it means more than the first one. A program may have a use for single
/// ones.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a Ctrl-C asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insistence {
    /// SIGINT, as always.
    Asked,
    /// It is passed on as SIGTERM.
    AskedHarder,
    /// The child is killed.
    Ended,
}

/// Counts the Ctrl-C that come soon after each other.
#[derive(Default)]
struct Impatience {
    last: Option<Instant>,
    count: usize,
}

impl Impatience {
    /// Counts a Ctrl-C that comes now.
    fn interrupt(&mut self, now: Instant) -> Insistence {
        let is_in_row = self.last.is_some_and(|last| now.duration_since(last) <= PATIENCE);
        self.count = if is_in_row { self.count + 1 } else { 1 };
        self.last = Some(now);
        match self.count {
            1 => Insistence::Asked,
            2 => Insistence::AskedHarder,
            _ => Insistence::Ended,
        }
    }
}

impl Invocation {
    /// Runs the program to its end in place of this one.
    ///
    /// A signal from before the start gives [`ProcessError::Interrupted`]. Later signals are the child's, and do not
    /// interrupt this program. They wait until the child `is_ready`: the first process of a PID namespace loses signals
    /// that come before it listens.
    pub(crate) fn attach(&self, is_ready: impl Fn() -> bool) -> Result<ExitStatus, ProcessError> {
        self.attach_with(is_ready, None)
    }

    /// Runs the process that a person talks to, as [`attach`](Self::attach) does; but several Ctrl-C in a row end it.
    /// `told` is called for each but the first.
    pub(crate) fn attach_impatiently(&self, told: &dyn Fn(Insistence)) -> Result<ExitStatus, ProcessError> {
        self.attach_with(|| true, Some(told))
    }

    fn attach_with(
        &self,
        is_ready: impl Fn() -> bool,
        told: Option<&dyn Fn(Insistence)>,
    ) -> Result<ExitStatus, ProcessError> {
        let listened = FORWARDED.iter().filter(|&&number| number != SIGHUP || !signal::is_ignored(number));
        let mut signals =
            SignalsInfo::<WithOrigin>::new(listened.chain([&SIGCHLD])).map_err(|error| self.start_error(error))?;
        if signal::pending().is_some() {
            return Err(ProcessError::Interrupted);
        }
        let child = self.start(self.expression())?;
        let output = Self::accompany(&mut signals, &child, is_ready, told);
        signal::forget();
        let status = output.and_then(|()| Ok(child.wait()?.status));
        status.map_err(|error| self.start_error(error))
    }

    /// Passes signals on until the child has ended.
    fn accompany(
        signals: &mut SignalsInfo<WithOrigin>,
        child: &duct::Handle,
        is_ready: impl Fn() -> bool,
        told: Option<&dyn Fn(Insistence)>,
    ) -> io::Result<()> {
        let mut impatience = Impatience::default();
        for origin in signals.forever() {
            if origin.signal == SIGCHLD {
                if child.try_wait()?.is_some() {
                    break;
                }
                continue;
            }
            let mut passed_on = (!matches!(origin.cause, Cause::Kernel)).then_some(origin.signal);
            if let Some(told) = told.filter(|_| origin.signal == SIGINT) {
                let insistence = impatience.interrupt(Instant::now());
                match insistence {
                    Insistence::Asked => {}
                    Insistence::AskedHarder => {
                        told(insistence);
                        passed_on = Some(SIGTERM);
                    }
                    Insistence::Ended => {
                        told(insistence);
                        let _ = child.kill();
                        continue;
                    }
                }
            }
            let Some(signal) = passed_on else { continue };
            while !is_ready() && child.try_wait()?.is_none() {
                std::thread::sleep(TICK);
            }
            // This fails if the child has just ended, which the next wait tells.
            let _ = child.send_signal(signal);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_again_and_again_is_asked_harder() {
        use Insistence::{Asked, AskedHarder, Ended};
        let start = Instant::now();
        let asked = |seconds: &[u64]| {
            let mut impatience = Impatience::default();
            let at = |second: &u64| impatience.interrupt(start + Duration::from_secs(*second));
            seconds.iter().map(at).collect::<Vec<_>>()
        };
        assert_eq!(asked(&[0, 1, 2, 3]), [Asked, AskedHarder, Ended, Ended]);
        assert_eq!(asked(&[0, 9, 18]), [Asked, AskedHarder, Ended]);
        assert_eq!(asked(&[0, 20, 40, 41]), [Asked, Asked, Asked, AskedHarder]);
    }
}
