//! Makes entries of a package of files of an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contents::Archived;
use crate::contents::glob::{self, Globs, PathGlob};
use crate::contents::image::find::DeadEnd;
use crate::contents::image::{ImageTree, PathKind, PathNode, TakeError};
use crate::layer::tree::{Claim, Entry, Kind, Packed};
use crate::manifest::PackageContent;
use crate::model::{ImageName, LayerPath};
use crate::pack::package::{LINK_MODE, PackProblem, PackageScan};
use crate::source::{At, Placed};
use crate::{sanitize, suggest};

impl PackageScan<'_> {
    /// Adds what the package takes of an image.
    pub(crate) fn image(
        &mut self,
        image: &Placed<ImageName>,
        written: &Placed<String>,
        to: Option<&Placed<String>>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<Packed, PackProblem> {
        let Some(tree) = self.request.images.get(&image.value).map(Arc::clone) else {
            let error = TakeError::Missing { image: image.to_string(), path: sanitize::name(written), help: None };
            return Err(At::new(error.into(), &written.place, ""));
        };
        self.take_of(&tree, written, to, problems)
    }

    /// Adds what a path or glob of an image names.
    pub(crate) fn take_of(
        &mut self,
        tree: &ImageTree,
        written: &Placed<String>,
        to: Option<&Placed<String>>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<Packed, PackProblem> {
        let blame = |error: TakeError| At::new(error.into(), &written.place, "");
        let shown = || sanitize::name(written);
        let selection = match glob::is_pattern(written) {
            true => Some(PathGlob::compile(written)?),
            false => None,
        };
        let path = match &selection {
            Some(selection) => written.clone().map(|_| format!("/{}", selection.folder.trim_matches('/'))),
            None => written.clone(),
        };
        let is_folder = selection.is_some() || path.ends_with('/');
        let asked = self.destination_root(&path)?;
        let found = match tree.stack.find(&asked, is_folder) {
            Ok(found) if !is_folder || tree.stack.is_folder(&found) => found,
            Err(DeadEnd::Missing(_) | DeadEnd::NotAFolder(_)) if self.package.optional => return Ok(Packed::Other),
            _ if selection.is_some() => {
                return Err(blame(TakeError::NoMatch { image: tree.name.clone(), pattern: shown() }));
            }
            dead_end => return Err(blame(tree.missing(&asked, dead_end.err(), ", or set `optional = true`"))),
        };
        if !tree.stack.is_folder(&found) {
            let to = match (to, asked.name()) {
                (Some(to), Some(name)) if to.ends_with('/') => self.destination_root(to)?.join(name),
                (Some(to), _) => self.destination(to)?,
                (None, _) => asked,
            };
            self.add_above(tree, to.parent());
            return self.take_one(tree, &found, to).map_err(blame);
        }
        let root = match to {
            Some(to) => self.destination_root(to)?,
            None => asked,
        };
        match self.take_folder(tree, &found, root, selection.as_ref(), problems)? {
            false if self.package.optional => Ok(Packed::Other),
            false if selection.is_some() => {
                Err(blame(TakeError::NoMatch { image: tree.name.clone(), pattern: shown() }))
            }
            // An empty folder has no content to pack.
            false if !self.package.include.is_empty() => {
                Err(blame(TakeError::Nothing { image: tree.name.clone(), path: shown() }))
            }
            _ => Ok(Packed::Other),
        }
    }

    /// Adds a path that is no folder. The path has no links on the way.
    pub(crate) fn take_one(&mut self, tree: &ImageTree, path: &LayerPath, to: LayerPath) -> Result<Packed, TakeError> {
        let node = &tree.stack.nodes[path];
        match self.add_node(tree, path, node, to) {
            Some(error) => Err(error),
            None if matches!(node.kind, PathKind::File { .. }) => Ok(Packed::Files),
            None => Ok(Packed::Other),
        }
    }

    /// Adds the wanted content of a folder, whose path has no links on the way, and the folders above its new place.
    /// Returns whether it added anything.
    pub(crate) fn take_folder(
        &mut self,
        tree: &ImageTree,
        folder: &LayerPath,
        to: LayerPath,
        selection: Option<&PathGlob>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<bool, PackProblem> {
        let wanted = self.wanted(tree, folder, &to, selection)?;
        let is_any = !wanted.is_empty();
        if is_any {
            // An image has no entry for its root.
            let above = if selection.is_some() || folder.is_root() { Some(to) } else { to.parent() };
            self.add_above(tree, above);
        }
        let mut errors = Vec::new();
        for ((to, path), node) in wanted {
            errors.extend(self.add_node(tree, path, node, to));
        }
        let blame = |error: TakeError| At::new(error.into(), &self.package.place, "");
        problems.extend(gathered(errors).into_iter().map(blame));
        Ok(is_any)
    }

    /// True if the package may hold programs for other architectures without saying so: the image that it takes files
    /// from is for the platform that is built.
    pub(crate) fn is_foreign_fine(&self) -> bool {
        let PackageContent::Image { image, .. } = &self.package.content else { return false };
        self.request.images.get(&image.value).is_some_and(|tree| tree.platform == *self.request.platform)
    }

    /// The content of a folder that is packed, by its path in the layer. A glob may give one path to several files.
    fn wanted<'t>(
        &self,
        tree: &'t ImageTree,
        folder: &LayerPath,
        to: &LayerPath,
        selection: Option<&PathGlob>,
    ) -> Result<BTreeMap<(LayerPath, &'t LayerPath), &'t PathNode>, PackProblem> {
        let include = Globs::compile(&self.package.include)?;
        let exclude = Globs::compile(&self.package.exclude)?;
        let mut wanted = BTreeMap::new();
        let is_all = selection.is_none() && include.is_empty();
        for (path, node) in tree.stack.within(folder) {
            let start = if folder.is_root() { 0 } else { folder.as_bytes().len() + 1 };
            let relative = &path.as_bytes()[start..];
            // The ends of the names of the folders above, and of the whole path.
            let ends = || memchr::memchr_iter(b'/', relative).chain([relative.len()]);
            let matches = |globs: &Globs| !globs.is_empty() && ends().any(|end| globs.matches(&relative[..end]));
            if matches(&exclude) || !(include.is_empty() || matches(&include)) {
                continue;
            }
            // The part of the path that the layer does not have.
            let dropped = match selection {
                None => 0,
                Some(selection) => match ends().find(|end| selection.matches(&relative[..*end])) {
                    None => continue,
                    Some(_) if selection.is_deep => 0,
                    Some(end) => memchr::memrchr(b'/', &relative[..end]).map_or(0, |slash| slash + 1),
                },
            };
            wanted.insert((to.join(&relative[dropped..]), path), node);
            // Where a folder is packed whole, the folders above have been added before.
            let above = path.folders_above().take_while(|above| !is_all && folder.is_above(above));
            for (above, end) in above.zip(memchr::memrchr_iter(b'/', relative).take_while(|end| *end > dropped)) {
                if let Some((path, node)) = tree.stack.nodes.get_key_value(&above) {
                    wanted.insert((to.join(&relative[dropped..end]), path), node);
                }
            }
        }
        if selection.is_none()
            && !to.is_root()
            && (is_all || !wanted.is_empty())
            && let Some((path, node)) = tree.stack.nodes.get_key_value(folder)
        {
            wanted.insert((to.clone(), path), node);
        }
        Ok(wanted)
    }

    /// Adds one path. The error says why it cannot be packed.
    fn add_node(&mut self, tree: &ImageTree, path: &LayerPath, node: &PathNode, to: LayerPath) -> Option<TakeError> {
        let (kind, mode) = match &node.kind {
            PathKind::Folder => (Kind::Folder(Claim::Packed), self.package.folder_mode.unwrap_or(node.mode)),
            PathKind::Link(target) => (Kind::Link(target.clone()), LINK_MODE),
            PathKind::File { layer, offset, size } => {
                let archived = Archived {
                    archive: Arc::clone(&tree.layers[*layer]),
                    offset: *offset,
                    size: *size,
                    has_more_names: tree.stack.linked.contains(&(*layer, *offset)),
                };
                (Kind::Archived(archived), self.package.mode.unwrap_or(node.mode))
            }
            PathKind::Other(what) => {
                let (image, path) = (tree.name.clone(), path.to_string());
                return Some(TakeError::Entry { image, path, what: what.to_string(), more: 0 });
            }
        };
        let owner = self.package.owner.unwrap_or(node.owner);
        let mut entry = Entry::new(to, kind, mode, owner, self.origin);
        entry.attributes.clone_from(&node.attributes);
        self.entries.push(entry);
        None
    }

    /// Adds the folder, and the folders above it, as the image has them. A folder that the image does not have gets the
    /// default mode and owner.
    fn add_above(&mut self, tree: &ImageTree, folder: Option<LayerPath>) {
        let folders = std::iter::successors(folder, LayerPath::parent).take_while(|path| !path.is_root());
        for path in folders {
            let entry = match tree.stack.nodes.get(&path) {
                Some(PathNode { kind: PathKind::Folder, mode, owner, attributes, .. }) => {
                    let kind = Kind::Folder(Claim::AsThere);
                    Entry { attributes: attributes.clone(), ..Entry::new(path, kind, *mode, *owner, self.origin) }
                }
                _ => Entry::implied(path, self.origin),
            };
            self.entries.push(entry);
        }
    }
}

impl ImageTree {
    /// The error for a path that leads to nothing. Its help has the nearest path that exists, or says what else can be
    /// done.
    pub(crate) fn missing(&self, path: &LayerPath, dead_end: Option<DeadEnd>, otherwise: &str) -> TakeError {
        let (image, shown) = (self.name.clone(), path.to_string());
        let help = match dead_end {
            Some(DeadEnd::Loop) => return TakeError::Loop { image, path: shown },
            None => format!("`{path}` is no folder there: write it without the `/` at its end"),
            Some(DeadEnd::NotAFolder(file)) => format!("`{file}` is no folder there"),
            Some(DeadEnd::Missing(missing)) => {
                let near = self.nearest(&missing);
                let near = near.or_else(|| self.stack.nodes.keys().find(|other| other.name() == path.name()).cloned());
                match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("look what is there with `oci run {image} --entrypoint ls -- -a /`{otherwise}"),
                }
            }
        };
        TakeError::Missing { image, path: shown, help: Some(help) }
    }

    /// A path beside a missing path that has nearly its name.
    fn nearest(&self, missing: &LayerPath) -> Option<LayerPath> {
        let folder = missing.parent()?;
        let beside =
            self.stack.within(&folder).map(|(path, _)| path).filter(|path| path.parent().as_ref() == Some(&folder));
        let names: BTreeMap<String, &LayerPath> =
            beside.map(|path| (String::from_utf8_lossy(path.name().unwrap_or_default()).into_owned(), path)).collect();
        let written = String::from_utf8_lossy(missing.name()?).into_owned();
        suggest::nearest(&written, names.keys().map(String::as_str)).map(|near| names[near].clone())
    }
}

/// The first error of each kind, with how many more of that kind there are.
fn gathered(errors: Vec<TakeError>) -> Vec<TakeError> {
    let mut kinds: Vec<TakeError> = Vec::new();
    for error in errors {
        let TakeError::Entry { what, .. } = &error else { continue };
        let same = kinds.iter_mut().find_map(|kind| match kind {
            TakeError::Entry { what: known, more, .. } if known == what => Some(more),
            _ => None,
        });
        match same {
            Some(more) => *more += 1,
            None => kinds.push(error),
        }
    }
    kinds
}
