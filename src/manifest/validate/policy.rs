//! `[mirror.NAME]`, `[policy]` and `[cache]`: checked for every problem. What `[mirror.NAME]` means is for a later
//! release.

use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::read::Table;
use crate::manifest::validate::{Checker, value};
use crate::manifest::{Base, Cache, CacheFolder, Policy};
use crate::model::{ByteSize, ImageName};
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// `[mirror.NAME]`; the images that are mirrored.
pub(super) fn mirrors(root: Table<'_>, checker: &mut Checker) -> Vec<Placed<ImageName>> {
    let mut sources = Vec::new();
    for (name, value) in root.table("mirror").map(|table| table.entries()).unwrap_or_default() {
        value::variant_name(&name, checker);
        let Some(table) = value.table() else { continue };
        for key in ["source", "repository"] {
            if table.get(key).is_none() {
                missing(&format!("[mirror.{}]", *name), key, &name.place, checker);
            }
        }
        sources.extend(table.text("source").and_then(|source| value::image(&source, checker)));
        if let Some(text) = table.text("repository") {
            value::repository_template(&text, None, checker);
        }
        for text in table.texts("tags").unwrap_or_default() {
            value::tag_template(&text, None, checker);
        }
        value::platforms(table, checker);
    }
    sources
}

/// `[policy]`: every base comes from a repository that it allows.
pub(super) fn policy(root: Table<'_>, folder: &Path, bases: &BTreeMap<String, Base>, checker: &mut Checker) -> Policy {
    let Some(table) = root.table("policy") else { return Policy::default() };
    let signatures = table
        .text("signatures")
        .and_then(|text| value::path_from(folder, &text, checker).map(|path| Placed::new(path, text.place)));
    let max_age = table.integer("max-age-days");
    if let Some(days) = max_age.as_ref().filter(|days| days.value.is_none_or(|days| days < 1)) {
        let message = "`max-age-days` is a number of days, at least 1";
        checker.push(Problem::new("oci::manifest::bad_number", message, &days.place, ""));
    }
    if let (Some(patterns), Some(allow)) = (table.texts("allow"), table.key_place("allow")) {
        allowed(&patterns, &allow, bases, checker);
    }
    Policy { max_age_days: max_age.and_then(|days| days.value), signatures }
}

fn allowed(patterns: &[Placed<String>], allow: &Place, bases: &BTreeMap<String, Base>, checker: &mut Checker) {
    let patterns: Vec<_> = patterns.iter().filter_map(|pattern| value::check_glob(pattern, checker)).collect();
    // A layout has no repository to check.
    for base in bases.values() {
        let Some(repository) = base.origin.repository().map(ToString::to_string) else { continue };
        if !patterns.iter().any(|pattern| pattern.is_match(&repository)) {
            let message = format!("`{repository}` is not allowed by `[policy]`");
            checker.push(
                Problem::new("oci::manifest::not_allowed", message, &base.origin.place, "no pattern matches it")
                    .also(allow, "what is allowed")
                    .help("take the image from a repository that is allowed, or add this one to `allow`".to_owned()),
            );
        }
    }
}

/// `[cache]`: its folder, and how large it may grow. `project` is the folder of the project whose manifest it is in.
pub(super) fn cache(root: Table<'_>, folder: &Path, project: Option<&Path>, checker: &mut Checker) -> Cache {
    let Some(table) = root.table("cache") else { return Cache::default() };
    if let Some(text) = table.text("registry") {
        value::repository(&text, checker);
    }
    let max_size = table.text("max-size").and_then(|text| match ByteSize::parse(&text) {
        Ok(size) => Some(size),
        Err(error) => {
            let message = format!("`{}` is no size", *text);
            let problem = Problem::new("oci::manifest::bad_number", message, &text.place, "");
            checker.push(problem.help(error.to_string()));
            None
        }
    });
    let named = table.text("dir").and_then(|text| {
        let path = value::path_from(folder, &text, checker)?;
        Some(CacheFolder { path: Placed::new(path, text.place), project: project.map(Path::to_owned) })
    });
    Cache { folder: named, max_size }
}

pub(super) fn missing(table: &str, key: &str, place: &Place, checker: &mut Checker) {
    let problem = Problem::new("oci::manifest::missing_key", format!("`{table}` has no `{key}`"), place, "");
    checker.push(problem);
}
