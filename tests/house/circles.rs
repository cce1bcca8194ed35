//! The rule that no files need each other in a circle.
//!
//! A file needs another one if its code, tests left out, names something that the other one defines: by `use`, by a
//! path, or through what a third file re-exports. What a file takes of the `mod.rs` that it is a part of is not
//! counted: a room may have one word for all in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::file::File;

/// The names of a module from the crate's root, or of something in it.
type Path = Vec<String>;

/// What the code of a module names, and where its own `pub use` lines lead.
struct Module<'a> {
    file: &'a str,
    names: Vec<Path>,
    re_exports: BTreeMap<String, Path>,
}

/// A complaint for each circle, with all files that are in it.
pub(crate) fn circles(files: &[File]) -> Vec<String> {
    let files: Vec<(Path, &File)> = files.iter().filter_map(|file| Some((module_path(file)?, file))).collect();
    let all: BTreeSet<Path> = files.iter().map(|(path, _)| path.clone()).collect();
    let modules: BTreeMap<Path, Module<'_>> =
        files.iter().map(|(path, file)| (path.clone(), module(path, file, &all))).collect();
    let needs: BTreeMap<&Path, BTreeSet<&Path>> = modules
        .iter()
        .map(|(path, module)| {
            let found = module.names.iter().filter_map(|name| defining(name, &modules, 0));
            (path, found.filter(|other| !path.starts_with(other)).collect())
        })
        .collect();
    let mut complaints = Vec::new();
    let mut told: BTreeSet<&Path> = BTreeSet::new();
    for path in modules.keys() {
        let within = reached(path, &needs);
        if !within.contains(path) || told.contains(path) {
            continue;
        }
        let circle: Vec<&Path> = within.into_iter().filter(|other| reached(other, &needs).contains(path)).collect();
        let names: Vec<&str> = circle.iter().map(|path| modules[*path].file).collect();
        complaints.push(format!("{} need each other in a circle", names.join(", ")));
        told.extend(circle);
    }
    complaints
}

/// The module of a file; nothing for what is compiled for tests alone, and for the program's own `main`.
fn module_path(file: &File) -> Option<Path> {
    let inside = file.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut path: Path = inside.split('/').map(str::to_owned).collect();
    if path.last()? == "mod" || inside == "lib" {
        path.pop();
    }
    (!file.test_only && inside != "main").then_some(path)
}

fn module<'a>(path: &Path, file: &'a File, all: &BTreeSet<Path>) -> Module<'a> {
    let code = format!("\n{}", file.code());
    let (mut names, mut re_exports) = (Vec::new(), BTreeMap::new());
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let start = ["\nuse ", " use "].iter().filter_map(|word| statement.find(word)).min();
        let Some(start) = start.filter(|_| statement.ends_with(';')) else {
            rest.push_str(statement);
            continue;
        };
        rest.push_str(&statement[..start]);
        let is_public = statement[..start].trim_end().rsplit('\n').next().unwrap_or_default().contains("pub");
        for (used, alias) in expanded(statement[start + 5..].trim_end_matches(';')) {
            let Some(used) = absolute(path, &used, all) else { continue };
            if is_public {
                re_exports.insert(alias, used);
            } else {
                names.push(used);
            }
        }
    }
    names.extend(paths(&rest).iter().filter_map(|found| absolute(path, found, all)));
    Module { file: &file.path, names, re_exports }
}

/// Every path of a `use`, and the name that it gets.
fn expanded(tree: &str) -> Vec<(Path, String)> {
    let names = |text: &str| -> Path {
        text.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let Some((head, group)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        let mut path = names(path);
        if path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let alias = alias.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
        return vec![(path, alias)];
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(&group[std::mem::replace(&mut start, index + 1)..index]),
            _ => {}
        }
    }
    parts.push(&group[start..]);
    let head = names(head);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(expanded);
    parts
        .map(|(path, alias)| {
            let alias = if path.is_empty() { head.last().cloned().unwrap_or_default() } else { alias };
            ([head.clone(), path].concat(), alias)
        })
        .collect()
}

/// All paths of two names or more in code.
fn paths(code: &str) -> Vec<Path> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = code.split(|letter| !is_part(letter)).filter(|word| word.contains("::") && !word.starts_with("::"));
    words.map(|word| word.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()).collect()
}

/// A path from the crate's root; nothing if it does not begin in this crate.
fn absolute(module: &Path, path: &Path, all: &BTreeSet<Path>) -> Option<Path> {
    let first = path.first()?;
    if first == "crate" {
        return Some(path[1..].to_vec());
    }
    let mut from = module.clone();
    let mut rest = &path[..];
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(from.pop()),
            _ => break,
        }
        rest = others;
    }
    let is_relative = rest.len() < path.len();
    let is_child = || all.contains(&[&module[..], &path[..1]].concat());
    (is_relative || is_child()).then(|| [from, rest.to_vec()].concat())
}

/// The module that defines what a path names: re-exports are followed.
fn defining<'a>(path: &[String], modules: &'a BTreeMap<Path, Module<'_>>, depth: usize) -> Option<&'a Path> {
    let (module, length) =
        (0..=path.len()).rev().find_map(|length| Some((modules.get_key_value(&path[..length])?, length)))?;
    let exported = path.get(length).and_then(|name| module.1.re_exports.get(name)).filter(|_| depth < 8);
    match exported {
        Some(to) => defining(&[&to[..], &path[length + 1..]].concat(), modules, depth + 1),
        None => Some(module.0),
    }
}

/// All modules that this one needs, directly or through others.
fn reached<'a>(from: &Path, needs: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut pending: Vec<&Path> = needs[from].iter().copied().collect();
    while let Some(path) = pending.pop() {
        if found.insert(path) {
            pending.extend(&needs[path]);
        }
    }
    found
}

#[test]
fn the_rule_of_circles_can_fail() {
    let found =
        |files: &[(&str, &str)]| circles(&files.iter().map(|(path, text)| File::new(path, text)).collect::<Vec<_>>());
    let circle = |files: &[(&str, &str)]| assert_eq!(found(files).len(), 1, "{files:?}: {:?}", found(files));
    let none = |files: &[(&str, &str)]| assert_eq!(found(files), Vec::<String>::new(), "{files:?}");
    circle(&[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "use crate::a::A;")]);
    circle(&[("src/a.rs", "fn a() { crate::b::b() }"), ("src/b.rs", "#[help(\"{}\", crate::a::help())]")]);
    circle(&[
        ("src/a.rs", "use crate::{c, b::{self, B}};"),
        ("src/b.rs", "use super::c::C;"),
        ("src/c.rs", "use crate::a::A as Other;"),
    ]);
    // Through what a third file re-exports.
    let room = ("src/r/mod.rs", "mod a;\nmod b;\npub(crate) use a::A;\npub(crate) use b::{B, C as D};");
    circle(&[room, ("src/r/a.rs", "use crate::r::D;"), ("src/r/b.rs", "use crate::r::A;")]);
    none(&[room, ("src/r/a.rs", "use crate::r::D;"), ("src/r/b.rs", "use crate::r::Own;")]);
    none(&[
        ("src/a.rs", "use crate::b::B;"),
        ("src/b.rs", "// as crate::a does\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n"),
    ]);
    none(&[("src/a.rs", "mod b;\nuse b::B;"), ("src/a/b.rs", "use super::A;\nuse crate::a::Other;")]);
}
