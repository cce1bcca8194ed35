//! Why something is to be made: what decided the result of before, against what decides the one to come.
//!
//! `records/inputs/KEY` has what a layer's key was made of. `records/last/KEY` has, for one platform of an
//! image of a project, the base and the keys of the layers with which it was last put together. Both are
//! kept for explanations alone, and may be lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layers::Part;
use super::{BuildError, Executor};
use crate::layer::{Stamps, Tree, WRITER_VERSION};
use crate::model::{Compression, Digest, Platform, canonical_json};
use crate::store::{Shelf, WrittenAs};

const INPUTS: Shelf<Inputs<Entries>> = Shelf::new("inputs", 1);
const LAST: Shelf<Last> = Shelf::new("last", 1);

/// How many paths a reason names.
const SHOWN: usize = 3;

/// What a layer's key is made of; `E` is a map from every path to what its entry comes of.
#[derive(Serialize, Deserialize)]
struct Inputs<E> {
    writer: u32,
    epoch: i64,
    compression: String,
    entries: E,
}

impl WrittenAs<Inputs<Entries>> for Inputs<Stamps<'_>> {}

/// With what an image was last put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    /// The manifest of the image below, or of the base from elsewhere.
    pub(super) base: Option<Digest>,
    /// What the history says of each layer, and its key.
    pub(super) layers: Vec<(String, Digest)>,
}

impl Executor<'_> {
    /// Keeps what decided a layer.
    pub(super) fn keep_inputs(&self, tree: &Tree, key: &Digest, compression: Compression) -> Result<(), BuildError> {
        Ok(INPUTS.note(self.store, key, &self.inputs(Stamps(tree), compression))?)
    }

    fn inputs<E>(&self, entries: E, compression: Compression) -> Inputs<E> {
        Inputs { writer: WRITER_VERSION, epoch: self.epoch, compression: compression.to_string(), entries }
    }

    /// Keeps with what one platform of an image was put together.
    pub(super) fn keep_last(&self, name: &str, platform: &Platform, last: &Last) -> Result<(), BuildError> {
        Ok(LAST.note(self.store, &self.image_key(name, platform), last)?)
    }

    pub(super) fn last(&self, name: &str, platform: &Platform) -> Result<Option<Last>, BuildError> {
        Ok(LAST.recall(self.store, &self.image_key(name, platform))?)
    }

    /// One platform of an image of this project, and of no other on this machine.
    fn image_key(&self, name: &str, platform: &Platform) -> Digest {
        let folder = self.manifest.folder.to_string_lossy();
        Digest::of(&canonical_json(&(folder, name, platform.to_string())))
    }

    /// Why a layer, the `number`th of its image, is not in the store under its key.
    pub(super) fn why(
        &self,
        last: Option<&Last>,
        (number, part): (usize, &Part),
        key: &Digest,
        compression: Compression,
    ) -> Result<Vec<String>, BuildError> {
        let same_name = |layers: &[(String, Digest)]| layers.iter().find(|(name, _)| *name == part.created_by).cloned();
        let before = last.and_then(|last| same_name(&last.layers).or_else(|| last.layers.get(number).cloned()));
        let Some((_, before)) = before else { return Ok(vec!["it was not built before".to_owned()]) };
        if before == *key {
            return Ok(vec![match self.recorded_layer(key)? {
                Some(_) => "the cache lost it".to_owned(),
                None => "its files had only just changed when it was packed".to_owned(),
            }]);
        }
        let Some(old) = INPUTS.recall(self.store, &before)? else {
            return Ok(vec!["it was not built before".to_owned()]);
        };
        Ok(differences(&old, &self.inputs(Stamps(&part.tree).iter().collect(), compression)))
    }
}

type Entries = BTreeMap<String, String>;

/// In what two layers differ, in words; something, always.
fn differences(old: &Inputs<Entries>, new: &Inputs<Entries>) -> Vec<String> {
    let mut reasons = Vec::new();
    if old.writer != new.writer {
        reasons.push("another version of `oci` packed it".to_owned());
    }
    if old.epoch != new.epoch {
        reasons.push(format!("`source-date-epoch` was {}", old.epoch));
    }
    if old.compression != new.compression {
        reasons.push(format!("`compression` was {}", old.compression));
    }
    let only_in = |one: &Entries, other: &Entries| -> Vec<String> {
        one.keys().filter(|path| !other.contains_key(*path)).cloned().collect()
    };
    let is_changed = |path: &&String| old.entries.get(*path).is_some_and(|stamp| *stamp != new.entries[*path]);
    let changed = new.entries.keys().filter(is_changed).cloned().collect();
    let (added, removed) = (only_in(&new.entries, &old.entries), only_in(&old.entries, &new.entries));
    for (what, paths) in [("changed", changed), ("new", added), ("gone", removed)] {
        reasons.extend(listed(what, &paths));
    }
    if reasons.is_empty() {
        reasons.push("its packages are others than before".to_owned());
    }
    reasons
}

fn listed(what: &str, paths: &[String]) -> Option<String> {
    let shown = paths.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len() {
        0 => None,
        count if count > SHOWN => Some(format!("{what}: {shown} and {} more", count - SHOWN)),
        _ => Some(format!("{what}: {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(epoch: i64, compression: &str, entries: &[(&str, &str)]) -> Inputs<Entries> {
        let entries = entries.iter().map(|(path, stamp)| ((*path).to_owned(), (*stamp).to_owned())).collect();
        Inputs { writer: 1, epoch, compression: compression.to_owned(), entries }
    }

    #[test]
    fn every_difference_is_told() {
        let old = inputs(0, "gzip", &[("/a", "1"), ("/b", "1"), ("/c", "1"), ("/d", "1"), ("/e", "1")]);
        let told = |new: Inputs<Entries>| differences(&old, &new);
        assert_eq!(
            told(inputs(1, "none", &[("/a", "2"), ("/b", "1"), ("/f", "1")])),
            ["`source-date-epoch` was 0", "`compression` was gzip", "changed: /a", "new: /f", "gone: /c, /d, /e"]
        );
        assert_eq!(
            told(inputs(0, "gzip", &[("/a", "2"), ("/b", "2"), ("/c", "2"), ("/d", "2"), ("/e", "2")])),
            ["changed: /a, /b, /c and 2 more"]
        );
        assert_eq!(told(Inputs { writer: 2, ..inputs(0, "gzip", &[]) }).len(), 2);
        let same = inputs(0, "gzip", &[("/a", "1"), ("/b", "1"), ("/c", "1"), ("/d", "1"), ("/e", "1")]);
        assert_eq!(told(same), ["its packages are others than before"]);
    }
}
