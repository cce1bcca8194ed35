//! Turns the values of the file into the program's own types, once their shape is checked. Every contradiction is
//! reported, with both places if there are two.

mod base;
mod build;
mod checker;
mod config;
mod cycles;
mod language;
mod loosely;
mod names;
mod package;
mod policy;
mod registry;
mod settle;
mod step;
mod syntax;
mod target;
mod tools;
mod user;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use checker::Checker;
pub(crate) use user::UserSettings;

use crate::manifest::read::Table;
use crate::manifest::{IgnoreFile, Manifest, Overrides, Project, schema, shape};
use crate::model::Platform;
use crate::problem::{Problem, Problems};
use crate::source::Source;

/// The manifest's file name.
pub(crate) const MANIFEST_NAME: &str = "oci.toml";

/// Parses and checks a manifest. `folder` is what its paths are relative to.
pub(crate) fn parse_with(source: &Source, folder: &Path, overrides: &Overrides) -> Result<Manifest, Vec<Problem>> {
    let user = &overrides.user;
    let mut problems = Problems::default();
    let (document, errors) = DeTable::parse_recoverable(source.text());
    if !errors.is_empty() {
        return Err(syntax::problems(source, errors));
    }
    shape::check_table(source, document.get_ref(), schema::MANIFEST, &[], &mut problems);
    let root = Table::new(source, document.get_ref());
    let version = root.table("project").and_then(|table| table.text("version")).map(|version| version.value);
    let mut checker = Checker::new(problems, version);
    checker.variables = variables(root, overrides, &mut checker);
    let bases = base::bases(root, &mut checker);
    let mut targets = target::targets(root, &mut checker);
    let mut builds = build::builds(root, &mut checker);
    let mut stages = build::stages(root, &mut checker);
    stages.append(&mut targets.stages);
    let mut layers = build::layers(root, &mut checker);
    let policy = policy::policy(root, folder, &bases, &mut checker);
    let mirrored = policy::mirrors(root, &mut checker);
    let images = names::Images { bases: &bases, builds: &builds, stages: &stages, layers: &layers };
    names::check(root, &images, &mirrored, &mut checker);
    settle::settle(&targets, &mut builds, &mut stages, &mut layers, &mut checker);
    let images = names::Images { bases: &bases, builds: &builds, stages: &stages, layers: &layers };
    cycles::check(&images, &mut checker);
    let manifest = Manifest {
        source: source.clone(),
        folder: folder.to_owned(),
        project: project(root, &mut checker),
        bases,
        builds,
        stages,
        layers,
        targets: targets.here,
        policy,
        registries: registry::settings(registry::registries(root, folder, &mut checker), &user.registries),
        tools: user.tools.clone().or(&tools::of_project(root, &mut checker)),
        cache: policy::cache(root, folder, Some(folder), &mut checker).or(&user.cache),
        variables: std::mem::take(&mut checker.variables),
    };
    let problems = checker.problems;
    if problems.is_empty() { Ok(manifest) } else { Err(problems.into_sorted()) }
}

/// `[vars]`, each with the value of this run.
fn variables(root: Table<'_>, overrides: &Overrides, checker: &mut Checker) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in root.table("vars").map(|table| table.entries()).unwrap_or_default() {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        if name.is_empty() || !name.chars().all(letter) {
            let message = format!("`{}` is no name of a variable", *name);
            let reason = "a name is letters, digits, `_` and `-`";
            checker.push(Problem::new("oci::manifest::bad_variable", message, &name.place, reason));
        }
        if let Some(text) = value.text() {
            value::refuse_nul(&text, checker);
            let value = overrides.get(&name).unwrap_or(&text).to_owned();
            variables.insert(name.value, value);
        }
    }
    variables
}

fn project(root: Table<'_>, checker: &mut Checker) -> Project {
    let Some(table) = root.table("project") else {
        return Project { platforms: vec![Platform::host()], ..Project::default() };
    };
    let platforms = value::platforms(table, checker);
    let exclude = table.texts("exclude").unwrap_or_default();
    for pattern in &exclude {
        value::check_glob_within(pattern, checker);
    }
    let ignore_files = table.texts("ignore-files");
    let ignore_files = ignore_files.map(|names| names.iter().filter_map(|name| IgnoreFile::named(name)).collect());
    let epoch = table.integer("source-date-epoch").and_then(|epoch| {
        if epoch.value.is_none_or(|seconds| !(0..=LAST_EPOCH).contains(&seconds)) {
            let message = format!("`source-date-epoch` is seconds since 1970, from 0 to {LAST_EPOCH}");
            checker.push(Problem::new("oci::manifest::bad_epoch", message, &epoch.place, ""));
        }
        epoch.value
    });
    Project {
        platforms: match platforms {
            Some(platforms) => platforms.into_iter().map(|platform| platform.value).collect(),
            None => vec![Platform::host()],
        },
        exclude,
        ignore_files,
        epoch,
    }
}

/// The latest time, in seconds since 1970, that the eleven octal digits of a tar header can hold.
pub(crate) const LAST_EPOCH: i64 = 0o777_7777_7777;
