//! The kinds of packaged targets that know a language.

use crate::manifest::inputs;
use crate::manifest::read::Table;
use crate::manifest::target::{GoTarget, JavaTarget, Libc, NodeTarget, PythonTarget, RustTarget, TargetKind};
use crate::manifest::validate::{Checker, policy, value};
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// The keys that say what makes a target.
pub(super) const KINDS: [&str; 6] = ["command", "go", "java", "node", "python", "rust"];

/// The keys that mean something beside `command` alone.
const OF_COMMANDS: [&str; 5] = ["cwd", "in", "network", "output", "outputs"];

/// Where a target of a language goes, unless the manifest says otherwise.
pub(super) const USUAL_PLACE: &str = "/app";

/// The key that says what makes a target; `None`, once that is reported, if there is not exactly one.
pub(super) fn kind_of(name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> Option<&'static str> {
    let said: Vec<&'static str> = KINDS.into_iter().filter(|kind| table.get(kind).is_some()).collect();
    match said[..] {
        [kind] => {
            for key in OF_COMMANDS.into_iter().filter(|_| kind != "command") {
                let Some(place) = table.key_place(key) else { continue };
                let help = match key {
                    "in" | "network" => {
                        "to compile it in an image, write `in`, and a `command` with its `inputs` and `output`"
                    }
                    _ => "leave it out: `oci` knows what is made",
                };
                checker.push(
                    Problem::new("oci::manifest::clash", format!("`{key}` means nothing beside `{kind}`"), &place, "")
                        .help(help.to_owned()),
                );
            }
            Some(kind)
        }
        [] => {
            let message = format!("`[package.{}]` does not say what makes it", **name);
            checker.push(
                Problem::new("oci::manifest::missing_key", message, &name.place, "")
                    .help(format!("give it one of `{}`", KINDS.join("`, `"))),
            );
            None
        }
        [first, second, ..] => {
            if let (Some(first_place), Some(second_place)) = (table.key_place(first), table.key_place(second)) {
                let message = format!("`{first}` and `{second}` both say what makes it");
                checker.push(
                    Problem::new("oci::manifest::clash", message, &first_place, "this one")
                        .also(&second_place, "or this one?")
                        .help("make two targets of it".to_owned()),
                );
            }
            None
        }
    }
}

/// Reads the table of a language.
pub(super) fn language(
    kind: &str,
    name: &Placed<String>,
    table: Table<'_>,
    checker: &mut Checker,
) -> Option<TargetKind> {
    let place = table.key_place(kind)?;
    let table = table.table(kind)?;
    match kind {
        "python" => Some(TargetKind::Python(python(place, table, checker)?)),
        "node" => Some(TargetKind::Node(node(place, table, checker)?)),
        "java" => java(name, place, table, checker).map(TargetKind::Java),
        "go" => go(name, place, table, checker).map(TargetKind::Go),
        _ => Some(TargetKind::Rust(rust(place, table, checker)?)),
    }
}

fn go(name: &Placed<String>, place: Place, table: Table<'_>, checker: &mut Checker) -> Option<GoTarget> {
    if table.get("main").is_none() {
        policy::missing(&format!("[package.{}] go", **name), "main", &place, checker);
    }
    let main = folder("main", table, checker);
    let data = folder("data", table, checker);
    let ldflags = table.text("ldflags").and_then(|text| {
        value::refuse_nul(&text, checker);
        checker.expanded_of_target(&text)
    });
    let tags = words("tags", table, checker);
    Some(GoTarget { place, main: main?, tags, ldflags, cgo: table.boolean("cgo").is_some_and(|cgo| *cgo), data })
}

fn rust(place: Place, table: Table<'_>, checker: &mut Checker) -> Option<RustTarget> {
    let project = project(&place, table, checker)?;
    let mut word = |key: &str| {
        let text = table.text(key)?;
        is_word(&text, key, checker).then_some(text.value)
    };
    let (package, bin, profile) = (word("package"), word("bin"), word("profile"));
    let libc = libc(table);
    let features = words("features", table, checker);
    let profile = profile.unwrap_or_else(|| "release".to_owned());
    Some(RustTarget { place, project, package, bin, features, profile, libc })
}

