//! What a step sees besides its image: the machine's files, memory, cache folders, secrets.

use std::path::PathBuf;

use crate::containers::rootfs::Rootfs;
use crate::containers::run::network_mounts;
use crate::containers::step::surroundings::{ContentSource, Surroundings};
use crate::containers::step::times::{HeldCache, Times};
use crate::containers::step::{StepError, StepRequest, Steps, lock_of, seen};
use crate::fs::{create_folder, create_own_folder, mark_used};
use crate::layer::Tree;
use crate::manifest::package::expand;
use crate::manifest::step::Secret;
use crate::model::{Digest, canonical_json};
use crate::sandbox::{Mount, MountSource};
use crate::sanitize;

/// Locks on cache folders and trees, so that no other process uses or removes them while a step runs.
pub(super) struct InUse {
    caches: Vec<HeldCache>,
    pub(super) trees: Vec<Rootfs>,
}

impl InUse {
    /// Notes that the step ended by itself.
    pub(super) fn end(&self) -> Result<(), StepError> {
        Ok(self.caches.iter().try_for_each(|cache| seen::end(&cache.folder))?)
    }
}

impl Steps<'_> {
    /// All mounts of a step, those above first.
    pub(super) fn mounts(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
        caches: Vec<HeldCache>,
        times: &Times,
    ) -> Result<(Vec<Mount>, InUse), StepError> {
        let mut mounts: Vec<Mount> = network_mounts(request.step.network_host).collect();
        let mut trees = Vec::new();
        for mount in &surroundings.mounts {
            let source = match &mount.source {
                ContentSource::Host(path) => MountSource::Host { path: path.clone(), read_only: true },
                ContentSource::Memory => MountSource::Memory,
                ContentSource::Layer(layer) => {
                    let subject = format!("what is mounted on {}", sanitize::name(&mount.to));
                    let Some(time) = times.mounted.get(&mount.to) else { continue };
                    let tree = self.unpack_layer(layer, *time, &subject)?;
                    // A single layer has a single tree.
                    let Some(path) = tree.lowers.first().map(|lower| lower.join(Tree::MOUNTED)) else { continue };
                    trees.push(tree);
                    MountSource::Host { path, read_only: true }
                }
            };
            mounts.push(Mount { target: mount.to.clone().into(), source });
        }
        for cache in &caches {
            let source = MountSource::Cache(cache.folder.clone());
            mounts.push(Mount { target: cache.target.clone().into(), source });
        }
        for (secret, known) in request.step.secrets.iter().zip(&surroundings.secrets) {
            if let (Secret::File { to, .. }, Some(known)) = (&secret.value.secret, known) {
                let target = expand(to, request.target).into();
                mounts.push(Mount { target, source: MountSource::Secret(known.value.clone()) });
            }
        }
        mounts.sort_by(|one, other| one.target.cmp(&other.target));
        Ok((mounts, InUse { caches, trees }))
    }

    /// Locks the cache folders of a step: no other process uses or removes them meanwhile.
    pub(super) fn caches(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
    ) -> Result<Vec<HeldCache>, StepError> {
        let mut wanted: Vec<(PathBuf, &String)> =
            surroundings.caches.iter().map(|target| (self.cache_folder(request, target), target)).collect();
        // Every process locks them in one order, so that no two steps wait for each other.
        wanted.sort();
        wanted.dedup();
        let mut held = Vec::new();
        for (folder, target) in wanted {
            create_folder(folder.parent().unwrap_or(&folder))?;
            let lock = self.wait(&lock_of(&folder), &format!("another step that uses the cache of {target}"))?;
            create_own_folder(&folder)?;
            // A folder whose use cannot be marked is pruned earlier, which does no harm.
            let _ = mark_used(&lock_of(&folder));
            held.push(HeldCache { folder, target: target.clone(), _lock: lock });
        }
        Ok(held)
    }

    /// There is a cache folder for each path and platform, and for each ID map, since its files belong to mapped IDs.
    fn cache_folder(&self, request: &StepRequest<'_>, target: &str) -> PathBuf {
        let name = Digest::of(&canonical_json(&(target, request.platform.to_string(), self.machine.map().to_string())));
        self.store.root().join("caches").join(name.hex())
    }
}
