//! The files that decide a target: found by their globs, known by names and stats, read when one changed.

use std::collections::BTreeMap;

use crate::compress::CompressError;
use crate::layer::{Stamps, Tree, WriteError, WriteOptions};
use crate::manifest::inputs;
use crate::model::{Compression, Digest};
use crate::pack::ScanRequest;
use crate::source::At;
use crate::store::Shelf;
use crate::targets::TargetError;
use crate::targets::kind::{Making, Recipe};

/// The content of inputs, by their names and stats.
const CONTENTS: Shelf<Digest> = Shelf::new("target-inputs", 1);

/// The inputs of a target, as they were when they were looked at.
pub(super) struct Inputs {
    tree: Tree,
}

impl Inputs {
    /// Looks at the inputs that a recipe names. What targets of the project leave in it is never one of them.
    pub(super) fn look(making: &Making<'_>, recipe: &Recipe) -> Result<Self, At<TargetError>> {
        let made = making.targets.manifest.targets.values().flat_map(|target| target.leaves());
        let exclude: Vec<_> = recipe.exclude.iter().cloned().chain(made).collect();
        let packages = inputs::packages(&recipe.inputs, &exclude, "");
        let project = &making.targets.manifest.project;
        let tree = Tree::scan(&ScanRequest {
            packages: &packages,
            folder: &making.targets.manifest.folder,
            exclude: &project.exclude,
            ignore: project.ignore_files.as_deref().unwrap_or_default(),
            platform: making.request.platform,
            store: making.targets.store,
            records: false,
            images: &BTreeMap::new(),
            targets: &BTreeMap::new(),
            layer: None,
        });
        let tree = tree.map_err(|problems| TargetError::first(problems, &recipe.place, TargetError::input))?;
        // Folders decide nothing: those above an output are new when it is made for the first time.
        Ok(Self { tree: tree.without_folders() })
    }

    /// What stands for the names, modes and content of all inputs. They are read if their stats are not known. With
    /// `records` the store knows them from then on.
    pub(super) fn content(&self, making: &Making<'_>, records: bool) -> Result<Digest, At<TargetError>> {
        let store = making.targets.store;
        let seen = self.tree.fingerprint();
        if let Some(content) = CONTENTS.recall(store, &seen).map_err(|error| making.blame(error))? {
            return Ok(content);
        }
        let settled = self.tree.settle();
        let options = WriteOptions {
            epoch: 0,
            compression: Compression::None,
            compressors: making.targets.compressors,
            earlier: None,
        };
        let written = self.tree.write(&options, &mut std::io::sink()).map_err(|error| match error {
            WriteError::Package(problem) => TargetError::input(problem),
            WriteError::Blob(CompressError::Interrupted { .. }) => making.blame(TargetError::Interrupted),
            WriteError::Blob(CompressError::Output(source)) => making.blame(TargetError::Unhashed { source }),
        })?;
        // A file that may still change without its stat showing it is read again next time.
        if settled && records {
            CONTENTS.note(store, &seen, &written.diff_id.0).map_err(|error| making.blame(error))?;
        }
        Ok(written.diff_id.0)
    }

    /// The first path that differs from a later look, if any does.
    pub(super) fn first_change(&self, later: &Self) -> Option<String> {
        let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (Stamps(&self.tree).iter().collect(), Stamps(&later.tree).iter().collect());
        let is_other = |path: &&String| before.get(*path) != after.get(*path);
        let changed = before.keys().chain(after.keys()).filter(is_other).min()?;
        Some(changed.trim_start_matches('/').to_owned())
    }
}
