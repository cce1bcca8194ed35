//! Which of an archive's members go into a layer, and where to.
//!
//! Members mean what they mean to tar: of two members with one name the later one counts, and a hard link is another
//! name of the member that had the target's name at that time.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use crate::contents::error::{ArchiveError, Fault};
use crate::contents::glob::Globs;
use crate::model::LayerPath;
use crate::model::layer_path::PathError;
use crate::model::overlay::is_of_overlay;
use crate::sanitize;
use crate::tar::{Bytes, Listing, Member, MemberKind};

/// What a package takes of an archive.
pub(crate) struct Selection<'a> {
    /// How many leading folders are dropped. A member whose name has no more parts is left out.
    pub(crate) strip: usize,
    /// Globs of the paths that are left then.
    pub(crate) include: &'a Globs,
    pub(crate) exclude: &'a Globs,
    /// Where the archive's root goes.
    pub(crate) to: &'a LayerPath,
}

/// One path of the layer.
pub(crate) struct Taken<'a> {
    pub(crate) path: LayerPath,
    /// What it is: for a hard link the file that it is a name of.
    pub(crate) member: &'a Member,
    /// The file has several names in the archive.
    pub(crate) has_more_names: bool,
}

/// A path of the archive.
#[derive(Clone, Copy)]
struct Name {
    /// The member that gave the path, and the member that the path stands for. They differ only for a hard link.
    given_by: usize,
    member: usize,
}

impl Selection<'_> {
    /// What goes in, sorted by path. The errors are one for each kind of fault.
    pub(crate) fn of<'a>(&self, listing: &'a Listing, archive: &str) -> Result<Vec<Taken<'a>>, Vec<ArchiveError>> {
        let mut faults = Faults { archive, found: Vec::new() };
        let (names, linked) = self.names(listing, &mut faults);
        let mut wanted = BTreeSet::new();
        let mut climbed = None;
        for (path, name) in names.iter().filter(|(path, _)| self.selects(path)) {
            wanted.insert(path);
            let parent = path.parent();
            if parent.is_some() && parent == climbed {
                continue;
            }
            // Folders that the archive has above it go in too, as they are there.
            let is_fine = path.folders_above().chain([LayerPath::root()]).all(|above| {
                let Some((above, folder)) = names.get_key_value(&above) else { return true };
                let is_folder = listing.0[folder.member].kind == MemberKind::Folder;
                if is_folder {
                    wanted.insert(above);
                } else {
                    faults.add(&listing.0[name.given_by].name, Fault::Below(shown(above.as_bytes())));
                }
                is_folder
            });
            climbed = parent.filter(|_| is_fine);
        }
        let mut taken = Vec::with_capacity(wanted.len());
        for path in wanted {
            let name = names[path];
            let member = &listing.0[name.member];
            let to = if path.is_root() { self.to.clone() } else { self.to.join(path.as_bytes()) };
            if let Some(fault) = fault(member, &to) {
                faults.add(&listing.0[name.given_by].name, fault);
            }
            // The root of a layer has no entry; the folder that the archive goes to may have one.
            if !to.is_root() {
                taken.push(Taken { path: to, member, has_more_names: linked[name.member] });
            }
        }
        if faults.found.is_empty() { Ok(taken) } else { Err(faults.into_errors()) }
    }

    /// Every path with leading folders dropped, and which members have several names.
    fn names(&self, listing: &Listing, faults: &mut Faults<'_>) -> (BTreeMap<LayerPath, Name>, Vec<bool>) {
        let mut names: BTreeMap<LayerPath, Name> = BTreeMap::new();
        let mut linked = vec![false; listing.0.len()];
        for (index, member) in listing.0.iter().enumerate() {
            let path = match absolute(&member.name) {
                Ok(path) if path.is_root() && member.kind != MemberKind::Folder => {
                    faults.add(&member.name, Fault::Name);
                    continue;
                }
                Ok(path) => path,
                Err(fault) => {
                    faults.add(&member.name, fault);
                    continue;
                }
            };
            let name = match &member.kind {
                MemberKind::HardLink(target) => {
                    let target = absolute(target).ok();
                    // A file that was packed twice is a link to itself, and stays as it is.
                    if target.as_ref() == Some(&path) && names.contains_key(&path) {
                        continue;
                    }
                    match target.and_then(|target| names.get(&target)).map(|name| name.member) {
                        Some(first) if listing.0[first].kind != MemberKind::Folder => {
                            linked[first] = true;
                            Name { given_by: index, member: first }
                        }
                        _ => Name { given_by: index, member: index },
                    }
                }
                _ => Name { given_by: index, member: index },
            };
            names.insert(path, name);
        }
        if self.strip == 0 {
            return (names, linked);
        }
        let mut stripped: BTreeMap<LayerPath, Name> = BTreeMap::new();
        for (path, name) in names {
            let is_folder = listing.0[name.member].kind == MemberKind::Folder;
            let count = path.components().count();
            // A folder all of whose name is dropped is the root of what is left.
            if count < self.strip || (count == self.strip && !is_folder) {
                continue;
            }
            let rest = path.components().skip(self.strip).fold(LayerPath::root(), |path, name| path.join(name));
            match stripped.entry(rest) {
                Slot::Vacant(slot) => drop(slot.insert(name)),
                Slot::Occupied(mut slot) if slot.get().given_by < name.given_by => drop(slot.insert(name)),
                Slot::Occupied(_) => {}
            }
        }
        (stripped, linked)
    }

    /// Whether the patterns take the path: one that matches a folder stands for all in it.
    fn selects(&self, path: &LayerPath) -> bool {
        let matches = |globs: &Globs| {
            let paths = || std::iter::once(path.clone()).chain(path.folders_above());
            !globs.is_empty() && paths().any(|path| globs.matches(path.as_bytes()))
        };
        (self.include.is_empty() || matches(self.include)) && !matches(self.exclude)
    }
}

