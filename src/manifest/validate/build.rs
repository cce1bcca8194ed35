//! `[build.NAME]`, `[stage.NAME]`, what they inherit, and `[layer.NAME]`.

use std::collections::BTreeMap;

use crate::manifest::read::{Table, Value};
use crate::manifest::template::Template;
use crate::manifest::validate::{Checker, config, package, step, value};
use crate::manifest::{Build, Entrypoint, Needs, SharedLayer};
use crate::model::{Compression, ImageName};
use crate::problem::Problem;
use crate::source::{Place, Placed};

pub(super) fn builds(root: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Build> {
    let defaults = root.table("defaults");
    if let Some(table) = defaults {
        // The defaults are also checked by themselves, since no build may inherit them.
        let place = root.key_place("defaults").unwrap_or_else(|| table.source.place(0..0));
        settings(&Placed::new("build".to_owned(), place), table, checker);
    }
    images(root, "build", defaults, checker)
}

/// Stages inherit only what concerns how they are made.
pub(super) fn stages(root: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Build> {
    let Some(defaults) = root.table("defaults") else { return images(root, "stage", None, checker) };
    let inherited = defaults.only(&["compression", "env", "platforms"]);
    images(root, "stage", Some(defaults.with(&inherited)), checker)
}

fn images<'a>(
    root: Table<'a>,
    kind: &str,
    defaults: Option<Table<'a>>,
    checker: &mut Checker,
) -> BTreeMap<String, Build> {
    let mut images = BTreeMap::new();
    for (name, table) in root.table(kind).map(|table| table.entries()).unwrap_or_default() {
        value::table_name(&name, checker);
        let Some(table) = table.table() else { continue };
        if let (Some(platform), Some(platforms)) = (table.key_place("platform"), table.key_place("platforms")) {
            let message = format!("`platforms` means nothing in `[{kind}.{}]`", *name);
            checker.push(
                Problem::new("oci::manifest::clash", message, &platforms, "this is ignored")
                    .also(&platform, "the stage runs on this machine's platform alone")
                    .help("leave one of them out".to_owned()),
            );
        }
        let image = image(kind, &name, table.above(defaults), checker);
        images.insert(name.value, image);
    }
    images
}

fn image(kind: &str, name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> Build {
    if table.get("base").is_none() {
        let message = format!("`[{kind}.{}]` has no `base`", **name);
        checker.push(
            Problem::new("oci::manifest::missing_key", message, &name.place, "")
                .help("name the image to start from; `base = \"scratch\"` starts from nothing".to_owned()),
        );
    }
    // Everything is checked even if the base is missing, so that every problem is found.
    let base = table.text("base").and_then(|text| value::image(&text, checker));
    let mut needs = Needs::default();
    let packages = package::packages(table, &mut needs, checker);
    let steps = step::steps(table, &mut needs, checker);
    Build {
        host: table.key_place("platform"),
        per_target: per_target(kind, table, checker),
        base: base.unwrap_or_else(|| Placed::new(ImageName::Scratch, name.place.clone())),
        layers: table.texts("layers").unwrap_or_default(),
        packages,
        steps,
        needs,
        entrypoint: config::entrypoint(table, checker),
        ..settings(name, table, checker)
    }
}

/// `per-target`, which means something beside `platform = "host"` alone.
fn per_target(kind: &str, table: Table<'_>, checker: &mut Checker) -> bool {
    let Some(per_target) = table.boolean("per-target") else { return true };
    // In a build, both `per-target` and `platform` are unknown keys.
    if kind == "stage" && table.get("platform").is_none() {
        let message = "`per-target` means nothing without `platform = \"host\"`";
        checker.push(
            Problem::new("oci::manifest::clash", message, &per_target.place, "the stage is made for each platform")
                .help(
                    "add `platform = \"host\"` to run it on this machine's platform, or leave `per-target` out"
                        .to_owned(),
                ),
        );
    }
    *per_target
}

/// `[layer.NAME]`.
pub(super) fn layers(root: Table<'_>, checker: &mut Checker) -> BTreeMap<String, SharedLayer> {
    let mut layers = BTreeMap::new();
    for (name, value) in root.table("layer").map(|table| table.entries()).unwrap_or_default() {
        value::variant_name(&name, checker);
        let Some(table) = value.table() else { continue };
        if table.get("packages").is_none() {
            let message = format!("`[layer.{}]` has no `packages`", *name);
            checker.push(
                Problem::new("oci::manifest::missing_key", message, &name.place, "")
                    .help("say what is in it: `packages = [\"…\"]`".to_owned()),
            );
        }
        let mut needs = Needs::default();
        let packages = package::packages(table, &mut needs, checker);
        layers.insert(name.value, SharedLayer { packages, needs });
    }
    layers
}

/// A build that adds nothing to the empty image.
pub(super) fn nothing(place: &Place) -> Build {
    Build {
        place: place.clone(),
        base: Placed::new(ImageName::Scratch, place.clone()),
        host: None,
        per_target: true,
        layers: Vec::new(),
        packages: Vec::new(),
        squash_packages: false,
        steps: Vec::new(),
        needs: Needs::default(),
        entrypoint: Entrypoint::default(),
        args: None,
        env: BTreeMap::new(),
        user: None,
        workdir: None,
        stop_signal: None,
        ports: Vec::new(),
        volumes: Vec::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        description: None,
        platforms: None,
        compression: Compression::default(),
        terminal: false,
        repositories: Vec::new(),
        tags: Vec::new(),
    }
}

/// Everything that builds may inherit from `[defaults]`, and the tags.
fn settings(name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> Build {
    Build {
        squash_packages: table.boolean("squash-packages").is_some_and(|squash| *squash),
        args: config::command(table, "args", checker),
        env: config::env(table, checker),
        user: config::user(table, checker),
        workdir: config::workdir(table, checker),
        stop_signal: config::stop_signal(table, checker),
        ports: config::ports(table, checker),
        volumes: config::volumes(table, checker),
        labels: config::labels(table, checker),
        annotations: config::annotations(table, checker),
        description: table.text("description").map(|text| text.value),
        platforms: value::platforms(table, checker),
        compression: compression(table, checker).unwrap_or_default(),
        terminal: table.boolean("terminal").is_some_and(|terminal| *terminal),
        repositories: repositories(name, table, checker),
        tags: tags(name, table, checker),
        ..nothing(&name.place)
    }
}

/// A kind by name, or a table of a kind and its level.
fn compression(table: Table<'_>, checker: &mut Checker) -> Option<Compression> {
    let value = table.get("compression")?;
    let Some(table) = value.table() else { return Compression::named(&value.text()?) };
    let Some(kind) = table.text("kind") else {
        if table.get("kind").is_none() {
            let message = "`compression` does not say what compresses";
            checker.push(
                Problem::new("oci::manifest::missing_key", message, &value.place(), "")
                    .help("write `compression = { kind = \"zstd\", level = 10 }`".to_owned()),
            );
        }
        return None;
    };
    let compression = Compression::named(&kind)?;
    let Some(level) = table.get("level") else { return Some(compression) };
    let number = level.integer().filter(|level| Compression::ZSTD_LEVELS.contains(level));
    let message = match (compression, number.and_then(|number| i32::try_from(number).ok())) {
        (Compression::Zstd { .. }, Some(level)) => return Some(Compression::Zstd { level }),
        (Compression::Zstd { .. }, None) => "a level of zstd is a number from 1 to 22".to_owned(),
        _ => format!("`{}` has no level", *kind),
    };
    checker.push(Problem::new("oci::manifest::bad_level", message, &level.place(), ""));
    None
}

fn repositories(name: &str, table: Table<'_>, checker: &mut Checker) -> Vec<Placed<Template>> {
    let texts = match table.get("repository").map(|value| (value.text(), value.list())) {
        Some((Some(text), _)) => vec![text],
        Some((None, Some(list))) => list.into_iter().filter_map(|text| text.text()).collect(),
        _ => Vec::new(),
    };
    texts.iter().filter_map(|text| value::repository_template(text, Some(name), checker)).collect()
}

fn tags(name: &str, table: Table<'_>, checker: &mut Checker) -> Vec<Placed<Template>> {
    if let (Some(tag), Some(tags)) = (table.key_place("tag"), table.key_place("tags")) {
        checker.push(
            Problem::new("oci::manifest::clash", "`tag` and `tags` say the same thing", &tag, "this one")
                .also(&tags, "and this one")
                .help("keep `tags`, with everything in it".to_owned()),
        );
    }
    if let Some(value) = table.get("tags").filter(Value::is_empty_list) {
        checker.push(
            Problem::new("oci::manifest::no_tags", "`tags` names none", &value.place(), "")
                .help("name one, or leave the key out for `latest`".to_owned()),
        );
    }
    let written = table.text("tag").map(|text| vec![text]).or_else(|| table.texts("tags")).unwrap_or_default();
    written.iter().filter_map(|text| value::tag_template(text, Some(name), checker)).collect()
}
