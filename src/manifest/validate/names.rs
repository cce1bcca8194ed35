//! Checks names across the file: images share one namespace, and every name that is used exists.

use std::collections::BTreeMap;

use crate::manifest::read::Table;
use crate::manifest::validate::Checker;
use crate::manifest::{Base, Build, Needs, SharedLayer};
use crate::model::ImageName;
use crate::problem::Problem;
use crate::source::Placed;

/// The images that were validated so far.
pub(super) struct Images<'a> {
    pub(super) bases: &'a BTreeMap<String, Base>,
    pub(super) builds: &'a BTreeMap<String, Build>,
    pub(super) stages: &'a BTreeMap<String, Build>,
    pub(super) layers: &'a BTreeMap<String, SharedLayer>,
}

/// The names of a kind of table, as they are written, valid or not.
type Names = BTreeMap<String, Placed<String>>;

/// The names of images, by kind.
struct Written {
    bases: Names,
    builds: Names,
    stages: Names,
}

pub(super) fn check(root: Table<'_>, images: &Images<'_>, mirrored: &[Placed<ImageName>], checker: &mut Checker) {
    let names = |table: &str| {
        let entries = root.table(table).map(|table| table.entries()).unwrap_or_default();
        entries.into_iter().map(|(name, _)| (name.value.clone(), name)).collect::<Names>()
    };
    let written = Written { bases: names("base"), builds: names("build"), stages: names("stage") };
    check_namespace(("build", &written.builds), ("base", &written.bases), checker);
    check_namespace(("stage", &written.stages), ("base", &written.bases), checker);
    check_namespace(("stage", &written.stages), ("build", &written.builds), checker);
    let (targets, layers) = (names("package"), names("layer"));
    let made = || images.builds.values().chain(images.stages.values());
    for build in made() {
        check_image(&build.base, "base", &written, images.bases, checker);
        check_platform(build, images.stages, checker);
        check_layers(build, &layers, checker);
    }
    for needs in made().map(|build| &build.needs).chain(images.layers.values().map(|layer| &layer.needs)) {
        check_needs(needs, &targets, &written, images.bases, checker);
    }
    for source in mirrored {
        match &source.value {
            ImageName::Plain(name) if written.stages.contains_key(name) => checker.push(
                Problem::new(
                    "oci::manifest::unknown_base",
                    format!("`{name}` is a stage, and stages are not mirrored"),
                    &source.place,
                    "",
                )
                .also(&written.stages[name].place, "the stage"),
            ),
            _ => check_image(source, "image", &written, images.bases, checker),
        }
    }
}

/// Reports names that stand for two images.
fn check_namespace((kind, names): (&str, &Names), (other_kind, others): (&str, &Names), checker: &mut Checker) {
    for (name, place) in names {
        if let Some(other) = others.get(name) {
            checker.push(
                Problem::new(
                    "oci::manifest::duplicate_name",
                    format!("`{name}` is both a {other_kind} and a {kind}"),
                    &place.place,
                    format!("the {kind}"),
                )
                .also(&other.place, format!("the {other_kind}"))
                .help("bases, stages and builds share one namespace: rename one of them".to_owned()),
            );
        }
    }
}

fn check_needs(
    needs: &Needs,
    targets: &Names,
    written: &Written,
    bases: &BTreeMap<String, Base>,
    checker: &mut Checker,
) {
    for image in &needs.images {
        if image.value == ImageName::Scratch {
            let message = "`scratch` is the empty image: it has no files to take";
            checker.push(
                Problem::new("oci::manifest::empty_image", message, &image.place, "")
                    .help("name a base, a stage or a build".to_owned()),
            );
        }
        check_image(image, "image", written, bases, checker);
    }
    for target in needs.targets.iter().filter(|target| !targets.contains_key(&target.value)) {
        let help = checker.suggest("the packaged targets are", target, targets.keys().map(String::as_str));
        let message = format!("there is no packaged target `{}`", **target);
        checker.push(
            Problem::new("oci::manifest::unknown_package", message, &target.place, "not known").help(
                help.unwrap_or_else(|| format!("add a `[package.{}]` with its `command` and `output`", **target)),
            ),
        );
    }
}

/// What is for a platform stands on images for that platform.
fn check_platform(build: &Build, stages: &BTreeMap<String, Build>, checker: &mut Checker) {
    let ImageName::Plain(name) = &build.base.value else { return };
    if let (None, Some(host)) = (&build.host, stages.get(name).and_then(|stage| stage.host.as_ref())) {
        let message = format!("`{name}` is for this machine's platform, whatever the target");
        checker.push(
            Problem::new("oci::manifest::host_base", message, &build.base.place, "this is for each platform")
                .also(host, "said here")
                .help(format!("take files from it with a package: `{{ image = \"{name}\", path = \"/…\" }}`")),
        );
    }
}

