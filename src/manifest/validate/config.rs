//! What an image's config says of running it: command, environment, user, folders, ports, labels.

use std::collections::BTreeMap;

use crate::manifest::read::Table;
use crate::manifest::validate::{Checker, package, value};
use crate::manifest::variable::{VariableError, VariableValue};
use crate::manifest::{Change, Entrypoint, part};
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// A list of strings; a plain string is one element, and almost never meant to hold a space.
pub(super) fn command(table: Table<'_>, key: &str, checker: &mut Checker) -> Option<Placed<Vec<String>>> {
    let value = table.get(key)?;
    let written = match value.text() {
        Some(text) => vec![text],
        None => value.list()?.into_iter().filter_map(|word| word.text()).collect(),
    };
    let words: Vec<_> = written.iter().map(|word| checker.expanded_loosely(word)).collect::<Option<_>>()?;
    let single = words.first().filter(|_| value.text().is_some());
    if let Some(text) = single.filter(|text| text.contains(char::is_whitespace)) {
        let words = shell_words::split(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect());
        let list = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        checker.push(
            Problem::new(
                "oci::manifest::command_with_space",
                format!("`{key}` is one word with a space in it"),
                &text.place,
                "no shell splits this",
            )
            .help(format!("write `{key} = [{list}]`")),
        );
    }
    if let (Some(program), "entrypoint") = (words.first().filter(|word| word.is_empty()), key) {
        checker.push(
            Problem::new("oci::manifest::no_program", "`entrypoint` names no program", &program.place, "this is empty")
                .help("write `entrypoint = []` to clear the base's".to_owned()),
        );
    }
    words.iter().for_each(|word| value::refuse_nul(word, checker));
    Some(Placed::new(words.into_iter().map(|word| word.value).collect(), value.place()))
}

/// The entrypoint of the image; `false` keeps the entrypoint of the base.
pub(super) fn entrypoint(table: Table<'_>, checker: &mut Checker) -> Entrypoint {
    match table.get("entrypoint").and_then(|value| value.boolean()) {
        Some(_) => Entrypoint::OfBase,
        None => command(table, "entrypoint", checker).map_or(Entrypoint::FirstPackage, Entrypoint::Words),
    }
}

