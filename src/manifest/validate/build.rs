//! `[build.NAME]`.

use std::collections::BTreeMap;

use crate::manifest::Build;
use crate::manifest::read::{Table, Value};
use crate::manifest::validate::{config, package, value};
use crate::model::{Compression, ImageName, Repository, Tag};
use crate::problem::{Problem, Problems};
use crate::source::Placed;

pub(super) fn builds(root: Table<'_>, problems: &mut Problems) -> BTreeMap<String, Build> {
    let mut builds = BTreeMap::new();
    for (name, table) in root.table("build").map(|table| table.entries()).unwrap_or_default() {
        value::table_name(&name, problems);
        if let Some(build) = table.table().and_then(|table| build(&name, table, problems)) {
            builds.insert(name.value, build);
        }
    }
    builds
}

fn build(name: &Placed<String>, table: Table<'_>, problems: &mut Problems) -> Option<Build> {
    if table.get("base").is_none() {
        problems.push(
            Problem::new("oci::manifest::missing_key", format!("`[build.{}]` has no `base`", **name), &name.place, "")
                .help("name the image to start from; `base = \"scratch\"` starts from nothing".to_owned()),
        );
    }
    // Everything is looked at, also without a base, so that every problem is found.
    let base = table.text("base").and_then(|text| value::image(&text, problems));
    let has_base = base.is_some();
    let build = Build {
        place: name.place.clone(),
        base: base.unwrap_or_else(|| Placed::new(ImageName::Scratch, name.place.clone())),
        packages: package::packages(table, problems),
        entrypoint: config::command(table, "entrypoint", problems),
        args: config::command(table, "args", problems),
        env: config::env(table, problems),
        user: config::user(table, problems),
        workdir: config::workdir(table, problems),
        stop_signal: config::stop_signal(table, problems),
        ports: config::ports(table, problems),
        volumes: config::volumes(table, problems),
        labels: config::labels(table, problems),
        annotations: config::annotations(table, problems),
        description: table.text("description").map(|text| text.value),
        platforms: value::platforms(table, problems),
        compression: compression(table, problems).unwrap_or_default(),
        terminal: table.boolean("terminal").is_some_and(|terminal| *terminal),
        repositories: repositories(table, problems),
        tags: tags(table, problems),
    };
    has_base.then_some(build)
}

/// A kind by name, or a table of a kind and its level.
fn compression(table: Table<'_>, problems: &mut Problems) -> Option<Compression> {
    let value = table.get("compression")?;
    let Some(table) = value.table() else { return Compression::named(&value.text()?) };
    let Some(kind) = table.text("kind") else {
        if table.get("kind").is_none() {
            let message = "`compression` does not say what compresses";
            problems.push(
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
    problems.push(Problem::new("oci::manifest::bad_level", message, &level.place(), ""));
    None
}

fn repositories(table: Table<'_>, problems: &mut Problems) -> Vec<Placed<Repository>> {
    let texts =
        table.text("repository").map(|text| vec![text]).or_else(|| table.texts("repository")).unwrap_or_default();
    texts.iter().filter_map(|text| value::repository(text, problems)).collect()
}

fn tags(table: Table<'_>, problems: &mut Problems) -> Vec<Tag> {
    if let (Some(tag), Some(tags)) = (table.key_place("tag"), table.key_place("tags")) {
        problems.push(
            Problem::new("oci::manifest::clash", "`tag` and `tags` say the same thing", &tag, "this one")
                .also(&tags, "and this one")
                .help("keep `tags`, with everything in it".to_owned()),
        );
    }
    let written = table.text("tag").map(|text| vec![text]).or_else(|| table.texts("tags"));
    let Some(texts) = written else {
        return Tag::parse("latest").into_iter().collect();
    };
    if let Some(value) = table.get("tags").filter(Value::is_empty_list) {
        problems.push(
            Problem::new("oci::manifest::no_tags", "`tags` names none", &value.place(), "")
                .help("name one, or leave the key out for `latest`".to_owned()),
        );
    }
    texts.iter().filter_map(|text| value::tag(text, problems)).collect()
}
