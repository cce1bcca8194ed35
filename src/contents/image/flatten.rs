//! Writes all layers of an image as one plain tar that every tool reads alike: each path once, folders before what is
//! in them, no whiteout, no link on the way to a path, and no kind of entry that only some tools know.
//!
//! umoci gets this tar in place of the layers if it would refuse the layers or misread them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use miette::Diagnostic;
use sha2::{Digest as _, Sha256};

use crate::contents::each_member;
use crate::contents::image::stack::Other;
use crate::contents::image::{LayerStack, PathKind, PathNode};
use crate::model::{DiffId, Digest, LayerPath};
use crate::sanitize;
use crate::tar::record::{END, padding};
use crate::tar::{Attributes, FoundMember, Listing, MemberKind, Record, RecordKind, Stream};

/// A layer's blob, which has to be what its digest says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) digest: Digest,
    pub(crate) diff_id: DiffId,
}

/// Whether a user and a group can own files where the layers are unpacked to.
pub(crate) type Owners<'a> = &'a dyn Fn(u32, u32) -> bool;

/// Why layers are not made one tar. Paths are those in the image.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum FlattenError {
    #[error("could not read the layer `{digest}`")]
    #[diagnostic(code(oci::rootfs::unreadable_layer), help("the image is damaged where it was made: choose another"))]
    Unreadable { digest: Digest, source: io::Error },
    #[error("the layer `{digest}` is another one once it is uncompressed than the image's configuration says")]
    #[diagnostic(code(oci::rootfs::wrong_diff_id), help("the image is damaged where it was made: choose another"))]
    DiffId { digest: Digest },
    #[error("`{path}` is {what}, which no container engine unpacks")]
    #[diagnostic(code(oci::rootfs::bad_entry), help("the image is damaged where it was made: choose another"))]
    Entry { path: String, what: String },
    #[error("the symbolic links on the way to `{path}` lead back to themselves")]
    #[diagnostic(code(oci::rootfs::link_loop), help("the image is damaged where it was made: choose another"))]
    Loop { path: String },
    #[error("`{path}` belongs to {user}:{group}, and the subordinate IDs of this user do not reach that far")]
    #[diagnostic(code(oci::rootfs::owner_beyond_ids))]
    Owner {
        path: String,
        user: u32,
        group: u32,
        #[help]
        help: String,
    },
    #[error("could not write what the layers make together")]
    #[diagnostic(code(oci::rootfs::unwritten), help("make room on the disk of the cache"))]
    Output(#[source] io::Error),
}

