//! Checks the shape of the file: every unknown key and wrong type is found before any value is interpreted.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::manifest::placeholder;
use crate::manifest::schema::{Key, Shape, State};
use crate::problem::{Problem, Problems};
use crate::source::{Place, Placed, Source};
use crate::suggest;

/// Checks a table against its keys.
pub(crate) fn check_table(source: &Source, table: &DeTable<'_>, keys: &[Key], path: &[&str], problems: &mut Problems) {
    for (name, value) in table {
        let place = source.place(name.span());
        let written = name.get_ref().as_ref();
        let known = keys.iter().find(|key| key.name == written);
        let templates = known.is_some_and(|key| key.templates);
        match known.map(|key| &key.state) {
            Some(State::Known(shape)) => {
                let path: Vec<&str> = path.iter().copied().chain([written]).collect();
                check_value(source, value, (shape, templates), &path, problems);
            }
            Some(State::Later(shape)) => {
                problems.push(
                    Problem::new(
                        "oci::manifest::not_yet",
                        format!("`{written}` has no effect in this release yet"),
                        &place,
                        "part of the format, but not of this program",
                    )
                    .help(format!(
                        "take it out until a release of `oci` newer than {} has it",
                        env!("CARGO_PKG_VERSION")
                    )),
                );
                let path: Vec<&str> = path.iter().copied().chain([written]).collect();
                check_value(source, value, (shape, templates), &path, problems);
            }
            Some(State::Refused(reason)) => problems.push(
                Problem::new("oci::manifest::refused_key", format!("`{written}` cannot be said here"), &place, "")
                    .help((*reason).to_owned()),
            ),
            None => problems.push(unknown_key(&place, written, value.get_ref(), keys, path)),
        }
    }
}

/// Checks a value against its shape; the flag says whether templates are known in its texts.
fn check_value(
    source: &Source,
    value: &Spanned<DeValue<'_>>,
    (shape, templates): (&Shape, bool),
    path: &[&str],
    problems: &mut Problems,
) {
    match (shape, value.get_ref()) {
        (Shape::Text, DeValue::String(text)) => {
            if !templates {
                refuse_templates(&source.place(value.span()), text, path, problems);
            }
        }
        (Shape::Boolean, DeValue::Boolean(_))
        | (Shape::False, DeValue::Boolean(false))
        | (Shape::Integer, DeValue::Integer(_)) => {}
        (Shape::OneOf(names), DeValue::String(written)) => {
            let place = source.place(value.span());
            if !names.contains(&written.as_ref()) && !refuse_templates(&place, written, path, problems) {
                problems.push(unknown_value(&place, written, names, path));
            }
        }
        (Shape::List(inner), DeValue::Array(elements)) => {
            let Some((list, above)) = path.split_last() else { return };
            for (number, element) in elements.iter().enumerate() {
                let name = format!("{list}[{number}]");
                let path: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
                check_value(source, element, (inner, templates), &path, problems);
            }
        }
        (Shape::Map(inner) | Shape::Named(inner), DeValue::Table(table)) => {
            for (name, value) in table {
                refuse_templates(&source.place(name.span()), name.get_ref(), path, problems);
                let path: Vec<&str> = path.iter().copied().chain([name.get_ref().as_ref()]).collect();
                check_value(source, value, (inner, templates), &path, problems);
            }
        }
        (Shape::Table(keys, _), DeValue::Table(table)) => check_table(source, table, keys, path, problems),
        (Shape::Either(shapes), found) => match shapes.iter().find(|shape| fits(shape, found)) {
            Some(shape) => check_value(source, value, (shape, templates), path, problems),
            None => problems.push(wrong_type(source, value, shape, path)),
        },
        _ => problems.push(wrong_type(source, value, shape, path)),
    }
}

/// Adds a problem for each template in a text whose key knows no templates. True if there is one: the text is not
/// checked any further then.
fn refuse_templates(place: &Place, text: &str, path: &[&str], problems: &mut Problems) -> bool {
    if !text.contains('{') {
        return false;
    }
    // An element of a list, such as `args[0]`, belongs to the key before the bracket.
    let key = path.last().and_then(|key| key.split('[').next()).unwrap_or_default();
    let refused = placeholder::refused(&Placed::new(text.to_owned(), place.clone()), key);
    let found = !refused.is_empty();
    refused.into_iter().for_each(|problem| problems.push(problem));
    if found {
        problems.silence(place);
    }
    found
}

fn fits(shape: &Shape, value: &DeValue<'_>) -> bool {
    match shape {
        Shape::Text | Shape::OneOf(_) => value.is_str(),
        Shape::Boolean => value.is_bool(),
        Shape::False => value.as_bool() == Some(false),
        Shape::Integer => value.is_integer(),
        Shape::List(_) => value.is_array(),
        Shape::Map(_) | Shape::Named(_) | Shape::Table(..) => value.is_table(),
        Shape::Either(shapes) => shapes.iter().any(|shape| fits(shape, value)),
    }
}

