//! The layers of a build on one platform, from the store where nothing changed: those that it shares
//! first, then one for each package, or one for all of them.
//!
//! A layer's key is the fingerprint of its tree (names, modes, and of files the stat) with everything
//! else that decides its bytes. Under `records/layer/` the store keeps what was made for a key, so that
//! an unchanged package costs a walk and no read.

use serde::{Deserialize, Serialize};

use super::{BuildError, Executor};
use crate::image::{AddedLayer, Image, Layer};
use crate::layer::{BaseLinks, Difference, LayerLinks, ScanRequest, Tree, WriteError, WriteOptions, reconcile};
use crate::manifest::package::expand;
use crate::manifest::{Build, Package, PackageContent};
use crate::model::{Compression, Descriptor, Digest, Platform, canonical_json};
use crate::report::Stage;
use crate::source::At;
use crate::stage::base::BaseImage;

/// What the packages of a build became.
pub(super) struct Made {
    pub(super) layers: Vec<AddedLayer>,
    /// The first package's path in the image, if it is one program.
    pub(super) program: Option<String>,
}

/// Packages that are one layer.
struct Group<'a> {
    packages: &'a [Package],
    /// For the image's history.
    created_by: String,
}

/// What decides a layer's bytes.
#[derive(Serialize)]
struct Key {
    fingerprint: String,
    platform: String,
    epoch: i64,
    compression: Compression,
}

/// What is kept of a layer that was made.
#[derive(Serialize, Deserialize)]
struct Record {
    layer: Layer,
}