/// A base with problems of its own counts as there: those problems are enough.
fn check_image(
    base: &Placed<ImageName>,
    what: &str,
    written: &Written,
    bases: &BTreeMap<String, Base>,
    checker: &mut Checker,
) {
    let (name, variant) = match &base.value {
        ImageName::Scratch => return,
        ImageName::Plain(name) => (name, None),
        ImageName::Variant(name, variant) => (name, Some(variant)),
    };
    let Written { bases: written_bases, builds, stages } = written;
    let made =
        builds.get(name).map(|build| ("build", build)).or_else(|| stages.get(name).map(|stage| ("stage", stage)));
    let is_known = written_bases.contains_key(name) || (variant.is_none() && made.is_some());
    if !is_known {
        let known =
            written_bases.keys().chain(builds.keys()).chain(stages.keys()).map(String::as_str).chain(["scratch"]);
        let help = checker.suggest("the images are", name, known);
        let problem = match (variant, made) {
            (Some(_), Some((kind, made))) => Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` is a {kind}, and has no variants"),
                &base.place,
                "",
            )
            .also(&made.place, format!("the {kind}")),
            (Some(_), None) if name == "scratch" => Problem::new(
                "oci::manifest::unknown_variant",
                "`scratch` is the empty image, and has no variants",
                &base.place,
                "",
            ),
            _ => Problem::new(
                "oci::manifest::unknown_base",
                format!("there is no {what} `{name}`"),
                &base.place,
                "not known",
            )
            .help(help),
        };
        checker.push(problem);
        return;
    }
    let (Some(known), Some(written)) = (bases.get(name), written_bases.get(name)) else { return };
    let variants = || known.pins.keys().flatten().map(String::as_str);
    let has_variants = variants().next().is_some();
    match variant {
        None if has_variants => checker.push(
            Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` has variants, and one of them has to be named"),
                &base.place,
                "which one?",
            )
            .also(&written.place, "the base")
            .help(one_of(name, variants().collect())),
        ),
        Some(variant) if !has_variants && known.pins.contains_key(&None) => checker.push(
            Problem::new(
                "oci::manifest::unknown_variant",
                format!("`{name}` has no variants, so none is called `{variant}`"),
                &base.place,
                "",
            )
            .also(&written.place, "the base")
            .help(format!("write `{name}`")),
        ),
        Some(variant) if has_variants && !known.pins.contains_key(&Some(variant.clone())) => {
            let help = checker.suggest("its variants are", variant, variants());
            checker.push(
                Problem::new(
                    "oci::manifest::unknown_variant",
                    format!("`{name}` has no variant `{variant}`"),
                    &base.place,
                    "not known",
                )
                .also(&written.place, "the base")
                .help(help),
            );
        }
        _ => {}
    }
}

/// How many variants a help line names.
const SHOWN: usize = 12;

/// What to write for one variant of a base.
fn one_of(name: &str, variants: Vec<&str>) -> String {
    let shown = &variants[..variants.len().min(SHOWN)];
    let more = match variants.len() - shown.len() {
        0 => String::new(),
        more => format!(", or one of {more} more"),
    };
    format!("write `{name}#{}`{more}", shown.join(&format!("` or `{name}#")))
}

/// Checks that every layer that a build names exists, and is named once.
fn check_layers(build: &Build, layers: &Names, checker: &mut Checker) {
    let mut named: BTreeMap<&str, &Placed<String>> = BTreeMap::new();
    for name in &build.layers {
        if !layers.contains_key(&name.value) {
            let help = checker.suggest("the layers are", name, layers.keys().map(String::as_str));
            let message = format!("there is no layer `{}`", **name);
            checker.push(
                Problem::new("oci::manifest::unknown_layer", message, &name.place, "not known")
                    .help(help.unwrap_or_else(|| format!("add a `[layer.{}]` with `packages`", **name))),
            );
        } else if let Some(first) = named.insert(name, name) {
            // A further duplicate is compared with the first mention again.
            named.insert(first, first);
            let message = format!("the layer `{}` is named twice", **name);
            checker.push(
                Problem::new("oci::manifest::duplicate_name", message, &name.place, "again here")
                    .also(&first.place, "first here"),
            );
        }
    }
}