fn wrong_type(source: &Source, value: &Spanned<DeValue<'_>>, shape: &Shape, path: &[&str]) -> Problem {
    let expected = name_of(shape);
    let found = type_of(value.get_ref());
    let place = first_line(source.place(value.span()));
    let problem = Problem::new(
        "oci::manifest::wrong_type",
        format!("`{}` has to be {expected}", path.join(".")),
        &place,
        format!("this is {found}"),
    );
    let written = source.text().get(value.span()).unwrap_or_default();
    problem.help(match (shape, value.get_ref()) {
        (_, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_))
            if takes_text(shape) =>
        {
            Some(format!("write `\"{written}\"`"))
        }
        (Shape::List(Shape::Text), DeValue::String(_)) => Some(format!("write `[{written}]`")),
        _ => None,
    })
}

fn unknown_value(place: &Place, written: &str, names: &[&str], path: &[&str]) -> Problem {
    let key = path.last().copied().unwrap_or_default();
    Problem::new("oci::manifest::unknown_value", format!("`{key}` cannot be `{written}`"), place, "not known")
        .help(suggest::help("it is one of", written, names.iter().copied()))
}

fn takes_text(shape: &Shape) -> bool {
    match shape {
        Shape::Text | Shape::OneOf(_) => true,
        Shape::Either(shapes) => shapes.iter().any(takes_text),
        _ => false,
    }
}

/// Shortens the place of a value over many lines to its first line.
fn first_line(place: Place) -> Place {
    let text = place.source.text().get(place.span.clone()).unwrap_or_default();
    let end = text.find('\n').map_or(place.span.end, |length| place.span.start + length);
    Place { span: place.span.start..end, ..place }
}

fn name_of(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::OneOf(_) => "a string".to_owned(),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::False => "`false`".to_owned(),
        Shape::Integer => "a whole number".to_owned(),
        Shape::List(Shape::Text) => "a list of strings".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Map(_) | Shape::Named(_) | Shape::Table(..) => "a table".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(name_of).collect::<Vec<_>>().join(" or "),
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_key(place: &Place, written: &str, value: &DeValue<'_>, keys: &[Key], path: &[&str]) -> Problem {
    let usable = || keys.iter().filter(|key| matches!(key.state, State::Known(_))).map(|key| key.name);
    let (message, what) = match (path, value) {
        ([], DeValue::Table(_)) => (format!("there is no table `[{written}]`"), "the tables are"),
        ([], _) => (format!("there is no key `{written}` outside a table"), "the tables are"),
        _ => (format!("there is no key `{written}` in `{}`", path.join(".")), "the keys are"),
    };
    let image = matches!(path, ["build" | "stage", _] | ["defaults"]);
    let help = match counterpart(written).filter(|(key, _)| image && usable().any(|known| known == *key)) {
        Some((_, help)) => Some(help.to_owned()),
        None => suggest::nearest(written, usable()).map(|near| format!("did you mean `{near}`?")),
    };
    // The help lists all keys, so that nobody has to look them up elsewhere.
    let all = || format!("{what}: `{}`", usable().collect::<Vec<_>>().join("`, `"));
    Problem::new("oci::manifest::unknown_key", message, place, "not known").help(help.unwrap_or_else(all))
}

/// The key of an image for a word of Dockerfiles or of other tools' files, and what to write.
fn counterpart(written: &str) -> Option<(&'static str, &'static str)> {
    let word = written.to_lowercase().replace(['-', '_'], "");
    Some(match word.as_str() {
        "from" | "image" | "parent" => {
            ("base", "write `base = \"NAME\"`, where `[base.NAME]` says which image that is")
        }
        "run" | "commands" | "script" => ("steps", "write `steps = [\"…\"]`: commands that run in the image"),
        "cmd" | "command" => ("args", "write `args = [\"…\"]`: what a Dockerfile's `CMD` is beside an `entrypoint`"),
        "copy" | "add" | "src" | "source" | "sources" | "files" => {
            ("packages", "write `packages = [{ path = \"…\", to = \"/…\" }]`")
        }
        "expose" | "port" => ("ports", "write `ports = [\"8080\"]`"),
        "environment" | "envs" => ("env", "write `env = { NAME = \"value\" }`"),
        "volume" => ("volumes", "write `volumes = [\"/data\"]`"),
        "label" => ("labels", "write `labels = { \"org.example.name\" = \"value\" }`"),
        "workingdir" | "workingdirectory" | "cwd" => ("workdir", "write `workdir = \"/…\"`"),
        "stopsignal" => ("stop-signal", "write `stop-signal = \"SIGTERM\"`"),
        "arg" => ("args", "a Dockerfile's `ARG` is a variable: `[vars]` with `NAME = \"value\"`, and `{var.NAME}`"),
        _ => return None,
    })
}
