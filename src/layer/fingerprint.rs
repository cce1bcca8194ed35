//! Whether a layer that was packed before is still what its packages hold, from stats alone.
//!
//! A file's stat is trusted only if any later change would show in it. The kernel stamps changes with
//! a clock that ticks every few milliseconds, and some file systems keep whole seconds: two changes
//! in one tick look alike. So [`Tree::settle`] waits the tick out before the files are read.

use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::layer::Tree;
use crate::layer::archive::Archived;
use crate::layer::tree::{Entry, Kind, Stamp, Time};
use crate::model::Digest;

/// Counted up whenever the bytes of a layer change for the same packages.
pub(crate) const WRITER_VERSION: u32 = 1;

/// No kernel's clock for files ticks slower than every 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// File systems without nanoseconds keep one second, FAT two.
const COARSE_TICK: Duration = Duration::from_secs(2);

impl Tree {
    /// A key of everything that decides the layer's bytes, as far as stats can tell: equal keys, equal
    /// bytes, for the same compression and epoch, if the tree was settled when it was written. The platform
    /// decides none: it only refuses some, see [`Machine`](super::Machine).
    pub(crate) fn fingerprint(&self) -> Digest {
        let mut hasher = Sha256::new();
        let mut record = Vec::with_capacity(512);
        record.extend(WRITER_VERSION.to_le_bytes());
        let further_names = self.further_names();
        for (index, entry) in self.entries.iter().enumerate() {
            put_entry(&mut record, entry, self.origins[entry.origin].foreign);
            if let Some(first) = further_names.get(&index) {
                record.push(b'h');
                put_bytes(&mut record, self.entries[*first].path.as_bytes());
            }
            hasher.update(&record);
            record.clear();
        }
        hasher.update(&record);
        Digest::finish(hasher)
    }

    /// Waits until any further change of a file would show in its stat; call it before
    /// [`Tree::write`], and record the layer under its fingerprint only if this was true.
    ///
    /// False, without a wait, for what was changed within the last two seconds on a file system
    /// that keeps only seconds, and for times that lie ahead.
    #[must_use]
    pub(crate) fn settle(&self) -> bool {
        let changes = self.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::File { stamp, .. } => Some(stamp.changed),
            Kind::Archived(archived) => archived.archive.identity.changed(),
            _ => None,
        });
        settle(changes)
    }
}

/// As [`Tree::settle`], of files that were changed at these times.
pub(super) fn settle(changes: impl Iterator<Item = Time>) -> bool {
    let wait = unsettled(changes, now());
    std::thread::sleep(wait.unwrap_or_default());
    wait.is_some()
}

