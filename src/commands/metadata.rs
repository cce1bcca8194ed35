//! What was built, as data, for `oci build --json` and `--metadata-file`.
//!
//! `docs/metadata.md` describes the format. It has nothing of this machine, and no time.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::executor::{Built, BuiltImage, Outcome};
use crate::fs::{FileError, write_where_asked};
use crate::manifest::Build;
use crate::manifest::template::Template;
use crate::plan::Plan;
use crate::source::Placed;

/// Every image that was asked for and built, in the order of their names.
pub(super) fn of(plan: &Plan<'_>, outcome: &Outcome) -> Value {
    let mut images: Vec<_> =
        plan.asked_for().filter_map(|image| Some((image, outcome.built.get(image.name)?))).collect();
    images.sort_by_key(|(image, _)| image.name);
    let images: Vec<Value> =
        images.into_iter().map(|(planned, built)| image(planned.name, planned.build, built)).collect();
    json!({ "images": images })
}

fn image(name: &str, build: &Build, built: &Built) -> Value {
    let platforms = built.platforms.iter().map(|(name, platform)| (name.to_string(), self::platform(platform)));
    let shown = |templates: &[Placed<Template>]| -> Vec<String> {
        templates.iter().map(|template| template.value.to_string()).collect()
    };
    json!({
        "name": name,
        "digest": built.descriptor.digest,
        "media-type": built.descriptor.media_type,
        "size": built.descriptor.size,
        "platforms": platforms.collect::<Map<_, _>>(),
        "repositories": shown(&build.repositories),
        "tags": shown(&build.tags),
    })
}

fn platform(built: &BuiltImage) -> Value {
    let layers: Vec<Value> = built
        .image
        .layers
        .iter()
        .map(|layer| {
            json!({
                "digest": layer.descriptor.digest,
                "media-type": layer.descriptor.media_type,
                "size": layer.descriptor.size,
                "diff-id": layer.diff_id,
            })
        })
        .collect();
    json!({ "digest": built.manifest.digest, "size": built.manifest.size, "layers": layers })
}

/// Writes the file whole, or not at all. A missing folder is an error.
pub(super) fn write(path: &Path, project: &Path, metadata: &Value) -> Result<(), FileError> {
    let path = std::path::absolute(path).map_err(|error| FileError::new("find", path, error))?;
    let mut text = serde_json::to_string_pretty(metadata).unwrap_or_default();
    text.push('\n');
    write_where_asked(&path, project, text.as_bytes())
}
