//! Packages of packaged targets, once all targets are known.

use std::collections::BTreeMap;

use crate::manifest::package::{Package, PackageContent};
use crate::manifest::target::Output;
use crate::manifest::validate::Checker;
use crate::manifest::validate::target::{SOURCES, Targets};
use crate::manifest::{Build, Needs, SharedLayer};
use crate::model::ImageName;
use crate::problem::Problem;
use crate::source::Placed;

/// Puts in place of each package of a target a package for each output that it stands for.
pub(super) fn settle(
    targets: &Targets,
    builds: &mut BTreeMap<String, Build>,
    stages: &mut BTreeMap<String, Build>,
    layers: &mut BTreeMap<String, SharedLayer>,
    checker: &mut Checker,
) {
    let images = builds.values_mut().chain(stages.values_mut()).map(|build| (&mut build.packages, &mut build.needs));
    for (packages, needs) in images.chain(layers.values_mut().map(|layer| (&mut layer.packages, &mut layer.needs))) {
        if needs.targets.is_empty() {
            continue;
        }
        let written = std::mem::take(packages);
        packages.extend(written.into_iter().flat_map(|package| settled(targets, package, needs, checker)));
    }
}

fn settled(targets: &Targets, package: Package, needs: &mut Needs, checker: &mut Checker) -> Vec<Package> {
    let PackageContent::Target { target, to, .. } = &package.content else { return vec![package] };
    let (name, output) = match target.split_once('/') {
        Some((name, output)) => (name, Some(output)),
        None => (target.as_str(), None),
    };
    // An unknown target, or one with problems of its own, was reported.
    let Some(made) = targets.made.get(name) else { return Vec::new() };
    let wanted: Vec<(usize, &Output)> = made
        .outputs
        .iter()
        .enumerate()
        .filter(|(_, known)| output.is_none() || known.name.as_deref() == output)
        .collect();
    if let (Some(output), true) = (output, wanted.is_empty()) {
        let known: Vec<&str> = made.outputs.iter().filter_map(|output| output.name.as_deref()).collect();
        let help = checker.suggest("its outputs are", output, known.iter().copied());
        let message = format!("`[package.{name}]` has no output `{output}`");
        checker.push(
            Problem::new("oci::manifest::unknown_package", message, &target.place, "not known")
                .help(help.unwrap_or_else(|| format!("write `outputs = {{ {output} = \"…\" }}` there"))),
        );
    }
    let to = to.clone().or_else(|| made.to.clone());
    if let Some(to) = to.as_ref().filter(|to| wanted.len() > 1 && !to.ends_with('/') && *to.value != *"/") {
        let message = format!("`{}` has {} outputs, and this is one place", **target, wanted.len());
        checker.push(
            Problem::new("oci::manifest::bad_package", message, &to.place, "")
                .help(format!("write `{}/` for a folder that they all go into", **to)),
        );
    }
    let image = Placed::new(ImageName::Plain(format!(":{name}")), target.place.clone());
    if made.is_stage {
        needs.images.push(image.clone());
    }
    let several = wanted.len() > 1;
    let packages = wanted.into_iter().map(|(number, output)| {
        let last = output.path.split('/').rfind(|part| !matches!(*part, "" | "."));
        let is_glob = output.path.contains(['*', '?', '[']);
        let content = if made.is_stage {
            let path = output.path.clone().map(|path| format!("{SOURCES}/{}", path.trim_start_matches("./")));
            let own = match last {
                Some(last) if !is_glob => format!("/{last}"),
                _ => "/".to_owned(),
            };
            let to = match &to {
                // Each of several goes into the folder under its own name.
                Some(to) if several && !is_glob => to.clone().map(|to| format!("{}{own}", to.trim_end_matches('/'))),
                Some(to) => to.clone(),
                None => Placed::new(own, target.place.clone()),
            };
            PackageContent::Image { image: image.clone(), path, to: Some(to) }
        } else {
            let to = match (&to, last) {
                (Some(to), Some(last)) if several && !is_glob => {
                    Some(to.clone().map(|to| format!("{}/{last}", to.trim_end_matches('/'))))
                }
                _ => to.clone(),
            };
            let target = Placed::new(name.to_owned(), target.place.clone());
            PackageContent::Target { target, output: number, label: label(name, output, made.outputs.len()), to }
        };
        Package { content, ..package.clone() }
    });
    packages.collect()
}

/// An output as people read it: its target alone, if that has no other.
fn label(target: &str, output: &Output, of: usize) -> String {
    let last = output.path.split('/').rfind(|part| !matches!(*part, "" | ".")).unwrap_or_default();
    match &output.name {
        Some(name) => format!(":{target}/{name}"),
        None if of == 1 => format!(":{target}"),
        None => format!(":{target}/{last}"),
    }
}
