//! Repositories and tags, as the OCI distribution spec writes them ("Pulling manifests").

use std::fmt;

use crate::model::Digest;

/// A fully qualified repository, `host[:port]/path`, with Docker Hub's spellings made one.
///
/// Two repositories are equal if they name one repository of one registry, however they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Repository {
    registry: String,
    path: String,
}

/// Why a text is not a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RepositoryError {
    #[error("`{written}` does not say which registry it is in")]
    Short { written: String, long: String },
    #[error("a repository takes no tag or digest, `{rest}` has to go elsewhere")]
    TagOrDigest { repository: String, rest: String },
    #[error("a repository has no scheme in front, `{scheme}` has to go")]
    Scheme { scheme: String, rest: String },
    #[error("`{0}` is no host name")]
    Host(String),
    #[error("a repository's path is lower case letters, digits, `.`, `_`, `-` and `/`: `{0}` is not")]
    Path(String),
    #[error("a repository's name has at most 255 characters")]
    Length,
}

const DOCKER_HUB: &str = "docker.io";

impl Repository {
    pub(crate) fn parse(text: &str) -> Result<Self, RepositoryError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(RepositoryError::Scheme { scheme: format!("{scheme}://"), rest: rest.to_owned() });
        }
        let (host, path) = match text.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => {
                let (name, _) = split_tag(text);
                let library = if name.contains('/') { "" } else { "library/" };
                let long = format!("{DOCKER_HUB}/{library}{name}");
                return Err(RepositoryError::Short { written: text.to_owned(), long });
            }
        };
        if !is_host(host) {
            return Err(RepositoryError::Host(host.to_owned()));
        }
        if let (name, Some(rest)) = split_tag(path) {
            return Err(RepositoryError::TagOrDigest { repository: format!("{host}/{name}"), rest: rest.to_owned() });
        }
        if let Some(part) = path.split('/').find(|part| !is_component(part)) {
            return Err(RepositoryError::Path(if part.is_empty() { path.to_owned() } else { part.to_owned() }));
        }
        if text.len() > 255 {
            return Err(RepositoryError::Length);
        }
        let registry = match host.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
            other => other.to_owned(),
        };
        Ok(Self::normal(registry, path.to_owned()))
    }

    fn normal(registry: String, path: String) -> Self {
        let path = match registry.as_str() {
            DOCKER_HUB if !path.contains('/') => format!("library/{path}"),
            _ => path,
        };
        Self { registry, path }
    }

    /// `host` or `host:port`.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// True for an address that never leaves this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &self.registry }
        });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Splits `name:tag`, `name@digest` or `name:tag@digest`. Only a colon behind the last `/` counts.
fn split_tag(path: &str) -> (&str, Option<&str>) {
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[last..].find([':', '@']) {
        Some(offset) => (&path[..last + offset], Some(&path[last + offset..])),
        None => (path, None),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port.strip_prefix(':').or((!port.is_empty()).then_some("")))
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let mut separator = 0;
    let ends_well =
        bytes.first().is_some_and(|byte| alphanumeric(*byte)) && bytes.last().is_some_and(|byte| alphanumeric(*byte));
    ends_well
        && component.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit()).all(|gap| {
            separator += usize::from(!gap.is_empty());
            matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-')
        })
}

/// A mirror: where copies of a registry's repositories are, each under its own path: `host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RegistryMirror {
    registry: String,
    folder: Option<String>,
}

impl RegistryMirror {
    pub(crate) fn parse(text: &str) -> Result<Self, RepositoryError> {
        // What can hold an image can hold many.
        let registry = Repository::parse(&format!("{text}/image"))?.registry;
        Ok(Self { registry, folder: text.split_once('/').map(|(_, folder)| folder.to_owned()) })
    }

    /// The copy of a repository.
    pub(crate) fn repository(&self, original: &Repository) -> Repository {
        let path = match &self.folder {
            Some(folder) => format!("{folder}/{}", original.path),
            None => original.path.clone(),
        };
        Repository::normal(self.registry.clone(), path)
    }

    /// True if the mirror is the registry itself.
    pub(crate) fn is(&self, registry: &str) -> bool {
        self.registry == registry && self.folder.is_none()
    }
}

/// As it is written, but for Docker Hub's spellings.
impl fmt::Display for RegistryMirror {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.registry)?;
        self.folder.iter().try_for_each(|folder| write!(formatter, "/{folder}"))
    }
}

/// The normal form, `registry/path`.
impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.path)
    }
}

/// A tag: at most 128 letters, digits, `.`, `_` and `-`, beginning with none of the last two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tag(String);

