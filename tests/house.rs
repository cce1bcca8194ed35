//! The house rules that a machine can check: what may use what, who may start processes, write files
//! and render errors, and how files look. Each rule is a function from one file to its complaints, and
//! each is shown a file that breaks it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

/// The floors of the house, the lowest first. A file uses only what is on its own floor or below.
const FLOORS: &[&[&str]] = &[
    &["source", "problem", "fs", "model", "suggest", "sanitize"],
    &["manifest", "lock", "store", "tools", "report"],
    &["layer", "image", "resolve", "sandbox"],
    &["stage"],
    &["plan", "executor"],
    &["commands", "cli", "diagnostic"],
    &["lib", "main"],
];
/// The floor whose modules do not know each other.
const STRANGERS: usize = 1;
/// How long a file may be without its tests.
const LONGEST: usize = 350;

/// A file of the repository.
struct File {
    /// From the repository's top, with `/`.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The text up to its unit tests; all of a file of tests is tests.
    fn without_tests(&self) -> &str {
        if self.path.ends_with("/tests.rs") {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// The code without tests, comments and what is in quotes; lines stay lines.
    fn code(&self) -> String {
        bare(self.without_tests())
    }

    /// The module of `src` that it belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split('/').next()?.split('.').next()
    }

    fn complain(&self, complaint: impl std::fmt::Display) -> String {
        format!("{}: {complaint}", self.path)
    }

    /// A complaint for each of these words in the code.
    fn complain_of(&self, words: &[&str], why: &str) -> Vec<String> {
        let code = self.code();
        words.iter().filter(|word| code.contains(*word)).map(|word| self.complain(format!("`{word}`: {why}"))).collect()
    }
}

/// Rust code with comments, strings and character literals emptied.
fn bare(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(|last: char| last.is_alphanumeric())) {
            length
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            character(rest)
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().filter(|character| *character == '\n'));
        rest = &rest[length..];
    }
    out
}

/// The length of the string that begins here, to its closing quote.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|character| *character == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&close).map_or(text.len(), |end| 2 + hashes + end + close.len()))
}

/// The length of a character literal, or 1 for the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[2..].find('\'').and_then(|_| text[3..].find('\'')).map_or(1, |end| 4 + end),
        Some((_, _)) => match characters.next() {
            Some((index, '\'')) => index + 1,
            _ => 1,
        },
        None => 1,
    }
}

