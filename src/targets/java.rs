//! Targets of Java: a jar that is there already, or that a command makes, taken apart into layers.
//!
//! A jar of Spring Boot says itself how it falls into layers. Of any other, the libraries that its manifest names, or
//! that are in it, are lowest, then those whose version is a snapshot, then resources, then classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::package::{Package, PackageContent, of_platform};
use crate::manifest::target::JavaTarget;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::jar::{Jar, JarError};
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe};

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
            inputs.extend(names.filter(|path| path.is_file()).map(|path| making.inside(&path, &jar.place)));
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
        let mut layers: BTreeMap<usize, (String, PathBuf)> = BTreeMap::new();
        let mut class_path = vec![String::new()];
        let folder_of = |number: usize, title: &str, layers: &mut BTreeMap<usize, (String, PathBuf)>| {
            layers.entry(number).or_insert_with(|| (title.to_owned(), out.join(format!("layer-{number}")))).1.clone()
        };
        if index.is_empty() {
            for library in jar.class_path() {
                let from = path.with_file_name("").join(&library);
                let Some(name) = Path::new(&library).file_name().map(|name| name.to_string_lossy().into_owned()) else {
                    continue;
                };
                if !from.is_file() {
                    // Java itself passes over what is not there.
                    continue;
                }
                let number = usize::from(name.contains("-SNAPSHOT"));
                let to = folder_of(number, USUAL[number], &mut layers).join(LIBRARIES);
                crate::fs::create_folder(&to).map_err(|error| At::new(error.into(), &self.jar.place, ""))?;
                crate::fs::link_or_copy(&from, &to.join(&name), 0o644)
                    .map_err(|error| At::new(error.into(), &self.jar.place, ""))?;
                class_path.push(format!("{LIBRARIES}/{name}"));
            }
        }
        jar.unpack(|entry| {
            let (number, title) = match index.is_empty() {
                true => {
                    let number = usual_layer(entry);
                    (number, USUAL[number].to_owned())
                }
                false => {
                    let is_of =
                        |(_, prefixes): &&(String, Vec<String>)| prefixes.iter().any(|prefix| is_in(entry, prefix));
                    let number = index.iter().position(|layer| is_of(&layer)).unwrap_or(index.len() - 1);
                    (number, index[number].0.clone())
                }
            };
            folder_of(number, &title, &mut layers)
        })
        .map_err(blame)?;
        let package = |folder: PathBuf| {
            let path = Placed::new(folder.to_string_lossy().into_owned(), self.jar.place.clone());
            let to = Placed::new("/".to_owned(), self.jar.place.clone());
            Package::new(self.jar.place.clone(), PackageContent::Path { path, to: Some(to) })
        };
        let layers = layers.into_values().map(|(title, folder)| (title, vec![package(folder)])).collect();
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
