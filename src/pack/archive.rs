//! Makes entries of a package that is an archive.

use std::sync::Arc;

use rustix::fs::FileType;

use crate::contents::glob::Globs;
use crate::contents::select::{Selection, Taken};
use crate::contents::{Archive, ArchiveError, Archived, Identity};
use crate::fs::Stamp;
use crate::fs::host::LastLink;
use crate::layer::LayerError;
use crate::layer::tree::{Claim, Entry, Kind};
use crate::manifest::package::{Mode, Owner};
use crate::model::LayerPath;
use crate::pack::host::{Named, kind_of_special};
use crate::pack::package::{LINK_MODE, PackProblem, PackageScan};
use crate::source::{At, Placed};
use crate::tar::{Attributes, MemberKind};

impl PackageScan<'_> {
    /// Adds what the package takes of an archive. The archive is opened only if the store does not know it.
    pub(crate) fn archive(
        &mut self,
        written: &Placed<String>,
        to: &Placed<String>,
        strip: usize,
        problems: &mut Vec<PackProblem>,
    ) -> Result<(), PackProblem> {
        let blame = |error: LayerError| At::new(error, &written.place, "");
        let Some(Named { host, found }) = self.find(written, written, LastLink::Follow)? else { return Ok(()) };
        let shown = self.shown(&host);
        match found.kind() {
            FileType::RegularFile => self.refuse_slash(written, &host)?,
            FileType::Directory => return Err(blame(ArchiveError::NotAnArchive { archive: shown }.into())),
            other => return Err(blame(LayerError::SpecialFile { path: shown, kind: kind_of_special(other) })),
        }
        let root = self.destination_root(to)?;
        let archive = Arc::new(Archive::new(host, Identity::File(Stamp::of(&found.stat)), self.request.store));
        let listing =
            archive.listing(self.request.store, self.request.records, &shown).map_err(|error| blame(error.into()))?;
        let include = Globs::compile(&self.package.include)?;
        let exclude = Globs::compile(&self.package.exclude)?;
        let selection = Selection { strip, include: &include, exclude: &exclude, to: &root };
        match selection.of(&listing, &shown) {
            Ok(taken) if taken.is_empty() && !self.package.optional => {
                return Err(blame(ArchiveError::Nothing { archive: shown }.into()));
            }
            Ok(taken) => self.take(&archive, taken),
            Err(errors) => problems.extend(errors.into_iter().map(|error| blame(error.into()))),
        }
        Ok(())
    }

    /// Adds entries for these members, sorted by path, and for the folders above them that the archive does not have.
    fn take(&mut self, archive: &Arc<Archive>, taken: Vec<Taken<'_>>) {
        let mut last = LayerPath::root();
        for Taken { path, member, has_more_names } in taken {
            // The folders above the last path have their entries already.
            let above = path.folders_above().take_while(|above| !above.is_above(&last));
            self.entries.extend(above.map(|above| Entry::implied(above, self.origin)).collect::<Vec<_>>());
            let (kind, asked) = match &member.kind {
                MemberKind::Folder => (Kind::Folder(Claim::Packed), self.package.folder_mode),
                MemberKind::Link(target) => (Kind::Link(target.0.clone()), Some(LINK_MODE)),
                MemberKind::File { offset, size } => {
                    let (archive, offset, size) = (Arc::clone(archive), *offset, *size);
                    (Kind::Archived(Archived { archive, offset, size, has_more_names }), self.package.mode)
                }
                // The selection has refused members of these kinds.
                MemberKind::HardLink(_) | MemberKind::Sparse | MemberKind::Other(_) => continue,
            };
            let number = |number: u64| u32::try_from(number).unwrap_or_default();
            let own = Owner { uid: number(member.uid), gid: number(member.gid) };
            let mode = asked.unwrap_or(Mode(member.mode));
            let mut entry = Entry::new(path, kind, mode, self.package.owner.unwrap_or(own), self.origin);
            if !member.attributes.is_empty() {
                let pairs = member.attributes.iter().map(|(name, value)| (name.0.clone(), value.0.clone()));
                entry.attributes = Some(Box::new(pairs.collect::<Attributes>()));
            }
            last = entry.path.clone();
            self.entries.push(entry);
        }
    }
}
