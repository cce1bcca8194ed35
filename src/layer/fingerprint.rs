//! Tells from stats alone whether a layer that was packed before still has what its packages hold.

use sha2::{Digest as _, Sha256};

use crate::contents::Archived;
use crate::fs::stamp;
use crate::layer::Tree;
use crate::layer::tree::{Entry, Kind};
use crate::model::Digest;

/// Counted up whenever `oci` changes so that unchanged packages give other bytes.
pub(crate) const WRITER_VERSION: u32 = 1;

impl Tree {
    /// A key of everything that decides the layer's bytes, as far as stats can tell. For one compression and epoch,
    /// equal keys mean equal bytes, if the tree was settled when it was written. The platform is not part of it: it
    /// decides no bytes, and only refuses programs, see [`ElfMachine`](crate::model::elf::ElfMachine).
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

    /// Waits until any further change of a file would show in its stat. Call it before [`Tree::write`], and record the
    /// layer under its fingerprint only if this returned true.
    ///
    /// Returns false, without a wait, if a file was changed within the last two seconds on a file system that keeps
    /// only seconds, or has a time in the future.
    #[must_use]
    pub(crate) fn settle(&self) -> bool {
        let changes = self.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::File { stamp, .. } => Some(stamp.changed),
            Kind::Archived(archived) => archived.archive.identity.changed(),
            _ => None,
        });
        stamp::settle(changes)
    }
}

/// Everything of an entry that decides the layer's bytes.
pub(crate) fn put_entry(record: &mut Vec<u8>, entry: &Entry, foreign: bool) {
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
            stamp.put(record);
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

fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    record.extend((bytes.len() as u64).to_le_bytes());
    record.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Package;
    use crate::model::Platform;
    use crate::pack::testing::{Project, folder, link, path, text};

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
}
