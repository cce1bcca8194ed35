//! The key of everything that decides a step's result.

use serde::Serialize;

use crate::containers::step::StepRequest;
use crate::containers::step::surroundings::Surroundings;
use crate::manifest::step::Secret;
use crate::model::{ChainId, Digest, canonical_json};

/// Counted up whenever `oci` changes so that an unchanged step makes another layer.
const VERSION: u32 = 2;

#[derive(Serialize)]
struct Key<'a> {
    version: u32,
    below: Option<Digest>,
    /// Of the layers below, how many were made here, and when the base says that it was made: with the epoch they
    /// decide the times that the step sees.
    own: usize,
    base_created: Option<&'a str>,
    platform: String,
    command: &'a [String],
    environment: &'a [String],
    user: Option<&'a str>,
    workdir: &'a str,
    network_host: bool,
    cache: &'a [String],
    secrets: Vec<String>,
    /// The place and what is there.
    mounts: Vec<(&'a str, String)>,
    epoch: i64,
}

/// The key of a step. It does not depend on labels and the like, nor on the values of secrets and proxies.
pub(super) fn of(request: &StepRequest<'_>, surroundings: &Surroundings, epoch: i64) -> Digest {
    let diff_ids: Vec<_> = request.below.iter().map(|layer| layer.diff_id).collect();
    let process = &surroundings.process;
    let secrets = request.step.secrets.iter().map(|secret| match &secret.value.secret {
        Secret::Variable(name) => format!("variable {name}"),
        Secret::File { path, to } => format!("file {path} to {to}"),
    });
    let mounts = surroundings.mounts.iter().map(|mount| {
        let content = mount.content.map_or_else(|| "memory".to_owned(), |content| content.to_string());
        (mount.to.as_str(), content)
    });
    let key = Key {
        version: VERSION,
        below: ChainId::of(&diff_ids).map(|chain| chain.0),
        own: request.below.len() - request.from_elsewhere,
        base_created: request.base_created,
        platform: request.platform.to_string(),
        command: &process.arguments,
        environment: &surroundings.environment.to_list(),
        user: process.user.as_deref(),
        workdir: &process.workdir.to_string_lossy(),
        network_host: request.step.network_host,
        cache: &surroundings.caches,
        secrets: secrets.collect(),
        mounts: mounts.collect(),
        epoch,
    };
    Digest::of(&canonical_json(&key))
}
