//! The key of everything that decides a target.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Digest, canonical_json};
use crate::targets::kind::{Making, Recipe};

/// It is raised whenever an unchanged target gets other layers.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Key<'a> {
    version: u32,
    kind: &'a str,
    /// `None` for a target that is made once for all platforms.
    platform: Option<String>,
    decisive: &'a [String],
    environment: &'a BTreeMap<String, String>,
    secrets: Vec<String>,
    inputs: &'a Digest,
}

/// The key of a target whose inputs have this content.
pub(super) fn of(making: &Making<'_>, recipe: &Recipe, inputs: &Digest) -> Digest {
    let (target, platform) = (making.request.target, making.request.platform);
    Digest::of(&canonical_json(&Key {
        version: VERSION,
        kind: target.kind.name(),
        platform: target.is_for_each_platform().then(|| platform.to_string()),
        decisive: &recipe.decisive,
        environment: &recipe.environment,
        secrets: target.secrets.iter().map(|secret| format!("{:?}", secret.value)).collect(),
        inputs,
    }))
}
