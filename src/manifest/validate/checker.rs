//! Collects the problems found so far, and knows what templates stand for.
//!
//! | where | `{version}`, `{var.NAME}` | `{os}`, `{arch}`, … | `{build}`, `{git.*}`, `{env.NAME}` |
//! | --- | --- | --- | --- |
//! | [`Checker::expanded`] | replaced | unknown | unknown |
//! | [`Checker::expanded_path`] | replaced | kept for each platform | unknown |
//! | [`Checker::expanded_of_target`] | replaced | kept for each platform | `{git.*}` kept, the others unknown |
//! | [`Checker::expanded_of_command`] | replaced | kept for each platform | `{git.*}` kept, others text, as any brace is |
//! | [`Checker::expanded_loosely`] | replaced | text, as any brace is | text |
//! | [`Checker::template`] | replaced | unknown | replaced, or kept for `oci publish` |
//!
//! A key that is read in none of these ways knows no templates, and says so in the schema
//! ([`templates`](crate::manifest::schema::Key::templates)); one in its text was refused there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::manifest::part;
use crate::manifest::placeholder::PER_PLATFORM;
use crate::manifest::template::{Late, Piece, Template, tag_part};
use crate::problem::{Problem, Problems};
use crate::source::{Place, Placed};
use crate::suggest;

/// The problems of a manifest, and the values of its templates.
pub(super) struct Checker {
    pub(super) problems: Problems,
    /// `[vars]`, with the values of this run.
    pub(super) variables: BTreeMap<String, String>,
    /// `[project] version`.
    pub(super) version: Option<String>,
    /// The values that replaced templates, by the span of the text that holds the templates.
    substituted: BTreeMap<(usize, usize), BTreeSet<String>>,
    /// The number of unknown names for which the nearest known name is still looked for.
    suggestions: usize,
}

/// The number of unknown names for which the nearest known name is looked for. Each search goes through all known
/// names.
const SUGGESTIONS: usize = 20;

/// Where a template stands.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) placeholders: bool,
    /// It is about publishing.
    pub(super) publishing: bool,
    /// What the git repository says is known.
    pub(super) git: bool,
    /// The build that is published.
    pub(super) build: Option<&'a str>,
    /// Values become part of a tag.
    pub(super) tag: bool,
}

pub(super) const PLAIN: Scope<'_> =
    Scope { placeholders: false, publishing: false, git: false, build: None, tag: false };

/// What a name in braces stands for.
pub(super) enum Meaning {
    Value(String),
    Placeholder,
    Late(Late),
}

