//! Meaning second: what the file says becomes the program's own types, and every contradiction in it
//! is reported, both places where there are two.

mod base;
mod build;
mod config;
mod names;
mod package;
mod registry;
mod syntax;
mod value;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::manifest::read::Table;
use crate::manifest::{Manifest, Project, Tools, schema, shape};
use crate::model::Platform;
use crate::problem::{Problem, Problems};
use crate::source::Source;

/// The manifest's file name.
pub(crate) const MANIFEST_NAME: &str = "oci.toml";

/// Parses and checks a manifest. `folder` is what its paths are relative to.
pub(crate) fn parse(source: &Source, folder: &Path) -> Result<Manifest, Vec<Problem>> {
    let mut problems = Problems::default();
    let (document, errors) = DeTable::parse_recoverable(source.text());
    if !errors.is_empty() {
        return Err(syntax::problems(source, errors));
    }
    shape::check_table(source, document.get_ref(), schema::MANIFEST, &[], &mut problems);
    let root = Table::new(source, document.get_ref());
    let bases = base::bases(root, &mut problems);
    let builds = build::builds(root, &mut problems);
    names::check(root, &bases, &builds, &mut problems);
    let manifest = Manifest {
        source: source.clone(),
        folder: folder.to_owned(),
        project: project(root, &mut problems),
        bases,
        builds,
        registries: registry::registries(root, folder, &mut problems),
        tools: tools(root, folder, &mut problems),
        cache: cache(root, folder, &mut problems),
    };
    if problems.is_empty() { Ok(manifest) } else { Err(problems.into_sorted()) }
}

fn project(root: Table<'_>, problems: &mut Problems) -> Project {
    let Some(table) = root.table("project") else {
        return Project { platforms: vec![Platform::host()], ..Project::default() };
    };
    let platforms = value::platforms(table, problems);
    let exclude = table.texts("exclude").unwrap_or_default();
    exclude.iter().for_each(|pattern| value::check_glob(pattern, problems));
    let epoch = table.integer("source-date-epoch").and_then(|epoch| {
        if epoch.value.is_none_or(|seconds| !(0..=LAST_EPOCH).contains(&seconds)) {
            let message = format!("`source-date-epoch` is seconds since 1970, from 0 to {LAST_EPOCH}");
            problems.push(Problem::new("oci::manifest::bad_epoch", message, &epoch.place, ""));
        }
        epoch.value
    });
    Project {
        platforms: match platforms {
            Some(platforms) => platforms.into_iter().map(|platform| platform.value).collect(),
            None => vec![Platform::host()],
        },
        exclude,
        epoch,
    }
}

/// What eleven octal digits, a tar header's field for times, can hold.
pub(crate) const LAST_EPOCH: i64 = 0o777_7777_7777;

/// A tool's name is looked up on `PATH`; a path is relative to the manifest.
fn tools(root: Table<'_>, folder: &Path, problems: &mut Problems) -> Tools {
    let table = root.table("tools");
    let mut tool = |name: &str| {
        let text = table?.text(name)?;
        let written = value::host_path(&text, problems)?;
        Some(if written.contains('/') { folder.join(written) } else { PathBuf::from(written) })
    };
    Tools { skopeo: tool("skopeo"), umoci: tool("umoci"), runc: tool("runc") }
}

fn cache(root: Table<'_>, folder: &Path, problems: &mut Problems) -> Option<PathBuf> {
    let written = root.table("cache")?.text("dir")?;
    value::path_from(folder, &written, problems)
}
