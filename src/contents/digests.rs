//! What layers hold, path by path, with a digest of each entry. The digest does not cover the entry's time, so that an
//! entry that was seen before is recognised whatever time it has now.
//!
//! [`LayerContents`] is one layer's, read from its blob once. [`stack`] puts the contents of several layers together as
//! an overlay of them shows them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::contents::blob::{BaseLayerError, each_member_of_base};
use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::model::{Digest, RawPath};
use crate::tar::{FoundMember, MemberKind, Stream};

/// What one layer says of the paths that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerContents {
    /// In the order of the tar.
    entries: Vec<(RawPath, Said)>,
}

/// What a layer says of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    /// A folder; the digest is of its mode, owner and attributes.
    Folder(Digest),
    /// Anything else that is there; the digest is of all but its time.
    Other(Digest),
    /// It is deleted.
    Deleted,
    /// It is a folder, and what lower layers have in it is deleted.
    Emptied,
}

/// What several layers show at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The digest of all but its time. A folder's also says which names are in it.
    pub(crate) digest: Digest,
    /// The number of the topmost layer that names it, counted from 0 for the lowest.
    pub(crate) layer: usize,
}

impl LayerContents {
    /// Reads a layer's blob.
    pub(crate) fn read(blob: File, media_type: &str) -> Result<Self, BaseLayerError> {
        let mut entries: Vec<(RawPath, Said)> = Vec::new();
        // The digest of each path, since a hard link has that of the path that it names.
        let mut files: BTreeMap<RawPath, Digest> = BTreeMap::new();
        each_member_of_base(blob, media_type, &mut |stream, found| {
            let path = normal(&found.member.name.0);
            let (folder, name) = split(&path.0);
            if name == OPAQUE.as_bytes() {
                entries.push((RawPath(folder.to_vec()), Said::Emptied));
            } else if let Some(deleted) = name.strip_prefix(WHITEOUT.as_bytes()) {
                entries.push((join(folder, deleted), Said::Deleted));
            } else if let MemberKind::HardLink(target) = &found.member.kind {
                let target = normal(&target.0);
                // A hard link to an unknown path is identified by that path.
                let digest = files.get(&target).copied().unwrap_or_else(|| Digest::of(&target.0));
                entries.push((path, Said::Other(digest)));
            } else {
                let digest = identity(&found, stream)?;
                files.insert(path.clone(), digest);
                let is_folder = found.member.kind == MemberKind::Folder;
                entries.push((path, if is_folder { Said::Folder(digest) } else { Said::Other(digest) }));
            }
            Ok(())
        })?;
        Ok(Self { entries })
    }
}

/// A digest of a member that covers everything but its name and its time.
fn identity(found: &FoundMember, stream: &mut Stream) -> io::Result<Digest> {
    let FoundMember { member, device, .. } = found;
    let mut hasher = Sha256::new();
    let (kind, target) = match &member.kind {
        MemberKind::Folder => (b'd', &[][..]),
        // How a file is kept in the tar makes no difference.
        MemberKind::File { .. } | MemberKind::Sparse => (b'f', &[][..]),
        MemberKind::Link(target) => (b's', &target.0[..]),
        MemberKind::HardLink(target) => (b'h', &target.0[..]),
        MemberKind::Other(kind) => (*kind, &[][..]),
    };
    hasher.update([kind]);
    put(target, &mut hasher);
    hasher.update(member.mode.to_le_bytes());
    hasher.update(member.uid.to_le_bytes());
    hasher.update(member.gid.to_le_bytes());
    hasher.update(device.0.to_le_bytes());
    hasher.update(device.1.to_le_bytes());
    for (name, value) in &member.attributes {
        put(&name.0, &mut hasher);
        put(&value.0, &mut hasher);
    }
    let mut content = Sha256::new();
    found.content(stream, |piece| {
        content.update(piece);
        Ok(())
    })?;
    put(Digest::finish(content).to_string().as_bytes(), &mut hasher);
    Ok(Digest::finish(hasher))
}

fn put(bytes: &[u8], hasher: &mut Sha256) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// What layers, lowest first, show together. Paths that only layers below them name are not known.
pub(crate) fn stack(layers: &[LayerContents]) -> BTreeMap<RawPath, Shown> {
    // `None` stands for a deleted path, which is a change of its folder.
    let mut paths: BTreeMap<RawPath, Option<Shown>> = BTreeMap::new();
    for (layer, contents) in layers.iter().enumerate() {
        // A layer deletes entries of lower layers, never its own.
        for (path, said) in &contents.entries {
            match said {
                Said::Emptied => remove_within(path, &mut paths),
                Said::Deleted => {
                    remove_within(path, &mut paths);
                    paths.insert(path.clone(), None);
                }
                Said::Folder(_) | Said::Other(_) => {}
            }
        }
        for (path, said) in &contents.entries {
            let (Said::Folder(digest) | Said::Other(digest)) = said else { continue };
            if matches!(said, Said::Other(_)) {
                remove_within(path, &mut paths);
            }
            paths.insert(path.clone(), Some(Shown { digest: *digest, layer }));
        }
    }
    let mut folders: BTreeMap<&[u8], Sha256> = BTreeMap::new();
    for (path, shown) in paths.iter().filter(|(path, _)| !path.0.is_empty()) {
        let (folder, name) = split(&path.0);
        let names = folders.entry(folder).or_default();
        put(name, names);
        names.update([u8::from(shown.is_some())]);
    }
    let names: BTreeMap<Vec<u8>, Sha256> =
        folders.into_iter().map(|(folder, names)| (folder.to_vec(), names)).collect();
    let shown = paths.into_iter().filter_map(|(path, shown)| {
        let mut shown = shown?;
        if let Some(names) = names.get(&path.0) {
            let mut hasher = names.clone();
            put(shown.digest.to_string().as_bytes(), &mut hasher);
            shown.digest = Digest::finish(hasher);
        }
        Some((path, shown))
    });
    shown.collect()
}

