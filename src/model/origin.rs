//! Where an image from elsewhere is: in a registry, or on this machine's disk.

use std::fmt;

use crate::model::Repository;

/// A registry's repository, or an image layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Registry(Repository),
    Layout(LayoutPath),
}

impl Origin {
    /// The repository, unless the image is on the disk.
    pub(crate) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Registry(repository) => Some(repository),
            Self::Layout(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(repository) => repository.fmt(formatter),
            Self::Layout(path) => path.fmt(formatter),
        }
    }
}

/// An image on the disk: `[KIND:]PATH[:NAME]`, without `.` and `//` in it.
///
/// Paths and names may both hold colons, so only the files on the disk tell where the path ends
/// ([`LayoutPath::readings`]). Two values are equal if their texts are, wherever the project is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayoutPath {
    kind: Option<LayoutKind>,
    rest: String,
}

/// The form of an image on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LayoutKind {
    /// A folder that is an OCI image layout.
    Folder,
    /// A tar archive of an OCI image layout.
    OciArchive,
    /// An archive of `docker save`.
    DockerArchive,
}

/// Why a text names no image on the disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutPathError {
    #[error("the path of an image layout is missing")]
    NoPath,
    #[error("a name is missing behind the last `:`")]
    NoName,
    #[error("a path cannot hold control characters here")]
    Control,
}

impl LayoutKind {
    const ALL: [Self; 3] = [Self::Folder, Self::OciArchive, Self::DockerArchive];

    /// The prefixes of the path, with the colon, as skopeo names them.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Folder => "oci:",
            Self::OciArchive => "oci-archive:",
            Self::DockerArchive => "docker-archive:",
        }
    }

    fn split(text: &str) -> (Option<Self>, &str) {
        let found = Self::ALL.into_iter().find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)));
        found.map_or((None, text), |(kind, rest)| (Some(kind), rest))
    }
}

/// In the middle of a sentence.
impl fmt::Display for LayoutKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Folder => "an OCI layout folder",
            Self::OciArchive => "an OCI archive",
            Self::DockerArchive => "a Docker archive",
        })
    }
}

impl LayoutPath {
    pub(crate) fn parse(text: &str) -> Result<Self, LayoutPathError> {
        if text.contains(char::is_control) {
            return Err(LayoutPathError::Control);
        }
        let (kind, written) = LayoutKind::split(text);
        let parts: Vec<&str> = written.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let rest = match (written.starts_with('/'), parts.join("/")) {
            (true, below) => format!("/{below}"),
            (false, below) if below.is_empty() && !written.is_empty() => ".".to_owned(),
            (false, below) => below,
        };
        match rest.as_bytes() {
            [] | [b':', ..] => Err(LayoutPathError::NoPath),
            [.., b':'] => Err(LayoutPathError::NoName),
            _ => Ok(Self { kind, rest }),
        }
    }

    /// The form that the text names, if it names one.
    pub(crate) fn kind(&self) -> Option<LayoutKind> {
        self.kind
    }

    /// Every way to read the text as a path and a name, the longest path first. The first reading whose path exists
    /// counts.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let colons =
            self.rest.rmatch_indices(':').map(|(colon, _)| (&self.rest[..colon], Some(&self.rest[colon + 1..])));
        std::iter::once((self.rest.as_str(), None)).chain(colons).filter(|(path, _)| !path.is_empty())
    }
}

/// Writes it as the lockfile has it. Parsing the text gives an equal value.
impl fmt::Display for LayoutPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => formatter.write_str(kind.prefix())?,
            None if LayoutKind::split(&self.rest).0.is_some() => formatter.write_str("./")?,
            None => {}
        }
        formatter.write_str(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_made_one_spelling() {
        for (written, printed) in [
            ("vendor/base", "vendor/base"),
            ("./vendor//base/", "vendor/base"),
            ("vendor/base:1.0", "vendor/base:1.0"),
            ("../base/./x:latest", "../base/x:latest"),
            ("/srv/base", "/srv/base"),
            (".", "."),
            ("./", "."),
            ("oci:base:1", "oci:base:1"),
            ("./oci:base:1", "./oci:base:1"),
            ("oci:oci:base", "oci:oci:base"),
            ("docker-archive:./base.tar:docker.io/library/a:1", "docker-archive:base.tar:docker.io/library/a:1"),
            ("a b\"\\é", "a b\"\\é"),
        ] {
            assert_eq!(LayoutPath::parse(written).unwrap().to_string(), printed, "{written}");
        }
        let kinds =
            ["a", "oci:a", "oci-archive:a", "docker-archive:a"].map(|text| LayoutPath::parse(text).unwrap().kind);
        assert_eq!(
            kinds,
            [None, Some(LayoutKind::Folder), Some(LayoutKind::OciArchive), Some(LayoutKind::DockerArchive)]
        );
    }

    #[test]
    fn refuses_what_names_nothing() {
        for (text, error) in [
            ("", LayoutPathError::NoPath),
            ("oci:", LayoutPathError::NoPath),
            (":latest", LayoutPathError::NoPath),
            ("./:latest", LayoutPathError::NoPath),
            ("base:", LayoutPathError::NoName),
            ("base:/", LayoutPathError::NoName),
            ("a\nb", LayoutPathError::Control),
            ("a\0", LayoutPathError::Control),
        ] {
            assert_eq!(LayoutPath::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn paths_may_have_colons_too() {
        let path = LayoutPath::parse("docker-archive:a:b.tar:x.io/c:1").unwrap();
        let readings: Vec<_> = path.readings().collect();
        assert_eq!(
            readings,
            [
                ("a:b.tar:x.io/c:1", None),
                ("a:b.tar:x.io/c", Some("1")),
                ("a:b.tar", Some("x.io/c:1")),
                ("a", Some("b.tar:x.io/c:1")),
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_again(text in "(\\./)?(oci:|docker-archive:)?[a:/. ~\"\\\\é]{0,12}") {
            if let Ok(path) = LayoutPath::parse(&text) {
                prop_assert_eq!(LayoutPath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
