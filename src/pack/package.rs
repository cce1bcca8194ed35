//! Makes entries of one package: the parts that all forms of packages have in common.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::contents::glob::Globs;
use crate::contents::image::ImageTree;
use crate::layer::LayerError;
use crate::layer::tree::{Claim, Entry, Kind};
use crate::manifest::Package;
use crate::manifest::package::{IgnoreFile, Mode, Owner, expand};
use crate::model::{ImageName, LayerPath, Platform};
use crate::pack::ignore::Ignores;
use crate::pack::made::Made;
use crate::sanitize;
use crate::source::{At, Placed};
use crate::store::Store;

/// Asks for the content of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanRequest<'a> {
    pub(crate) packages: &'a [Package],
    /// The manifest's folder.
    pub(crate) folder: &'a Path,
    /// Globs of what stays out of folder packages, relative to the manifest's folder.
    pub(crate) exclude: &'a [Placed<String>],
    /// Kinds of files whose patterns stay out of folder packages too.
    pub(crate) ignore: &'a [IgnoreFile],
    pub(crate) platform: &'a Platform,
    /// The store has the listings of archives that were read before.
    pub(crate) store: &'a Store,
    /// Listings of archives that are read are recorded in the store.
    pub(crate) records: bool,
    /// Every image that the packages take files from.
    pub(crate) images: &'a BTreeMap<ImageName, Arc<ImageTree>>,
    /// Every target that the packages name.
    pub(crate) targets: &'a Made,
    /// Of a target with several layers, the one to take; `None` for all of them.
    pub(crate) layer: Option<usize>,
}

/// A fault of a package, with the place in `oci.toml` to blame.
pub(crate) type PackProblem = At<LayerError>;

/// One package, and the entries that were made of it so far.
pub(crate) struct PackageScan<'a> {
    pub(crate) request: &'a ScanRequest<'a>,
    pub(crate) package: &'a Package,
    pub(crate) origin: usize,
    pub(crate) project: &'a Globs,
    pub(crate) ignores: &'a Ignores,
    pub(crate) entries: Vec<Entry>,
}

impl<'a> PackageScan<'a> {
    /// `project` and `ignores` say what stays out of every folder package.
    pub(crate) fn new(
        request: &'a ScanRequest<'a>,
        package: &'a Package,
        origin: usize,
        (project, ignores): (&'a Globs, &'a Ignores),
    ) -> Self {
        Self { request, package, origin, project, ignores, entries: Vec::new() }
    }
}

impl PackageScan<'_> {
    /// Adds one entry, and the folders above it.
    pub(crate) fn add(&mut self, path: LayerPath, kind: Kind, default: Mode) {
        let origin = self.origin;
        self.entries.extend(path.folders_above().map(|path| Entry::implied(path, origin)));
        self.push(path, kind, default);
    }

    pub(crate) fn push(&mut self, path: LayerPath, kind: Kind, default: Mode) {
        let asked = match kind {
            Kind::Link(_) => None,
            Kind::Folder(Claim::Packed) => self.package.folder_mode,
            Kind::Folder(_) | Kind::File { .. } | Kind::Text(_) | Kind::Archived(_) => self.package.mode,
        };
        let owner: Owner = self.package.owner.unwrap_or_default();
        self.entries.push(Entry::new(path, kind, asked.unwrap_or(default), owner, self.origin));
    }

    pub(crate) fn expanded(&self, written: &Placed<String>) -> Placed<String> {
        Placed::new(expand(written, self.request.platform), written.place.clone())
    }

    /// The path in the layer of one file. It cannot be the root.
    pub(crate) fn destination(&self, to: &Placed<String>) -> Result<LayerPath, PackProblem> {
        let path = self.destination_root(to)?;
        if path.is_root() {
            return Err(At::new(LayerError::NoDestination { path: "/".to_owned() }, &to.place, "this is the root"));
        }
        Ok(path)
    }

    /// The folder in the layer that several files go into. It may be the root.
    pub(crate) fn destination_root(&self, to: &Placed<String>) -> Result<LayerPath, PackProblem> {
        let path = LayerPath::parse(to.as_bytes())
            .map_err(|source| At::new(LayerError::InvalidPath { path: sanitize::name(to), source }, &to.place, ""))?;
        refuse_reserved(&path).map_err(|error| At::new(error, &to.place, ""))?;
        Ok(path)
    }
}

/// Refuses names that would delete files of lower layers (OCI image spec, "Whiteouts").
pub(crate) fn refuse_reserved(path: &LayerPath) -> Result<(), LayerError> {
    match path.is_reserved() {
        true => Err(LayerError::ReservedName { path: path.to_string() }),
        false => Ok(()),
    }
}

pub(crate) const LINK_MODE: Mode = Mode(0o777);

/// 0755 if the owner may execute it, else 0644: the other bits depend on a umask.
pub(crate) fn file_mode(mode: u32) -> Mode {
    Mode(if mode & 0o100 == 0 { 0o644 } else { 0o755 })
}