/// How long after `now` a further change of any file shows; nothing if that is too long to wait.
fn unsettled(changes: impl Iterator<Item = Time>, now: Duration) -> Option<Duration> {
    // Of the coarse ones the latest counts, and so it does of the fine ones.
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

/// Everything of an entry that decides the layer's bytes.
pub(super) fn put_entry(record: &mut Vec<u8>, entry: &Entry, foreign: bool) {
    put_bytes(record, entry.path.as_bytes());
    for number in [entry.mode.0, entry.owner.uid, entry.owner.gid] {
        record.extend(number.to_le_bytes());
    }
    for (name, value) in entry.attributes.iter().flat_map(|attributes| attributes.iter()) {
        record.push(b'x');
        put_bytes(record, name);
        put_bytes(record, value);
    }
    match &entry.kind {
        Kind::Folder(_) => record.push(b'd'),
        Kind::File { stamp, .. } => {
            record.extend([b'f', u8::from(foreign)]);
            put_stamp(record, stamp);
        }
        Kind::Text(text) => {
            record.push(b't');
            put_bytes(record, text);
        }
        Kind::Link(target) => {
            record.push(b'l');
            put_bytes(record, target);
        }
        Kind::Archived(Archived { archive, offset, size, .. }) => {
            record.extend([b'a', u8::from(foreign)]);
            archive.identity.put(record);
            record.extend(offset.to_le_bytes());
            record.extend(size.to_le_bytes());
        }
    }
}

pub(super) fn put_stamp(record: &mut Vec<u8>, stamp: &Stamp) {
    for number in [stamp.device, stamp.inode, stamp.size] {
        record.extend(number.to_le_bytes());
    }
    for (seconds, nanoseconds) in [stamp.modified, stamp.changed] {
        record.extend(seconds.to_le_bytes());
        record.extend(nanoseconds.to_le_bytes());
    }
}

fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    record.extend((bytes.len() as u64).to_le_bytes());
    record.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::testing::{Project, folder, link, path, text};
    use crate::manifest::Package;
    use crate::model::Platform;

    #[test]
    fn any_difference_shows() {
        let mut project = Project::new(&["p/a", "p/b"]);
        let packages = || vec![path("p"), text("t", "/t"), link("/l", "x"), folder("/f")];
        let key = |project: &Project, packages: &[Package]| project.scan(packages).unwrap().fingerprint();
        let first = key(&project, &packages());
        assert_eq!(key(&project, &packages()), first);
        let mut seen = vec![first];
        let mut differs = |key: Digest| {
            assert!(!seen.contains(&key), "{seen:?}");
            seen.push(key);
        };
        let changes: [fn(&mut Vec<Package>); 8] = [
            |packages| packages[0] = path("p").owned(1, 0),
            |packages| packages[0] = path("p").with_mode(0o600),
            |packages| packages[0].foreign = true,
            |packages| packages[1] = text("u", "/t"),
            |packages| packages[1] = text("t", "/u"),
            |packages| packages[2] = link("/l", "y"),
            |packages| packages[3] = folder("/f").with_mode(0o700),
            |packages| drop(packages.pop()),
        ];
        for change in changes {
            let mut changed = packages();
            change(&mut changed);
            differs(key(&project, &changed));
        }
        project.platform = Platform::parse("linux/arm64").unwrap();
        assert_eq!(key(&project, &packages()), first);
        project.file("p/a", b"longer", 0o644);
        differs(key(&project, &packages()));
        std::fs::rename(project.path("p/a"), project.path("p/c")).unwrap();
        differs(key(&project, &packages()));
    }

    #[test]
    fn an_edit_right_after_settling_shows() {
        let project = Project::new(&["p/a"]);
        for round in 0..20_u8 {
            project.file("p/a", &[round], 0o644);
            let tree = project.scan(&[path("p")]).unwrap();
            assert!(tree.settle());
            // Same size, same inode, as soon as can be, and the modification time put back.
            let before = std::fs::metadata(project.path("p/a")).unwrap().modified().unwrap();
            std::fs::write(project.path("p/a"), [round ^ 0xff]).unwrap();
            std::fs::File::options().write(true).open(project.path("p/a")).unwrap().set_modified(before).unwrap();
            assert_ne!(project.scan(&[path("p")]).unwrap().fingerprint(), tree.fingerprint());
        }
    }

    #[test]
    fn times_that_cannot_be_trusted_are_not() {
        let now = Duration::from_secs(1000);
        for (changed, milliseconds) in [
            // Whole seconds: an old-fashioned file system.
            ((1000, 0), None),
            ((999, 0), None),
            ((998, 0), Some(0)),
            ((999, 999_999_999), Some(19)),
            ((999, 990_000_000), Some(10)),
            ((999, 1), Some(0)),
            ((1000, 10_000_000), Some(30)),
            // The clock was put back, or the file is another machine's.
            ((1060, 1), None),
            ((-5, 1), Some(0)),
        ] {
            let wait = unsettled([changed].into_iter(), now).map(|wait| wait.as_millis());
            assert_eq!(wait, milliseconds, "{changed:?}");
        }
    }
}