fn remove_within(folder: &RawPath, paths: &mut BTreeMap<RawPath, Option<Shown>>) {
    // `0` follows `/`, so that this is all that begins with the folder and a slash.
    let bound = |last: u8| match folder.0.is_empty() {
        true => Vec::new(),
        false => [&folder.0[..], &[last]].concat(),
    };
    let from = Bound::Excluded(RawPath(bound(b'/')));
    let to = if folder.0.is_empty() { Bound::Unbounded } else { Bound::Excluded(RawPath(bound(b'0'))) };
    let within: Vec<RawPath> = paths.range((from, to)).map(|(path, _)| path.clone()).collect();
    for path in within {
        paths.remove(&path);
    }
}

/// The path without `.` and doubled slashes.
fn normal(path: &[u8]) -> RawPath {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    RawPath(names.join(&b'/'))
}

/// A path's folder and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn join(folder: &[u8], name: &[u8]) -> RawPath {
    match folder {
        b"" => RawPath(name.to_vec()),
        _ => RawPath([folder, b"/", name].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::blob::blob_of;
    use crate::model::document::media_type;

    /// A layer of files, folders (that end in a slash), links (`name > target`) and hard links (`name = target`).
    fn layer(entries: &[(&str, &str, u64)]) -> LayerContents {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content, time) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(if path.ends_with('/') { 0o755 } else { 0o644 });
            header.set_mtime(*time);
            header.set_uid(0);
            header.set_gid(0);
            let mut put = |kind, path: &str, target: Option<&str>, content: &[u8]| {
                header.set_entry_type(kind);
                header.set_size(content.len() as u64);
                if let Some(target) = target {
                    header.set_link_name(target).unwrap();
                }
                builder.append_data(&mut header, path, content).unwrap();
            };
            match (path.split_once(" > "), path.split_once(" = ")) {
                (Some((path, target)), _) => put(tar::EntryType::Symlink, path, Some(target), b""),
                (_, Some((path, target))) => put(tar::EntryType::Link, path, Some(target), b""),
                _ if path.ends_with('/') => put(tar::EntryType::Directory, path, None, b""),
                _ => put(tar::EntryType::Regular, path, None, content.as_bytes()),
            }
        }
        LayerContents::read(blob_of(&builder.into_inner().unwrap()), media_type::LAYER).unwrap()
    }

    fn paths(layers: &[LayerContents]) -> Vec<(String, usize)> {
        let shown = stack(layers);
        shown.iter().map(|(path, shown)| (String::from_utf8(path.0.clone()).unwrap(), shown.layer)).collect()
    }

    fn digest(layers: &[LayerContents], path: &str) -> Digest {
        stack(layers)[&RawPath(path.into())].digest
    }

    #[test]
    fn layers_show_what_an_overlay_of_them_shows() {
        let low =
            layer(&[("./", "", 1), ("a/", "", 1), ("a/x", "1", 1), ("a/y", "1", 1), ("b/", "", 1), ("b/x", "", 1)]);
        let at = |paths: &[(&str, usize)]| paths.iter().map(|(path, n)| ((*path).to_owned(), *n)).collect::<Vec<_>>();
        let all = [("", 0), ("a", 0), ("a/x", 0), ("a/y", 0), ("b", 0), ("b/x", 0)];
        assert_eq!(paths(std::slice::from_ref(&low)), at(&all));
        let high = layer(&[("a/", "", 1), ("a/.wh.x", "", 1), ("a/y", "2", 1), (".wh.b", "", 1)]);
        assert_eq!(paths(&[low.clone(), high]), at(&[("", 0), ("a", 1), ("a/y", 1)]));
        let opaque = layer(&[("a/", "", 1), ("a/.wh..wh..opq", "", 1), ("a/z", "", 1), ("b", "file", 1)]);
        assert_eq!(paths(&[low.clone(), opaque]), at(&[("", 0), ("a", 1), ("a/z", 1), ("b", 1)]));
        assert_eq!(paths(&[low, layer(&[(".wh..wh..opq", "", 1), ("c", "", 1)])]), at(&[("", 0), ("c", 1)]));
    }

    #[test]
    fn an_entry_is_what_it_is_whatever_its_time() {
        let low = layer(&[("a/", "", 1), ("a/x", "1", 1), ("l > a", "", 1), ("h = a/x", "", 1)]);
        let later = layer(&[("a/", "", 2), ("a/x", "1", 2), ("l > a", "", 2), ("h = a/x", "", 2)]);
        for path in ["a", "a/x", "l", "h"] {
            assert_eq!(digest(std::slice::from_ref(&low), path), digest(std::slice::from_ref(&later), path));
        }
        assert_eq!(digest(std::slice::from_ref(&low), "h"), digest(std::slice::from_ref(&low), "a/x"));
        let other = layer(&[("a/", "", 1), ("a/x", "2", 1), ("l > b", "", 1), ("h = a/x", "", 1)]);
        for path in ["a/x", "l", "h"] {
            assert_ne!(digest(std::slice::from_ref(&low), path), digest(std::slice::from_ref(&other), path));
        }
        // A folder is another when a name comes or goes, and no other when a file in it changes.
        assert_eq!(digest(std::slice::from_ref(&low), "a"), digest(&[low.clone(), other], "a"));
        for change in ["a/y", "a/.wh.base", "a/.wh.x"] {
            let changed = layer(&[(change, "", 1)]);
            assert_ne!(digest(std::slice::from_ref(&low), "a"), digest(&[low.clone(), changed], "a"), "{change}");
        }
    }
}
