//! Removes what a layer deletes of the layers below it (OCI image spec, "Whiteouts").
//!
//! The place of a whiteout in the layer does not matter: whiteouts are judged by the layers below. Links of those
//! layers are followed on the way to a deleted path, except links that this layer deletes or replaces: what is below
//! such a path is in this layer alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::contents::image::apply::normal;
use crate::contents::image::{LayerStack, PathKind, PathNode};
use crate::model::LayerPath;
use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::tar::Listing;

/// A whiteout: the folder that it is in, and the name that it deletes there; `None` stands for all names.
type Whiteout = (LayerPath, Option<Vec<u8>>);

impl LayerStack {
    /// Removes what the layer deletes, and returns it by path.
    pub(crate) fn remove_whited_out(&mut self, listing: &Listing) -> BTreeMap<LayerPath, PathNode> {
        let mut gone = BTreeMap::new();
        let mut whiteouts: Vec<Whiteout> = Vec::new();
        for member in &listing.0 {
            whiteouts.extend(whiteout(&normal(&member.name)));
        }
        if whiteouts.is_empty() {
            return gone;
        }
        // Whiteouts are taken by depth, so that none is looked for in a folder that is deleted.
        whiteouts.sort_by_cached_key(|(folder, name)| (folder.components().count(), folder.clone(), name.clone()));
        whiteouts.dedup();
        let replaced = self.replaced(listing, &whiteouts);
        for (folder, name) in whiteouts {
            let Ok(folder) = self.find_past(&folder, true, &replaced) else { continue };
            if !self.is_folder(&folder) {
                continue;
            }
            match name {
                None => self.clear(&folder, &mut gone),
                Some(name) => {
                    let path = folder.join(&name);
                    self.clear(&path, &mut gone);
                    gone.extend(self.nodes.remove_entry(&path));
                }
            }
        }
        gone
    }

    /// The links of the layers below that this layer deletes or replaces.
    fn replaced(&self, listing: &Listing, whiteouts: &[Whiteout]) -> BTreeSet<LayerPath> {
        let whited = whiteouts.iter().filter_map(|(folder, name)| Some((folder.clone(), name.clone()?)));
        let mut given: Vec<(LayerPath, Vec<u8>)> = whited.collect();
        for member in &listing.0 {
            let path = normal(&member.name);
            if let (Some(name), Some(folder)) = (path.name(), path.parent())
                && !path.components().any(|name| name.starts_with(WHITEOUT.as_bytes()))
            {
                given.push((folder, name.to_vec()));
            }
        }
        given.sort_by_cached_key(|(folder, _)| folder.components().count());
        let mut replaced = BTreeSet::new();
        for (folder, name) in given {
            if let Ok(folder) = self.find_past(&folder, true, &replaced) {
                let path = folder.join(&name);
                if matches!(self.nodes.get(&path), Some(PathNode { kind: PathKind::Link(_), .. })) {
                    replaced.insert(path);
                }
            }
        }
        replaced
    }
}

/// What the path deletes, if it is a whiteout. The names that AUFS kept for itself, and names that are none,
/// delete nothing.
fn whiteout(path: &LayerPath) -> Option<Whiteout> {
    let (name, folder) = (path.name()?, path.parent()?);
    let deleted = name.strip_prefix(WHITEOUT.as_bytes())?;
    if folder.components().any(|name| name.starts_with(WHITEOUT.as_bytes())) {
        return None;
    }
    if name == OPAQUE.as_bytes() {
        return Some((folder, None));
    }
    let is_name = !matches!(deleted, b"" | b"." | b"..") && !deleted.starts_with(WHITEOUT.as_bytes());
    is_name.then(|| (folder, Some(deleted.to_vec())))
}
