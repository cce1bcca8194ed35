//! Folders of the base that a build changes without having been asked to.
//!
//! The folders above a package's files need entries, and mostly it is not known what they are like in the base. If it
//! is known, because the base was read for its links, a difference gets a warning.

use std::collections::BTreeSet;
use std::fmt;

use crate::contents::BaseLinks;
use crate::contents::links::Rights;
use crate::layer::Tree;
use crate::layer::tree::{Claim, Kind};
use crate::model::LayerPath;

/// A folder whose mode or owner differs from the base's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    path: LayerPath,
    here: String,
    base: String,
}

impl Difference {
    /// Every folder of the layers whose mode or owner differs from the base's. Folders that a `folder` package declares
    /// are left out.
    pub(crate) fn all<'a>(trees: impl Iterator<Item = &'a Tree> + Clone, base: &BaseLinks) -> BTreeSet<Self> {
        let folders = |tree: &'a Tree| {
            tree.entries.iter().filter_map(|entry| match entry.kind {
                Kind::Folder(claim) => Some((claim, entry)),
                _ => None,
            })
        };
        let all = trees.clone().flat_map(folders);
        let declared: BTreeSet<&LayerPath> =
            all.filter(|(claim, _)| *claim == Claim::Declared).map(|(_, entry)| &entry.path).collect();
        let undeclared =
            trees.flat_map(folders).map(|(_, entry)| entry).filter(|entry| !declared.contains(&entry.path));
        let differing = undeclared.filter_map(|entry| {
            let (uid, gid) = (u64::from(entry.owner.uid), u64::from(entry.owner.gid));
            let here = Rights { mode: entry.mode.0, uid, gid };
            let base = base.rights(&entry.path).filter(|base| *base != here)?;
            Some(Self { path: entry.path.clone(), here: shown(here), base: shown(base) })
        });
        differing.collect()
    }
}

fn shown(rights: Rights) -> String {
    format!("{:04o} of {}:{}", rights.mode, rights.uid, rights.gid)
}

/// The message says what to write to keep the base's mode and owner; that also shows how to change them.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, here, base } = self;
        let (mode, owner) = base.split_once(" of ").unwrap_or((base, ""));
        write!(
            formatter,
            "`{path}` becomes {here}, and in the base it is {base}; to keep that, add the package \
             `{{ folder = \"{path}\", mode = \"{mode}\", owner = \"{owner}\" }}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::LayerLinks;
    use crate::contents::blob::blob_of;
    use crate::manifest::Package;
    use crate::model::document::media_type;
    use crate::pack::testing::{Project, folder, path_to, text};

    fn base() -> BaseLinks {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, mode, gid) in [("srv", 0o755, 0), ("var", 0o755, 0), ("var/local", 0o2775, 50), ("root", 0o755, 0)] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(gid);
            header.set_size(0);
            builder.append_data(&mut header, name, &[][..]).unwrap();
        }
        BaseLinks::stack([&LayerLinks::read(blob_of(&builder.into_inner().unwrap()), media_type::LAYER).unwrap()])
    }

    #[test]
    fn only_what_is_known_and_not_asked_for() {
        let project = Project::new(&["web/x"]);
        let told = |packages: &[Package]| -> Vec<String> {
            let trees: Vec<Tree> =
                packages.iter().map(|package| project.scan(std::slice::from_ref(package)).unwrap()).collect();
            Difference::all(trees.iter(), &base()).iter().map(ToString::to_string).collect()
        };
        let local = "`/var/local` becomes 0755 of 0:0, and in the base it is 2775 of 0:50; to keep that, add the package \
                     `{ folder = \"/var/local\", mode = \"2775\", owner = \"0:50\" }`";
        assert_eq!(told(&[text("t", "/var/local/t"), text("u", "/var/local/u")]), [local]);
        assert_eq!(told(&[text("t", "/var/log/t"), path_to("web", "/srv"), text("t", "/srv/t")]), [""; 0]);
        assert_eq!(told(&[path_to("web", "/srv").owned(33, 33)]).len(), 1);
        assert_eq!(told(&[text("t", "/root/t")]).len(), 1);
        assert_eq!(told(&[text("t", "/var/local/t"), folder("/var/local").with_mode(0o700)]), [""; 0]);
    }
}
