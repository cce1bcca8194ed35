//! Targets of Go: a program without C, for any platform from any machine.

use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::manifest::package::{Package, PackageContent, expand_with, of_platform};
use crate::manifest::target::GoTarget;
use crate::model::Platform;
use crate::pack::{Provides, Word};
use crate::process::Invocation;
use crate::source::{At, Placed};
use crate::targets::TargetError;
use crate::targets::kind::{Gathered, GatheredOutput, Kind, Making, Recipe, lexical};
use crate::targets::tool::GO;

/// What go says, and what to do about it.
const HELP: [(&str, &str); 7] = [
    ("no main packages to build", "name a folder with a `package main`: `main = \"./cmd/NAME\"`"),
    ("is not a main package", "name a folder with a `package main`: `main = \"./cmd/NAME\"`"),
    ("missing go.sum entry", TIDY),
    ("updates to go.mod needed", TIDY),
    ("module lookup disabled", "run it once without `--offline`, so that Go's module cache has what `go.sum` names"),
    ("cannot find module providing package", TIDY),
    ("go.mod requires go", "install a newer Go, or let it fetch one: `go env -w GOTOOLCHAIN=auto`"),
];
const TIDY: &str = "run `go mod tidy`, and commit `go.mod` and `go.sum`";

impl Kind for GoTarget {
    fn recipe(&self, making: &Making<'_>, out: &Path) -> Result<Recipe, At<TargetError>> {
        let (target, platform, manifest) = (making.request.target, making.request.platform, making.targets.manifest);
        let main = making.expanded(&self.main);
        let module = making.project("go.mod", &main, "run `go mod init`")?;
        let text = crate::fs::read_text(&module.join("go.mod"), LARGEST_TEXT).unwrap_or_default();
        let workspace = module.ancestors().find(|folder| folder.join("go.work").is_file());
        let is_vendored = workspace.is_none() && module.join("vendor/modules.txt").exists();
        let mut files = GoFile::read(&text);
        let needs_sums = files.required.iter().any(|name| !files.replaced.contains(name));
        if !is_vendored && workspace.is_none() && needs_sums && !module.join("go.sum").exists() {
            let error = TargetError::NoLockfile {
                names: "go.sum".to_owned(),
                folder: making.shown(&module),
                help: "run `go mod tidy`, and commit the `go.sum` that it writes".to_owned(),
            };
            return Err(At::new(error, &main.place, ""));
        }
        let mut others: Vec<PathBuf> = files.folders.drain(..).map(|path| module.join(path)).collect();
        if let Some(workspace) = workspace {
            let text = crate::fs::read_text(&workspace.join("go.work"), LARGEST_TEXT).unwrap_or_default();
            others.extend(GoFile::read(&text).folders.into_iter().map(|path| workspace.join(path)));
            let names = ["go.work", "go.work.sum"].map(|name| workspace.join(name));
            others.extend(names.into_iter().filter(|path| path.is_file()));
        }
        if self.cgo && *platform != Platform::host() {
            return Err(At::new(TargetError::CrossCgo { platform: platform.to_string() }, &self.place, ""));
        }
        let ldflags = self.ldflags.as_ref().map(|text| &text.value);
        let texts = ldflags.into_iter().chain(target.env.values().map(|text| &text.value));
        let git = making.git_values(texts, &self.place)?;
        let value = |name: &str| of_platform(name, platform).or_else(|| git.get(name).cloned());
        let flags = ldflags.map(|text| format!(" {}", expand_with(text, &value))).unwrap_or_default();
        let mut arguments: Vec<String> = ["build", "-trimpath", "-buildvcs=false"].map(str::to_owned).to_vec();
        arguments.push(format!("-ldflags=-buildid={flags}"));
        arguments.extend((!self.tags.is_empty()).then(|| format!("-tags={}", self.tags.join(","))));
        let within = manifest.folder.join(&main.value);
        let package = within.strip_prefix(&module).unwrap_or(&within);
        let package = format!("./{}", package.components().collect::<PathBuf>().display());
        let mut environment = making.environment(&value);
        let mut set = |name: &str, value: String| {
            environment.entry(name.to_owned()).or_insert(value);
        };
        set("CGO_ENABLED", if self.cgo { "1" } else { "0" }.to_owned());
        set("GOOS", platform.os().to_owned());
        set("GOARCH", platform.architecture().to_owned());
        if let Some(variant) = platform.variant() {
            let number = variant.trim_start_matches('v').to_owned();
            match platform.architecture() {
                "arm" => set("GOARM", number),
                "amd64" => set("GOAMD64", variant.to_owned()),
                _ => {}
            }
        }
        // It is set, so that flags of the user's own settings do not count.
        set("GOFLAGS", if is_vendored { "-mod=vendor" } else { "-mod=readonly" }.to_owned());
        if making.targets.offline {
            set("GOPROXY", "off".to_owned());
        }
        let decisive = arguments.iter().cloned().chain([package.clone(), self.data_path(making), GO.stamp()]).collect();
        let command = Invocation::new(GO.program)
            .arguments(&arguments)
            .argument("-o")
            .argument(format!("{}/", out.display()))
            .argument(package)
            .folder(&module);
        let own = making.inside(&module, &self.main.place);
        let others = others.iter().map(|path| making.inside(&lexical(path), &self.main.place));
        let data = self.data.iter().map(|data| making.expanded(data));
        Ok(Recipe {
            place: self.place.clone(),
            inputs: making.inputs_or([own].into_iter().chain(others).chain(data)),
            exclude: target.exclude.iter().map(|text| making.expanded(text)).collect(),
            decisive,
            environment,
            copied: Vec::new(),
            copies: Vec::new(),
            commands: vec![command],
            advice: Some(GO.advice.to_owned()),
            help: &HELP,
        })
    }