/// The base's labels are changed by a table of strings, in which `false` removes.
pub(super) fn labels(table: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Option<String>> {
    let entries = table.table("labels").map(|table| table.entries()).unwrap_or_default();
    let texts = entries.into_iter().filter_map(|(name, value)| match value.text() {
        Some(text) => Some((name.value, Some(checker.expanded(&text)?.value))),
        None => value.boolean().map(|_| (name.value, None)),
    });
    texts.collect()
}

pub(super) fn env(table: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Placed<Option<VariableValue>>> {
    let mut variables = BTreeMap::new();
    for (name, value) in table.table("env").map(|table| table.entries()).unwrap_or_default() {
        variable_name(&name, checker);
        let parsed = match value.text() {
            Some(text) => variable(&text, checker).map(Some),
            None => value.boolean().map(|_| None),
        };
        if let Some(parsed) = parsed {
            variables.insert(name.value, Placed::new(parsed, value.place()));
        }
    }
    variables
}

/// Reports a name that no environment can hold.
pub(super) fn variable_name(name: &Placed<String>, checker: &mut Checker) {
    if name.is_empty() || name.contains(['=', '\0']) {
        let message = format!("`{}` is no name of a variable", **name);
        let reason = "a name is not empty, and holds no `=`";
        checker.push(Problem::new("oci::manifest::bad_variable", message, &name.place, reason));
    }
}

fn variable(text: &Placed<String>, checker: &mut Checker) -> Option<VariableValue> {
    let error = match VariableValue::parse(text, |range| checker.value(text, &range)) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let bad = |message: String, place: &Place| {
        Problem::new("oci::manifest::bad_variable", message, place, "")
            .help("`${NAME}` is the base's value; write `$$` for a dollar sign".to_owned())
    };
    match error {
        VariableError::NotClosed => checker.push(bad("a `${` is not closed".to_owned(), &text.place)),
        VariableError::BadName(name) => {
            let reference = format!("${{{name}}}");
            let place = part::within(text, &reference);
            checker.push(bad(format!("`{reference}` names no variable"), &place));
        }
        VariableError::Template => {}
        VariableError::Nul => value::refuse_nul(text, checker),
    }
    None
}

pub(super) fn annotations(table: Table<'_>, checker: &mut Checker) -> BTreeMap<String, String> {
    let entries = table.table("annotations").map(|table| table.entries()).unwrap_or_default();
    let texts = entries.into_iter().filter_map(|(name, value)| Some((name.value, value.text()?)));
    texts.filter_map(|(name, text)| Some((name, checker.expanded(&text)?.value))).collect()
}

pub(super) fn user(table: Table<'_>, checker: &mut Checker) -> Option<String> {
    let text = checker.expanded(&table.text("user")?)?;
    let mut parts = text.split(':');
    let well_formed =
        |part: &str| !part.is_empty() && !part.contains(|letter: char| letter.is_whitespace() || letter == '/');
    if text.split(':').count() > 2 || !parts.all(well_formed) {
        checker.push(
            Problem::new("oci::manifest::bad_user", format!("`{}` is no user", *text), &text.place, "")
                .help("write a name or number, with `:` and a group if need be, such as `65532:65532`".to_owned()),
        );
    }
    value::refuse_nul(&text, checker);
    Some(text.value)
}

pub(super) fn workdir(table: Table<'_>, checker: &mut Checker) -> Option<String> {
    let text = checker.expanded(&table.text("workdir")?)?;
    if !text.starts_with('/') {
        checker.push(
            Problem::new(
                "oci::manifest::bad_path",
                "`workdir` is a folder in the image",
                &text.place,
                "a path in the image begins with `/`",
            )
            .help(format!("write `workdir = \"/{}\"`", package::below_root(&text))),
        );
    }
    value::refuse_nul(&text, checker);
    Some(text.value)
}

pub(super) fn stop_signal(table: Table<'_>, checker: &mut Checker) -> Option<String> {
    let text = table.text("stop-signal")?;
    let number = value::number::<u8>(&text).is_some_and(|number| (1..=64).contains(&number));
    let name = text.strip_prefix("SIG").unwrap_or_default();
    if !number && !SIGNALS.contains(&name) && !is_real_time(name) {
        let near = crate::suggest::nearest(text.to_uppercase().trim_start_matches("SIG"), SIGNALS);
        checker.push(
            Problem::new("oci::manifest::bad_signal", format!("`{}` is no signal", *text), &text.place, "").help(
                near.map_or("write a name or number, such as `SIGTERM`".to_owned(), |near| {
                    format!("did you mean `SIG{near}`?")
                }),
            ),
        );
    }
    Some(text.value)
}

/// `RTMIN`, `RTMIN+3`, `RTMAX`, `RTMAX-3`.
fn is_real_time(name: &str) -> bool {
    let offset = match name.strip_prefix("RTMIN") {
        Some(rest) => rest.strip_prefix('+').or(rest.is_empty().then_some("0")),
        None => name.strip_prefix("RTMAX").and_then(|rest| rest.strip_prefix('-').or(rest.is_empty().then_some("0"))),
    };
    offset.and_then(value::number::<u8>).is_some_and(|offset| offset <= 30)
}

const SIGNALS: [&str; 31] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE", "POLL", "PROF", "PWR",
    "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM",
    "WINCH", "XCPU",
];

/// The changes to the ports.
pub(super) fn ports(table: Table<'_>, checker: &mut Checker) -> Vec<Change> {
    changes(table, "ports", port, checker)
}

/// The changes to the volumes.
pub(super) fn volumes(table: Table<'_>, checker: &mut Checker) -> Vec<Change> {
    changes(table, "volumes", volume, checker)
}

fn changes(
    table: Table<'_>,
    key: &str,
    normalise: fn(&str) -> Result<String, &'static str>,
    checker: &mut Checker,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for text in table.texts(key).unwrap_or_default() {
        let Some(text) = checker.expanded(&text) else { continue };
        let (value, removes) = text.strip_prefix('!').map_or((text.as_str(), false), |value| (value, true));
        match normalise(value) {
            Ok(value) if removes => changes.push(Change::Remove(value)),
            Ok(value) => changes.push(Change::Add(value)),
            Err(reason) => checker.push(Problem::new(
                if key == "ports" { "oci::manifest::bad_port" } else { "oci::manifest::bad_path" },
                format!("`{}` cannot be one of `{key}`", *text),
                &text.place,
                reason,
            )),
        }
    }
    changes
}

/// `8080` is `8080/tcp`.
fn port(text: &str) -> Result<String, &'static str> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let Some(port) = value::number::<u16>(port).filter(|port| *port > 0) else {
        return Err("a port is a number from 1 to 65535");
    };
    match protocol {
        "tcp" | "udp" | "sctp" => Ok(format!("{port}/{protocol}")),
        _ => Err("behind the `/` stands `tcp`, `udp` or `sctp`"),
    }
}

fn volume(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err("a volume is a folder in the image, and begins with `/`")
    }
}