/// Writes the tar of all layers, lowest first, and gives its digest and its size in bytes.
///
/// On an error the content of `out` is incomplete and must be thrown away.
pub(crate) fn flatten(
    layers: &[LayerFile<'_>],
    owners: Owners<'_>,
    out: &mut impl Write,
) -> Result<(Digest, u64), FlattenError> {
    let mut stack = LayerStack::default();
    let mut times = Vec::new();
    for layer in layers {
        let (listing, modified) = list(layer)?;
        stack.apply(listing).map_err(|path| FlattenError::Loop { path: path.to_string() })?;
        times.push(modified);
    }
    check(&stack, owners)?;
    let mut names: BTreeMap<(u32, u32), Vec<&LayerPath>> = BTreeMap::new();
    for (path, node) in &stack.nodes {
        if let (Some(given_by), false) = (node.given_by, matches!(node.kind, PathKind::Folder)) {
            names.entry(given_by).or_default().push(path);
        }
    }
    let mut tar = Tar { out, hasher: Sha256::new(), size: 0, header: Vec::new() };
    let root = LayerPath::root();
    let folders = stack.nodes.iter().filter(|(_, node)| matches!(node.kind, PathKind::Folder));
    for (path, node) in stack.root.iter().map(|node| (&root, node)).chain(folders) {
        let time = |(layer, member): (u32, u32)| times.get(layer as usize)?.get(member as usize).copied();
        tar.folder(path, node, node.given_by.and_then(time).unwrap_or(0)).map_err(FlattenError::Output)?;
    }
    for (number, layer) in layers.iter().enumerate() {
        let wanted = |member: u32| names.get(&(u32::try_from(number).ok()?, member));
        let mut unwritten = None;
        let mut member = 0;
        let read = open(layer).and_then(|blob| {
            each_member(blob, &mut |stream, found| {
                let paths = wanted(member);
                member += 1;
                match paths {
                    Some(paths) => tar.member(&stack, paths, &found, stream, &mut unwritten),
                    None => Ok(()),
                }
            })
        });
        match (read, unwritten) {
            (_, Some(error)) => return Err(FlattenError::Output(error)),
            (read, None) => drop(read.map_err(|source| unreadable(layer, source))?),
        }
    }
    tar.put(&END).map_err(FlattenError::Output)?;
    Ok((Digest::finish(tar.hasher), tar.size))
}

/// All that a layer holds, and the time of each of its members. It is an error if the layer does not have its diff ID.
fn list(layer: &LayerFile<'_>) -> Result<(Listing, Vec<i64>), FlattenError> {
    let (mut members, mut modified) = (Vec::new(), Vec::new());
    let read = open(layer).and_then(|blob| {
        each_member(blob, &mut |_, found| {
            members.push(found.member);
            modified.push(found.modified);
            Ok(())
        })
    });
    let plain = read.map_err(|source| unreadable(layer, source))?;
    match plain.unwrap_or(layer.digest) == layer.diff_id.0 {
        true => Ok((Listing(members), modified)),
        false => Err(FlattenError::DiffId { digest: layer.digest }),
    }
}

/// Refuses what cannot be unpacked.
fn check(stack: &LayerStack, owners: Owners<'_>) -> Result<(), FlattenError> {
    let mut beyond: Option<(&LayerPath, u32, u32)> = None;
    let mut needed = 0;
    for (path, node) in &stack.nodes {
        if let PathKind::Other(what @ (Other::Owner | Other::EmptyLink | Other::HardLink | Other::Unknown)) = &node.kind
        {
            return Err(FlattenError::Entry { path: shown(path), what: what.to_string() });
        }
        let (user, group) = (node.owner.uid, node.owner.gid);
        if !owners(user, group) {
            beyond = beyond.or(Some((path, user, group)));
            needed = needed.max(user).max(group);
        }
    }
    match beyond {
        None => Ok(()),
        Some((path, user, group)) => {
            Err(FlattenError::Owner { path: shown(path), user, group, help: more_ids(needed) })
        }
    }
}

/// How to get subordinate IDs up to this one.
fn more_ids(needed: u32) -> String {
    /// Above what systems give by themselves.
    const FIRST: u32 = 1 << 24;
    match FIRST.checked_add(needed) {
        Some(last) => format!(
            "give yourself a range of {needed} of them with `sudo usermod --add-subuids {FIRST}-{last} --add-subgids {FIRST}-{last} $USER`, and see `oci doctor`; or run `oci` as root"
        ),
        None => "no range of subordinate IDs is that long: run `oci` as root, or choose another image".to_owned(),
    }
}

fn shown(path: &LayerPath) -> String {
    sanitize::name(&path.to_string())
}

fn open(layer: &LayerFile<'_>) -> io::Result<File> {
    File::open(layer.path)
}

fn unreadable(layer: &LayerFile<'_>, source: io::Error) -> FlattenError {
    FlattenError::Unreadable { digest: layer.digest, source }
}

/// The tar that is being written.
struct Tar<'a, W> {
    out: &'a mut W,
    hasher: Sha256,
    size: u64,
    header: Vec<u8>,
}

