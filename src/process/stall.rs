//! Watches whether a process still moves bytes, to tell a large and slow transfer from one that hangs.
//!
//! The kernel counts what a process reads and writes, sockets and files alike. If neither count grows, the other end of
//! a transfer has gone silent. If a count grows by a few bytes a second, the other end holds the transfer up on
//! purpose.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the counts are read.
const INTERVAL: Duration = Duration::from_millis(250);

/// If fewer bytes than this move in each second of the limit, the process counts as silent.
const LEAST: u64 = 128;

/// A watch over one process.
pub(super) struct Watch {
    limit: Duration,
    /// `/proc/PID/io`.
    account: PathBuf,
    /// The bytes that had moved at `since`.
    moved: Option<u64>,
    since: Instant,
    looked: Instant,
}

impl Watch {
    pub(super) fn new(process: u32, limit: Duration) -> Self {
        let account = PathBuf::from(format!("/proc/{process}/io"));
        let now = Instant::now();
        Self { limit, moved: moved(&account), account, since: now, looked: now }
    }

    /// True once next to no bytes have moved for the whole limit. It is never true if the kernel does not count them.
    pub(super) fn is_stalled(&mut self) -> bool {
        if self.looked.elapsed() >= INTERVAL {
            self.looked = Instant::now();
            let moved = moved(&self.account);
            let least = LEAST * self.limit.as_secs().max(1);
            if moved.zip(self.moved).is_none_or(|(now, then)| now.saturating_sub(then) >= least) {
                self.moved = moved;
                self.since = self.looked;
            }
        }
        self.since.elapsed() >= self.limit
    }
}

/// The bytes that a process has read and written so far.
fn moved(account: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(account).ok()?;
    let count = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(count("rchar:")?.wrapping_add(count("wchar:")?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::{Invocation, ProcessError};
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").argument("-c").argument(script).stall(Duration::from_secs(3))
    }

    #[test]
    fn ends_what_moves_nothing() {
        let result = shell("echo waiting >&2; sleep 60").capture();
        assert!(matches!(result, Err(ProcessError::Stalled { stderr, .. }) if stderr == b"waiting\n"));
    }

    /// A process that takes longer than the limit, but is never silent for so long.
    #[test]
    fn leaves_alone_what_is_slow() {
        let script = "for i in 1 2 3 4 5 6 7 8 9 10; do printf %300s $i; sleep 0.4; done";
        assert!(shell(script).capture().unwrap().status.success());
    }

    #[test]
    fn ends_what_moves_next_to_nothing() {
        // For a shell, the kernel would also count what its ended children read when they started.
        let file = tempfile::NamedTempFile::new().unwrap();
        let follower = Invocation::new("tail").arguments(["-f", "-s", "0.1"]).argument(file.path());
        let is_over = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..150 {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    file.as_file().write_all(b"x").unwrap();
                    std::thread::sleep(Duration::from_millis(400));
                }
            });
            let result = follower.stall(Duration::from_secs(3)).limit(Duration::from_secs(60)).capture();
            is_over.store(true, Ordering::Relaxed);
            result
        });
        assert!(matches!(result, Err(ProcessError::Stalled { .. })), "{result:?}");
    }
}