    fn gather(&self, making: &Making<'_>, out: &Path) -> Result<Gathered, At<TargetError>> {
        let (name, program) = making.program_in(out, &self.main)?;
        let data = self.data.as_ref().map(|data| {
            let path = making.expanded(data);
            let last = path.split('/').rfind(|part| !matches!(*part, "" | ".")).unwrap_or_default();
            let to = Placed::new(format!("/{last}"), path.place.clone());
            let place = path.place.clone();
            ("data".to_owned(), vec![Package::new(place, PackageContent::Path { path, to: Some(to) })])
        });
        let program = ("program".to_owned(), vec![program]);
        let output = GatheredOutput { path: "/".to_owned(), layers: data.into_iter().chain([program]).collect() };
        let provides = Provides { entrypoint: vec![Word::Inside(name)], ..Provides::default() };
        Ok(Gathered { outputs: vec![output], provides })
    }
}

impl GoTarget {
    fn data_path(&self, making: &Making<'_>) -> String {
        self.data.as_ref().map_or_else(String::new, |data| making.expanded(data).value)
    }
}

/// What a `go.mod` or a `go.work` says of modules.
#[derive(Debug, Default, PartialEq, Eq)]
struct GoFile {
    /// The modules that are required.
    required: Vec<String>,
    /// Those that a folder is put in place of.
    replaced: Vec<String>,
    /// These folders, and those of a workspace's modules, as they are written.
    folders: Vec<String>,
}

impl GoFile {
    /// Reads it line by line (Go Modules Reference, "go.mod files"); a block has its keyword once.
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut block: Option<String> = None;
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let words: Vec<String> =
                line.split_whitespace().map(|word| word.trim_matches(['"', '`']).to_owned()).collect();
            let (keyword, rest) = match (&block, &words[..]) {
                (_, []) => continue,
                (Some(_), [end]) if end == ")" => {
                    block = None;
                    continue;
                }
                (None, [keyword, open]) if open == "(" => {
                    block = Some(keyword.clone());
                    continue;
                }
                (Some(keyword), rest) => (keyword.clone(), rest),
                (None, [keyword, rest @ ..]) => (keyword.clone(), rest),
            };
            found.note(&keyword, rest);
        }
        found
    }

    fn note(&mut self, keyword: &str, words: &[String]) {
        let Some(first) = words.first() else { return };
        match keyword {
            "require" => self.required.push(first.clone()),
            "use" => self.folders.push(first.clone()),
            "replace" => {
                let by = words.iter().skip_while(|word| *word != "=>").nth(1);
                if let Some(folder) = by.filter(|by| by.starts_with(['.', '/'])) {
                    self.replaced.push(first.clone());
                    self.folders.push(folder.clone());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_files_of_go_say_of_modules() {
        let text = "module a\nrequire b v1.0.0\nrequire (\n\tf v1 // indirect\n)\nreplace b => \"../b\" // why\n\
                    replace (\n\tc v1.2.3 => ./c\n\td => e v1.0.0\n\tg => /opt/g\n)\n";
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = GoFile {
            required: words(&["b", "f"]),
            replaced: words(&["b", "c", "g"]),
            folders: words(&["../b", "./c", "/opt/g"]),
        };
        assert_eq!(GoFile::read(text), expected);
        assert_eq!(GoFile::read("go 1.19\nuse ./a\nuse (\n\t../b\n)\n").folders, ["./a", "../b"]);
    }
}