impl<W: Write> Tar<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut header = std::mem::take(&mut self.header);
        header.clear();
        record.put(&mut header);
        let put = self.put(&header);
        self.header = header;
        put
    }

    fn folder(&mut self, path: &LayerPath, node: &PathNode, modified: i64) -> io::Result<()> {
        let name = if path.is_root() { b"./".to_vec() } else { [path.as_bytes(), b"/"].concat() };
        let nothing = Attributes::new();
        let attributes = node.attributes.as_deref().unwrap_or(&nothing);
        let (kind, mode) = (RecordKind::Folder, node.mode.0);
        self.record(&Record { name: &name, kind, mode, uid: node.owner.uid, gid: node.owner.gid, modified, attributes })
    }

    /// Writes a member that has these names, with its content from the stream. What could not be written is
    /// `unwritten`.
    fn member(
        &mut self,
        stack: &LayerStack,
        paths: &[&LayerPath],
        found: &FoundMember,
        stream: &mut Stream,
        unwritten: &mut Option<io::Error>,
    ) -> io::Result<()> {
        let Some((first, others)) = paths.split_first() else { return Ok(()) };
        let node = &stack.nodes[*first];
        let (major, minor) = found.device;
        let kind = match (&found.member.kind, found.size()) {
            (_, Some(size)) => RecordKind::File(size),
            (MemberKind::Link(target), _) => RecordKind::SymbolicLink(&target.0),
            (MemberKind::Other(b'3'), _) => RecordKind::CharacterDevice(major, minor),
            (MemberKind::Other(b'4'), _) => RecordKind::BlockDevice(major, minor),
            (MemberKind::Other(b'6'), _) => RecordKind::Fifo,
            _ => return Ok(()),
        };
        let nothing = Attributes::new();
        let attributes = node.attributes.as_deref().unwrap_or(&nothing);
        let record = |name, kind| Record {
            name,
            kind,
            mode: node.mode.0,
            uid: node.owner.uid,
            gid: node.owner.gid,
            modified: found.modified,
            attributes,
        };
        let mut note = |written: io::Result<()>| {
            written.map_err(|error| {
                *unwritten = Some(error);
                io::Error::from(io::ErrorKind::WriteZero)
            })
        };
        note(self.record(&record(first.as_bytes(), kind)))?;
        if let RecordKind::File(size) = kind {
            found.content(stream, |piece| note(self.put(piece)))?;
            note(self.put(&END[..padding(size)]))?;
        }
        for other in others {
            note(self.record(&record(other.as_bytes(), RecordKind::HardLink(first.as_bytes()))))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../../tests/tools/sparse.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;
    use crate::contents::image::tests::tar;

    /// The layers made one, by path: kind, mode, owner, time, link and content.
    pub(super) type Flat = BTreeMap<String, (u8, u32, u64, u64, Option<String>, Vec<u8>)>;

    pub(super) fn flat(tars: &[Vec<u8>], owners: Owners<'_>) -> Result<Flat, FlattenError> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..tars.len()).map(|number| folder.path().join(number.to_string())).collect();
        let mut layers = Vec::new();
        for (tar, path) in tars.iter().zip(&paths) {
            // Of a compressed one the plain bytes are hashed.
            let blob = zstd::encode_all(&tar[..], 1).unwrap();
            std::fs::write(path, &blob).unwrap();
            layers.push(LayerFile { path, digest: Digest::of(&blob), diff_id: DiffId(Digest::of(tar)) });
        }
        let mut out = Vec::new();
        let (digest, size) = flatten(&layers, owners, &mut out)?;
        assert_eq!((digest, size), (Digest::of(&out), out.len() as u64));
        let mut flat = Flat::new();
        for entry in ::tar::Archive::new(&out[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let (mut content, path) = (Vec::new(), String::from_utf8(entry.path_bytes().into_owned()).unwrap());
            entry.read_to_end(&mut content).unwrap();
            let link = entry.link_name_bytes().map(|name| String::from_utf8(name.into_owned()).unwrap());
            let header = entry.header();
            let (mode, uid, time) = (header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap());
            let about = (header.entry_type().as_byte(), mode, uid, time, link, content);
            assert_eq!(flat.insert(path, about), None);
        }
        Ok(flat)
    }

    #[test]
    fn every_path_is_there_once_as_it_is_in_the_end() {
        let below = tar(&[
            ('5', "./", ""),
            ('5', "a/", ""),
            ('0', "a/x", "x"),
            ('1', "a/y", "a/x"),
            ('0', "a/gone", "gone"),
            ('2', "l", "a"),
            ('3', "null", ""),
            ('6', "pipe", ""),
        ]);
        let above = tar(&[('0', "l/z", "z"), ('0', "a/.wh.gone", ""), ('0', "b/c", "c"), ('0', "a/x", "new")]);
        let found = flat(&[below, above], &|_, _| true).unwrap();
        let kinds: Vec<(&str, char)> = found.iter().map(|(path, about)| (path.as_str(), char::from(about.0))).collect();
        let expected = [
            ("./", '5'),
            ("a/", '5'),
            ("a/x", '0'),
            ("a/y", '0'),
            ("a/z", '0'),
            ("b/", '5'),
            ("b/c", '0'),
            ("l", '2'),
            ("null", '3'),
            ("pipe", '6'),
        ];
        assert_eq!(kinds, expected);
        assert_eq!((&found["a/x"].5[..], &found["a/y"].5[..]), (&b"new"[..], &b"x"[..]));
        assert_eq!((found["a/"].1, found["a/"].2, found["b/"].1, found["b/"].2), (0o750, 10, 0o755, 0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let file = |parts| flat(&[tar(parts)], &|user, _| user < 10).unwrap_err().to_string();
        assert_eq!(file(&[('1', "a", "b")]), "`/a` is a hard link to nothing, which no container engine unpacks");
        assert_eq!(
            file(&[('2', "a", "a"), ('0', "a/b", "")]),
            "the symbolic links on the way to `/a` lead back to themselves"
        );
        let owner = file(&[('5', "a/", "")]);
        assert_eq!(owner, "`/a` belongs to 10:20, and the subordinate IDs of this user do not reach that far");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        for (bytes, expected) in [(&b"no tar"[..], "could not read"), (&tar(&[]), "is another one once")] {
            std::fs::write(&path, bytes).unwrap();
            let layer = LayerFile { path: &path, digest: Digest::of(bytes), diff_id: DiffId(Digest::of(b"other")) };
            let error = flatten(&[layer], &|_, _| true, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(more_ids(u32::MAX).contains("no range"));
    }

    #[test]
    fn every_error_is_told_with_a_next_step() {
        let (digest, path) = (Digest::of(b""), || "/t/a".to_owned());
        let errors = [
            FlattenError::Unreadable { digest, source: io::ErrorKind::UnexpectedEof.into() },
            FlattenError::DiffId { digest },
            FlattenError::Entry { path: path(), what: Other::HardLink.to_string() },
            FlattenError::Loop { path: path() },
            FlattenError::Owner { path: path(), user: 7_000_000, group: 0, help: more_ids(7_000_000) },
            FlattenError::Output(io::ErrorKind::StorageFull.into()),
        ];
        let text: String = errors.iter().map(|error| format!("{}\n", crate::diagnostic::rendered(error))).collect();
        insta::assert_snapshot!(text);
    }
}
