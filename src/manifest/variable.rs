//! The value in `env = { NAME = "…" }`: text, and references to variables of the base.

use std::ops::Range;

/// The checked value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VariableValue(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${NAME}`: the base's value of that variable.
    Base(String),
}

/// Why a text cannot be the value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VariableError {
    /// A `${` without its `}`.
    NotClosed,
    /// A `${…}` without a valid name in it.
    BadName(String),
    /// A template without a value; the problem has been reported already.
    Template,
    /// A NUL, which no environment can hold.
    Nul,
}

impl VariableValue {
    /// Parses `${NAME}`; `$$` is a dollar sign, `{{` and `}}` are braces. `value` has the values of
    /// templates, by where they are in the text.
    pub(super) fn parse(
        text: &str,
        mut value: impl FnMut(Range<usize>) -> Option<String>,
    ) -> Result<Self, VariableError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(special) = rest.find(['$', '{', '}', '\0']) {
            plain.push_str(&rest[..special]);
            rest = &rest[special..];
            if let Some(after) = rest.strip_prefix("${") {
                let (name, after) = after.split_once('}').ok_or(VariableError::NotClosed)?;
                let known = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
                if name.is_empty() || !name.chars().all(known) {
                    return Err(VariableError::BadName(name.to_owned()));
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Base(name.to_owned()));
                rest = after;
                continue;
            }
            let doubled = ["$$", "{{", "}}"].iter().any(|pair| rest.starts_with(pair));
            if rest.starts_with('\0') {
                return Err(VariableError::Nul);
            }
            if !doubled && !rest.starts_with('$') {
                let length = rest.find('}').map_or(rest.len(), |end| end + 1);
                let start = text.len() - rest.len();
                plain.push_str(&value(start..start + length).ok_or(VariableError::Template)?);
                rest = &rest[length..];
                continue;
            }
            plain.push_str(&rest[..1]);
            rest = &rest[if doubled { 2 } else { 1 }..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The value in an image on top of a base. Returns as error the name of the first variable that the base lacks.
    pub(crate) fn above<'a, 'b>(&'a self, base: impl Fn(&str) -> Option<&'b str>) -> Result<String, &'a str> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.as_str()),
            Piece::Base(name) => base(name).ok_or(name.as_str()),
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_resolved() {
        let base = |name: &str| match name {
            "PATH" => Some("/bin"),
            "A.B" => Some("dotted"),
            _ => None,
        };
        for (text, value) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("/x:${PATH}:/y", Ok("/x:/bin:/y")),
            ("${PATH}${PATH}", Ok("/bin/bin")),
            ("${A.B}", Ok("dotted")),
            ("$$", Ok("$")),
            ("$HOME costs 5$", Ok("$HOME costs 5$")),
            ("$$${PATH}", Ok("$/bin")),
            ("$${{PATH}}", Ok("${PATH}")),
            ("{{x}}", Ok("{x}")),
            ("{version}-{{x}}-{version}", Ok("$v-{x}-$v")),
            ("${HOME}", Err("HOME")),
            ("${PATH}${HOME}${USER}", Err("HOME")),
        ] {
            let parsed = VariableValue::parse(text, |_| Some("$v".to_owned())).unwrap();
            assert_eq!(parsed.above(base), value.map(ToOwned::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let bad_name = |name: &str| VariableError::BadName(name.to_owned());
        for (text, error) in [
            ("a ${PATH", VariableError::NotClosed),
            ("${}", bad_name("")),
            ("${A:-b}", bad_name("A:-b")),
            ("${A=b}", bad_name("A=b")),
            ("a {version} b", VariableError::Template),
            ("$${PATH}", VariableError::Template),
            ("}", VariableError::Template),
            ("{{{", VariableError::Template),
            ("a\0b", VariableError::Nul),
        ] {
            assert_eq!(VariableValue::parse(text, |_| None), Err(error), "{text:?}");
        }
    }
}
