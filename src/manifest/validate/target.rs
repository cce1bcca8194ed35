//! `[package.NAME]`: packaged targets.

use std::collections::BTreeMap;

use crate::manifest::package::is_for_each_platform;
use crate::manifest::read::{Table, Value};
use crate::manifest::step::{Secret, Step};
use crate::manifest::target::{CommandTarget, Output, Target, TargetKind};
use crate::manifest::validate::{Checker, build, config, language, policy, step, value};
use crate::manifest::{Build, inputs};
use crate::model::{Compression, ImageName};
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// The folder of a target's inputs in the image that it is made in.
pub(super) const SOURCES: &str = "/src";

/// At most so many layers, unless the manifest says otherwise.
const USUAL_BUDGET: usize = 8;

/// Every `[package.NAME]`.
#[derive(Default)]
pub(super) struct Targets {
    /// Those that are made on this machine.
    pub(super) here: BTreeMap<String, Target>,
    /// Those that are made in an image, as stages. The name of each has a `:` before it, which no other name has.
    pub(super) stages: BTreeMap<String, Build>,
    /// What each makes, and where the manifest says by default where it goes.
    pub(super) made: BTreeMap<String, Made>,
}

/// What a package of a target stands for.
pub(super) struct Made {
    pub(super) outputs: Vec<Output>,
    pub(super) to: Option<Placed<String>>,
    /// The target is made in an image.
    pub(super) is_stage: bool,
}

/// Reads all targets. A target that misses something that it needs is left out, once that is reported.
pub(super) fn targets(root: Table<'_>, checker: &mut Checker) -> Targets {
    let mut targets = Targets::default();
    for (name, value) in root.table("package").map(|table| table.entries()).unwrap_or_default() {
        value::variant_name(&name, checker);
        let Some(table) = value.table() else { continue };
        target(&name, table, &mut targets, checker);
    }
    targets
}

