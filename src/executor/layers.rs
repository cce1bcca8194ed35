//! The layers of an image on one platform, from the store where nothing changed: those that it shares
//! first, then one for each package, or one for all of them.
//!
//! A layer's key is the fingerprint of its tree (names, modes, and of files the stat) with everything
//! else that decides its bytes. Under `records/layer/` the store keeps what was made for a key, so that
//! an unchanged package costs a walk and no read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::files::Sources;
use super::{BuildError, Executor};
use crate::compress::{CompressError, EarlierBlocks};
use crate::image::Layer;
use crate::layer::{Below, Look, Tree, WRITER_VERSION, WriteError, WriteOptions, inherit, reconcile};
use crate::manifest::package::{Owner, expand};
use crate::manifest::{Build, Package, PackageContent};
use crate::model::elf::ElfMachine;
use crate::model::{Compression, Descriptor, Digest, Platform, canonical_json};
use crate::pack::{Made, ScanRequest};
use crate::process::signal;
use crate::report::WorkKind;
use crate::source::Placed;
use crate::store::Shelf;

/// What was made for a key.
const LAYERS: Shelf<Record> = Shelf::new("layer", 1);
/// A layer to be: what will be in it, and what the image's history says of it.
pub(super) struct Part {
    pub(super) tree: Tree,
    pub(super) created_by: String,
    /// What it is made of, which stays while that changes.
    sources: String,
    /// It is a `[layer.NAME]`, and has no say in what the image runs.
    pub(super) shared: bool,
}

impl Part {
    /// One that is no package's.
    pub(super) fn new(tree: Tree, created_by: String) -> Self {
        Self { tree, sources: created_by.clone(), created_by, shared: true }
    }

    /// What it is made of, for people.
    pub(super) fn title(&self) -> &str {
        title(&self.created_by)
    }
}

fn title(created_by: &str) -> &str {
    created_by.trim_start_matches("oci: ")
}

/// Packages that are one layer.
struct Group<'a> {
    packages: &'a [Package],
    created_by: String,
    sources: String,
    shared: bool,
    /// Of a target with several layers, the one that this is.
    layer: Option<usize>,
}

/// What decides a layer's bytes.
#[derive(Serialize)]
struct Key {
    fingerprint: String,
    epoch: i64,
    compression: Compression,
}

/// What a layer keeps while its packages change: layers of one slot have many blocks in common.
#[derive(Serialize)]
struct Slot<'a> {
    writer: u32,
    /// It need not be UTF-8.
    folder: &'a [u8],
    sources: &'a str,
    compression: Compression,
}

/// What is kept of a layer that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) layer: Layer,
    /// What its programs run on, but for those that may be foreign.
    programs: BTreeSet<ElfMachine>,
    /// Its first package is a program without an executable bit.
    #[serde(default)]
    pub(super) is_first_inert: bool,
}

impl Record {
    /// True if no program in it is for another platform. Where one is, the layer is made anew, and the error names it.
    pub(super) fn fits(&self, platform: &Platform) -> bool {
        self.programs.iter().all(|machine| machine.fits(platform))
    }
}

