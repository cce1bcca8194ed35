//! Writing to the disk that begins while a file is still being made.
//!
//! A file is whole only once it is on the disk. Left alone, the kernel begins to write it only when a sync is asked
//! for, and then all of it is still to do. If the kernel is asked to write each stretch as soon as it is there, it does
//! so while the next stretches are compressed.

use std::fs::File;
use std::os::fd::AsRawFd;

/// How many bytes are handed over at once: enough for the disk to be quick, and few enough that the last stretch, which
/// the sync waits for, is short.
const STRETCH: u64 = 4 << 20;

/// How much of a growing file the kernel was asked to write.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    written: u64,
    begun: u64,
}

impl WriteBack {
    /// Takes note of `length` more bytes at the end of the file.
    pub(super) fn wrote(&mut self, file: &File, length: usize) {
        self.written += length as u64;
        if self.written - self.begun >= STRETCH {
            begin(file, self.begun, self.written - self.begun);
            self.begun = self.written;
        }
    }
}

/// Asks the kernel to begin. The request is only advice, so a failure of it is ignored.
fn begin(file: &File, start: u64, length: u64) {
    let (start, length) = (start.cast_signed(), length.cast_signed());
    // SAFETY: it takes numbers alone, and the descriptor is open as long as `file` is.
    unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_stretches_are_handed_over_whatever_the_file_is() {
        for file in [tempfile::tempfile().unwrap(), File::open("/dev/null").unwrap()] {
            let mut write_back = WriteBack::default();
            for (length, begun) in [(STRETCH - 1, 0), (1, STRETCH), (3 * STRETCH, 4 * STRETCH), (1, 4 * STRETCH)] {
                write_back.wrote(&file, usize::try_from(length).unwrap());
                assert_eq!(write_back.begun, begun);
            }
        }
    }
}
