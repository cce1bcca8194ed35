//! An image as a value, and how a build makes another image of its base.
//!
//! Nothing here reads or writes a file. The documents do not depend on the machine.

mod platforms;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::manifest::{Build, Change, Entrypoint};
use crate::model::config::ConfigError;
use crate::model::document::{DocumentError, media_type};
use crate::model::{Descriptor, DiffId, Digest, Document, ImageConfig, ImageManifest, Platform, canonical_json};
use crate::source::At;

pub(crate) use platforms::{Documents, platforms};

/// The `PATH` that engines use if an image sets none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The image of one platform. Its layers may be in the store or elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) config: ImageConfig,
    /// Lowest first, with OCI media types.
    pub(crate) layers: Vec<Layer>,
    /// Annotations of the manifest.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A layer: the descriptor of its blob, and its diff ID.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Layer {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: DiffId,
}

/// Why an image cannot be read or built on, or why a build cannot be applied to it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum ImageError {
    #[error("the image's manifest cannot be read")]
    #[diagnostic(code(oci::image::bad_manifest))]
    Manifest(#[from] DocumentError),
    #[error("the image's manifest is an index")]
    #[diagnostic(code(oci::image::bad_manifest), help("run `oci update`, which pins the image that this index names"))]
    NestedIndex,
    #[error("the image's configuration cannot be read")]
    #[diagnostic(code(oci::image::bad_config))]
    Config(#[from] ConfigError),
    #[error("the image's manifest names {layers} layers, its configuration {diff_ids}")]
    #[diagnostic(code(oci::image::bad_config), help("the image is damaged where it was made: choose another"))]
    Layers { layers: usize, diff_ids: usize },
    #[error("the base has no environment variable `{name}`")]
    #[diagnostic(
        code(oci::image::no_base_value),
        help("`${{{name}}}` stands for the base's value; write `$$` for a dollar sign")
    )]
    NoBaseValue { name: String },
}

/// What a build adds to its base, on one platform.
pub(crate) struct Addition<'a> {
    pub(crate) build: &'a Build,
    pub(crate) layers: &'a [AddedLayer],
    pub(crate) given: &'a Given,
    /// Seconds since 1970.
    pub(crate) epoch: i64,
    /// The digest of a base from elsewhere, and its name if others can use that name.
    pub(crate) base: Option<(Option<String>, Digest)>,
}

/// What the packages of a build say of the config, where the build itself says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// Of the first package, if it is a program, or has one.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Of the first package.
    pub(crate) workdir: Option<String>,
    /// Of all packages.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A layer, and the history entry of what made it.
#[derive(Clone, Debug)]
pub(crate) struct AddedLayer {
    pub(crate) layer: Layer,
    pub(crate) created_by: String,
}

impl Image {
    /// The empty image.
    pub(crate) fn scratch(platform: &Platform) -> Self {
        Self { config: ImageConfig::scratch(platform), layers: Vec::new(), annotations: BTreeMap::new() }
    }

    /// Reads an image from its documents, OCI or Docker schema 2.
    pub(crate) fn parse(manifest: &ImageManifest, config: &[u8]) -> Result<Self, ImageError> {
        let config = ImageConfig::parse(config)?;
        let diff_ids = config.diff_ids();
        if diff_ids.len() != manifest.layers.len() {
            return Err(ImageError::Layers { layers: manifest.layers.len(), diff_ids: diff_ids.len() });
        }
        let layers = manifest.layers.iter().zip(diff_ids).map(|(descriptor, diff_id)| Layer {
            descriptor: Descriptor {
                media_type: media_type::oci_layer(&descriptor.media_type).to_owned(),
                ..descriptor.clone()
            },
            diff_id,
        });
        Ok(Self { config, layers: layers.collect(), annotations: BTreeMap::new() })
    }

    /// Reads the manifest from its bytes. It is an error if they are not a manifest.
    pub(crate) fn parse_manifest(bytes: &[u8]) -> Result<ImageManifest, ImageError> {
        match Document::parse(bytes)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => Err(ImageError::NestedIndex),
        }
    }

    /// The bytes of the config, and those of the manifest.
    pub(crate) fn documents(&self) -> (Vec<u8>, Vec<u8>) {
        let config = self.config.to_bytes();
        let descriptor = Descriptor::of(media_type::CONFIG, &config);
        let layers = self.layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let manifest = canonical_json(&ImageManifest::new(descriptor, layers, self.annotations.clone()));
        (config, manifest)
    }

    /// Applies a build to this image.
    pub(crate) fn derive(&self, addition: &Addition<'_>) -> Result<Self, At<ImageError>> {
        let build = addition.build;
        let created = timestamp(addition.epoch);
        let mut config = self.config.clone();
        config.complete_history();
        let mut layers = self.layers.clone();
        for added in addition.layers {
            config.append_layer(added.layer.diff_id, &created, &added.created_by);
            layers.push(added.layer.clone());
        }
        config.set_created(&created);
        set_command(&mut config, build, addition.given.entrypoint.as_deref());
        set_environment(&mut config, build, &addition.given.environment)?;
        for (field, value) in [
            ("User", &build.user),
            ("WorkingDir", build.workdir.as_ref().map_or(&addition.given.workdir, |_| &build.workdir)),
            ("StopSignal", &build.stop_signal),
        ] {
            if let Some(value) = value {
                config.set(field, Some(value.as_str().into()));
            }
        }
        change_set(&mut config, "ExposedPorts", &build.ports, is_same_port);
        change_set(&mut config, "Volumes", &build.volumes, |left, right| left == right);
        set_labels(&mut config, build);
        Ok(Self { config, layers, annotations: annotations(build, addition.base.as_ref()) })
    }
}