impl Executor<'_> {
    /// What will be a layer each, lowest first, in agreement with each other. No file is opened but an archive
    /// that the store does not know; `records` says whether the store may know it from then on.
    pub(super) fn scan(
        &self,
        build: &Build,
        platform: &Platform,
        (images, targets): (&Sources, &Made),
        records: bool,
    ) -> Result<Vec<Part>, Vec<BuildError>> {
        let mut parts = Vec::new();
        let mut errors = Vec::new();
        for Group { packages, created_by, sources, shared, layer } in self.groups(build, platform, targets) {
            let exclude = &self.manifest.project.exclude;
            let ignore = self.manifest.project.ignore_files.as_deref().unwrap_or_default();
            let (folder, store) = (&*self.manifest.folder, self.store);
            let request =
                ScanRequest { packages, folder, exclude, ignore, platform, store, records, images, targets, layer };
            match Tree::scan(&request) {
                Ok(tree) => parts.push(Part { tree, created_by, sources, shared }),
                Err(problems) => errors.extend(problems.into_iter().map(BuildError::from)),
            }
        }
        if errors.is_empty() { agree(parts) } else { Err(errors) }
    }

    /// What each layer is made of, for people, where more is not known yet.
    pub(super) fn titles(&self, build: &Build, platform: &Platform) -> Vec<String> {
        self.groups(build, platform, &Made::new())
            .into_iter()
            .map(|group| title(&group.created_by).to_owned())
            .collect()
    }

    /// What is to be a layer each: a shared layer is always one.
    fn groups<'a>(&'a self, build: &'a Build, platform: &Platform, targets: &Made) -> Vec<Group<'a>> {
        let described = |packages: &[Package]| {
            packages.iter().map(|package| describe(package, platform)).collect::<Vec<_>>().join(", ")
        };
        // Another image may hold different files under one name on different platforms.
        let sources = |packages: &[Package]| {
            let is_image = |package: &Package| matches!(package.content, PackageContent::Image { .. });
            let platform = packages.iter().any(is_image).then(|| platform.to_string());
            described(packages) + &platform.unwrap_or_default()
        };
        let shared = build.layers.iter().filter_map(|name| {
            let layer = self.manifest.layers.get(&name.value)?;
            let created_by = format!("oci: layer {}", name.value);
            let sources = format!("layer {}: {}", name.value, sources(&layer.packages));
            Some(Group { packages: &layer.packages, created_by, sources, shared: true, layer: None })
        });
        let size = if build.squash_packages { build.packages.len().max(1) } else { 1 };
        let own = build.packages.chunks(size).flat_map(|packages| {
            let created_by = format!("oci: {}", described(packages));
            let whole = Group { packages, created_by, sources: sources(packages), shared: false, layer: None };
            match packages {
                [package] if !build.squash_packages => in_layers(whole, package, targets),
                _ => vec![whole],
            }
        });
        shared.chain(own).collect()
    }

    /// The key of everything that decides the bytes of a layer. Platforms whose layer has equal content share the key.
    pub(super) fn layer_key(&self, tree: &Tree, compression: Compression) -> Digest {
        Digest::of(&canonical_json(&Key {
            fingerprint: tree.fingerprint().to_string(),
            epoch: self.epoch,
            compression,
        }))
    }

    /// A layer, from the store or made. On `Ok` it is in the store. `complete` is asked for the layers that it takes
    /// files from, if it is made and they are not here.
    pub(super) fn layer(
        &self,
        part: &Part,
        key: &Digest,
        (platform, compression): (&Platform, Compression),
        complete: &dyn Fn(&BTreeSet<Digest>) -> Result<(), BuildError>,
    ) -> Result<Record, BuildError> {
        match self.look_for_layer(key, platform)? {
            Some(record) => Ok(record),
            None => self.make_layer(part, key, compression, complete),
        }
    }

    /// The layer for a key, if it need not be made.
    pub(super) fn look_for_layer(&self, key: &Digest, platform: &Platform) -> Result<Option<Record>, BuildError> {
        if self.options.anew { Ok(None) } else { self.known_layer(key, platform) }
    }

    /// The layer that was made for a key before, if its blob is still there and it fits the platform.
    pub(super) fn known_layer(&self, key: &Digest, platform: &Platform) -> Result<Option<Record>, BuildError> {
        let recorded = self.recorded_layer(key)?;
        Ok(recorded.filter(|record| record.fits(platform) && self.store.has(&record.layer.descriptor)))
    }

    /// The layer that was made for a key before, for any platform, even if its blob is gone.
    pub(super) fn recorded_layer(&self, key: &Digest) -> Result<Option<Record>, BuildError> {
        Ok(LAYERS.recall(self.store, key)?)
    }

    /// Makes a layer. On `Ok` it is in the store. `complete` is asked for the layers that it takes files from, if they
    /// are not here.
    pub(super) fn make_layer(
        &self,
        part: &Part,
        key: &Digest,
        compression: Compression,
        complete: &dyn Fn(&BTreeSet<Digest>) -> Result<(), BuildError>,
    ) -> Result<Record, BuildError> {
        self.have_layers(&part.tree, complete)?;
        let Part { tree, sources, .. } = part;
        let activity = self.reporter.begin(WorkKind::Layer, part.title());
        let settled = tree.settle();
        let slot = self.slot(sources, compression);
        let earlier = tree.is_worth_remembering(compression).then(|| match self.options.anew {
            true => EarlierBlocks::default().into(),
            false => EarlierBlocks::recall(self.store, &slot).into(),
        });
        let options = WriteOptions { epoch: self.epoch, compression, compressors: self.compressors, earlier };
        let mut blob = self.store.start_blob()?;
        let mut out = activity.meter().counting(&mut blob);
        let written = tree.write(&options, &mut out).map_err(|error| match error {
            // The reading of an archive ends at a signal, too.
            WriteError::Package(_) if signal::pending().is_some() => BuildError::Interrupted,
            WriteError::Package(error) => BuildError::Layer(error),
            WriteError::Blob(CompressError::Output(source)) => {
                crate::fs::FileError::new("write", blob.path(), source).into()
            }
            WriteError::Blob(CompressError::Interrupted { .. }) => BuildError::Interrupted,
        })?;
        self.store.commit_blob(blob, &written.digest)?;
        if let Some(blocks) = written.blocks {
            blocks.record(self.store, &slot)?;
        }
        let descriptor = Descriptor::new(compression.media_type(), written.digest, written.size);
        let layer = Layer { descriptor, diff_id: written.diff_id };
        let record = Record { layer, programs: written.programs, is_first_inert: written.is_first_inert };
        self.keep_inputs(tree, key, compression)?;
        // A file that may still change without its stat showing it is read again next time.
        if settled {
            LAYERS.record(self.store, key, &record)?;
        }
        activity.done();
        Ok(record)
    }

    fn slot(&self, sources: &str, compression: Compression) -> Digest {
        let slot = Slot {
            writer: WRITER_VERSION,
            folder: self.manifest.folder.as_os_str().as_encoded_bytes(),
            sources,
            compression,
        };
        Digest::of(&canonical_json(&slot))
    }
}

