//! Makes the layer that a step mounts of an image. It is unpacked, and is in no image.

use std::sync::Arc;

use crate::contents::glob::Globs;
use crate::contents::image::ImageTree;
use crate::layer::tree::{Entry, PackageOrigin, Packed};
use crate::layer::{LayerError, Tree};
use crate::manifest::{Package, PackageContent};
use crate::model::LayerPath;
use crate::pack::ScanRequest;
use crate::pack::ignore::Ignores;
use crate::pack::package::{PackProblem, PackageScan};
use crate::sanitize;
use crate::source::{At, Placed};

impl Tree {
    /// The path of the file or folder in the tree of a mount.
    pub(crate) const MOUNTED: &str = "mounted";

    /// The tree of one file or folder of an image. It is never a link, which would lead out of the image on this
    /// machine. The error is the first problem.
    pub(crate) fn mounted(
        request: &ScanRequest<'_>,
        image: &Arc<ImageTree>,
        path: &Placed<String>,
    ) -> Result<Self, PackProblem> {
        let blame = |error: LayerError| At::new(error, &path.place, "");
        let asked = LayerPath::parse(path.as_bytes())
            .map_err(|source| blame(LayerError::InvalidPath { path: sanitize::name(path), source }))?;
        let found =
            image.stack.find(&asked, true).map_err(|lost| blame(image.missing(&asked, Some(lost), "").into()))?;
        let package = Package::new(path.place.clone(), PackageContent::Path { path: path.clone(), to: None });
        let (globs, ignores) = (Globs::default(), Ignores::default());
        let mut scan = PackageScan::new(request, &package, 0, (&globs, &ignores));
        let to = LayerPath::root().join(Self::MOUNTED.as_bytes());
        let mut problems = Vec::new();
        if image.stack.is_folder(&found) {
            // The root of an image has no entry.
            scan.entries.push(Entry::implied(to.clone(), 0));
            scan.take_folder(image, &found, to, None, &mut problems)?;
        } else {
            scan.take_one(image, &found, to).map_err(|error| blame(error.into()))?;
        }
        let origin = PackageOrigin { place: path.place.clone(), foreign: true, packed: Packed::Other, follows: false };
        let tree = Self {
            entries: scan.entries,
            origins: vec![origin],
            platform: request.platform.clone(),
            folder: request.folder.to_owned(),
        };
        let (tree, conflicts) = tree.assemble();
        match problems.into_iter().chain(conflicts).next() {
            Some(problem) => Err(problem),
            None => Ok(tree),
        }
    }
}