/// Why a text is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("a tag is letters, digits, `.`, `_` and `-`, and begins with a letter, a digit or `_`")]
    Characters,
    #[error("a tag has at most 128 characters, this one has {0}")]
    Length(usize),
}

impl Tag {
    pub(crate) fn parse(text: &str) -> Result<Self, TagError> {
        let character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        match text.as_bytes() {
            [] | [b'.' | b'-', ..] => Err(TagError::Characters),
            bytes if !bytes.iter().all(|byte| character(*byte)) => Err(TagError::Characters),
            bytes if bytes.len() > 128 => Err(TagError::Length(bytes.len())),
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One manifest in a repository: by tag, or by digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    Tag(Repository, Tag),
    Digest(Repository, Digest),
}

impl Reference {
    pub(crate) fn repository(&self) -> &Repository {
        match self {
            Self::Tag(repository, _) | Self::Digest(repository, _) => repository,
        }
    }

    /// This tag or digest, of another repository.
    pub(crate) fn of(&self, repository: Repository) -> Self {
        match self {
            Self::Tag(_, tag) => Self::Tag(repository, tag.clone()),
            Self::Digest(_, digest) => Self::Digest(repository, *digest),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(repository, tag) => write!(formatter, "{repository}:{tag}"),
            Self::Digest(repository, digest) => write!(formatter, "{repository}@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_docker_hub() {
        for (written, normal) in [
            ("docker.io/python", "docker.io/library/python"),
            ("index.docker.io/library/python", "docker.io/library/python"),
            ("docker.io/grafana/grafana", "docker.io/grafana/grafana"),
            ("GHCR.io/a/b", "ghcr.io/a/b"),
            ("localhost/x", "localhost/x"),
            ("localhost:5000/x/y__z", "localhost:5000/x/y__z"),
            ("[::1]:5000/x", "[::1]:5000/x"),
        ] {
            let repository = Repository::parse(written).unwrap();
            assert_eq!(repository.to_string(), normal);
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        let short = |written: &str, long: &str| RepositoryError::Short { written: written.into(), long: long.into() };
        for (text, error) in [
            ("python", short("python", "docker.io/library/python")),
            ("python:3.12", short("python:3.12", "docker.io/library/python")),
            ("grafana/grafana", short("grafana/grafana", "docker.io/grafana/grafana")),
            ("ghcr.io/a/B", RepositoryError::Path("B".into())),
            ("ghcr.io/a//b", RepositoryError::Path("a//b".into())),
            ("ghcr.io/a._b", RepositoryError::Path("a._b".into())),
            ("ghcr.io:port/a", RepositoryError::Host("ghcr.io:port".into())),
            ("-x.io/a", RepositoryError::Host("-x.io".into())),
            ("ghcr.io/a/b:1", RepositoryError::TagOrDigest { repository: "ghcr.io/a/b".into(), rest: ":1".into() }),
            ("https://ghcr.io/a", RepositoryError::Scheme { scheme: "https://".into(), rest: "ghcr.io/a".into() }),
        ] {
            assert_eq!(Repository::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn mirrors_keep_the_path() {
        for (mirror, original, copy) in [
            ("mirror.example.com", "docker.io/python", "mirror.example.com/library/python"),
            ("mirror.example.com:5000/hub", "docker.io/a/b", "mirror.example.com:5000/hub/a/b"),
            ("[::1]:5000/a/b", "ghcr.io/c", "[::1]:5000/a/b/c"),
            ("index.docker.io", "ghcr.io/c", "docker.io/library/c"),
        ] {
            let original = Repository::parse(original).unwrap();
            assert_eq!(RegistryMirror::parse(mirror).unwrap().repository(&original).to_string(), copy);
        }
        for text in ["", "hub", "https://mirror.example.com", "mirror.example.com/", "mirror.example.com/A", "a.b/c:1"]
        {
            assert!(RegistryMirror::parse(text).is_err(), "{text}");
        }
        assert!(RegistryMirror::parse("index.docker.io").unwrap().is("docker.io"));
        assert!(!RegistryMirror::parse("docker.io/hub").unwrap().is("docker.io"));
    }

    #[test]
    fn knows_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:5000/a", true),
            ("127.1.2.3:80/a", true),
            ("localhost/a", true),
            ("[::1]:5000/a", true),
            ("localhost.example.com/a", false),
            ("10.0.0.1:5000/a", false),
        ] {
            assert_eq!(Repository::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn tags() {
        assert!(Tag::parse("3.12-slim_X").is_ok());
        for text in ["", ".a", "-a", "a b", "a/b", "ä"] {
            assert_eq!(Tag::parse(text), Err(TagError::Characters), "{text}");
        }
        assert_eq!(Tag::parse(&"a".repeat(129)), Err(TagError::Length(129)));
    }
}