fn target(name: &Placed<String>, table: Table<'_>, targets: &mut Targets, checker: &mut Checker) {
    let shown = format!("[package.{}]", **name);
    let kind = language::kind_of(name, table, checker);
    let is_command = kind == Some("command");
    let is_built = kind == Some("java") && table.table("java").is_some_and(|java| java.get("build").is_some());
    if (is_command || is_built) && table.get("inputs").is_none() {
        policy::missing(&shown, "inputs", &name.place, checker);
    }
    if let Some(value) = table.get("inputs").filter(Value::is_empty_list) {
        let message = "`inputs` names no file";
        checker.push(
            Problem::new("oci::manifest::no_inputs", message, &value.place(), "this is empty")
                .help("name what decides the result, such as `inputs = [\"Makefile\", \"src/**\"]`".to_owned()),
        );
    }
    let is_stage = is_command && table.get("in").is_some();
    let command = command(table, is_stage, checker);
    let outputs = if is_command { outputs(&shown, name, table, checker) } else { Vec::new() };
    let globs = |key: &str, checker: &mut Checker| -> Vec<Placed<String>> {
        let written = table.texts(key).unwrap_or_default();
        let known = |text: &Placed<String>, checker: &mut Checker| {
            value::refuse_nul(text, checker);
            let pattern = checker.expanded_path(text)?;
            value::check_glob(&pattern, checker);
            Some(pattern)
        };
        written.iter().filter_map(|text| known(text, checker)).collect()
    };
    let (inputs, exclude) = (globs("inputs", checker), globs("exclude", checker));
    let to = table.text("to").and_then(|text| super::package::image_path(text, true, checker));
    let secrets = step::secrets(table, checker);
    let layer_budget = table.integer("layer-budget").map_or(USUAL_BUDGET, |written| {
        let number = written.value.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
        if number.is_none() {
            let message = "`layer-budget` is a number of layers, at least 1";
            checker.push(Problem::new("oci::manifest::bad_number", message, &written.place, ""));
        }
        number.unwrap_or(USUAL_BUDGET)
    });
    let cwd = table.text("cwd").and_then(|text| checker.expanded_path(&text));
    if let Some(folder) = &cwd {
        value::host_path(folder, checker);
    }
    let image = is_stage.then(|| table.text("in").and_then(|text| value::image(&text, checker)));
    if let (None, Some(place), true) = (&image, table.key_place("network"), is_command) {
        checker.push(
            Problem::new("oci::manifest::clash", "`network` means nothing without `in`", &place, "")
                .help("a command on this machine has the machine's network: leave it out".to_owned()),
        );
    }
    for secret in secrets.iter().filter(|_| !is_stage) {
        if let Secret::File { .. } = secret.value.secret {
            let message = "a file can be a secret only beside `in`";
            checker.push(
                Problem::new("oci::manifest::clash", message, &secret.place, "the command sees this machine's files")
                    .help("let the command read the file itself, or take `{ env = \"NAME\" }`".to_owned()),
            );
        }
    }
    let env = if is_stage { BTreeMap::new() } else { variables(table, checker) };
    let in_image = is_stage.then(|| config::env(table, checker));
    if is_stage {
        refuse_in_image(&inputs, cwd.as_ref(), checker);
    }
    if let Some(kind) = kind.filter(|_| !is_command) {
        if let Some(kind) = language::language(kind, name, table, checker) {
            let whole = Output { name: None, path: Placed::new(String::new(), name.place.clone()) };
            let to = to.or_else(|| Some(Placed::new(language::USUAL_PLACE.to_owned(), name.place.clone())));
            targets.made.insert(name.value.clone(), Made { outputs: vec![whole], to, is_stage });
            let target =
                Target { place: name.place.clone(), kind, inputs, exclude, env, cwd: None, secrets, layer_budget };
            targets.here.insert(name.value.clone(), target);
        }
        return;
    }
    let Some(Command { place, words, is_text, written }) = command else { return };
    targets.made.insert(name.value.clone(), Made { outputs: outputs.clone(), to, is_stage });
    let Some(image) = image else {
        let kind = TargetKind::Command(CommandTarget { place, words, outputs });
        let target = Target { place: name.place.clone(), kind, inputs, exclude, env, cwd, secrets, layer_budget };
        targets.here.insert(name.value.clone(), target);
        return;
    };
    let workdir = match &cwd {
        Some(folder) => format!("{SOURCES}/{}", folder.trim_start_matches("./")),
        None => SOURCES.to_owned(),
    };
    let step = Step {
        is_text,
        has_placeholders: true,
        env: in_image.unwrap_or_default(),
        workdir: Some(workdir),
        network_host: table.text("network").is_some_and(|network| *network == "host"),
        secrets,
        ..step::plain(place, words, written)
    };
    let stage = Build {
        base: image.unwrap_or_else(|| Placed::new(ImageName::Scratch, name.place.clone())),
        packages: inputs::packages(&inputs, &exclude, SOURCES),
        squash_packages: true,
        steps: vec![step],
        compression: Compression::None,
        ..build::nothing(&name.place)
    };
    targets.stages.insert(format!(":{}", **name), stage);
}

/// Reports what cannot be where a target is made in an image.
fn refuse_in_image(inputs: &[Placed<String>], cwd: Option<&Placed<String>>, checker: &mut Checker) {
    for pattern in inputs {
        if is_for_each_platform(&inputs::glob(pattern)) {
            let message = format!("`{}` has a placeholder in its glob", **pattern);
            checker.push(
                Problem::new("oci::manifest::bad_glob", message, &pattern.place, "not known beside `in`")
                    .help("write the placeholder in a folder before the glob".to_owned()),
            );
        }
    }
    for text in inputs.iter().chain(cwd) {
        if inputs::is_outside(text) {
            let message = format!("`{}` is outside the project", **text);
            checker.push(
                Problem::new(
                    "oci::manifest::bad_path",
                    message,
                    &text.place,
                    "the image has the project's files alone",
                )
                .help("take the target's `in` away, or put `oci.toml` in a folder above both".to_owned()),
            );
        }
    }
}

/// A command as it is run, and as people read it.
struct Command {
    place: Place,
    words: Vec<String>,
    is_text: bool,
    written: String,
}