/// A stretch of a text with templates.
enum Part<'a> {
    Text(&'a str),
    /// `{{` or `}}`.
    Brace(&'a str),
    Name(&'a str, Range<usize>),
    /// A brace that opens or closes nothing.
    Alone(Range<usize>),
}

impl Checker {
    pub(super) fn new(problems: Problems, version: Option<String>) -> Self {
        Self { problems, variables: BTreeMap::new(), version, substituted: BTreeMap::new(), suggestions: SUGGESTIONS }
    }

    /// Adds a problem. If it is about a text with templates, its message gets their values.
    pub(super) fn push(&mut self, problem: Problem) {
        let values = self.substituted.get(&problem.span()).map(|values| Vec::from_iter(values.iter().cloned()));
        self.problems.push(match values {
            Some(values) => problem.because(&format!(", where {}", values.join(" and "))),
            None => problem,
        });
    }

    /// The help line for a name that does not exist, as [`suggest::help`] has it; `None` too for all but the first
    /// [`SUGGESTIONS`] of a file.
    pub(super) fn suggest<'a>(
        &mut self,
        what: &str,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        suggest::help(what, written, candidates)
    }

    /// A text in which only `{version}` and `{var.NAME}` are known; `None` if another name was reported.
    pub(super) fn expanded(&mut self, text: &Placed<String>) -> Option<Placed<String>> {
        let expanded = self.worked_out(text, PLAIN)?.text()?;
        Some(Placed::new(expanded, text.place.clone()))
    }

    /// As [`Checker::expanded`], for a tag: each character of a value that a tag may not have becomes `-`.
    pub(super) fn expanded_tag(&mut self, text: &Placed<String>) -> Option<Placed<String>> {
        let expanded = self.worked_out(text, Scope { tag: true, ..PLAIN })?.text()?;
        Some(Placed::new(expanded, text.place.clone()))
    }

    /// A text that is worked out again for each platform, by [`expand`](crate::manifest::package::expand):
    /// braces in it stay doubled.
    pub(super) fn expanded_path(&mut self, text: &Placed<String>) -> Option<Placed<String>> {
        self.kept_for_each_platform(text, Scope { placeholders: true, ..PLAIN })
    }

    /// A path or a variable of a packaged target, as [`Checker::expanded_path`]; `{git.*}` is known and kept.
    pub(super) fn expanded_of_target(&mut self, text: &Placed<String>) -> Option<Placed<String>> {
        self.kept_for_each_platform(text, Scope { placeholders: true, git: true, ..PLAIN })
    }

    fn kept_for_each_platform(&mut self, text: &Placed<String>, scope: Scope<'_>) -> Option<Placed<String>> {
        let mut expanded = String::new();
        let mut complete = true;
        for part in parts(text) {
            match part {
                Part::Text(plain) | Part::Brace(plain) => expanded.push_str(plain),
                Part::Name(name, range) => match self.meaning(text, name, &range, scope) {
                    Some(Meaning::Value(value)) => expanded.push_str(&value.replace('{', "{{").replace('}', "}}")),
                    Some(Meaning::Placeholder | Meaning::Late(_)) => expanded.push_str(&text[range]),
                    None => complete = false,
                },
                Part::Alone(range) => {
                    self.alone(text, range);
                    complete = false;
                }
            }
        }
        complete.then(|| Placed::new(expanded, text.place.clone()))
    }

    /// What says where something is published: `build`, if it is about one.
    pub(super) fn template(
        &mut self,
        text: &Placed<String>,
        build: Option<&str>,
        tag: bool,
    ) -> Option<Placed<Template>> {
        let template = self.worked_out(text, Scope { publishing: true, build, tag, ..PLAIN })?;
        Some(Placed::new(template, text.place.clone()))
    }

    /// The value of one template of a text, `range` with its braces.
    pub(super) fn value(&mut self, text: &Placed<String>, range: &Range<usize>) -> Option<String> {
        let written = &text[range.clone()];
        match written.strip_prefix('{').and_then(|written| written.strip_suffix('}')) {
            Some(name) => match self.meaning(text, name, range, PLAIN)? {
                Meaning::Value(value) => Some(value),
                Meaning::Placeholder | Meaning::Late(_) => None,
            },
            None => {
                self.alone(text, range.clone());
                None
            }
        }
    }

    fn worked_out(&mut self, text: &Placed<String>, scope: Scope<'_>) -> Option<Template> {
        let mut pieces = Vec::new();
        let mut complete = true;
        for part in parts(text) {
            match part {
                Part::Text(plain) => pieces.push(Piece::Text(plain.to_owned())),
                Part::Brace(pair) => pieces.push(Piece::Text(pair[1..].to_owned())),
                Part::Name(name, range) => match self.meaning(text, name, &range, scope) {
                    Some(Meaning::Value(value)) if scope.tag => pieces.push(Piece::Text(tag_part(&value))),
                    Some(Meaning::Value(value)) => pieces.push(Piece::Text(value)),
                    Some(Meaning::Late(late)) => {
                        pieces.push(Piece::Late(Placed::new(late, part::part(text, range))));
                    }
                    Some(Meaning::Placeholder) | None => complete = false,
                },
                Part::Alone(range) => {
                    self.alone(text, range);
                    complete = false;
                }
            }
        }
        complete.then_some(Template(pieces))
    }

    /// What a name in braces means in this scope. Reports a name without a meaning, and returns `None`.
    pub(super) fn meaning(
        &mut self,
        text: &Placed<String>,
        name: &str,
        range: &Range<usize>,
        scope: Scope<'_>,
    ) -> Option<Meaning> {
        let place = part::part(text, range.clone());
        if let Some(variable) = name.strip_prefix("var.") {
            let value = self.variables.get(variable).cloned();
            match &value {
                Some(value) => self.note_value(text, name, value),
                None => self.unknown_variable(variable, &place),
            }
            return value.map(Meaning::Value);
        }
        if scope.placeholders && PER_PLATFORM.contains(&name) {
            return Some(Meaning::Placeholder);
        }
        match (name, scope.build) {
            ("version", _) => {
                if let Some(version) = self.version.clone() {
                    self.note_value(text, name, &version);
                } else {
                    let help = "give `[project]` a `version`".to_owned();
                    let problem = Problem::new("oci::manifest::no_value", "the project has no version", &place, "");
                    self.push(problem.help(help));
                }
                return self.version.clone().map(Meaning::Value);
            }
            ("build", Some(build)) => return Some(Meaning::Value(build.to_owned())),
            _ => {}
        }
        let late = Late::parse(name);
        if late.is_some() && (scope.publishing || (scope.git && name.starts_with("git."))) {
            return late.map(Meaning::Late);
        }
        self.unknown(name, late.is_some() || name == "build", &place, scope);
        None
    }

    /// Keeps the value of a template, for problems with the whole text.
    fn note_value(&mut self, text: &Placed<String>, name: &str, value: &str) {
        let span = (text.place.span.start, text.place.span.end);
        self.substituted.entry(span).or_default().insert(format!("`{{{name}}}` is `{value}`"));
    }

    fn unknown_variable(&mut self, name: &str, place: &Place) {
        // The names are borrowed from the checker itself.
        let variables = std::mem::take(&mut self.variables);
        let known = self.suggest("the variables are", name, variables.keys().map(String::as_str));
        self.variables = variables;
        let help = known.unwrap_or_else(|| format!("give it a value: `[vars]` with `{name} = \"…\"`"));
        let message = format!("there is no variable `{name}`");
        self.push(Problem::new("oci::manifest::unknown_variable", message, place, "not known").help(help));
    }

    fn unknown(&mut self, name: &str, is_publishing: bool, place: &Place, scope: Scope<'_>) {
        if is_publishing {
            let message = format!("`{{{name}}}` has no value here");
            self.push(
                Problem::new("oci::manifest::unknown_placeholder", message, place, "known to publishing alone")
                    .help("it is known in `repository`, `tag` and `tags`; elsewhere it would undo caches".to_owned()),
            );
            return;
        }
        let mut known = vec!["version", "var.NAME"];
        if scope.placeholders {
            known.extend(PER_PLATFORM);
        }
        known.extend(scope.build.map(|_| "build"));
        if scope.publishing {
            known.push("env.NAME");
        }
        if scope.publishing || scope.git {
            known.extend(["git.branch", "git.sha", "git.short-sha", "git.tag"]);
        }
        known.sort_unstable();
        let help = match suggest::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{{{near}}}`?"),
            None => format!("what is known here: `{{{}}}`", known.join("}`, `{")),
        };
        let message = format!("there is no `{{{name}}}`");
        self.push(Problem::new("oci::manifest::unknown_placeholder", message, place, "not known").help(help));
    }

    /// Reports a brace that opens or closes nothing.
    fn alone(&mut self, text: &Placed<String>, range: Range<usize>) {
        let place = part::part(text, range);
        self.push(
            Problem::new("oci::manifest::unknown_placeholder", "a brace stands alone", &place, "")
                .help("`{{` and `}}` stand for braces".to_owned()),
        );
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    while let Some(brace) = text[start..].find(['{', '}']).map(|offset| start + offset) {
        if start < brace {
            parts.push(Part::Text(&text[start..brace]));
        }
        let rest = &text[brace..];
        let (part, end) = match (rest.starts_with("{{") || rest.starts_with("}}"), rest.find('}')) {
            (true, _) => (Part::Brace(&rest[..2]), brace + 2),
            (false, Some(length)) if length > 0 => {
                let end = brace + length + 1;
                (Part::Name(&rest[1..length], brace..end), end)
            }
            (false, _) => (Part::Alone(brace..brace + 1), brace + 1),
        };
        parts.push(part);
        start = end;
    }
    if start < text.len() {
        parts.push(Part::Text(&text[start..]));
    }
    parts
}
