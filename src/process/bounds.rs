//! Bounds how much a tool may take in: it reads what others send, and they may send without end.
//!
//! The kernel counts what a process reads, sockets and files alike, and how much memory it holds. The files that it
//! writes into a folder are measured there. A tool that passes a bound is ended; the caller removes what it has written
//! until then.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most memory, in bytes, that a tool may hold. skopeo needs a tenth of it for an image of any size.
const MEMORY: u64 = 1 << 30;

/// The most that a tool may take in; see [`Invocation::within`](super::Invocation::within).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes that it may read, files and sockets together.
    read: Option<u64>,
    files: Option<Files>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    folders: Vec<PathBuf>,
    /// The most bytes of the files, the largest first.
    sizes: Vec<u64>,
}

impl Bounds {
    /// Bounds for a tool of which only the memory is bounded.
    pub(crate) fn of_memory() -> Self {
        Self::default()
    }

    /// Bounds the bytes that the tool may read.
    pub(crate) fn of_reading(bytes: u64) -> Self {
        Self { read: Some(bytes), ..Self::default() }
    }

    /// Bounds the files right in these folders by these sizes: the largest file by the largest size, the second by the
    /// second, and so on. This is for files whose sizes are known, while it is not known yet which file is which.
    pub(crate) fn with_files(mut self, folders: Vec<PathBuf>, mut sizes: Vec<u64>) -> Self {
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        self.files = Some(Files { folders, sizes });
        self
    }

    /// True if this process has passed a bound. What the kernel does not count is not bounded.
    pub(super) fn is_passed_by(&self, process: u32) -> bool {
        let process = Path::new("/proc").join(process.to_string());
        self.read.is_some_and(|most| read(&process).is_some_and(|read| read > most))
            || resident(&process).is_some_and(|resident| resident > MEMORY)
            || self.files.as_ref().is_some_and(Files::are_too_large)
    }
}

impl Files {
    fn are_too_large(&self) -> bool {
        // Files are told apart by inode: a file that is moved between folders while they are listed is one file.
        let mut found = BTreeMap::new();
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if let Ok(metadata) = entry.metadata()
                    && metadata.is_file()
                {
                    found.insert(metadata.ino(), metadata.len());
                }
            }
        }
        let mut found: Vec<u64> = found.into_values().filter(|size| *size > 0).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        let sizes = self.sizes.iter().copied().chain(std::iter::repeat(0));
        found.into_iter().zip(sizes).any(|(found, size)| found > size)
    }
}

/// The bytes that a process has read so far.
fn read(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("rchar:")?.trim().parse().ok())
}

/// The bytes of memory that a process holds.
fn resident(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("status")).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    Some(kibibytes.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::super::{Invocation, ProcessError};
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").argument("-c").argument(script)
    }

    #[test]
    fn ends_what_reads_more() {
        let result = shell("exec cat /dev/zero >/dev/null").within(Bounds::of_reading(64 << 20)).capture();
        assert!(matches!(result, Err(ProcessError::TooMuch { .. })), "{result:?}");
        let finished = shell("echo little").within(Bounds::of_reading(64 << 20)).capture().unwrap();
        assert!(finished.status.success());
    }

    #[test]
    fn ends_what_writes_more_than_the_files_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let bounds = |sizes: &[u64]| Bounds::default().with_files(vec![folder.path().to_owned()], sizes.to_vec());
        let endless = shell("exec cat /dev/zero >grows").folder(folder.path());
        let result = endless.within(bounds(&[1 << 20, 5])).capture();
        assert!(matches!(result, Err(ProcessError::TooMuch { .. })), "{result:?}");
        std::fs::write(folder.path().join("grows"), [0; 1000]).unwrap();
        std::fs::write(folder.path().join("other"), [0; 100]).unwrap();
        std::fs::write(folder.path().join("empty"), "").unwrap();
        std::fs::hard_link(folder.path().join("other"), folder.path().join("again")).unwrap();
        for (sizes, passed) in [
            (&[1000, 100][..], false),
            (&[100, 1000], false),
            (&[2000, 99], true),
            (&[999, 999, 999], true),
            (&[1000], true),
        ] {
            assert_eq!(bounds(sizes).is_passed_by(std::process::id()), passed, "{sizes:?}");
        }
    }

    #[test]
    fn ends_what_holds_more_memory() {
        // `tail` looks for the last lines, and keeps everything, since no line ends. The shell's limit counts if ours
        // does not.
        let result = shell("ulimit -v 4000000; exec tail /dev/zero").within(Bounds::of_memory()).capture();
        assert!(matches!(result, Err(ProcessError::TooMuch { .. })), "{result:?}");
    }
}