impl Executor<'_> {
    pub(super) fn layers(
        &self,
        build: &Build,
        platform: &Platform,
        below: &Image,
        base: Option<&BaseImage>,
    ) -> Result<Made, Vec<BuildError>> {
        let groups = self.groups(build, platform);
        let mut trees = self.scan(&groups, platform)?;
        agree(&mut trees)?;
        if trees.iter().any(Tree::needs_base) {
            let links = self.links(build, below, base).map_err(|error| vec![error])?;
            trees = resolve(trees, &links)?;
            // What was apart may have met behind a link.
            agree(&mut trees)?;
            for difference in Difference::all(trees.iter(), &links) {
                self.reporter.warning(&difference.to_string());
            }
        }
        // A layer that is shared has no say in what its image runs.
        let program = trees.get(build.layers.len()).and_then(Tree::entrypoint);
        let mut layers = Vec::new();
        for (tree, Group { created_by, .. }) in trees.iter().zip(groups) {
            if !tree.is_empty() {
                let layer = self.layer(tree, &created_by, platform, build.compression).map_err(|error| vec![error])?;
                layers.push(AddedLayer { layer, created_by });
            }
        }
        Ok(Made { layers, program })
    }

    /// What is to be a layer each, lowest first: a shared layer is always one.
    fn groups<'a>(&'a self, build: &'a Build, platform: &Platform) -> Vec<Group<'a>> {
        let shared = build.layers.iter().filter_map(|name| {
            let layer = self.manifest.layers.get(&name.value)?;
            Some(Group { packages: &layer.packages, created_by: format!("oci: layer {}", name.value) })
        });
        let size = if build.squash_packages { build.packages.len().max(1) } else { 1 };
        let own = build.packages.chunks(size).map(|packages| {
            let described: Vec<String> = packages.iter().map(|package| describe(package, platform)).collect();
            Group { packages, created_by: format!("oci: {}", described.join(", ")) }
        });
        shared.chain(own).collect()
    }

    /// A tree for each group; the errors of all of them.
    fn scan(&self, groups: &[Group<'_>], platform: &Platform) -> Result<Vec<Tree>, Vec<BuildError>> {
        let mut trees = Vec::new();
        let mut errors = Vec::new();
        for Group { packages, .. } in groups {
            let exclude = &self.manifest.project.exclude;
            let request = ScanRequest { packages, folder: self.folder(), exclude, platform, store: self.store };
            match Tree::scan(&request) {
                Ok(tree) => trees.push(tree),
                Err(problems) => errors.extend(problems.into_iter().map(BuildError::from)),
            }
        }
        if errors.is_empty() { Ok(trees) } else { Err(errors) }
    }

    fn layer(
        &self,
        tree: &Tree,
        created_by: &str,
        platform: &Platform,
        compression: Compression,
    ) -> Result<Layer, BuildError> {
        let key = Key {
            fingerprint: tree.fingerprint().to_string(),
            platform: platform.to_string(),
            epoch: self.epoch,
            compression,
        };
        let key = Digest::of(&canonical_json(&key));
        if let Some(Record { layer }) = self.store.recall("layer", &key)?
            && self.store.has(&layer.descriptor)
        {
            return Ok(layer);
        }
        let activity = self.reporter.begin(Stage::Layer, created_by.trim_start_matches("oci: "));
        let settled = tree.settle();
        let options = WriteOptions { epoch: self.epoch, compression, workers: self.workers };
        let mut blob = self.store.start_blob()?;
        let written = tree.write(&options, &mut blob).map_err(|error| match error {
            WriteError::Package(error) => BuildError::Layer(error),
            WriteError::Output(source) => crate::fs::FileError::new("write", blob.path(), source).into(),
            WriteError::Interrupted { .. } => BuildError::Interrupted,
        })?;
        self.store.commit_blob(blob, &written.digest)?;
        let descriptor = Descriptor::new(compression.media_type(), written.digest, written.size);
        let layer = Layer { descriptor, diff_id: written.diff_id };
        // A file that may still change without its stat showing it is read again next time.
        if settled {
            self.store.record("layer", &key, &Record { layer: layer.clone() })?;
        }
        activity.done();
        Ok(layer)
    }

    /// What is a link in the image below. Its layers are fetched for this, each once.
    fn links(&self, build: &Build, below: &Image, base: Option<&BaseImage>) -> Result<BaseLinks, BuildError> {
        let mut links = Vec::new();
        for layer in &below.layers {
            let digest = layer.descriptor.digest;
            if let Some(known) = self.store.recall::<LayerLinks>("links", &digest)? {
                links.push(known);
                continue;
            }
            if let (false, Some(base)) = (self.store.verify(&digest)?, base) {
                let place = self.manifest.pin(&build.base.value).map_or(&build.base.place, |(_, pin)| &pin.place);
                self.bases().fetch_layers(base).map_err(|error| At::new(error, place, ""))?;
            }
            let path = self.store.blob_path(&digest);
            let file = std::fs::File::open(&path).map_err(|error| crate::fs::FileError::new("read", &path, error))?;
            let found = LayerLinks::read(std::io::BufReader::new(file), &layer.descriptor.media_type)
                .map_err(|error| BuildError::Links(At::new(error, &build.base.place, "")))?;
            self.store.record("links", &digest, &found)?;
            links.push(found);
        }
        Ok(BaseLinks::stack(&links))
    }
}

/// Trees of one build must not write one path differently.
fn agree(trees: &mut [Tree]) -> Result<(), Vec<BuildError>> {
    let conflicts = reconcile(trees);
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts.into_iter().map(BuildError::from).collect()) }
}

fn resolve(trees: Vec<Tree>, links: &BaseLinks) -> Result<Vec<Tree>, Vec<BuildError>> {
    let mut resolved = Vec::new();
    let mut errors = Vec::new();
    for tree in trees {
        match tree.resolve(links) {
            Ok(tree) => resolved.push(tree),
            Err(problems) => errors.extend(problems.into_iter().map(BuildError::from)),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

/// A package in a few words, for the image's history: the same on every machine.
fn describe(package: &Package, platform: &Platform) -> String {
    match &package.content {
        PackageContent::Path { path, to: Some(to) } => {
            format!("{} to {}", expand(path, platform), expand(to, platform))
        }
        PackageContent::Path { path, to: None } => expand(path, platform),
        PackageContent::Archive { archive, to, .. } => {
            format!("{} to {}", expand(archive, platform), expand(to, platform))
        }
        PackageContent::Text { to, .. } => format!("text to {}", expand(to, platform)),
        PackageContent::Link { link, target } => format!("link {} to {target}", expand(link, platform)),
        PackageContent::Folder { folder } => format!("folder {}", expand(folder, platform)),
    }
}
