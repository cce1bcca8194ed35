//! How a change of a file is noticed: by its stat, which is trusted only if any later change would show in it.
//!
//! The kernel stamps changes with a clock that ticks every few milliseconds, and some file systems keep whole seconds:
//! two changes in one tick look alike. So [`settle`] waits the tick out before files are read.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// No kernel's clock for files ticks slower than this: every 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// File systems without nanoseconds keep whole seconds, and FAT every second one.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// With this flag, opening a FIFO does not wait for its other end.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The fields of a file's stat that change when the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

/// Seconds and nanoseconds since 1970.
pub(crate) type Time = (i64, u32);

impl Stamp {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the types of these fields differ between architectures; sizes are not negative"
    )]
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    /// Appends all fields to a key.
    pub(crate) fn put(&self, record: &mut Vec<u8>) {
        for number in [self.device, self.inode, self.size] {
            record.extend(number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            record.extend(seconds.to_le_bytes());
            record.extend(nanoseconds.to_le_bytes());
        }
    }
}

/// Opens a file that was looked at before, and may have become anything since. A FIFO is not waited for.
pub(crate) fn reopen(path: &Path) -> io::Result<File> {
    reopen_at(CWD, path, OFlags::empty())
}

/// Opens a file in a folder, as [`reopen`] does, with further flags.
pub(crate) fn reopen_at(folder: impl AsFd, name: impl rustix::path::Arg, flags: OFlags) -> io::Result<File> {
    Ok(openat(folder, name, FLAGS | flags, Mode::empty())?.into())
}

/// True if a name that was a file when it was looked at is no longer one, or can no longer be read.
pub(crate) fn is_replaced(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NXIO))
}

/// Waits until any further change of files that were changed at these times would show in their stat.
///
/// Returns false, without a wait, if a file was changed within the last two seconds on a file system that keeps only
/// seconds, or has a time in the future.
pub(crate) fn settle(changes: impl Iterator<Item = Time>) -> bool {
    let wait = unsettled(changes, now());
    std::thread::sleep(wait.unwrap_or_default());
    wait.is_some()
}

/// How long after `now` a further change of any file shows; `None` if that is too long to wait.
fn unsettled(changes: impl Iterator<Item = Time>, now: Duration) -> Option<Duration> {
    // Of the times in whole seconds the latest counts, and so it does of the finer ones.
    let (coarse, fine): (Vec<Time>, Vec<Time>) = changes.partition(|(_, nanoseconds)| *nanoseconds == 0);
    let wait = |times: Vec<Time>, tick| {
        let settled = times.into_iter().max().map(|time| after(time) + tick);
        settled.map_or(Duration::ZERO, |settled| settled.saturating_sub(now))
    };
    let fine = wait(fine, TICK);
    (wait(coarse, COARSE_TICK).is_zero() && fine <= 2 * TICK).then_some(fine)
}

fn after((seconds, nanoseconds): Time) -> Duration {
    Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds)
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_cannot_be_trusted_are_not() {
        let now = Duration::from_secs(1000);
        for (changed, milliseconds) in [
            // Times in whole seconds are those of a file system that keeps no more.
            ((1000, 0), None),
            ((999, 0), None),
            ((998, 0), Some(0)),
            ((999, 999_999_999), Some(19)),
            ((999, 990_000_000), Some(10)),
            ((999, 1), Some(0)),
            ((1000, 10_000_000), Some(30)),
            // Either the clock was set back, or the file comes from another machine.
            ((1060, 1), None),
            ((-5, 1), Some(0)),
        ] {
            let wait = unsettled([changed].into_iter(), now).map(|wait| wait.as_millis());
            assert_eq!(wait, milliseconds, "{changed:?}");
        }
    }
}
