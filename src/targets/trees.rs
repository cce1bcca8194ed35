//! The files of a target as trees: what decides it, what its commands work on, and what they leave.

use std::collections::BTreeMap;
use std::io::Write;

use crate::compress::{CompressError, WrittenLayer};
use crate::layer::{LayerError, Tree, WriteError, WriteOptions};
use crate::manifest::Package;
use crate::manifest::package::IgnoreFile;
use crate::model::Compression;
use crate::pack::ScanRequest;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::kind::Making;

/// What leaves files out of folders, besides a package's own keys.
#[derive(Clone, Copy, Default)]
pub(super) struct LeftOut<'a> {
    /// Globs relative to the manifest's folder.
    pub(super) exclude: &'a [Placed<String>],
    pub(super) ignore: &'a [IgnoreFile],
}

impl Making<'_> {
    /// What leaves files out of every folder that the project packs.
    pub(super) fn left_out(&self) -> LeftOut<'_> {
        let project = &self.targets.manifest.project;
        LeftOut { exclude: &project.exclude, ignore: project.ignore_files.as_deref().unwrap_or_default() }
    }

    /// The tree of some packages. No file is opened.
    pub(super) fn scan(&self, packages: &[Package], left_out: LeftOut<'_>) -> Result<Tree, Vec<At<LayerError>>> {
        Tree::scan(&ScanRequest {
            packages,
            folder: &self.targets.manifest.folder,
            exclude: left_out.exclude,
            ignore: left_out.ignore,
            platform: self.request.platform,
            store: self.targets.store,
            records: false,
            images: &BTreeMap::new(),
            targets: &BTreeMap::new(),
            layer: None,
        })
    }

    /// Writes a tree as a layer that is not compressed. `words` turns a problem of a file into one of the target.
    pub(super) fn write(
        &self,
        tree: &Tree,
        out: &mut (impl Write + Send),
        words: fn(At<LayerError>) -> At<TargetError>,
    ) -> Result<WrittenLayer, At<TargetError>> {
        let compressors = self.targets.compressors;
        let options = WriteOptions { epoch: 0, compression: Compression::None, compressors, earlier: None };
        tree.write(&options, out).map_err(|error| match error {
            WriteError::Package(problem) => words(problem),
            WriteError::Blob(CompressError::Interrupted { .. }) => self.blame(TargetError::Interrupted),
            WriteError::Blob(CompressError::Output(source)) => self.blame(TargetError::Unwritten { source }),
        })
    }
}
