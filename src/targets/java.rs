//! Targets of Java: a jar that is there already, or that a command makes, taken apart into layers.
//!
//! A jar of Spring Boot says itself how it falls into layers. Of any other, the libraries that its manifest names, or
//! that are in it, are lowest, then those whose version is a snapshot, then resources, then classes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::manifest::package::{Package, PackageContent, of_platform};
use crate::manifest::target::JavaTarget;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::jar::{Jar, JarError};
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe, lexical};

/// The folder of libraries that lay beside the jar.
const LIBRARIES: &str = "lib";

/// The layers of a jar that does not say how it falls into layers, lowest first.
const USUAL: [&str; 4] = ["libraries", "snapshots", "resources", "classes"];

impl Kind for JavaTarget {
    fn recipe(&self, making: &Making<'_>, _: &Path) -> Result<Recipe, At<TargetError>> {
        let target = making.request.target;
        let jar = making.expanded(&self.jar);
        let git = making.git_values(target.env.values().map(|text| &text.value), &self.place)?;
        let value = |name: &str| of_platform(name, making.request.platform).or_else(|| git.get(name).cloned());
        let folder = &making.targets.manifest.folder;
        let command = |line: &String| Invocation::new("/bin/sh").arguments(["-ec", line]).folder(folder);
        let mut inputs = making.inputs_or([jar.clone()].into_iter());
        if self.build.is_none() {
            // The libraries that its manifest names lie beside it.
            let beside = Jar::open(&folder.join(&jar.value)).ok();
            let names = beside
                .iter()
                .flat_map(Jar::class_path)
                .map(|path| folder.join(&jar.value).with_file_name("").join(path));
            inputs.extend(names.filter(|path| path.exists()).map(|path| making.inside(&lexical(&path), &jar.place)));
        }
        Ok(Recipe {
            place: self.place.clone(),
            inputs,
            exclude: target.exclude.iter().map(|text| making.expanded(text)).collect(),
            decisive: [&jar.value]
                .into_iter()
                .chain(&self.build)
                .chain(&self.jvm_flags)
                .cloned()
                .chain([making.budget().to_string()])
                .collect(),
            environment: making.environment(&value),
            copied: Vec::new(),
            copies: Vec::new(),
            commands: self.build.iter().map(command).collect(),
            advice: None,
            help: &[],
        })
    }

    fn gather(&self, making: &Making<'_>, out: &Path) -> Result<Gathered, At<TargetError>> {
        let written = making.expanded(&self.jar);
        let path = making.targets.manifest.folder.join(&written.value);
        let blame = |error: JarError| match error {
            JarError::File(error) => At::new(error.into(), &self.jar.place, ""),
            JarError::NotThere => {
                At::new(TargetError::NoOutput { path: written.value.clone(), help: None }, &self.jar.place, "")
            }
            JarError::NotAJar(source) => {
                At::new(TargetError::NotAJar { path: written.value.clone(), source }, &self.jar.place, "")
            }
        };
        let mut jar = Jar::open(&path).map_err(blame)?;
        let index = jar.layers().map_err(blame)?;
        let mut layers: BTreeMap<usize, (String, Vec<Package>)> = BTreeMap::new();
        let mut class_path = vec![String::new()];
        let package = |from: &Path, to: &str| {
            let from = Placed::new(from.to_string_lossy().into_owned(), self.jar.place.clone());
            let to = Placed::new(to.to_owned(), self.jar.place.clone());
            Package::new(self.jar.place.clone(), PackageContent::Path { path: from, to: Some(to) })
        };
        let beside = if index.is_empty() { jar.class_path() } else { Vec::new() };
        let mut names = BTreeSet::new();
        for (position, library) in beside.iter().enumerate() {
            let from = lexical(&path.with_file_name("").join(library));
            // Java itself passes over what is not there.
            let Some(name) = from.file_name().filter(|_| from.exists()) else { continue };
            let name = name.to_string_lossy().into_owned();
            let name = if names.insert(name.clone()) { name } else { format!("{position}-{name}") };
            let number = match name.contains("-SNAPSHOT") {
                _ if from.is_dir() => 2,
                true => 1,
                false => 0,
            };
            let to = format!("{LIBRARIES}/{name}");
            let slash = if from.is_dir() { "/" } else { "" };
            let layer = layers.entry(number).or_insert_with(|| (USUAL[number].to_owned(), Vec::new()));
            layer.1.push(package(&from, &format!("/{to}{slash}")));
            class_path.push(format!("{to}{slash}"));
        }
        let mut unpacked = BTreeSet::new();
        jar.unpack(|entry| {
            let (number, title) = layer_of(entry, &index);
            let folder = out.join(format!("layer-{number}"));
            if unpacked.insert(number) {
                let layer = layers.entry(number).or_insert_with(|| (title.to_owned(), Vec::new()));
                layer.1.push(package(&folder, "/"));
            }
            folder
        })
        .map_err(blame)?;
        let layers = layers.into_values().collect();
        let main = jar.main();
        if main.is_none() {
            making.targets.reporter.note(&format!(
                "`:{}` runs nothing by itself: the manifest of its jar has no `Main-Class`",
                making.request.name
            ));
        }
        let entrypoint = main.map(|main| {
            let flags = self.jvm_flags.iter().cloned();
            let words = ["java".to_owned()].into_iter().chain(flags).chain(["-cp".to_owned()]).map(Word::Plain);
            words.chain([Word::Paths(class_path), Word::Plain(main)]).collect()
        });
        let provides =
            Provides { entrypoint: entrypoint.unwrap_or_default(), is_workdir: true, environment: BTreeMap::new() };
        let layers = making.merged(layers);
        Ok(Gathered { outputs: vec![GatheredOutput { path: "/".to_owned(), layers }], provides })
    }
}

/// The number and the title of the layer of an entry. `index` has the layers that the jar names itself.
fn layer_of<'a>(entry: &str, index: &'a [(String, Vec<String>)]) -> (usize, &'a str) {
    let is_of = |(_, prefixes): &(String, Vec<String>)| prefixes.iter().any(|prefix| is_in(entry, prefix));
    match index.iter().position(is_of).or_else(|| index.len().checked_sub(1)) {
        Some(number) => (number, &index[number].0),
        None => {
            let number = usual_layer(entry);
            (number, USUAL[number])
        }
    }
}

/// The number of the usual layer of an entry.
fn usual_layer(entry: &str) -> usize {
    match entry {
        library if library.ends_with(".jar") && library.contains("-SNAPSHOT") => 1,
        library if library.ends_with(".jar") => 0,
        class if class.ends_with(".class") => 3,
        _ => 2,
    }
}

/// Whether a layer's index names an entry: itself, or a folder that it is in.
fn is_in(entry: &str, prefix: &str) -> bool {
    entry == prefix || (prefix.ends_with('/') && entry.starts_with(prefix))
}
