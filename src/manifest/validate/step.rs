//! One entry of `steps`: checked for every problem. What it means is for a later release.

use crate::manifest::read::{Table, Value};
use crate::manifest::validate::{Checker, config, package, value};
use crate::model::ImageName;
use crate::problem::Problem;
use crate::source::Placed;

/// Checks the steps of a build or stage; the images that they mount.
pub(super) fn steps(table: Table<'_>, checker: &mut Checker) -> Vec<Placed<ImageName>> {
    let list = table.get("steps").and_then(|value| value.list()).unwrap_or_default();
    list.into_iter().flat_map(|value| step(value, checker)).collect()
}

fn step(value: Value<'_>, checker: &mut Checker) -> Vec<Placed<ImageName>> {
    let Some(table) = value.table() else {
        if let Some(text) = value.text() {
            run(&text, checker);
        }
        return Vec::new();
    };
    match table.get("run") {
        Some(value) => match value.list() {
            Some(words) if words.is_empty() => empty(&value, checker),
            Some(words) => words.iter().filter_map(Value::text).for_each(|word| {
                value::refuse_nul(&word, checker);
                checker.expanded_loosely(&word);
            }),
            None => {
                if let Some(text) = value.text() {
                    run(&text, checker);
                }
            }
        },
        None => checker.push(
            Problem::new("oci::manifest::missing_key", "this step runs nothing", &value.place(), "")
                .help("say what it runs: `run = \"…\"`".to_owned()),
        ),
    }
    config::env(table, checker);
    config::user(table, checker);
    config::workdir(table, checker);
    if let Some(value) = table.get("shell").filter(Value::is_empty_list) {
        empty(&value, checker);
    }
    for folder in table.texts("cache").unwrap_or_default() {
        package::image_path(folder, true, checker);
    }
    entries(table, "secrets").for_each(|value| secret(value, checker));
    let mounts = entries(table, "mounts").filter_map(|value| mount(value, checker));
    mounts.collect()
}

fn run(text: &Placed<String>, checker: &mut Checker) {
    value::refuse_nul(text, checker);
    if text.trim().is_empty() {
        let problem = Problem::new("oci::manifest::no_program", "this step runs nothing", &text.place, "this is empty");
        checker.push(problem);
    }
    checker.expanded_loosely(text);
}

fn empty(value: &Value<'_>, checker: &mut Checker) {
    let problem = Problem::new("oci::manifest::no_program", "this names no program", &value.place(), "this is empty");
    checker.push(problem);
}

fn entries<'a>(table: Table<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    table.get(key).and_then(|value| value.list()).unwrap_or_default().into_iter()
}

/// `{ env = "NAME" }` or `{ file = "…", to = "/…" }`.
fn secret(value: Value<'_>, checker: &mut Checker) {
    let Some(table) = value.table() else { return };
    match one_of(&value, table, &[("env", &[]), ("file", &["to"])], "a secret", checker) {
        Some("env") => {
            if let Some(name) = table.text("env").filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
                let message = format!("`{}` is no name of a variable", *name);
                let reason = "a name is not empty, and holds no `=`";
                checker.push(Problem::new("oci::manifest::bad_variable", message, &name.place, reason));
            }
        }
        Some(_) => {
            if let Some(file) = table.text("file") {
                value::host_path(&file, checker);
            }
            place_inside(&value, table, checker);
        }
        None => {}
    }
}

/// A folder or file of this machine or of an image, or a folder in memory; the image.
fn mount(value: Value<'_>, checker: &mut Checker) -> Option<Placed<ImageName>> {
    let table = value.table()?;
    let forms: &[(&str, &[&str])] = &[("image", &["path", "to"]), ("path", &["to"]), ("tmpfs", &[])];
    match one_of(&value, table, forms, "a mount", checker)? {
        "tmpfs" => {
            package::image_path(table.text("tmpfs")?, true, checker);
            None
        }
        "path" => {
            if let Some(path) = table.text("path").and_then(|path| checker.expanded_path(&path)) {
                value::host_path(&path, checker);
            }
            place_inside(&value, table, checker);
            None
        }
        _ => {
            if let Some(path) = table.text("path") {
                package::image_path(path, true, checker);
            } else if table.get("path").is_none() {
                missing(&value, "path", checker);
            }
            place_inside(&value, table, checker);
            value::image(&table.text("image")?, checker)
        }
    }
}

fn place_inside(value: &Value<'_>, table: Table<'_>, checker: &mut Checker) {
    match table.text("to") {
        Some(to) => drop(package::image_path(to, false, checker)),
        None if table.get("to").is_none() => missing(value, "to", checker),
        None => {}
    }
}

fn missing(value: &Value<'_>, key: &str, checker: &mut Checker) {
    checker.push(Problem::new("oci::manifest::missing_key", format!("this needs a `{key}`"), &value.place(), ""));
}

/// The one form that a table has: its key, and the keys that go with it. The first form that fits counts.
fn one_of(
    value: &Value<'_>,
    table: Table<'_>,
    forms: &[(&'static str, &[&str])],
    what: &str,
    checker: &mut Checker,
) -> Option<&'static str> {
    let Some((form, keys)) = forms.iter().find(|(form, _)| table.get(form).is_some()) else {
        let names: Vec<String> = forms.iter().map(|(form, _)| format!("`{form}`")).collect();
        let message = format!("this says nothing of {what}");
        checker.push(
            Problem::new("oci::manifest::bad_step", message, &value.place(), "")
                .help(format!("give it one of {}", names.join(", "))),
        );
        return None;
    };
    let is_known = |key: &str| forms.iter().any(|(form, keys)| *form == key || keys.contains(&key));
    for (key, _) in table.entries() {
        if is_known(&key) && key.value != *form && !keys.contains(&key.as_str()) {
            let message = format!("`{}` means nothing beside `{form}`", *key);
            checker.push(Problem::new("oci::manifest::bad_step", message, &key.place, ""));
        }
    }
    Some(form)
}