/// The path that a name means: GNU tar drops a leading `/`, and so it is done here.
fn absolute(name: &Bytes) -> Result<LayerPath, Fault> {
    LayerPath::parse(&[b"/", &name.0[..]].concat()).map_err(|error| match error {
        PathError::Parent => Fault::Parent,
        PathError::Relative | PathError::Nul => Fault::Name,
    })
}

/// Why the member cannot be in a layer.
fn fault(member: &Member, path: &LayerPath) -> Option<Fault> {
    // The greatest number of all means "leave it as it is" to the kernel.
    let is_owner = |number: u64| number < u64::from(u32::MAX);
    let attribute = member.attributes.keys().find(|name| is_refused(&name.0));
    match &member.kind {
        _ if path.is_reserved() => Some(Fault::Whiteout),
        MemberKind::Other(kind) => Some(Fault::Special(kind_of(*kind))),
        MemberKind::Sparse => Some(Fault::Sparse),
        MemberKind::HardLink(target) => Some(Fault::HardLink(shown(&target.0))),
        MemberKind::Link(target) if target.0.is_empty() || target.0.contains(&0) => Some(Fault::EmptyLink),
        _ if !is_owner(member.uid) || !is_owner(member.gid) => Some(Fault::Owner),
        _ => attribute.map(|name| Fault::Attribute(shown(&name.0))),
    }
}

/// True for attributes that cannot be packed: access control lists, without which a mode would grant more than it
/// should, and attributes that would change how an engine's overlay works.
fn is_refused(attribute: &[u8]) -> bool {
    let is_list = attribute.starts_with(b"system.") || attribute.starts_with(b"SCHILY.acl.");
    attribute.is_empty() || attribute.contains(&0) || is_list || is_of_overlay(attribute)
}

fn kind_of(kind: u8) -> &'static str {
    match kind {
        b'3' => "character device",
        b'4' => "block device",
        b'6' => "FIFO",
        _ => "kind of entry that only the tar that made it knows",
    }
}

fn shown(name: &[u8]) -> String {
    sanitize::name(&String::from_utf8_lossy(name))
}

/// Faults of entries, gathered so that each kind is reported once.
struct Faults<'a> {
    archive: &'a str,
    found: Vec<(Fault, String, usize)>,
}

impl Faults<'_> {
    fn add(&mut self, entry: &Bytes, fault: Fault) {
        let is_same = |known: &Fault| match fault {
            Fault::Special(_) => *known == fault,
            _ => discriminant(known) == discriminant(&fault),
        };
        match self.found.iter_mut().find(|(known, ..)| is_same(known)) {
            Some((_, _, more)) => *more += 1,
            None => self.found.push((fault, shown(&entry.0), 0)),
        }
    }

    fn into_errors(self) -> Vec<ArchiveError> {
        let error = |(fault, entry, more)| ArchiveError::Entry { archive: self.archive.to_owned(), entry, more, fault };
        self.found.into_iter().map(error).collect()
    }
}
