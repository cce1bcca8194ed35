//! Texts in which most braces are just braces: commands, and what a package writes.

use crate::manifest::placeholder::PER_PLATFORM;
use crate::manifest::template::Late;
use crate::manifest::validate::Checker;
use crate::manifest::validate::checker::{Meaning, PLAIN, Scope};
use crate::source::Placed;

impl Checker {
    /// A text in which a brace that opens none of the known names is just a brace. To write such a name
    /// itself, its braces are doubled.
    pub(super) fn expanded_loosely(&mut self, text: &Placed<String>) -> Option<Placed<String>> {
        self.loosely(text, PLAIN, |plain| plain.to_owned())
    }

    /// A word or text of a packaged target's command, which is worked out again for each platform, by
    /// [`expand`](crate::manifest::package::expand). A brace that opens none of the known names is just a brace, and is
    /// doubled here. `git` says whether `{git.*}` is known.
    pub(super) fn expanded_of_command(&mut self, text: &Placed<String>, git: bool) -> Option<Placed<String>> {
        let scope = Scope { placeholders: true, git, ..PLAIN };
        self.loosely(text, scope, |plain| plain.replace('{', "{{").replace('}', "}}"))
    }

    /// Replaces the names that the scope knows. `plain` writes every other stretch.
    fn loosely(
        &mut self,
        text: &Placed<String>,
        scope: Scope<'_>,
        plain: impl Fn(&str) -> String,
    ) -> Option<Placed<String>> {
        let is_known = |name: &str| {
            name == "version"
                || name.starts_with("var.")
                || (scope.placeholders && PER_PLATFORM.contains(&name))
                || (scope.git && name.starts_with("git.") && Late::parse(name).is_some())
        };
        let mut expanded = String::new();
        let mut complete = true;
        let mut start = 0;
        while let Some(opening) = text[start..].find('{').map(|offset| start + offset) {
            expanded.push_str(&plain(&text[start..opening]));
            let doubled = text[opening..].starts_with("{{");
            let inner = opening + if doubled { 2 } else { 1 };
            let name = text[inner..].find('}').map(|length| &text[inner..inner + length]).filter(|name| is_known(name));
            start = match name {
                Some(name) if !doubled => {
                    let range = opening..inner + name.len() + 1;
                    match self.meaning(text, name, &range, scope) {
                        Some(Meaning::Value(value)) => expanded.push_str(&plain(&value)),
                        Some(Meaning::Placeholder | Meaning::Late(_)) => expanded.push_str(&text[range.clone()]),
                        None => complete = false,
                    }
                    range.end
                }
                Some(name) if text[inner + name.len()..].starts_with("}}") => {
                    expanded.push_str(&plain(&format!("{{{name}}}")));
                    inner + name.len() + 2
                }
                _ => {
                    expanded.push_str(&plain("{"));
                    opening + 1
                }
            };
        }
        expanded.push_str(&plain(&text[start..]));
        complete.then(|| Placed::new(expanded, text.place.clone()))
    }
}
