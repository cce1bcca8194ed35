//! Reduces an upper folder to the layer, or a copy to the image, and lists the entries of the layer.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};

use crate::capture::attributes::{self, Noted};
use crate::capture::below::{LowerEntry, LowerFolders, is_whiteout, same_content};
use crate::capture::{CaptureError, CaptureRequest, CapturedEntry, Kind, failed, shown};
use crate::model::layer_path::{OPAQUE, WHITEOUT};

/// The permission bits, with set-uid, set-gid and sticky.
const MODE: u32 = 0o7777;
const SET_GROUP: u32 = 0o2000;
/// The mode of a folder that the runtime made.
const MADE_FOLDER: u32 = 0o755;

/// Removes from the upper folder what is no change, and returns the changes in the order of the layer. In a copy,
/// unchanged files stay.
pub(super) fn settle(request: &CaptureRequest<'_>) -> Result<Vec<CapturedEntry>, CaptureError> {
    let made = request.made.iter().map(|path| path.as_os_str().as_bytes()).collect();
    let given = request.times.iter().map(|(path, time)| (&path.0[..], *time)).collect();
    let mut walk = Walk { request, made, given, entries: Vec::new(), links: BTreeMap::new() };
    let below = LowerFolders::roots(request.lowers, request.is_namespaced);
    let root = walk.look(b"", request.upper)?;
    let (mode, uid, gid) = (root.metadata.mode() & MODE, root.metadata.uid(), root.metadata.gid());
    if (mode, uid, gid) != request.root {
        let entry = walk.entry(&root, Kind::Folder, b"./".to_vec());
        walk.entries.push(entry);
    }
    walk.inside(&root, &below, true)?;
    Ok(walk.entries)
}

struct Walk<'a> {
    request: &'a CaptureRequest<'a>,
    made: BTreeSet<&'a [u8]>,
    given: BTreeMap<&'a [u8], i64>,
    entries: Vec<CapturedEntry>,
    /// The first name of each file that has several, by device and inode.
    links: BTreeMap<(u64, u64), Vec<u8>>,
}

/// Something in the upper folder.
struct UpperEntry {
    /// The path relative to the root.
    name: Vec<u8>,
    path: std::path::PathBuf,
    metadata: Metadata,
    attributes: Noted,
}

impl UpperEntry {
    fn owner(&self) -> (u32, u32) {
        self.attributes.noted_owner.unwrap_or((self.metadata.uid(), self.metadata.gid()))
    }

    fn fail(&self, verb: &str) -> impl Fn(io::Error) -> CaptureError {
        move |error| failed(verb, &self.name, &error)
    }
}

