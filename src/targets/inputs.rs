//! The files that decide a target: found by their globs, known by names and stats, read when one changed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::fs::{FileContext, FileError, create_folder, parent};
use crate::layer::tree::{Entry, Kind};
use crate::layer::{Stamps, Tree};
use crate::manifest::PackageContent;
use crate::manifest::inputs;
use crate::model::{Digest, LayerPath, canonical_json};
use crate::source::{At, Placed};
use crate::store::Shelf;
use crate::targets::TargetError;
use crate::targets::kind::{Making, Recipe};
use crate::targets::trees::LeftOut;

/// The content of inputs, by their names and stats.
const CONTENTS: Shelf<Digest> = Shelf::new("target-inputs", 1);

/// The inputs of a target, as they were when they were looked at.
pub(super) struct Inputs {
    /// What the commands read where it is.
    read: Tree,
    /// What the commands get a copy of, and nothing else of it.
    copied: Tree,
}

impl Inputs {
    /// Looks at the inputs that a recipe names. What targets of the project leave in it is never one of them.
    pub(super) fn look(making: &Making<'_>, recipe: &Recipe) -> Result<Self, At<TargetError>> {
        let made = making.targets.manifest.targets.values().flat_map(|target| target.leaves());
        let exclude: Vec<_> = recipe.exclude.iter().cloned().chain(made).collect();
        let tree = |patterns: &[Placed<String>], left_out: LeftOut<'_>| {
            let mut packages = inputs::packages(patterns, &exclude, "");
            for package in &mut packages {
                let PackageContent::Path { path, .. } = &package.content else { continue };
                // Of an input that is a link, what it leads to decides.
                let found = making.targets.manifest.folder.join(&path.value).symlink_metadata();
                package.follow = package.include.is_empty() && found.is_ok_and(|found| found.is_symlink());
            }
            let tree = making.scan(&packages, left_out);
            let tree = tree.map_err(|problems| TargetError::first(problems, &recipe.place, TargetError::input))?;
            // Folders decide nothing: those above an output are new when it is made for the first time.
            Ok(tree.without_folders())
        };
        // An input counts whatever is packed of the project; what is copied is packed.
        Ok(Self { read: tree(&recipe.inputs, LeftOut::default())?, copied: tree(&recipe.copied, making.left_out())? })
    }

    /// What stands for the names, modes and content of all inputs. They are read if their stats are not known. With
    /// `records` the store knows them from then on.
    pub(super) fn content(&self, making: &Making<'_>, records: bool) -> Result<Digest, At<TargetError>> {
        let contents = [&self.read, &self.copied].map(|tree| content(making, tree, records));
        let [read, copied] = contents;
        Ok(Digest::of(&canonical_json(&[read?, copied?])))
    }

    /// Copies what the recipe says to each of these folders, under its path among all inputs.
    pub(super) fn copy(&self, to: &[PathBuf]) -> Result<(), FileError> {
        to.iter().try_for_each(|to| {
            create_folder(to)?;
            self.copied.entries.iter().try_for_each(|entry| copy_entry(entry, to))
        })
    }

    /// The first path that differs from a later look, if any does.
    pub(super) fn first_change(&self, later: &Self) -> Option<String> {
        let stamps = |inputs: &Self| -> BTreeMap<_, _> {
            Stamps(&inputs.read).iter().chain(Stamps(&inputs.copied).iter()).collect()
        };
        let (before, after) = (stamps(self), stamps(later));
        let is_other = |path: &&String| before.get(*path) != after.get(*path);
        let changed = before.keys().chain(after.keys()).filter(is_other).min()?;
        Some(changed.trim_start_matches('/').to_owned())
    }
}

fn content(making: &Making<'_>, tree: &Tree, records: bool) -> Result<Digest, At<TargetError>> {
    let store = making.targets.store;
    let seen = tree.fingerprint();
    if let Some(content) = CONTENTS.recall(store, &seen).map_err(|error| making.blame(error))? {
        return Ok(content);
    }
    let settled = tree.settle();
    let written = making.write(tree, &mut std::io::sink(), TargetError::input)?;
    // A file that may still change without its stat showing it is read again next time.
    if settled && records {
        CONTENTS.note(store, &seen, &written.diff_id.0).map_err(|error| making.blame(error))?;
    }
    Ok(written.diff_id.0)
}

fn copy_entry(entry: &Entry, to: &Path) -> Result<(), FileError> {
    let to = to.join(OsStr::from_bytes(LayerPath::as_bytes(&entry.path)));
    create_folder(parent(&to))?;
    match &entry.kind {
        Kind::File { host, .. } => {
            let from = host.path(&entry.path);
            fs::copy(&from, &to).context("copy", &from)?;
            fs::set_permissions(&to, fs::Permissions::from_mode(entry.mode.0)).context("copy", &from)
        }
        Kind::Link(target) => symlink(OsStr::from_bytes(target), &to).context("copy", &to),
        // Inputs are files of this machine, and links.
        Kind::Folder(_) | Kind::Text(_) | Kind::Archived(_) => Ok(()),
    }
}
