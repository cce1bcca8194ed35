//! What a step sees besides its image: the machine's files, memory, cache folders, secrets.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::fs::{Lock, create_folder, mark_used};
use crate::layer::Tree;
use crate::manifest::package::expand;
use crate::manifest::step::Secret;
use crate::model::{Digest, canonical_json};
use crate::sandbox::{Mount, MountSource, Overlays};
use crate::sanitize;
use crate::stage::rootfs::Rootfs;
use crate::stage::run::network_mounts;
use crate::stage::step::surroundings::{ContentSource, Surroundings};
use crate::stage::step::{StepError, StepRequest, Steps, lock_of};

/// What nobody else may use, or remove, while a step runs.
pub(super) struct InUse {
    _caches: Vec<Lock>,
    _trees: Vec<Rootfs>,
}

impl Steps<'_> {
    /// All mounts of a step, those above first.
    pub(super) fn mounts(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
        overlays: Overlays,
    ) -> Result<(Vec<Mount>, InUse), StepError> {
        let mut mounts: Vec<Mount> = network_mounts(request.step.network_host).collect();
        let mut trees = Vec::new();
        for mount in &surroundings.mounts {
            let source = match &mount.source {
                ContentSource::Host(path) => MountSource::Host { path: path.clone(), read_only: true },
                ContentSource::Memory => MountSource::Memory,
                ContentSource::Layer(layer) => {
                    let subject = format!("what is mounted on {}", sanitize::name(&mount.to));
                    let tree = self.unpack(&[self.blob(layer)], &[], overlays, &subject)?;
                    // One layer is one tree.
                    let Some(path) = tree.lowers.first().map(|lower| lower.join(Tree::MOUNTED)) else { continue };
                    trees.push(tree);
                    MountSource::Host { path, read_only: true }
                }
            };
            mounts.push(Mount { target: mount.to.clone().into(), source });
        }
        let mut caches: Vec<(PathBuf, &String)> =
            surroundings.caches.iter().map(|target| (self.cache_folder(request, target), target)).collect();
        // In one order for everybody, so that no two steps wait for each other.
        caches.sort();
        caches.dedup();
        let mut locks = Vec::new();
        for (folder, target) in caches {
            create_folder(folder.parent().unwrap_or(&folder))?;
            locks.push(self.wait(&lock_of(&folder), &format!("another step that uses the cache of {target}"))?);
            create_folder(&folder)?;
            // One that cannot be marked is removed earlier, which is no harm.
            let _ = mark_used(&lock_of(&folder));
            mounts.push(Mount { target: target.into(), source: MountSource::Cache(folder) });
        }
        for (secret, known) in request.step.secrets.iter().zip(&surroundings.secrets) {
            if let Secret::File { to, .. } = &secret.value {
                let target = expand(to, request.target).into();
                mounts.push(Mount { target, source: MountSource::Secret(known.value.clone()) });
            }
        }
        mounts.sort_by(|one, other| one.target.cmp(&other.target));
        Ok((mounts, InUse { _caches: locks, _trees: trees }))
    }

    /// One for each path and platform; and for each map, since what is in it belongs to mapped IDs.
    fn cache_folder(&self, request: &StepRequest<'_>, target: &str) -> PathBuf {
        let name = Digest::of(&canonical_json(&(target, request.platform.to_string(), self.map.to_string())));
        self.store.root().join("caches").join(name.hex())
    }
}

/// A digest of a file's content, or of everything in a folder: names, kinds, modes, links and content.
pub(super) fn content(path: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    put(&std::fs::canonicalize(path)?, &mut hasher)?;
    Ok(Digest::finish(hasher))
}

fn put(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let metadata = path.symlink_metadata()?;
    hasher.update(metadata.permissions().mode().to_le_bytes());
    if metadata.is_file() {
        put_bytes(Digest::read(std::fs::File::open(path)?)?.to_string().as_bytes(), hasher);
    } else if metadata.is_symlink() {
        put_bytes(std::fs::read_link(path)?.as_os_str().as_bytes(), hasher);
    } else if metadata.is_dir() {
        let mut names: Vec<_> =
            std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        names.sort();
        hasher.update((names.len() as u64).to_le_bytes());
        for name in names {
            put_bytes(name.as_bytes(), hasher);
            put(&path.join(name), hasher)?;
        }
    }
    Ok(())
}

fn put_bytes(bytes: &[u8], hasher: &mut Sha256) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_changes_changes_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join("top").join(name);
        std::fs::create_dir_all(path("a")).unwrap();
        std::fs::write(path("a/file"), "1").unwrap();
        symlink("file", path("a/link")).unwrap();
        let top = folder.path().join("top");
        let changes: [&dyn Fn(); 6] = [
            &|| std::fs::write(path("a/file"), "2").unwrap(),
            &|| std::fs::set_permissions(path("a/file"), PermissionsExt::from_mode(0o600)).unwrap(),
            &|| std::fs::rename(path("a/file"), path("a/other")).unwrap(),
            &|| std::fs::create_dir(path("a/other-folder")).unwrap(),
            &|| std::fs::remove_file(path("a/link")).unwrap(),
            &|| symlink("other", path("a/link")).unwrap(),
        ];
        let mut seen = vec![content(&top).unwrap()];
        for change in changes {
            change();
            let now = content(&top).unwrap();
            assert!(!seen.contains(&now));
            assert_eq!(content(&top).unwrap(), now);
            seen.push(now);
        }
        assert!(content(&path("none")).is_err());
        std::fs::write(path("one"), "1").unwrap();
        assert_ne!(content(&path("one")).unwrap(), content(&path("a/other")).unwrap());
    }
}