/// How much these parts need to know of the image below.
pub(super) fn look(parts: &[Part]) -> Look {
    Look::of(parts.iter().map(|part| &part.tree))
}

/// The first package's path in the image, if it is one program.
pub(super) fn program(parts: &[Part]) -> Option<String> {
    parts.iter().find(|part| !part.shared).and_then(|part| part.tree.entrypoint())
}

/// Puts the parts on an image: moves entries to where its links lead, and gives the folders above them the mode and
/// owner that they have in it.
pub(super) fn resolve(parts: Vec<Part>, below: &Below) -> Result<Vec<Part>, Vec<BuildError>> {
    let mut resolved = Vec::new();
    let mut errors = Vec::new();
    for part in parts {
        match part.tree.resolve(&below.all) {
            Ok(tree) => resolved.push(Part { tree, ..part }),
            Err(problems) => errors.extend(problems.into_iter().map(BuildError::from)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    // What was apart may have met behind a link.
    let mut parts = agree(resolved)?;
    inherit(&mut parts.iter_mut().map(|part| &mut part.tree).collect::<Vec<_>>(), below);
    Ok(parts)
}

/// Layers of one build must not write one path differently.
fn agree(mut parts: Vec<Part>) -> Result<Vec<Part>, Vec<BuildError>> {
    let mut trees: Vec<&mut Tree> = parts.iter_mut().map(|part| &mut part.tree).collect();
    let conflicts = reconcile(&mut trees);
    if !conflicts.is_empty() {
        return Err(conflicts.into_iter().map(BuildError::from).collect());
    }
    Ok(parts)
}

/// A group for each layer of a target that has several.
fn in_layers<'a>(whole: Group<'a>, package: &Package, targets: &Made) -> Vec<Group<'a>> {
    let PackageContent::Target { target, output, .. } = &package.content else { return vec![whole] };
    let output = targets.get(&target.value).and_then(|made| made.outputs.get(*output));
    let Some(output) = output.filter(|output| output.layers.len() > 1) else { return vec![whole] };
    let groups = output.layers.iter().enumerate().map(|(number, layer)| Group {
        packages: whole.packages,
        created_by: format!("{}: {}", whole.created_by, layer.title),
        sources: format!("{}: {}", whole.sources, layer.title),
        shared: whole.shared,
        layer: Some(number),
    });
    groups.collect()
}

/// A package in a few words, for the image's history; they do not depend on the machine.
fn describe(package: &Package, platform: &Platform) -> String {
    let content = match &package.content {
        PackageContent::Path { path, to: Some(to) } => {
            format!("{} to {}", expand(path, platform), expand(to, platform))
        }
        PackageContent::Path { path, to: None } => expand(path, platform),
        PackageContent::Archive { archive, to, .. } => {
            format!("{} to {}", expand(archive, platform), expand(to, platform))
        }
        PackageContent::Image { image, path, to: Some(to) } => {
            format!("{} of {} to {}", expand(path, platform), image.value, expand(to, platform))
        }
        PackageContent::Image { image, path, to: None } => format!("{} of {}", expand(path, platform), image.value),
        PackageContent::Text { to, .. } => format!("text to {}", expand(to, platform)),
        PackageContent::Link { link, target } => format!("link {} to {target}", expand(link, platform)),
        PackageContent::Folder { folder } => format!("folder {}", expand(folder, platform)),
        PackageContent::Target { label, to: Some(to), .. } => format!("{label} to {}", expand(to, platform)),
        PackageContent::Target { label, to: None, .. } => label.clone(),
    };
    let globs = |what: &str, globs: &[Placed<String>]| {
        let globs: Vec<&str> = globs.iter().map(|glob| glob.value.as_str()).collect();
        (!globs.is_empty()).then(|| format!(" {what} {}", globs.join(" ")))
    };
    let owner = package.owner.map(|Owner { uid, gid }| format!(" owner {uid}:{gid}"));
    let said = [globs("include", &package.include), globs("exclude", &package.exclude), owner];
    said.into_iter().flatten().fold(content, |described, more| described + &more)
}