fn command(table: Table<'_>, is_stage: bool, checker: &mut Checker) -> Option<Command> {
    let value = table.get("command")?;
    let place = value.place();
    let is_text = value.list().is_none();
    let written: Vec<Placed<String>> = match value.list() {
        Some(words) => words.iter().filter_map(Value::text).collect(),
        None => value.text().into_iter().collect(),
    };
    if written.first().is_none_or(|first| first.trim().is_empty()) {
        let message = "`command` names no program";
        checker.push(Problem::new("oci::manifest::no_program", message, &place, "this is empty"));
        return None;
    }
    let words: Vec<Option<String>> = written
        .iter()
        .map(|word| {
            value::refuse_nul(word, checker);
            checker.expanded_of_command(word, !is_stage).map(|word| word.value)
        })
        .collect();
    let words: Vec<String> = words.into_iter().collect::<Option<_>>()?;
    let plain: Vec<&str> = written.iter().map(|word| word.value.as_str()).collect();
    let written = if is_text { plain.concat() } else { shell_words::join(&plain) };
    let shell = step::SHELL.map(str::to_owned).into_iter().filter(|_| is_text);
    Some(Command { place, words: shell.chain(words).collect(), is_text, written })
}

/// `output`, or `outputs` as a list or a table.
fn outputs(shown: &str, name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> Vec<Output> {
    let written: Vec<(Option<String>, Placed<String>)> = match (table.get("output"), table.get("outputs")) {
        (Some(_), Some(_)) => {
            if let (Some(output), Some(outputs)) = (table.key_place("output"), table.key_place("outputs")) {
                checker.push(
                    Problem::new(
                        "oci::manifest::clash",
                        "`output` and `outputs` say the same thing",
                        &output,
                        "this one",
                    )
                    .also(&outputs, "and this one")
                    .help("keep `outputs`, with everything in it".to_owned()),
                );
            }
            Vec::new()
        }
        (None, None) => {
            policy::missing(shown, "output", &name.place, checker);
            Vec::new()
        }
        (Some(output), None) => output.text().map(|text| (None, text)).into_iter().collect(),
        (None, Some(outputs)) => match (outputs.list(), outputs.table()) {
            (Some(list), _) => list.iter().filter_map(Value::text).map(|text| (None, text)).collect(),
            (None, Some(table)) => {
                let entries = table.entries().into_iter();
                entries.filter_map(|(name, value)| Some((Some(output_name(name, checker)), value.text()?))).collect()
            }
            (None, None) => Vec::new(),
        },
    };
    if let Some(outputs) = table.get("outputs").filter(|outputs| outputs.is_empty_list()) {
        let message = "`outputs` names nothing";
        checker.push(Problem::new("oci::manifest::no_program", message, &outputs.place(), "this is empty"));
    }
    let known = |(name, text): (Option<String>, Placed<String>), checker: &mut Checker| {
        value::refuse_nul(&text, checker);
        let path = checker.expanded_path(&text)?;
        value::host_path(&path, checker)?;
        if path.contains(['*', '?', '[']) {
            value::check_glob(&path, checker);
        }
        if inputs::is_outside(&path) || path.split('/').all(|part| matches!(part, "" | ".")) {
            let message = format!("`{}` is no file or folder of the project", *path);
            checker.push(
                Problem::new("oci::manifest::bad_path", message, &path.place, "")
                    .help("name what the command leaves, relative to the folder of oci.toml".to_owned()),
            );
            return None;
        }
        Some(Output { name, path })
    };
    written.into_iter().filter_map(|output| known(output, checker)).collect()
}

fn output_name(name: Placed<String>, checker: &mut Checker) -> String {
    value::variant_name(&name, checker);
    name.value
}

/// `env` of a target that is made on this machine.
fn variables(table: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Placed<String>> {
    let mut variables = BTreeMap::new();
    for (name, value) in table.table("env").map(|table| table.entries()).unwrap_or_default() {
        config::variable_name(&name, checker);
        let Some(text) = value.text() else {
            let message = format!("`{}` has no value to take away", *name);
            checker.push(
                Problem::new("oci::manifest::clash", message, &value.place(), "").help(
                    "a command on this machine gets no variables that it can do without: leave it out".to_owned(),
                ),
            );
            continue;
        };
        value::refuse_nul(&text, checker);
        if let Some(text) = checker.expanded_of_target(&text) {
            variables.insert(name.value, text);
        }
    }
    variables
}