impl Walk<'_> {
    fn look(&self, name: &[u8], path: &Path) -> Result<UpperEntry, CaptureError> {
        let look = || Ok((path.symlink_metadata()?, attributes::read(path, self.request.is_namespaced)?));
        let (metadata, attributes) = look().map_err(|error: io::Error| failed("read", name, &error))?;
        let mut found = UpperEntry { name: name.to_vec(), path: path.to_owned(), metadata, attributes };
        if !self.request.has_noted_owners {
            found.attributes.noted_owner = None;
        }
        Ok(found)
    }

    /// Adds the entries in a folder: the deletions first, then the others, each by name. A folder is in place if
    /// neither it nor a folder above it was renamed since the copy was complete.
    fn inside(&mut self, folder: &UpperEntry, below: &LowerFolders, is_in_place: bool) -> Result<(), CaptureError> {
        let names = || -> io::Result<BTreeSet<OsString>> {
            std::fs::read_dir(&folder.path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
        };
        let names = names().map_err(folder.fail("read"))?;
        if self.request.copied.is_some() {
            for name in below.names().map_err(folder.fail("look below"))?.difference(&names) {
                self.entries.push(self.mark_deleted(&folder.name, name));
            }
        }
        let mut held = Vec::new();
        for name in names {
            let path = join(&folder.name, name.as_bytes());
            if name.as_bytes().starts_with(WHITEOUT.as_bytes()) {
                return Err(CaptureError::ReservedName { path: shown(&path) });
            }
            let shown = below.look(&name).map_err(|error| failed("look below", &path, &error))?;
            if is_in_place && self.is_untouched(&folder.path.join(&name), shown.as_ref()) {
                continue;
            }
            let found = self.look(&path, &folder.path.join(&name))?;
            if is_whiteout(&found.metadata) {
                self.deleted(&found, shown.is_some(), &folder.name, &name)?;
            } else {
                held.push((found, shown));
            }
        }
        for (found, shown) in held {
            self.owner_is_known(&found, shown.as_ref(), folder)?;
            match found.metadata.is_dir() {
                true => self.folder(&found, shown.as_ref(), below, is_in_place)?,
                false => self.file(&found, shown.as_ref())?,
            }
        }
        Ok(())
    }

    fn deleted(&mut self, found: &UpperEntry, is_below: bool, folder: &[u8], name: &OsStr) -> Result<(), CaptureError> {
        if is_below {
            self.entries.push(self.mark_deleted(folder, name));
        }
        match is_below && self.request.copied.is_none() {
            true => Ok(()),
            false => std::fs::remove_file(&found.path).map_err(found.fail("remove")),
        }
    }

    fn folder(
        &mut self,
        found: &UpperEntry,
        shown: Option<&LowerEntry>,
        around: &LowerFolders,
        is_in_place: bool,
    ) -> Result<(), CaptureError> {
        let first = self.entries.len();
        let name = [&found.name[..], b"/"].concat();
        self.entries.push(self.entry(found, Kind::Folder, name));
        let shown = shown.filter(|shown| shown.metadata.is_dir());
        let hides = shown.is_some() && self.is_in_place_of_another(found);
        if hides {
            self.entries.push(self.mark(join(&found.name, OPAQUE.as_bytes())));
        }
        let nothing = around.nothing();
        let below = match shown {
            Some(shown) if !hides => &shown.folders,
            _ => &nothing,
        };
        self.inside(found, below, is_in_place && self.is_of_before(&found.metadata))?;
        let is_bare = self.entries.len() == first + 1;
        if !is_bare || !self.is_no_change(found, shown)? {
            return self.set_time(found, (self.request.shown, 0));
        }
        self.entries.truncate(first);
        match shown {
            Some(shown) if self.request.copied.is_some() => self.set_time(found, moment(&shown.metadata)),
            _ => std::fs::remove_dir(&found.path).map_err(found.fail("remove")),
        }
    }

    fn file(&mut self, found: &UpperEntry, shown: Option<&LowerEntry>) -> Result<(), CaptureError> {
        let kind = found.metadata.file_type();
        // A socket is useless without its program, and no tar can hold one.
        let is_no_change = !kind.is_socket() && self.is_no_change(found, shown)?;
        if is_no_change && let Some(shown) = shown.filter(|_| self.request.copied.is_some()) {
            return self.set_time(found, moment(&shown.metadata));
        }
        if is_no_change || kind.is_socket() {
            return std::fs::remove_file(&found.path).map_err(found.fail("remove"));
        }
        let device = (rustix::fs::major(found.metadata.rdev()), rustix::fs::minor(found.metadata.rdev()));
        let kind = if kind.is_symlink() {
            let target = std::fs::read_link(&found.path).map_err(found.fail("read"))?;
            Kind::SymbolicLink(target.into_os_string().into_encoded_bytes())
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_char_device() {
            Kind::Character(device.0, device.1)
        } else if kind.is_block_device() {
            Kind::Block(device.0, device.1)
        } else if found.metadata.nlink() > 1 {
            match self.links.get(&(found.metadata.dev(), found.metadata.ino())) {
                Some(first) => Kind::HardLink(first.clone()),
                None => {
                    self.links.insert((found.metadata.dev(), found.metadata.ino()), found.name.clone());
                    Kind::File(found.metadata.len())
                }
            }
        } else {
            Kind::File(found.metadata.len())
        };
        self.entries.push(self.entry(found, kind, found.name.clone()));
        self.set_time(found, (self.request.shown, 0))
    }

    /// Whether a file of a copy is unchanged by its times, owner, mode and size alone. Only files in folders that are
    /// in place are asked for; others have to be compared.
    fn is_untouched(&self, path: &Path, shown: Option<&LowerEntry>) -> bool {
        let (Some(shown), Ok(new)) = (shown, path.symlink_metadata()) else { return false };
        let looks = |of: &Metadata| (of.mode(), of.len(), of.uid(), of.gid(), of.mtime(), of.mtime_nsec());
        !new.is_dir() && self.is_of_before(&new) && looks(&new) == looks(&shown.metadata)
    }

    /// Whether a file, or its name, changed last before the copy was complete.
    fn is_of_before(&self, metadata: &Metadata) -> bool {
        self.request.copied.is_some_and(|copied| (metadata.ctime(), metadata.ctime_nsec()) < copied)
    }

    /// Whether the folder replaces a folder below it, and hides what that holds. On a file system without creation
    /// times this is never so for a copy: what the other folder held then counts as deleted, which has an equal effect.
    fn is_in_place_of_another(&self, found: &UpperEntry) -> bool {
        let Some((seconds, nanoseconds)) = self.request.copied else { return found.attributes.is_opaque };
        let born = found.metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born = born.and_then(|born| Some((i64::try_from(born.as_secs()).ok()?, i64::from(born.subsec_nanos()))));
        born.is_some_and(|born| born > (seconds, nanoseconds))
    }

    /// Whether an entry is equal to the entry below it, or is as the runtime made it. Times are not compared: a file
    /// that was only touched is unchanged.
    fn is_no_change(&self, found: &UpperEntry, shown: Option<&LowerEntry>) -> Result<bool, CaptureError> {
        let (new, owner) = (&found.metadata, found.owner());
        let Some(shown) = shown else {
            let is_made = self.made.contains(&found.name[..]) && found.attributes.kept.is_empty() && owner == (0, 0);
            return Ok(is_made
                && match new.is_dir() {
                    true => new.mode() & MODE == MADE_FOLDER,
                    false => new.is_file() && new.len() == 0,
                });
        };
        let old = &shown.metadata;
        if new.mode() != old.mode() || new.nlink() > 1 && !new.is_dir() {
            return Ok(false);
        }
        let same = || -> io::Result<bool> {
            let Noted { kept, noted_owner, .. } = attributes::read(&shown.path, self.request.is_namespaced)?;
            let noted_owner = noted_owner.filter(|_| self.request.has_noted_owners);
            if kept != found.attributes.kept || owner != noted_owner.unwrap_or((old.uid(), old.gid())) {
                return Ok(false);
            }
            Ok(match new.file_type() {
                kind if kind.is_dir() => true,
                kind if kind.is_symlink() => std::fs::read_link(&found.path)? == std::fs::read_link(&shown.path)?,
                kind if kind.is_file() => new.len() == old.len() && same_content(&found.path, &shown.path)?,
                _ => new.rdev() == old.rdev(),
            })
        };
        same().map_err(found.fail("compare"))
    }

    /// Returns an error if the owner of an entry was lost. Where the user has one ID only, owners are noted in an
    /// attribute. A file that was written anew has no such note, and neither has a new file in a folder that passes its
    /// group on.
    fn owner_is_known(
        &self,
        found: &UpperEntry,
        shown: Option<&LowerEntry>,
        folder: &UpperEntry,
    ) -> Result<(), CaptureError> {
        if !self.request.has_noted_owners || found.attributes.noted_owner.is_some() {
            return Ok(());
        }
        let lost = |(user, group)| CaptureError::LostOwner { path: super::shown(&found.name), user, group };
        match shown {
            Some(shown) => {
                let noted = attributes::read(&shown.path, true).map_err(found.fail("look below"))?.noted_owner;
                noted.filter(|owner| *owner != (0, 0)).map_or(Ok(()), |owner| Err(lost(owner)))
            }
            None => match folder.owner() {
                (_, group) if folder.metadata.mode() & SET_GROUP != 0 && group != 0 => Err(lost((0, group))),
                _ => Ok(()),
            },
        }
    }

    fn entry(&self, found: &UpperEntry, kind: Kind, name: Vec<u8>) -> CapturedEntry {
        let (uid, gid) = found.owner();
        let (seconds, epoch) = (found.metadata.mtime(), self.request.epoch);
        let is_given = self.given.get(&found.name[..]) == Some(&seconds);
        CapturedEntry {
            name,
            kind,
            mode: found.metadata.mode() & MODE,
            uid,
            gid,
            modified: if is_given { epoch } else { seconds.min(epoch) },
            attributes: found.attributes.kept.clone(),
        }
    }

    fn mark_deleted(&self, folder: &[u8], name: &OsStr) -> CapturedEntry {
        self.mark(join(folder, &[WHITEOUT.as_bytes(), name.as_bytes()].concat()))
    }

    fn mark(&self, name: Vec<u8>) -> CapturedEntry {
        let attributes = BTreeMap::new();
        CapturedEntry { name, kind: Kind::Mark, mode: 0, uid: 0, gid: 0, modified: self.request.epoch, attributes }
    }

    /// Sets the time of an entry, in seconds and nanoseconds.
    fn set_time(&self, found: &UpperEntry, modified: (i64, i64)) -> Result<(), CaptureError> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: modified.0, tv_nsec: modified.1 },
        };
        let set = rustix::fs::utimensat(CWD, &found.path, &times, AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(|error| found.fail("set the time of")(error.into()))
    }
}

fn moment(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"" => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    }
}
