//! `steps = […]`: commands to run in the image.

use crate::manifest::Needs;
use crate::manifest::read::{Table, Value};
use crate::manifest::step::{Secret, Step, StepMount, StepSecret};
use crate::manifest::validate::{Checker, config, package, value};
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// The shell that runs a text, unless the step names another.
pub(super) const SHELL: [&str; 2] = ["/bin/sh", "-ec"];

/// The steps of a build or stage.
pub(super) fn steps(table: Table<'_>, needs: &mut Needs, checker: &mut Checker) -> Vec<Step> {
    let list = table.get("steps").and_then(|value| value.list()).unwrap_or_default();
    list.into_iter().filter_map(|value| step(value, needs, checker)).collect()
}

fn step(value: Value<'_>, needs: &mut Needs, checker: &mut Checker) -> Option<Step> {
    let Some(table) = value.table() else {
        let text = value.text()?;
        let (command, written) = shell(None, &text, checker)?;
        return Some(Step { is_text: true, ..plain(text.place, command, written) });
    };
    let is_text = table.get("run").is_some_and(|value| value.list().is_none());
    let what = command(&value, table, checker);
    if let Some(value) = table.get("shell").filter(Value::is_empty_list) {
        empty(&value.place(), checker);
    }
    let texts = |key| table.texts(key).unwrap_or_default();
    let cache = texts("cache").into_iter().filter_map(|folder| place_of_folder(folder, checker)).collect();
    let secrets = secrets(table, checker);
    let mounts = entries(table, "mounts").filter_map(|value| mount(value, needs, checker)).collect();
    let env = config::env(table, checker);
    let (user, workdir) = (config::user(table, checker), config::workdir(table, checker));
    let network_host = table.text("network").is_some_and(|network| *network == "host");
    // The command is needed only now, so that every other key has been checked and every problem is found.
    let (place, command, written) = what?;
    Some(Step { is_text, env, user, workdir, network_host, cache, secrets, mounts, ..plain(place, command, written) })
}

/// A step without any optional setting.
pub(super) fn plain(place: Place, command: Vec<String>, written: String) -> Step {
    Step {
        place,
        command,
        is_text: false,
        has_placeholders: false,
        written,
        env: Default::default(),
        user: None,
        workdir: None,
        network_host: false,
        cache: Vec::new(),
        secrets: Vec::new(),
        mounts: Vec::new(),
    }
}

/// Reads `run`: its place, the words of the command, and the command as people read it.
fn command(step: &Value<'_>, table: Table<'_>, checker: &mut Checker) -> Option<(Place, Vec<String>, String)> {
    let Some(value) = table.get("run") else {
        checker.push(
            Problem::new("oci::manifest::missing_key", "this step runs nothing", &step.place(), "")
                .help("say what it runs: `run = \"…\"`".to_owned()),
        );
        return None;
    };
    let Some(words) = value.list() else {
        let text = value.text()?;
        let (command, written) = shell(table.texts("shell"), &text, checker)?;
        return Some((text.place, command, written));
    };
    if words.is_empty() {
        empty(&value.place(), checker);
        return None;
    }
    let words: Vec<Option<_>> = words
        .iter()
        .filter_map(Value::text)
        .map(|word| {
            value::refuse_nul(&word, checker);
            checker.expanded_loosely(&word)
        })
        .collect();
    let words: Vec<_> = words.into_iter().collect::<Option<_>>()?;
    if let Some(program) = words.first().filter(|program| program.is_empty()) {
        empty(&program.place, checker);
    }
    let words: Vec<String> = words.into_iter().map(|word| word.value).collect();
    let written = shell_words::join(&words);
    Some((value.place(), words, written))
}

/// A text for the shell.
fn shell(
    written: Option<Vec<Placed<String>>>,
    text: &Placed<String>,
    checker: &mut Checker,
) -> Option<(Vec<String>, String)> {
    value::refuse_nul(text, checker);
    let mut words = match written {
        Some(words) => {
            words.iter().for_each(|word| value::refuse_nul(word, checker));
            words.into_iter().map(|word| word.value).collect()
        }
        None => SHELL.map(str::to_owned).to_vec(),
    };
    let script = checker.expanded_loosely(text)?;
    if script.trim().is_empty() {
        let problem = Problem::new("oci::manifest::no_program", "this step runs nothing", &text.place, "this is empty");
        checker.push(problem);
    }
    words.push(script.value.clone());
    Some((words, script.value))
}

