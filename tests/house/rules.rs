//! The rules: each is a function from one file to its complaints, and each is shown a file that breaks
//! it.

use std::collections::BTreeSet;

use crate::file::{File, bare};

/// The floors of the house, the lowest first. A file uses only what is on its own floor or below.
const FLOORS: &[&[&str]] = &[
    &[
        "source", "problem", "fs", "parallel", "process", "model", "suggest", "sanitize", "secrets", "mutation",
        "as_root",
    ],
    &["manifest", "lock", "store", "tools", "report"],
    &["tar", "compress", "capture", "image", "printed", "turns"],
    &["contents", "layout", "resolve", "sandbox"],
    &["layer"],
    &["pack"],
    &["bases", "targets"],
    &["containers", "prune"],
    &["plan", "executor"],
    &["commands", "cli", "diagnostic"],
    &["lib", "main"],
];
/// The floor whose modules do not know each other.
const STRANGERS: usize = 1;
/// How long a file may be without its tests.
const LONGEST: usize = 350;

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

pub(crate) fn floors(file: &File) -> Vec<String> {
    let Some(own) = file.module() else { return Vec::new() };
    let Some(floor) = floor_of(own) else {
        return vec![file.complain(format!("`{own}` has no floor; give it one in tests/house/rules.rs"))];
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

fn is_spawn_site(file: &File) -> bool {
    file.path.starts_with("src/process/")
}

pub(crate) fn one_spawn_site(file: &File) -> Vec<String> {
    if is_spawn_site(file) {
        return Vec::new();
    }
    file.complain_of(&["Command::new", "process::Command", "duct::", ".spawn()"], "only src/process starts processes")
}

pub(crate) fn one_renderer(file: &File) -> Vec<String> {
    if file.path == "src/diagnostic.rs" {
        return Vec::new();
    }
    file.complain_of(&["ReportHandler", "render_report", "set_hook"], "only src/diagnostic.rs renders errors")
}

pub(crate) fn one_writer(file: &File) -> Vec<String> {
    // The code that starts processes sets up their namespaces, by files of the kernel that hold no content.
    if file.path.starts_with("src/fs/") || is_spawn_site(file) {
        return Vec::new();
    }
    file.complain_of(
        &[
            "fs::write(",
            "File::create",
            ".write(true)",
            ".append(true)",
            ".create(true)",
            ".create_new(true)",
            "NamedTempFile",
            "tempfile_in",
        ],
        "only src/fs writes files",
    )
}

/// Rules of formats that are written down in one file alone, each with the words by which it is known, and the files
/// that may have them.
const TOLD_ONCE: &[(&str, &[&str], &[&str])] = &[
    (
        "how `NAME=VALUE` is split",
        &["split_once('=')"],
        &["src/model/environment.rs", "src/tools/registry/authorization.rs"],
    ),
    ("what whiteouts are called", &["\".wh."], &["src/model/layer_path.rs"]),
    ("what an overlay's attributes are called", &["trusted.overlay", "user.overlay"], &["src/model/overlay.rs"]),
    ("how many links are followed", &["MOST_LINKS: usize"], &["src/fs/host.rs"]),
    ("how archives are decompressed", &["MultiGzDecoder", "zstd::Decoder", "XzReader"], &["src/tar/format.rs"]),
    ("how tars are read", &["tar::Archive", "SCHILY.xattr."], &["src/tar/record.rs", "src/tar/members.rs"]),
    ("how ELF files are read", &["x7fELF", "b'E', b'L', b'F'"], &["src/model/elf.rs", "src/sandbox/binary.rs"]),
];

pub(crate) fn told_once(file: &File) -> Vec<String> {
    let text = file.without_tests();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let elsewhere = TOLD_ONCE.iter().filter(|(_, _, homes)| !homes.contains(&file.path.as_str()));
    let broken = elsewhere.filter(|(_, words, _)| words.iter().any(|word| code.contains(word)));
    broken.map(|(what, _, homes)| file.complain(format!("{what} is told in {} alone", homes.join(" and ")))).collect()
}

pub(crate) fn errors_keep_their_type(file: &File) -> Vec<String> {
    file.complain_of(&["into_diagnostic", "IntoDiagnostic"], "it erases code, labels, help and type")
}

pub(crate) fn no_test_is_skipped(file: &File) -> Vec<String> {
    let code = bare(&file.text);
    let found = code.contains("#[ignore");
    found.then(|| file.complain("`#[ignore]`: a test that does not run is no test")).into_iter().collect()
}

/// `scripts/test` finds what only root can run by its name.
pub(crate) fn what_needs_root_is_named_so(file: &File) -> Vec<String> {
    let code = bare(&file.text);
    let tests = code.split("#[test]\n").skip(1).filter_map(|rest| rest.split_once("() {\n"));
    let named = tests.filter_map(|(head, body)| {
        let name = head.rsplit_once("fn ")?.1;
        let needs = body.trim_start().starts_with("needs_root();");
        (needs != name.starts_with("only_root_")).then(|| {
            file.complain(format!(
                "`{name}`: a test begins with `needs_root();` if and only if its name does with `only_root_`"
            ))
        })
    });
    named.collect()
}

/// What every machine with Rust has. `unshare` is started for ordinary users alone.
const STARTED_BY_TESTS: &[&str] = &["sh", "cp", "unshare"];

/// Tests of `src` that start a program by its name start none that has to be installed.
pub(crate) fn tests_need_rust_alone(file: &File) -> Vec<String> {
    let tests = &file.text[file.without_tests().len()..];
    let programs = tests.split("Command::new(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let others = programs.filter(|program| !STARTED_BY_TESTS.contains(program));
    others.map(|program| file.complain(format!("a test starts `{program}`; it goes to tests/tools"))).collect()
}

pub(crate) fn length(file: &File) -> Vec<String> {
    let lines = file.without_tests().lines().count();
    let long = lines > LONGEST;
    long.then(|| file.complain(format!("{lines} lines; split it by operation"))).into_iter().collect()
}

pub(crate) fn begins_with_its_purpose(file: &File) -> Vec<String> {
    let silent = !file.text.starts_with("//! ") && file.path != "src/main.rs";
    silent.then(|| file.complain("says at its top what it is for: `//! …`")).into_iter().collect()
}

pub(crate) fn names_the_concept(file: &File) -> Vec<String> {
    const EMPTY: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc"];
    let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    parts.filter(|part| EMPTY.contains(part)).map(|part| file.complain(format!("`{part}` names no concept"))).collect()
}

/// For every file, not only Rust: it must mean one thing on every machine and in every network.
pub(crate) fn names_no_machine(file: &File) -> Vec<String> {
    // Taken apart, so that this file names none either.
    let private = [
        ["/wo", "rk/main"],
        ["/wo", "rk/shared"],
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

/// The diagnostic codes of the source that no snapshot shows.
pub(crate) fn unseen_codes(source: &str, snapshots: &str) -> Vec<String> {
    let shown = codes(snapshots);
    codes(source).into_iter().filter(|code| !shown.contains(code)).collect()
}

/// Everything that looks like `oci::module::what`.
fn codes(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || *letter == '_')
            .collect()
    };
    let found = text.match_indices("oci::").filter_map(|(start, prefix)| {
        let (module, rest) = text[start + prefix.len()..].split_once("::")?;
        let what = word(rest);
        (word(module) == module && !module.is_empty() && !what.is_empty()).then(|| format!("oci::{module}::{what}"))
    });
    found.collect()
}

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
    breaks(floors, "src/layer/tree.rs", "use crate::{fs, model::{Digest, DiffId}, commands::build};");
    breaks(floors, "src/extra.rs", "");
    breaks(floors, "src/fs.rs", "use crate::extra;");
    keeps(floors, "src/lock/format.rs", "use crate::lock::Lock;\nuse crate::{fs, model::Digest};");
    keeps(floors, "src/fs.rs", "// as crate::store does\nconst A: &str = \"crate::store\";");
    keeps(floors, "src/fs.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::store;\n}\n");
}

#[test]
fn the_rules_of_one_place_can_fail() {
    breaks(one_spawn_site, "src/tools/skopeo.rs", "Command::new(\"skopeo\")");
    breaks(one_spawn_site, "src/containers/run.rs", "duct::cmd!(\"runc\")");
    keeps(one_spawn_site, "src/process/mod.rs", "Command::new(program)");
    keeps(one_spawn_site, "src/process/attach.rs", "Command::new(program)");
    breaks(one_renderer, "src/commands/run.rs", "GraphicalReportHandler::new()");
    keeps(one_renderer, "src/diagnostic.rs", "GraphicalReportHandler::new()");
    breaks(one_writer, "src/store/blob.rs", "std::fs::write(path, bytes)");
    breaks(one_writer, "src/store/blob.rs", "std::fs::File::create(path)");
    breaks(one_writer, "src/store/blob.rs", "OpenOptions::new().append(true)");
    keeps(one_writer, "src/store/blob.rs", "OpenOptions::new().read(true)");
    keeps(one_writer, "src/fs/unnamed.rs", "OpenOptions::new().write(true)");
    keeps(one_writer, "src/store/blob.rs", "fs::write_atomically(path, bytes, 0o644)");
    breaks(told_once, "src/commands/run.rs", "text.split_once('=')");
    breaks(told_once, "src/layer/tree.rs", "name.starts_with(b\".wh.\")");
    keeps(told_once, "src/layer/tree.rs", "// not by `split_once('=')`\n/// As \".wh.x\".\nsplit_once(':')");
    keeps(told_once, "src/model/environment.rs", "text.split_once('=')");
    breaks(errors_keep_their_type, "src/lib.rs", "run().into_diagnostic()");
    let tests = |program: &str| format!("#[cfg(test)]\nmod tests {{\n    Command::new(\"{program}\")\n}}\n");
    breaks(tests_need_rust_alone, "src/a.rs", &tests("git"));
    keeps(tests_need_rust_alone, "src/a.rs", &("Command::new(\"git\")\n".to_owned() + &tests("sh")));
    breaks(no_test_is_skipped, "tests/a.rs", "#[test]\n#[ignore]\nfn a() {}");
    keeps(no_test_is_skipped, "tests/a.rs", "// no #[ignore] here\n\"#[ignore]\"");
    let test = |name: &str, body: &str| format!("#[test]\nfn {name}() {{\n    {body}\n}}\n");
    breaks(what_needs_root_is_named_so, "tests/a.rs", &test("a", "needs_root();"));
    breaks(what_needs_root_is_named_so, "tests/a.rs", &test("only_root_a", "a();"));
    keeps(what_needs_root_is_named_so, "tests/a.rs", &(test("only_root_a", "needs_root();") + &test("b", "a();")));
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
fn the_rule_of_snapshots_can_fail() {
    let source = "code(oci::run::not_found) \"oci::run::not_found2\" `oci::main()` oci::\noci::x::";
    assert_eq!(unseen_codes(source, "oci::run::not_found2\n"), ["oci::run::not_found"]);
    assert_eq!(unseen_codes(source, "oci::run::not_found\n\noci::run::not_found2 x"), Vec::<String>::new());
}
