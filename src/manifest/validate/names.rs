//! Names across the file: one namespace for images, every `base` that is named there, no cycles.

use std::collections::BTreeMap;

use crate::manifest::read::Table;
use crate::manifest::validate::Checker;
use crate::manifest::{Base, Build, Package};
use crate::model::ImageName;
use crate::problem::Problem;
use crate::source::Placed;
use crate::suggest;

pub(super) fn check(
    root: Table<'_>,
    bases: &BTreeMap<String, Base>,
    builds: &BTreeMap<String, Build>,
    checker: &mut Checker,
) {
    let names = |table: &str| {
        let entries = root.table(table).map(|table| table.entries()).unwrap_or_default();
        entries.into_iter().map(|(name, _)| (name.value.clone(), name)).collect::<BTreeMap<_, _>>()
    };
    let (written_bases, written_builds) = (names("base"), names("build"));
    // Stages are of a later release, which was reported; what stands on one is not to blame.
    let written_stages = names("stage");
    for (name, build) in &written_builds {
        if let Some(base) = written_bases.get(name) {
            checker.push(
                Problem::new(
                    "oci::manifest::duplicate_name",
                    format!("`{name}` is both a base and a build"),
                    &build.place,
                    "the build",
                )
                .also(&base.place, "the base")
                .help("bases, stages and builds share one namespace: rename one of them".to_owned()),
            );
        }
    }
    for build in builds.values() {
        if !matches!(&build.base.value, ImageName::Plain(name) if written_stages.contains_key(name)) {
            check_base(&build.base, &written_bases, &written_builds, bases, checker);
        }
    }
    check_cycles(builds, checker);
}

/// A base that did not validate exists all the same: its own problems are enough.
fn check_base(
    base: &Placed<ImageName>,
    written_bases: &BTreeMap<String, Placed<String>>,
    written_builds: &BTreeMap<String, Placed<String>>,
    bases: &BTreeMap<String, Base>,
    checker: &mut Checker,
) {
    let (name, variant) = match &base.value {
        ImageName::Scratch => return,
        ImageName::Plain(name) => (name, None),
        ImageName::Variant(name, variant) => (name, Some(variant)),
    };
    let is_known = written_bases.contains_key(name) || (variant.is_none() && written_builds.contains_key(name));
    if !is_known {
        let known = written_bases.keys().chain(written_builds.keys()).map(String::as_str).chain(["scratch"]);
        let problem = match (variant, written_builds.get(name)) {
            (Some(_), Some(build)) => Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` is a build, and has no variants"),
                &base.place,
                "",
            )
            .also(&build.place, "the build"),
            (Some(_), None) if name == "scratch" => Problem::new(
                "oci::manifest::unknown_variant",
                "`scratch` is the empty image, and has no variants",
                &base.place,
                "",
            ),
            _ => Problem::new(
                "oci::manifest::unknown_base",
                format!("there is no base `{name}`"),
                &base.place,
                "not known",
            )
            .help(suggest::help("the images are", name, known)),
        };
        checker.push(problem);
        return;
    }
    let (Some(known), Some(written)) = (bases.get(name), written_bases.get(name)) else { return };
    let variants: Vec<&str> = known.pins.keys().flatten().map(String::as_str).collect();
    match variant {
        None if !variants.is_empty() => checker.push(
            Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` has variants, and one of them has to be named"),
                &base.place,
                "which one?",
            )
            .also(&written.place, "the base")
            .help(format!("write `{name}#{}`", variants.join(&format!("` or `{name}#")))),
        ),
        Some(variant) if variants.is_empty() && known.pins.contains_key(&None) => checker.push(
            Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` has no variants, so none is called `{variant}`"),
                &base.place,
                "",
            )
            .also(&written.place, "the base")
            .help(format!("write `{name}`")),
        ),
        Some(variant) if !variants.is_empty() && !variants.contains(&variant.as_str()) => checker.push(
            Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` has no variant `{variant}`"),
                &base.place,
                "not known",
            )
            .also(&written.place, "the base")
            .help(suggest::help("its variants are", variant, variants.iter().copied())),
        ),
        _ => {}
    }
}

/// Every layer that a build names is there, and named once.
pub(super) fn check_layers(
    layers: &BTreeMap<String, Vec<Package>>,
    builds: &BTreeMap<String, Build>,
    checker: &mut Checker,
) {
    for build in builds.values() {
        for (index, name) in build.layers.iter().enumerate() {
            if !layers.contains_key(&name.value) {
                let help = suggest::help("the layers are", name, layers.keys().map(String::as_str));
                let message = format!("there is no layer `{}`", **name);
                checker.push(
                    Problem::new("oci::manifest::unknown_layer", message, &name.place, "not known")
                        .help(help.unwrap_or_else(|| format!("add a `[layer.{}]` with `packages`", **name))),
                );
            } else if let Some(first) = build.layers[..index].iter().find(|first| first.value == name.value) {
                let message = format!("the layer `{}` is named twice", **name);
                checker.push(
                    Problem::new("oci::manifest::duplicate_name", message, &name.place, "again here")
                        .also(&first.place, "first here"),
                );
            }
        }
    }
}

/// Follows each build down its bases; a cycle is reported once, at its first build by name.
fn check_cycles(builds: &BTreeMap<String, Build>, checker: &mut Checker) {
    for (start, build) in builds {
        let mut path: Vec<&str> = vec![start];
        let mut next = build;
        while let ImageName::Plain(name) = &next.base.value {
            let Some(build) = builds.get(name) else { break };
            if name == start {
                if path.iter().min() == Some(&start.as_str()) {
                    checker.push(cycle(&path, builds));
                }
                break;
            }
            if path.contains(&name.as_str()) {
                break;
            }
            path.push(name);
            next = build;
        }
    }
}

/// `path` is every build of the circle.
fn cycle(path: &[&str], builds: &BTreeMap<String, Build>) -> Problem {
    let start = path[0];
    let message = format!("a build stands on itself: {} → {start}", path.join(" → "));
    let label = |name: &str| format!("`{name}` stands on `{}`", builds[name].base.value);
    let problem = Problem::new("oci::manifest::cycle", message, &builds[start].base.place, label(start));
    path[1..].iter().fold(problem, |problem, name| problem.also(&builds[*name].base.place, label(name)))
}
