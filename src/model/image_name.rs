//! How `oci.toml` and the command line name an image of the project: `NAME`, `NAME#VARIANT`, `scratch`.

use std::fmt;

/// The name of an image of this project. A leading `:` is accepted and dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ImageName {
    /// The empty image.
    Scratch,
    /// A build, a stage, or a base without variants.
    Plain(String),
    /// One variant of a base.
    Variant(String, String),
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("a name is lower case letters and digits, with single `.`, `_` or `-` between them")]
    Characters,
    #[error("a name has at most 100 characters, this one has {0}")]
    Length(usize),
    #[error("a name is needed before the `#`, and a variant behind it")]
    Variant,
}

impl ImageName {
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_prefix(':').unwrap_or(text);
        match text.split_once('#') {
            None if text == "scratch" => Ok(Self::Scratch),
            None => check(text).map(|()| Self::Plain(text.to_owned())),
            Some((name, variant)) if name.is_empty() || variant.is_empty() => Err(NameError::Variant),
            Some((name, variant)) => {
                check(name)?;
                check(variant)?;
                Ok(Self::Variant(name.to_owned(), variant.to_owned()))
            }
        }
    }
}

/// Checks one name or variant: `[a-z0-9]+([._-][a-z0-9]+)*`, at most 100 characters.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    let well_formed = name
        .split(['.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    match name.chars().count() {
        _ if !well_formed => Err(NameError::Characters),
        length if length > 100 => Err(NameError::Length(length)),
        _ => Ok(()),
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch => formatter.write_str("scratch"),
            Self::Plain(name) => formatter.write_str(name),
            Self::Variant(name, variant) => write!(formatter, "{name}#{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_form() {
        for (text, printed) in
            [("scratch", "scratch"), (":app", "app"), ("my-app_1.2", "my-app_1.2"), (":python#slim", "python#slim")]
        {
            assert_eq!(ImageName::parse(text).unwrap().to_string(), printed);
        }
        assert_eq!(ImageName::parse("scratch"), Ok(ImageName::Scratch));
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", ":", "App", "a--b", "-a", "a-", "a b", "a/b", "é"] {
            assert_eq!(ImageName::parse(text), Err(NameError::Characters), "{text}");
        }
        for text in ["a#", "#a"] {
            assert_eq!(ImageName::parse(text), Err(NameError::Variant), "{text}");
        }
        assert_eq!(ImageName::parse(&"a".repeat(101)), Err(NameError::Length(101)));
    }
}