/// A time as the documents write it, from seconds since 1970.
pub(crate) fn timestamp(epoch: i64) -> String {
    // The time is in range: it was checked in the manifest, and for SOURCE_DATE_EPOCH.
    jiff::Timestamp::from_second(epoch).unwrap_or_default().to_string()
}

/// Sets entrypoint and arguments. A new entrypoint, also one from the first package, drops the base's arguments.
fn set_command(config: &mut ImageConfig, build: &Build, given: Option<&[String]>) {
    let entrypoint = match (&build.entrypoint, given) {
        (Entrypoint::Words(words), _) => Some(words.value.clone()),
        (Entrypoint::FirstPackage, Some(words)) => Some(words.to_vec()),
        (Entrypoint::FirstPackage, None) | (Entrypoint::OfBase, _) => None,
    };
    let list = |words: &[String]| (!words.is_empty()).then(|| json!(words));
    if let Some(words) = entrypoint {
        config.set("Entrypoint", list(&words));
        config.set("Cmd", None);
    }
    if let Some(words) = &build.args {
        config.set("Cmd", list(words));
    }
}

fn set_environment(
    config: &mut ImageConfig,
    build: &Build,
    given: &BTreeMap<String, String>,
) -> Result<(), At<ImageError>> {
    if build.env.is_empty() && given.is_empty() {
        return Ok(());
    }
    let base = config.environment();
    let mut environment = base.clone();
    for (name, value) in given {
        environment.set(name, value);
    }
    for (name, value) in &build.env {
        let Some(text) = &value.value else {
            environment.remove(name);
            continue;
        };
        let of_base = |name: &str| base.get(name).or((name == "PATH").then_some(DEFAULT_PATH));
        let text = text.above(of_base).map_err(|name| {
            let error = ImageError::NoBaseValue { name: name.to_owned() };
            At::new(error, &value.place, "")
        })?;
        environment.set(name, &text);
    }
    let list = environment.to_list();
    config.set("Env", (!list.is_empty()).then(|| json!(list)));
    Ok(())
}

/// Adds to and removes from one of the config's sets, which are objects with empty values.
fn change_set(config: &mut ImageConfig, field: &str, changes: &[Change], is_same: fn(&str, &str) -> bool) {
    if changes.is_empty() {
        return;
    }
    let mut set = config.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut added: Vec<&String> = Vec::new();
    for change in changes {
        match change {
            Change::Add(name) => added.push(name),
            Change::Remove(name) => set.retain(|known, _| !is_same(known, name)),
        }
    }
    added.sort();
    for name in added {
        if !set.keys().any(|known| is_same(known, name)) {
            set.insert(name.clone(), json!({}));
        }
    }
    config.set(field, (!set.is_empty()).then_some(Value::Object(set)));
}

/// Whether two ports are equal. A port without a protocol is a TCP port (OCI image spec, "Image Configuration").
fn is_same_port(left: &str, right: &str) -> bool {
    let parts = |port: &str| {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        (number.to_owned(), protocol.to_owned())
    };
    parts(left) == parts(right)
}

fn set_labels(config: &mut ImageConfig, build: &Build) {
    if build.labels.is_empty() {
        return;
    }
    let mut labels: Map<String, Value> = config.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &build.labels {
        match value {
            Some(value) => drop(labels.insert(name.clone(), value.as_str().into())),
            None => drop(labels.shift_remove(name)),
        }
    }
    config.set("Labels", (!labels.is_empty()).then_some(Value::Object(labels)));
}

/// The annotations of the manifest, and of the index if there is one.
pub(crate) fn annotations(build: &Build, base: Option<&(Option<String>, Digest)>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    if let Some(description) = &build.description {
        annotations.insert("org.opencontainers.image.description".to_owned(), description.clone());
    }
    annotations.extend(build.annotations.clone());
    if let Some((name, digest)) = base {
        if let Some(name) = name {
            annotations.insert("org.opencontainers.image.base.name".to_owned(), name.clone());
        }
        annotations.insert("org.opencontainers.image.base.digest".to_owned(), digest.to_string());
    }
    annotations
}

#[cfg(test)]
mod tests;
