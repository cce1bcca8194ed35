//! Counts how many bytes of an activity have passed so far.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far an activity is. The working threads add to it, and the reporter reads it now and then.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    total: OnceLock<u64>,
    /// Bytes that a tool writes are seen in the folder that it fills.
    folder: OnceLock<PathBuf>,
}

impl Meter {
    /// How many bytes it will be in the end.
    pub(crate) fn expect(&self, total: u64) {
        let _ = self.total.set(total);
    }

    /// Counts the files in a folder and below it.
    pub(crate) fn watch(&self, folder: &Path) {
        let _ = self.folder.set(folder.to_owned());
    }

    /// Counts what is written to `out`.
    pub(crate) fn counting<W: Write>(&self, out: W) -> Counting<'_, W> {
        Counting { meter: self, out }
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.total.get().copied()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.folder.get().map_or_else(|| self.bytes.load(Ordering::Relaxed), |folder| size(folder))
    }
}

/// Files that vanish meanwhile are not counted.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { size(&entry.path()) } else { metadata.len() })
    });
    sizes.sum()
}

/// A writer whose bytes are counted.
pub(crate) struct Counting<'a, W> {
    meter: &'a Meter,
    out: W,
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.meter.bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_written_and_what_a_folder_holds() {
        let meter = Meter::default();
        let mut out = Vec::new();
        meter.counting(&mut out).write_all(b"12345").unwrap();
        assert_eq!((meter.bytes(), meter.total(), out.len()), (5, None, 5));
        let folder = tempfile::tempdir().unwrap();
        meter.expect(100);
        meter.watch(folder.path());
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/a"), b"1234567").unwrap();
        std::fs::write(folder.path().join("b"), b"1").unwrap();
        assert_eq!((meter.bytes(), meter.total()), (8, Some(100)));
        meter.watch(&folder.path().join("nothing"));
        drop(folder);
        assert_eq!(meter.bytes(), 0);
    }
}
