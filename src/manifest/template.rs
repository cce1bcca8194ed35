//! The values of `repository`, `tag` and `tags`: text, and names whose values are only known when publishing.
//!
//! Checking the manifest replaces `{build}`, `{version}` and `{var.NAME}` by text. Only `oci publish` asks the git
//! repository and the environment for values.

use std::fmt;

use crate::source::Placed;

/// A text with names in it that get their value when something is published.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(pub(super) Vec<Piece>);

/// A stretch of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Late(Placed<Late>),
}

/// A name that gets its value when something is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    GitSha,
    GitShortSha,
    GitBranch,
    GitTag,
    /// A variable of the environment.
    Environment(String),
}

impl Late {
    /// The name between the braces.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "git.sha" => Some(Self::GitSha),
            "git.short-sha" => Some(Self::GitShortSha),
            "git.branch" => Some(Self::GitBranch),
            "git.tag" => Some(Self::GitTag),
            _ => name.strip_prefix("env.").filter(|name| !name.is_empty()).map(|name| Self::Environment(name.into())),
        }
    }
}

impl fmt::Display for Late {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitSha => formatter.write_str("{git.sha}"),
            Self::GitShortSha => formatter.write_str("{git.short-sha}"),
            Self::GitBranch => formatter.write_str("{git.branch}"),
            Self::GitTag => formatter.write_str("{git.tag}"),
            Self::Environment(name) => write!(formatter, "{{env.{name}}}"),
        }
    }
}

impl Template {
    /// The text. Returns `None` if it holds a late name.
    pub(crate) fn text(&self) -> Option<String> {
        self.expand(|_| Err(())).ok()
    }

    /// The text with every late name replaced by its value, or the first error.
    pub(crate) fn expand<E>(&self, mut value: impl FnMut(&Placed<Late>) -> Result<String, E>) -> Result<String, E> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Late(late) => value(late),
        });
        pieces.collect()
    }
}

/// Writes the template as in the manifest, with the names replaced whose values were known there.
impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => formatter.write_str(text),
            Piece::Late(late) => late.value.fmt(formatter),
        })
    }
}

/// A value as part of a tag: each character that a tag may not have becomes `-`.
pub(crate) fn tag_part(value: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    value.chars().map(|letter| if allowed(letter) { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tag_may_not_have_becomes_a_hyphen() {
        for (value, part) in [("1.2_3-x", "1.2_3-x"), ("feature/a b", "feature-a-b"), ("1.0+é", "1.0--"), ("", "")] {
            assert_eq!(tag_part(value), part);
        }
    }

    #[test]
    fn a_late_name_is_written_as_it_is_read() {
        for name in ["git.sha", "git.short-sha", "git.branch", "git.tag", "env.CI_COMMIT"] {
            assert_eq!(Late::parse(name).unwrap().to_string(), format!("{{{name}}}"));
        }
        for name in ["git", "git.commit", "env.", "env", "var.a"] {
            assert_eq!(Late::parse(name), None, "{name}");
        }
    }
}