fn empty(place: &Place, checker: &mut Checker) {
    let problem = Problem::new("oci::manifest::no_program", "this names no program", place, "this is empty");
    checker.push(problem);
}

fn entries<'a>(table: Table<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    table.get(key).and_then(|value| value.list()).unwrap_or_default().into_iter()
}

/// The secrets of a step, or of a packaged target.
pub(super) fn secrets(table: Table<'_>, checker: &mut Checker) -> Vec<Placed<StepSecret>> {
    entries(table, "secrets").filter_map(|value| secret(value, checker)).collect()
}

/// `{ env = "NAME" }` or `{ file = "…", to = "/…" }`, either with `optional`.
fn secret(value: Value<'_>, checker: &mut Checker) -> Option<Placed<StepSecret>> {
    let table = value.table()?;
    let secret = match one_of(&value, table, &[("env", &[]), ("file", &["to"])], "a secret", checker)? {
        "env" => {
            let name = table.text("env")?;
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("`{}` is no name of a variable", *name);
                let reason = "a name is not empty, and holds no `=`";
                checker.push(Problem::new("oci::manifest::bad_variable", message, &name.place, reason));
            }
            Secret::Variable(name.value)
        }
        _ => {
            let file = table.text("file").and_then(|file| checker.expanded(&file));
            if let Some(file) = &file {
                value::host_path(file, checker);
            }
            let to = place_inside(&value, table, checker)?;
            Secret::File { path: file?.value, to }
        }
    };
    let is_optional = table.boolean("optional").is_some_and(|optional| *optional);
    Some(Placed::new(StepSecret { secret, is_optional }, value.place()))
}

/// A folder or file of this machine or of an image, or a folder in memory.
fn mount(value: Value<'_>, needs: &mut Needs, checker: &mut Checker) -> Option<Placed<StepMount>> {
    let table = value.table()?;
    let forms: &[(&str, &[&str])] = &[("image", &["path", "to"]), ("path", &["to"]), ("tmpfs", &[])];
    let mount = match one_of(&value, table, forms, "a mount", checker)? {
        "tmpfs" => StepMount::Memory(place_of_folder(table.text("tmpfs")?, checker)?.value),
        "path" => {
            let path = table.text("path").and_then(|path| checker.expanded_path(&path));
            if let Some(path) = &path {
                value::host_path(path, checker);
            }
            let to = place_inside(&value, table, checker)?;
            StepMount::Host { path: path?.value, to }
        }
        _ => {
            let path = table.text("path").and_then(|path| package::image_path(path, true, checker));
            if table.get("path").is_none() {
                missing(&value, "path", checker);
            }
            let to = place_inside(&value, table, checker);
            let image = table.text("image").and_then(|image| value::image(&image, checker));
            needs.images.extend(image.clone());
            StepMount::Image { image: image?, path: path?.value, to: to? }
        }
    };
    Some(Placed::new(mount, value.place()))
}

/// A folder in the image to mount something on.
fn place_of_folder(text: Placed<String>, checker: &mut Checker) -> Option<Placed<String>> {
    let folder = package::image_path(text, true, checker)?;
    can_be_mounted_on(&folder, "a folder", checker).then_some(folder)
}

/// Whether something of the step can be at a path: not over the whole image, nor over what the container has
/// there of its own.
fn can_be_mounted_on(path: &Placed<String>, what: &str, checker: &mut Checker) -> bool {
    let reason = match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["", ..] => "this would hide the whole image",
        ["proc" | "sys", ..] | ["dev"] => "a container has its own here",
        _ => return true,
    };
    let message = format!("`{}` is no place for {what}", **path);
    checker.push(Problem::new("oci::manifest::bad_path", message, &path.place, reason));
    false
}

fn place_inside(value: &Value<'_>, table: Table<'_>, checker: &mut Checker) -> Option<String> {
    match table.text("to") {
        Some(to) => {
            let to = package::image_path(to, false, checker)?;
            can_be_mounted_on(&to, "a mount", checker).then_some(to.value)
        }
        None => {
            if table.get("to").is_none() {
                missing(value, "to", checker);
            }
            None
        }
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
