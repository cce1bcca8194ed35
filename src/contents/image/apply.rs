//! Puts one layer on top of others (OCI image spec, "Applying Changesets").
//!
//! Whiteouts come first, wherever they are in the layer ([`whiteouts`](super::whiteouts)). The other members count in
//! their order, as for tar: of two members with one path the later one counts, and a member below a link goes where the
//! link leads at that time.

use std::collections::BTreeMap;

use crate::contents::image::find::DeadEnd;
use crate::contents::image::stack::Other;
use crate::contents::image::{LayerStack, PathKind, PathNode};
use crate::manifest::package::{Mode, Owner};
use crate::model::LayerPath;
use crate::model::layer_path::WHITEOUT;
use crate::model::overlay::is_of_overlay;
use crate::tar::{Attributes, Bytes, Listing, Member, MemberKind};

impl LayerStack {
    /// Puts a layer on top of what is there. The error is a path whose links lead back to themselves.
    pub(crate) fn apply(&mut self, listing: Listing) -> Result<(), LayerPath> {
        let gone = self.remove_whited_out(&listing);
        for (number, member) in listing.0.into_iter().enumerate() {
            self.put(member, number, &gone)?;
        }
        self.height += 1;
        Ok(())
    }

    /// Removes what is in a folder, and notes it in `gone`.
    pub(crate) fn clear(&mut self, folder: &LayerPath, gone: &mut BTreeMap<LayerPath, PathNode>) {
        let within: Vec<LayerPath> = self.within(folder).map(|(path, _)| path.clone()).collect();
        gone.extend(within.into_iter().filter_map(|path| self.nodes.remove_entry(&path)));
    }

    fn put(&mut self, member: Member, number: usize, gone: &BTreeMap<LayerPath, PathNode>) -> Result<(), LayerPath> {
        let path = normal(&member.name);
        if path.components().any(|name| name.starts_with(WHITEOUT.as_bytes())) {
            return Ok(());
        }
        let given_by = u32::try_from(self.height).ok().zip(u32::try_from(number).ok());
        let (Some(name), Some(folder)) = (path.name(), path.parent()) else {
            if member.kind == MemberKind::Folder {
                self.root = Some(PathNode::of(member, self.height, given_by));
            }
            return Ok(());
        };
        let path = self.make_folder(folder)?.join(name);
        let node = match &member.kind {
            MemberKind::HardLink(target) => {
                let target = normal(target);
                match self.find(&target, false) {
                    // A file that was packed twice is a link to itself, and stays as it is.
                    Ok(target) if target == path => return Ok(()),
                    Ok(target) => self.second_name(self.nodes.get(&target).cloned()),
                    // The layer deletes it, and what is there before it is deleted may get another name.
                    Err(_) => self.second_name(gone.get(&target).cloned()),
                }
            }
            _ => None,
        };
        let node = node.unwrap_or_else(|| PathNode::of(member, self.height, given_by));
        if !matches!(node.kind, PathKind::Folder) {
            self.clear(&path, &mut BTreeMap::new());
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Notes that a file gets another name, and gives what is there under that; a folder gets none.
    fn second_name(&mut self, node: Option<PathNode>) -> Option<PathNode> {
        let node = node?;
        match node.kind {
            PathKind::Folder => return None,
            PathKind::File { layer, offset, .. } => drop(self.linked.insert((layer, offset))),
            PathKind::Link(_) | PathKind::Other(_) => {}
        }
        Some(node)
    }

    /// The folder that a path leads to. It is made if it is missing, with the mode and owner that tools give it.
    fn make_folder(&mut self, path: LayerPath) -> Result<LayerPath, LayerPath> {
        if path.is_root() || matches!(self.nodes.get(&path), Some(PathNode { kind: PathKind::Folder, .. })) {
            return Ok(path);
        }
        loop {
            let missing = match self.find(&path, true) {
                Ok(found) if self.is_folder(&found) => return Ok(found),
                Ok(found) | Err(DeadEnd::Missing(found) | DeadEnd::NotAFolder(found)) => found,
                Err(DeadEnd::Loop) => return Err(path),
            };
            self.nodes.insert(missing, PathNode::implied());
        }
    }
}

impl PathNode {
    /// A folder that no layer has an entry for.
    fn implied() -> Self {
        let (mode, owner) = (Mode(0o755), Owner::default());
        Self { kind: PathKind::Folder, mode, owner, attributes: None, given_by: None }
    }

    fn of(member: Member, layer: usize, given_by: Option<(u32, u32)>) -> Self {
        let number = |number: u64| u32::try_from(number).ok().filter(|number| *number != u32::MAX);
        let owner = number(member.uid).zip(number(member.gid)).map(|(uid, gid)| Owner { uid, gid });
        // Access control lists count for no engine.
        let is_list = |name: &Bytes| name.0.starts_with(b"SCHILY.acl.");
        let is_refused = |name: &Bytes| is_of_overlay(&name.0) || name.0.is_empty() || name.0.contains(&0);
        let kind = match member.kind {
            _ if owner.is_none() => PathKind::Other(Other::Owner),
            // A folder is kept without its attributes, so that what is in it can be found.
            MemberKind::Folder => PathKind::Folder,
            MemberKind::HardLink(_) => PathKind::Other(Other::HardLink),
            _ if member.attributes.keys().any(is_refused) => PathKind::Other(Other::Attributes),
            MemberKind::File { offset, size } => PathKind::File { layer, offset, size },
            MemberKind::Link(target) if target.0.is_empty() || target.0.contains(&0) => {
                PathKind::Other(Other::EmptyLink)
            }
            MemberKind::Link(target) => PathKind::Link(target.0),
            MemberKind::Sparse => PathKind::Other(Other::Sparse),
            MemberKind::Other(b'3') => PathKind::Other(Other::CharacterDevice),
            MemberKind::Other(b'4') => PathKind::Other(Other::BlockDevice),
            MemberKind::Other(b'6') => PathKind::Other(Other::Fifo),
            MemberKind::Other(_) => PathKind::Other(Other::Unknown),
        };
        let kept = member.attributes.into_iter().filter(|(name, _)| !is_list(name) && !is_refused(name));
        let attributes: Attributes = kept.map(|(name, value)| (name.0, value.0)).collect();
        let attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
        Self { kind, mode: Mode(member.mode), owner: owner.unwrap_or_default(), attributes, given_by }
    }
}

/// The path that a name means. A `..` above the root stays at the root.
pub(crate) fn normal(name: &Bytes) -> LayerPath {
    name.0.split(|byte| *byte == b'/').fold(LayerPath::root(), |path, name| match name {
        b"" | b"." => path,
        b".." => path.parent().unwrap_or(path),
        name => path.join(name),
    })
}