fn node(place: Place, table: Table<'_>, checker: &mut Checker) -> Option<NodeTarget> {
    let project = project(&place, table, checker)?;
    let build = line("build", table, checker);
    let written = table.texts("output").unwrap_or_default();
    if let (Some(output), None) = (table.key_place("output"), &build) {
        checker.push(
            Problem::new("oci::manifest::clash", "`output` means nothing without `build`", &output, "")
                .help("say what makes it: `build = \"npm run build\"`".to_owned()),
        );
    }
    let mut output = Vec::new();
    for path in written {
        value::host_path(&path, checker);
        let is_whole = path.split('/').all(|part| matches!(part, "" | "."));
        if inputs::is_outside(&path) || is_whole || path.contains(['*', '?', '[']) {
            let message = format!("`{}` is no file or folder that `build` makes", *path);
            checker.push(
                Problem::new("oci::manifest::bad_path", message, &path.place, "")
                    .help("name it, relative to the project: `output = [\"dist\"]`".to_owned()),
            );
        }
        output.push(path.map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned()));
    }
    let usual = build.is_some() && table.get("output").is_none();
    let output = if usual { vec![Placed::new("dist".to_owned(), place.clone())] } else { output };
    let scripts = table.boolean("scripts").is_none_or(|scripts| *scripts);
    Some(NodeTarget { place, project, build, output, scripts, libc: libc(table) })
}

fn java(name: &Placed<String>, place: Place, table: Table<'_>, checker: &mut Checker) -> Option<JavaTarget> {
    if table.get("jar").is_none() {
        policy::missing(&format!("[package.{}] java", **name), "jar", &place, checker);
    }
    let jar = folder("jar", table, checker);
    let build = line("build", table, checker);
    let jvm_flags = table.texts("jvm-flags").unwrap_or_default();
    jvm_flags.iter().for_each(|flag| value::refuse_nul(flag, checker));
    Some(JavaTarget { place, jar: jar?, build, jvm_flags: jvm_flags.into_iter().map(|flag| flag.value).collect() })
}

/// A line for the shell.
fn line(key: &str, table: Table<'_>, checker: &mut Checker) -> Option<String> {
    let text = table.text(key)?;
    value::refuse_nul(&text, checker);
    if text.trim().is_empty() {
        let message = format!("`{key}` names no program");
        checker.push(Problem::new("oci::manifest::no_program", message, &text.place, "this is empty"));
    }
    Some(checker.expanded_loosely(&text)?.value)
}

fn python(place: Place, table: Table<'_>, checker: &mut Checker) -> Option<PythonTarget> {
    let project = project(&place, table, checker)?;
    let version = table.text("version").and_then(|version| {
        let parts: Vec<&str> = version.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_number) {
            let message = format!("`{}` is no version of Python", *version);
            checker.push(
                Problem::new("oci::manifest::bad_number", message, &version.place, "")
                    .help("write `version = \"3.12\"`".to_owned()),
            );
            return None;
        }
        Some(parts[..2].join("."))
    });
    let script = table.text("script").filter(|text| is_word(text, "script", checker)).map(|text| text.value);
    let (groups, extras) = (words("groups", table, checker), words("extras", table, checker));
    Some(PythonTarget { place, project, version, groups, extras, libc: libc(table), script })
}

/// The folder of a project; that of `oci.toml`, unless the table says otherwise.
fn project(place: &Place, table: Table<'_>, checker: &mut Checker) -> Option<Placed<String>> {
    match table.get("project") {
        Some(_) => folder("project", table, checker),
        None => Some(Placed::new(".".to_owned(), place.clone())),
    }
}

fn libc(table: Table<'_>) -> Option<Libc> {
    table.text("libc").map(|libc| if *libc == "musl" { Libc::Musl } else { Libc::Gnu })
}

/// A path of this machine, which may hold placeholders.
fn folder(key: &str, table: Table<'_>, checker: &mut Checker) -> Option<Placed<String>> {
    let path = table.text(key).and_then(|text| checker.expanded_path(&text))?;
    value::host_path(&path, checker).is_some().then(|| path.clone())
}

/// Names that a tool is given; a name that it would take for a flag, or for several, is a problem.
fn words(key: &str, table: Table<'_>, checker: &mut Checker) -> Vec<String> {
    let words = table.texts(key).unwrap_or_default().into_iter();
    words.filter(|word| is_word(word, key, checker)).map(|word| word.value).collect()
}

fn is_word(word: &Placed<String>, key: &str, checker: &mut Checker) -> bool {
    let is_bad = |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, ',' | '"' | '\'');
    let is_word = !word.is_empty() && !word.starts_with('-') && !word.contains(is_bad);
    if !is_word {
        let message = format!("`{}` is no name for `{key}`", **word);
        checker.push(Problem::new("oci::manifest::bad_name", message, &word.place, ""));
    }
    is_word
}
