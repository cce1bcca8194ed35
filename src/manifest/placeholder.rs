//! The names in braces that some keys know, and the error for one in a key that knows none.

use std::ops::Range;

use crate::manifest::part;
use crate::problem::Problem;
use crate::source::Placed;

/// The names that paths keep for the platform that is built.
pub(super) const PER_PLATFORM: [&str; 4] = ["arch", "cpu", "os", "platform"];

/// What a name in braces belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{version}` and `{var.NAME}`.
    Value,
    /// `{os}`, `{arch}`, `{platform}` and `{cpu}`.
    Platform,
    /// `{build}`, and names whose values only `oci publish` works out.
    Publishing,
}

impl Kind {
    /// The kind of a name between braces. Returns `None` if no template has this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "version" => Some(Self::Value),
            "build" => Some(Self::Publishing),
            _ if PER_PLATFORM.contains(&name) => Some(Self::Platform),
            _ => match name.split_once('.')? {
                ("var", _) => Some(Self::Value),
                ("git" | "env", _) => Some(Self::Publishing),
                _ => None,
            },
        }
    }

    /// Where such names are known.
    pub(super) fn known_in(self) -> &'static str {
        match self {
            Self::Value => {
                "`{version}` and `{var.NAME}` are known in `user`, `workdir`, `entrypoint`, `args`, `env`, `labels`, \
                 `annotations`, `ports`, `volumes`, `owner`, `text`, `run`, `repository`, `tag`, `tags`, a base's \
                 `tag`, `digest` and variants, in paths of packages and steps, and in `[package.NAME]`"
            }
            Self::Platform => "it is known in paths of packages and steps, and in `[package.NAME]`",
            Self::Publishing => "it is known in `repository`, `tag` and `tags`; elsewhere it would undo caches",
        }
    }
}

/// Finds the names of templates in a text, each with its braces. A doubled brace opens no template.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, Kind)> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(opening) = text[start..].find('{').map(|offset| start + offset) {
        let inner = opening + 1;
        start = if text[inner..].starts_with('{') { inner + 1 } else { inner };
        let Some(length) = text[inner..].find('}').filter(|_| start == inner) else { continue };
        if let Some(kind) = Kind::of(&text[inner..inner + length]) {
            found.push((opening..inner + length + 1, kind));
        }
    }
    found
}

/// A problem for each template in a text of the key `key`, which knows none.
pub(super) fn refused(text: &Placed<String>, key: &str) -> Vec<Problem> {
    let problem = |(range, kind): (Range<usize>, Kind)| {
        let message = format!("`{}` is not known in `{key}`", &text[range.clone()]);
        let place = part::part(text, range);
        Problem::new("oci::manifest::unknown_placeholder", message, &place, "no template is known here")
            .help(kind.known_in().to_owned())
    };
    find(text).into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_names_of_templates_alone() {
        let names =
            |text: &str| -> Vec<String> { find(text).into_iter().map(|(range, _)| text[range].into()).collect() };
        assert_eq!(names("a{var.x}{{var.y}}{version}-{os} {git.sha}{"), ["{var.x}", "{version}", "{os}", "{git.sha}"]);
        assert_eq!(names("{a,b} {} {x.y} {version {"), Vec::<String>::new());
    }
}
