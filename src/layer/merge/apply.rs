//! One layer put on top of others (OCI image spec, "Applying Changesets").

use crate::layer::OPAQUE;
use crate::layer::archive::{Bytes, Listing, Member, MemberKind};
use crate::layer::capture::WHITEOUT;
use crate::layer::merge::find::Lost;
use crate::layer::merge::{ImageTree, Node, NodeKind, TakeError};
use crate::layer::path::LayerPath;
use crate::layer::tree::{Attributes, folder_mode};
use crate::manifest::package::{Mode, Owner};

impl ImageTree {
    /// Puts the layer that was added last on top of what is there.
    pub(super) fn apply(&mut self, listing: Listing) -> Result<(), TakeError> {
        // What a layer deletes is of the layers below it, wherever in the layer that is said.
        for member in &listing.0 {
            self.delete(&normal(&member.name));
        }
        for member in listing.0 {
            self.put(member)?;
        }
        Ok(())
    }

    fn delete(&mut self, path: &LayerPath) {
        let (Some(name), Some(folder)) = (path.name(), path.parent()) else { return };
        let Some(deleted) = name.strip_prefix(WHITEOUT.as_bytes()) else { return };
        let Ok(folder) = self.find(&folder, true) else { return };
        if name == OPAQUE.as_bytes() {
            self.clear(&folder);
        } else if !deleted.is_empty() && !deleted.starts_with(WHITEOUT.as_bytes()) {
            let path = folder.join(deleted);
            self.clear(&path);
            self.nodes.remove(&path);
        }
    }

    /// Removes what is in a folder.
    fn clear(&mut self, folder: &LayerPath) {
        let within: Vec<LayerPath> = self.within(folder).map(|(path, _)| path.clone()).collect();
        for path in within {
            self.nodes.remove(&path);
        }
    }

    fn put(&mut self, member: Member) -> Result<(), TakeError> {
        let path = normal(&member.name);
        let (Some(name), Some(folder)) = (path.name(), path.parent()) else { return Ok(()) };
        if path.components().any(|name| name.starts_with(WHITEOUT.as_bytes())) {
            return Ok(());
        }
        let path = self.make_folder(folder)?.join(name);
        let node = match &member.kind {
            MemberKind::HardLink(target) => match self.find(&normal(target), false) {
                // A file that was packed twice is a link to itself, and stays as it is.
                Ok(target) if target == path => return Ok(()),
                Ok(target) => self.second_name(&target),
                Err(_) => None,
            },
            _ => None,
        };
        let node = node.unwrap_or_else(|| Node::of(member, self.layers.len() - 1));
        if !matches!(node.kind, NodeKind::Folder) {
            self.clear(&path);
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Another name of what is at a path, which is no folder.
    fn second_name(&mut self, path: &LayerPath) -> Option<Node> {
        let node = self.nodes.get(path)?;
        match node.kind {
            NodeKind::Folder => return None,
            NodeKind::File { layer, offset, .. } => drop(self.linked.insert((layer, offset))),
            NodeKind::Link(_) | NodeKind::Other(_) => {}
        }
        self.nodes.get(path).cloned()
    }

    /// The folder that a path leads to, made where there is none: what no layer says is as tools make it.
    fn make_folder(&mut self, path: LayerPath) -> Result<LayerPath, TakeError> {
        if path.is_root() || matches!(self.nodes.get(&path), Some(Node { kind: NodeKind::Folder, .. })) {
            return Ok(path);
        }
        loop {
            let missing = match self.find(&path, true) {
                Ok(found) if self.is_folder(&found) => return Ok(found),
                Ok(found) | Err(Lost::Missing(found) | Lost::NotAFolder(found)) => found,
                Err(Lost::Loop) => return Err(TakeError::Loop { image: self.name.clone(), path: path.to_string() }),
            };
            self.nodes.insert(missing.clone(), Node::folder(&missing));
        }
    }
}

impl Node {
    fn folder(path: &LayerPath) -> Self {
        Self { kind: NodeKind::Folder, mode: folder_mode(path), owner: Owner::default(), attributes: None }
    }

    fn of(member: Member, layer: usize) -> Self {
        let number = |number: u64| u32::try_from(number).ok().filter(|number| *number != u32::MAX);
        let owner = number(member.uid).zip(number(member.gid)).map(|(uid, gid)| Owner { uid, gid });
        let overlay =
            |name: &Bytes| [&b"trusted.overlay."[..], b"user.overlay."].iter().any(|start| name.0.starts_with(start));
        let unknown = |name: &Bytes| name.0.starts_with(b"SCHILY.acl.") || name.0.is_empty() || name.0.contains(&0);
        let refused = member.attributes.keys().find(|name| overlay(name) || unknown(name));
        let kind = match member.kind {
            _ if owner.is_none() => NodeKind::Other("of an owner beyond what there is".to_owned()),
            _ if refused.is_some() => NodeKind::Other("kept with attributes that only one tool understands".to_owned()),
            MemberKind::Folder => NodeKind::Folder,
            MemberKind::File { offset, size } => NodeKind::File { layer, offset, size },
            MemberKind::Link(target) if target.0.is_empty() || target.0.contains(&0) => {
                NodeKind::Other("a symbolic link to nothing".to_owned())
            }
            MemberKind::Link(target) => NodeKind::Link(target.0),
            MemberKind::HardLink(_) => NodeKind::Other("a hard link to nothing".to_owned()),
            MemberKind::Sparse => NodeKind::Other("kept as a sparse file".to_owned()),
            MemberKind::Other(b'3') => NodeKind::Other("a character device".to_owned()),
            MemberKind::Other(b'4') => NodeKind::Other("a block device".to_owned()),
            MemberKind::Other(b'6') => NodeKind::Other("a FIFO".to_owned()),
            MemberKind::Other(_) => NodeKind::Other("of a kind that only the tool that made it knows".to_owned()),
        };
        let attributes: Attributes = member.attributes.into_iter().map(|(name, value)| (name.0, value.0)).collect();
        let attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
        Self { kind, mode: Mode(member.mode), owner: owner.unwrap_or_default(), attributes }
    }
}

/// The path that a name means: what climbs above the root stays there.
fn normal(name: &Bytes) -> LayerPath {
    name.0.split(|byte| *byte == b'/').fold(LayerPath::root(), |path, name| match name {
        b"" | b"." => path,
        b".." => path.parent().unwrap_or(path),
        name => path.join(name),
    })
}