// --- the rules

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn floors(file: &File) -> Vec<String> {
    let Some(own) = file.module() else { return Vec::new() };
    let Some(floor) = floor_of(own) else {
        return vec![file.complain(format!("`{own}` has no floor; give it one in tests/house.rs"))];
    };
    let mut complaints = Vec::new();
    for used in crate_paths(&file.code()) {
        match floor_of(&used) {
            _ if used == own => {}
            None => complaints.push(file.complain(format!("uses `crate::{used}`, which has no floor"))),
            Some(other) if other > floor => complaints.push(file.complain(format!("uses `{used}`, which is above it"))),
            Some(other) if other == floor && floor == STRANGERS => {
                complaints.push(file.complain(format!("uses `{used}`, which it must not know")));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// The first names of all `crate::` paths, those of `crate::{…}` too.
fn crate_paths(code: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let mut found = Vec::new();
    for (start, prefix) in code.match_indices("crate::") {
        let rest = &code[start + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(name(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (index, letter) in group.char_indices() {
            if begins && !letter.is_whitespace() {
                found.push(name(&group[index..]));
                begins = false;
            }
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn one_spawn_site(file: &File) -> Vec<String> {
    if file.path == "src/tools/process.rs" {
        return Vec::new();
    }
    file.complain_of(
        &["Command::new", "process::Command", "duct::", ".spawn()"],
        "only src/tools/process.rs starts processes",
    )
}

fn one_renderer(file: &File) -> Vec<String> {
    if file.path == "src/diagnostic.rs" {
        return Vec::new();
    }
    file.complain_of(&["ReportHandler", "render_report", "set_hook"], "only src/diagnostic.rs renders errors")
}

fn one_writer(file: &File) -> Vec<String> {
    if file.path == "src/fs.rs" {
        return Vec::new();
    }
    file.complain_of(
        &["fs::write(", "File::create", "OpenOptions", "File::options", "NamedTempFile", "tempfile_in"],
        "only src/fs.rs writes files",
    )
}

fn errors_keep_their_type(file: &File) -> Vec<String> {
    file.complain_of(&["into_diagnostic", "IntoDiagnostic"], "it erases code, labels, help and type")
}

fn no_test_is_skipped(file: &File) -> Vec<String> {
    let code = bare(&file.text);
    let found = code.contains("#[ignore");
    found.then(|| file.complain("`#[ignore]`: a test that does not run is no test")).into_iter().collect()
}

fn length(file: &File) -> Vec<String> {
    let lines = file.without_tests().lines().count();
    let long = lines > LONGEST;
    long.then(|| file.complain(format!("{lines} lines; split it by operation"))).into_iter().collect()
}

fn begins_with_its_purpose(file: &File) -> Vec<String> {
    let silent = !file.text.starts_with("//! ") && file.path != "src/main.rs";
    silent.then(|| file.complain("says at its top what it is for: `//! …`")).into_iter().collect()
}

fn names_the_concept(file: &File) -> Vec<String> {
    const EMPTY: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc"];
    let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    parts.filter(|part| EMPTY.contains(part)).map(|part| file.complain(format!("`{part}` names no concept"))).collect()
}

/// For every file, not only Rust: it must mean the same on another machine and in another network.
fn names_no_machine(file: &File) -> Vec<String> {
    // Taken apart, so that this file names none either.
    let private = [
        ["/wo", "rk/"],
        ["/tmp", "/wt"],
        ["crates", ".io"],
        ["py", "pi.org"],
        ["npm", "js.org"],
        ["deb.", "debian.org"],
        ["archive.", "ubuntu.com"],
        ["ports.", "ubuntu.com"],
    ];
    let names = private.map(|[start, end]| format!("{start}{end}"));
    names.iter().filter(|name| file.text.contains(*name)).map(|name| file.complain(format!("names `{name}`"))).collect()
}

// --- the house

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files_in(&path, found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}

fn files(folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| repository().join(folder).is_dir()) {
        files_in(folder, &mut found);
    }
    found
}

fn rust_files(folders: &[&str]) -> Vec<File> {
    let mut found = files(folders);
    found.retain(|file| file.path.ends_with(".rs"));
    assert!(!found.is_empty());
    found
}

#[track_caller]
fn hold(files: &[File], rules: &[fn(&File) -> Vec<String>]) {
    let complaints: Vec<String> = files.iter().flat_map(|file| rules.iter().flat_map(|rule| rule(file))).collect();
    assert!(complaints.is_empty(), "the house rules are broken:\n{}", complaints.join("\n"));
}

#[test]
fn a_file_uses_only_its_own_floor_or_below() {
    hold(&rust_files(&["src"]), &[floors]);
}

#[test]
fn each_thing_is_done_in_one_place() {
    hold(&rust_files(&["src"]), &[one_spawn_site, one_renderer, one_writer, errors_keep_their_type]);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    hold(&rust_files(&["src"]), &[length, begins_with_its_purpose, names_the_concept]);
}

#[test]
fn every_test_runs() {
    hold(&rust_files(&["src", "tests"]), &[no_test_is_skipped]);
}

#[test]
fn nothing_names_a_machine_or_a_network() {
    let mut all = files(&["src", "tests", "scripts", ".ci", "docs", "benches"]);
    for name in ["README.md", "CHANGELOG.md", "Cargo.toml", "oci.toml.example"] {
        all.extend(fs::read_to_string(repository().join(name)).ok().map(|text| File { path: name.to_owned(), text }));
    }
    hold(&all, &[names_no_machine]);
}

// --- the rules can fail

#[track_caller]
fn breaks(rule: fn(&File) -> Vec<String>, path: &str, text: &str) {
    assert_eq!(rule(&File::new(path, text)).len(), 1, "{text}");
}

#[track_caller]
fn keeps(rule: fn(&File) -> Vec<String>, path: &str, text: &str) {
    assert_eq!(rule(&File::new(path, text)), Vec::<String>::new(), "{text}");
}

#[test]
fn the_rule_of_floors_can_fail() {
    breaks(floors, "src/model/digest.rs", "use crate::store::Store;");
    breaks(floors, "src/lock/mod.rs", "fn a() { crate::manifest::load() }");
    breaks(floors, "src/layer/tar.rs", "use crate::{fs, model::{Digest, DiffId}, commands::build};");
    breaks(floors, "src/extra.rs", "");
    breaks(floors, "src/fs.rs", "use crate::extra;");
    keeps(floors, "src/lock/format.rs", "use crate::lock::Lock;\nuse crate::{fs, model::Digest};");
    keeps(floors, "src/fs.rs", "// as crate::store does\nconst A: &str = \"crate::store\";");
    keeps(floors, "src/fs.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::store;\n}\n");
}

#[test]
fn the_rules_of_one_place_can_fail() {
    breaks(one_spawn_site, "src/tools/skopeo.rs", "Command::new(\"skopeo\")");
    breaks(one_spawn_site, "src/stage/run.rs", "duct::cmd!(\"runc\")");
    keeps(one_spawn_site, "src/tools/process.rs", "Command::new(program)");
    breaks(one_renderer, "src/commands/run.rs", "GraphicalReportHandler::new()");
    keeps(one_renderer, "src/diagnostic.rs", "GraphicalReportHandler::new()");
    breaks(one_writer, "src/store/blob.rs", "std::fs::write(path, bytes)");
    breaks(one_writer, "src/store/blob.rs", "std::fs::File::create(path)");
    keeps(one_writer, "src/fs.rs", "OpenOptions::new()");
    keeps(one_writer, "src/store/blob.rs", "fs::write_atomically(path, bytes, 0o644)");
    breaks(errors_keep_their_type, "src/lib.rs", "run().into_diagnostic()");
    breaks(no_test_is_skipped, "tests/a.rs", "#[test]\n#[ignore]\nfn a() {}");
    keeps(no_test_is_skipped, "tests/a.rs", "// no #[ignore] here\n\"#[ignore]\"");
}

#[test]
fn the_rules_of_looks_can_fail() {
    breaks(length, "src/fs.rs", &"a\n".repeat(LONGEST + 1));
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "a\n".repeat(LONGEST), "b\n".repeat(LONGEST));
    keeps(length, "src/fs.rs", &tested);
    breaks(begins_with_its_purpose, "src/fs.rs", "use std::fs;\n//! too late");
    keeps(begins_with_its_purpose, "src/fs.rs", "//! Files.\n");
    breaks(names_the_concept, "src/store/util.rs", "");
    keeps(names_the_concept, "src/store/utility.rs", "");
    breaks(names_no_machine, "README.md", &["see /wo", "rk/main"].concat());
    keeps(names_no_machine, "README.md", "see /workspace");
}

#[test]
fn code_is_told_from_comments_and_quotes() {
    assert_eq!(bare("a // b\nc /* d\ne */ f"), "a \nc \n f");
    assert_eq!(bare(r#"a("b \" c"); d"#), "a(); d");
    assert_eq!(bare("a(r#\"b \" c\"#); bar\"x\""), "a(); bar");
    assert_eq!(bare(r"x('\''); y('\n'); z('\u{1f}'); fn a<'b>(c: &'b str) {}"), "x(); y(); z(); fn a<b>(c: &b str) {}");
}
