//! The kind of target that is a command of the manifest. It works in the project, and leaves its outputs there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::manifest::package::{Package, PackageContent, expand, expand_with, of_platform};
use crate::manifest::target::CommandTarget;
use crate::pack::Provides;
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe};
use crate::tools::git::{Git, GitError};

impl Kind for CommandTarget {
    fn recipe(&self, making: &Making<'_>, _: &Path) -> Result<Recipe, At<TargetError>> {
        let (target, platform) = (making.request.target, making.request.platform);
        let texts = self.words.iter().chain(target.env.values().map(|text| &text.value));
        let git = making.git_values(texts, &self.place)?;
        let value = |name: &str| of_platform(name, platform).or_else(|| git.get(name).cloned());
        let words: Vec<String> = self.words.iter().map(|word| expand_with(word, &value)).collect();
        let written = target.cwd.as_ref().map_or_else(|| ".".to_owned(), |folder| expand(folder, platform));
        let folder: PathBuf = making.targets.manifest.folder.join(&written).components().collect();
        let (first, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        // A path of a program is relative to the folder that the command starts in, as in a shell.
        let program = match first.contains('/') && !first.starts_with('/') {
            true => folder.join(first).components().collect(),
            false => PathBuf::from(first),
        };
        let command = Invocation::new(program).arguments(rest).folder(folder);
        let outputs: Vec<Placed<String>> = self.outputs.iter().map(|output| making.expanded(&output.path)).collect();
        Ok(Recipe {
            place: self.place.clone(),
            inputs: target.inputs.iter().map(|text| making.expanded(text)).collect(),
            exclude: target.exclude.iter().map(|text| making.expanded(text)).collect(),
            decisive: words
                .iter()
                .cloned()
                .chain([written])
                .chain(outputs.iter().map(|path| path.value.clone()))
                .collect(),
            environment: making.environment(&value),
            copied: Vec::new(),
            copies: Vec::new(),
            commands: vec![command],
            advice: None,
            help: &[],
        })
    }

    fn gather(&self, making: &Making<'_>, _: &Path) -> Result<Gathered, At<TargetError>> {
        let outputs = self.outputs.iter().map(|output| {
            let path = making.expanded(&output.path);
            let content = PackageContent::Path { path: path.clone(), to: None };
            // The image that takes it refuses programs for another machine.
            let found = making.targets.manifest.folder.join(&path.value).symlink_metadata();
            // Of an output that is a link, what it leads to is the output.
            let follow = found.is_ok_and(|found| found.is_symlink());
            let package = Package { foreign: true, follow, ..Package::new(path.place.clone(), content) };
            GatheredOutput { path: path_in_layer(&path), layers: vec![(String::new(), vec![package])] }
        });
        Ok(Gathered { outputs: outputs.collect(), provides: Provides::default() })
    }
}

/// Where an output without a `to` is in its layer: a file or folder under its own name, and what matches a glob in the
/// root.
fn path_in_layer(path: &str) -> String {
    let last = path.split('/').rfind(|name| !matches!(*name, "" | ".")).unwrap_or_default();
    if path.contains(['*', '?', '[']) { "/".to_owned() } else { format!("/{last}") }
}

impl Making<'_> {
    /// A text with the names replaced that the platform decides.
    pub(super) fn expanded(&self, text: &Placed<String>) -> Placed<String> {
        Placed::new(expand(text, self.request.platform), text.place.clone())
    }

    /// The variables that the manifest sets, and `SOURCE_DATE_EPOCH`; `value` has the values of names in braces.
    pub(super) fn environment(&self, value: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
        let target = self.request.target;
        let mut environment: BTreeMap<String, String> =
            target.env.iter().map(|(name, text)| (name.clone(), expand_with(text, value))).collect();
        let epoch = self.targets.epoch.max(EARLIEST_EPOCH).to_string();
        environment.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert(epoch);
        environment
    }

    /// What git says, by the names that texts hold. Of git nothing else is asked.
    pub(super) fn git_values<'t>(
        &self,
        texts: impl Iterator<Item = &'t String>,
        place: &crate::source::Place,
    ) -> Result<BTreeMap<String, String>, At<TargetError>> {
        let mut names = BTreeSet::new();
        for text in texts {
            let found = std::cell::RefCell::new(Vec::new());
            expand_with(text, &|name| {
                found.borrow_mut().extend(name.starts_with("git.").then(|| name.to_owned()));
                None
            });
            names.extend(found.into_inner());
        }
        let git = Git::new(&self.targets.manifest.folder);
        let mut values = BTreeMap::new();
        for name in names {
            let answer = match name.as_str() {
                "git.sha" => git.sha(),
                "git.short-sha" => git.short_sha(),
                "git.branch" => git.branch(),
                _ => git.tag().map(Option::unwrap_or_default),
            };
            let answer = answer
                .map_err(|source: GitError| At::new(TargetError::Git { name: name.clone(), source }, place, ""))?;
            values.insert(name, answer);
        }
        Ok(values)
    }
}

/// zip files know no earlier time than 1980-01-01.
const EARLIEST_EPOCH: i64 = 315_532_800;
