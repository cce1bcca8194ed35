//! kill -9 at random moments of a command's life.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{TestContext, eventually_none};

/// Kills a command again and again, each time at another moment. The moments are parts of the command's duration on
/// this machine, and the parts are equal in every run of the tests. How busy the machine is changes meanwhile, so each
/// command's duration decides how long the next one may run.
pub(crate) struct Kills {
    random: u32,
    lifetime: Duration,
}

impl Kills {
    /// Runs the command once to its end, where it must succeed, to know how long it takes.
    pub(crate) fn new(seed: u32, context: &TestContext, command: &mut Command) -> Self {
        let started = Instant::now();
        context.finish(command).success();
        Self { random: seed, lifetime: started.elapsed() }
    }

    /// Between nothing and a little more than all of it.
    fn moment(&mut self) -> Duration {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.lifetime.mul_f64(f64::from(self.random >> 8) / f64::from(1 << 24) * 1.1)
    }

    /// Starts it, and kills it and what it started at the next moment; true if that was before its end.
    pub(crate) fn kill(&mut self, command: &mut Command) -> bool {
        let moment = self.moment();
        let command = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let started = Instant::now();
        let mut process = command.spawn().unwrap();
        while started.elapsed() < moment {
            if process.try_wait().unwrap().is_some() {
                self.lifetime = started.elapsed();
                return false;
            }
            std::thread::sleep((moment - started.elapsed().min(moment)).min(Duration::from_millis(2)));
        }
        kill_process_group(Pid::from_child(&process), Signal::KILL).unwrap();
        process.wait().unwrap();
        if moment > self.lifetime {
            self.lifetime = moment;
        }
        true
    }
}

impl TestContext {
    /// After this command, which must succeed, nothing is left of what was killed. That may take a moment to
    /// die, and holds what it has until then: it is left to the same command, given again.
    #[track_caller]
    pub(crate) fn is_cleared_by(&self, mut command: impl FnMut() -> Command) {
        eventually_none("what was killed", || {
            self.finish(&mut command()).success();
            self.leftovers()
        });
    }
}
