//! Why a tool failed, told from what it wrote: used for the explanation only, and never for a result.
//!
//! Tools return 1 for every failure, and their wording changes with the version. An error that is not recognised is
//! [`Cause::Failed`], and the tool's own line is shown.

use std::time::Duration;

use crate::model::{Digest, Reference};
use crate::tools::{Subject, Version};

/// What is to blame when a tool fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The repository has no such tag. If the repository could be asked, `nearest` has the tags most like it.
    TagNotFound {
        nearest: Vec<String>,
    },
    /// The repository has no manifest of that digest.
    DigestNotFound,
    NoSuchRepository,
    UnknownHost {
        host: String,
    },
    /// Nothing listens at the address.
    Refused {
        address: String,
    },
    /// There is no way to that address.
    Unreachable,
    /// The connection ended before the answer did.
    Reset,
    /// The answer took too long: longer than our limit, if there is one, else longer than the tool itself waits.
    TimedOut {
        limit: Option<Duration>,
    },
    /// Nothing moved in a transfer for this long.
    Stalled {
        limit: Duration,
    },
    /// The registry sent more bytes than a descriptor promises. If it is known which layer was too long, that layer is
    /// named.
    TooMuch {
        layer: Option<(Digest, u64)>,
    },
    /// The registry names a server for tokens that must not be sent credentials.
    TokenServer {
        realm: String,
    },
    /// The tool cannot talk to a registry by an IPv6 address.
    Ipv6Address,
    /// The registry's certificate was not accepted.
    Certificate,
    /// The registry speaks HTTP where HTTPS was expected.
    PlainHttp,
    /// The tool could not get the credentials that it was to send. If a helper program is missing, it is named.
    Credentials {
        missing: Option<String>,
    },
    Unauthorised,
    Forbidden,
    RateLimited,
    ServerError {
        status: u16,
    },
    /// The bytes do not have the digest that was asked for.
    DigestMismatch,
    /// The answer is no manifest, but, say, a login page.
    NotAManifest,
    /// The signature policy does not accept the image.
    Rejected,
    /// The tool does not understand the signature policy.
    BadPolicy,
    /// A blob is missing in the layout, and the destination does not have it either.
    BlobAbsent {
        digest: Option<Digest>,
    },
    /// The registry has the manifest, but not a blob that it names.
    BlobGone {
        digest: Option<Digest>,
    },
    DiskFull,
    /// The tool is not installed.
    Missing,
    TooOld {
        found: Version,
        minimum: Version,
    },
    Interrupted,
    /// Any other cause.
    Failed,
}

impl Cause {
    /// Tells the cause from the deciding line of a tool that was at work on `subject`.
    pub(crate) fn classify(line: &str, subject: &Subject) -> Self {
        let line = primary(line);
        local(line)
            .or_else(|| connection(line, subject))
            .or_else(|| judgement(line))
            .or_else(|| content(line))
            .or_else(|| answer(line, subject))
            .or_else(|| broken_off(line))
            .unwrap_or(Self::Failed)
    }

    /// True if another tag or digest would help; else the registry or the repository is the matter.
    pub(crate) fn is_about_reference(&self) -> bool {
        matches!(
            self,
            Self::TagNotFound { .. }
                | Self::DigestNotFound
                | Self::NotAManifest
                | Self::DigestMismatch
                | Self::BlobGone { .. }
        )
    }

    /// True if the signature policy decided.
    pub(crate) fn is_about_policy(&self) -> bool {
        matches!(self, Self::Rejected | Self::BadPolicy)
    }

    /// True if the registry or layout has no such thing.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::TagNotFound { .. } | Self::DigestNotFound | Self::NoSuchRepository | Self::BlobGone { .. })
    }

    /// True if this machine is to blame, and not the registry.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Missing | Self::TooOld { .. } | Self::Interrupted)
    }

    /// True if the registry would not have answered another question either.
    pub(crate) fn is_of_connection(&self) -> bool {
        self.is_transient()
            || matches!(self, Self::UnknownHost { .. } | Self::Certificate | Self::PlainHttp | Self::TokenServer { .. })
    }

    /// True if the call may succeed when it is made again a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unreachable | Self::Reset => true,
            Self::TimedOut { .. } | Self::Stalled { .. } | Self::RateLimited => true,
            Self::ServerError { status } => !matches!(status, 501 | 505),
            _ => false,
        }
    }
}

/// If mirrors were tried first, only the registry's own answer counts.
fn primary(line: &str) -> &str {
    match line.split_once("(Mirrors also failed: [") {
        Some((_, rest)) => rest.split_once("]): ").map_or(rest, |(_, primary)| primary),
        None => line,
    }
}

fn has(line: &str, wordings: &[&str]) -> bool {
    wordings.iter().any(|wording| line.contains(wording))
}

/// Causes on this machine.
fn local(line: &str) -> Option<Cause> {
    // Credentials are looked for before anything is asked. What follows this text is a helper program's own, and may be
    // any words.
    if has(line, &["getting username and password: ", "error getting credentials - err: "]) {
        let is_missing = has(line, &["executable file not found", "resolves to executable in current directory"]);
        let missing = after(line, "docker-credential-").filter(|_| is_missing).map(|rest| {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
            format!("docker-credential-{name}")
        });
        return Some(Cause::Credentials { missing });
    }
    if has(line, &["no space left on device", "disk quota exceeded"]) {
        return Some(Cause::DiskFull);
    }
    // `reading blob sha256:…: open …/sha256/HEX: no such file or directory`
    if line.contains("/sha256/") && line.contains("no such file or directory") {
        let digest = after(line, "/sha256/").and_then(|rest| Digest::parse_hex(rest.get(..64)?).ok());
        return Some(Cause::BlobAbsent { digest });
    }
    None
}

/// Causes by which there is no answer at all, or none that could be trusted.
fn connection(line: &str, subject: &Subject) -> Option<Cause> {
    let registry = || subject.registry().unwrap_or("the registry").to_owned();
    Some(
        if has(line, &["server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake"])
        {
            Cause::PlainHttp
        } else if has(line, &["x509: ", "tls: "]) {
            Cause::Certificate
        } else if has(line, &["no such host", "dial tcp: lookup "]) {
            // `lookup HOST: no such host`, `lookup HOST on SERVER:53: server misbehaving`
            let host = after(line, "lookup ").and_then(|rest| rest.split([' ', ':']).next().map(str::to_owned));
            Cause::UnknownHost { host: host.unwrap_or_else(registry) }
        } else if line.contains("connection refused") {
            // `dial tcp ADDRESS:PORT: connect: connection refused`
            let address =
                after(line, "dial tcp ").and_then(|rest| rest.split_once(": connect").map(|(address, _)| address));
            Cause::Refused { address: address.map_or_else(registry, str::to_owned) }
        } else if has(line, &["no route to host", "network is unreachable"]) {
            Cause::Unreachable
        } else if has(line, &["i/o timeout", "TLS handshake timeout", "deadline exceeded", "Client.Timeout"]) {
            Cause::TimedOut { limit: None }
        } else {
            return None;
        },
    )
}

/// Causes by which the signature policy refused the image. The line also quotes what a server with signatures answered.
fn judgement(line: &str) -> Option<Cause> {
    if line.contains("Error loading trust policy: ") {
        return Some(Cause::BadPolicy);
    }
    line.contains("Source image rejected: ").then_some(Cause::Rejected)
}

/// Causes by which bytes came, but not the right ones.
fn content(line: &str) -> Option<Cause> {
    const MISMATCH: [&str; 4] = [
        "Digest did not match",
        "does not match provided manifest digest",
        "does not match expected sha256:",
        "would not match destination reference",
    ];
    const NO_MANIFEST: [&str; 4] = [
        "looking for beginning of value",
        "unexpected end of JSON input",
        "nsupported manifest MIME type",
        "nsupported manifest media type",
    ];
    if has(line, &MISMATCH) {
        return Some(Cause::DigestMismatch);
    }
    if line.contains("invalid reference format") && line.contains("docker://[") {
        return Some(Cause::Ipv6Address);
    }
    has(line, &NO_MANIFEST).then_some(Cause::NotAManifest)
}

/// Causes by which the registry refused.
fn answer(line: &str, subject: &Subject) -> Option<Cause> {
    let status = http_status(line);
    let lower = line.to_lowercase();
    Some(if status == Some(429) || has(&lower, &["toomanyrequests", "too many requests", "rate limit"]) {
        Cause::RateLimited
    } else if status == Some(401)
        || has(&lower, &["unauthorized", "authentication required", "invalid username/password"])
    {
        Cause::Unauthorised
    } else if status == Some(403) || has(&lower, &["access to the resource is denied", ": denied", "access forbidden"])
    {
        Cause::Forbidden
    } else if has(&lower, &["name unknown", "repository name not known"]) {
        Cause::NoSuchRepository
    } else if status == Some(404) && line.contains("pinging container registry") {
        // A server answers there, but it is no registry.
        Cause::NotAManifest
    } else if line.contains("reading blob ") && (status == Some(404) || has(&lower, &["blob unknown", "blob_unknown"]))
    {
        // `reading blob sha256:HEX: …`
        let digest = after(line, "reading blob sha256:").and_then(|rest| Digest::parse_hex(rest.get(..64)?).ok());
        Cause::BlobGone { digest }
    } else if status == Some(404) || has(&lower, &["manifest unknown", "manifest_unknown"]) {
        not_found(subject)
    } else if let Some(status @ 500..) = status {
        Cause::ServerError { status }
    } else {
        return None;
    })
}

/// These words are looked for last, since a registry's message may hold any of them.
fn broken_off(line: &str) -> Option<Cause> {
    const WORDINGS: [&str; 4] =
        ["connection reset by peer", "unexpected EOF", "broken pipe", "use of closed network connection"];
    (has(line, &WORDINGS) || line.ends_with(": EOF") || line == "EOF").then_some(Cause::Reset)
}

fn not_found(subject: &Subject) -> Cause {
    match subject {
        Subject::Image(Reference::Tag(..)) => Cause::TagNotFound { nearest: Vec::new() },
        Subject::Image(Reference::Digest(..)) => Cause::DigestNotFound,
        Subject::Repository(_) => Cause::NoSuchRepository,
        Subject::Other(_) => Cause::Failed,
    }
}

/// The HTTP status that a message quotes.
fn http_status(line: &str) -> Option<u16> {
    ["StatusCode: ", "HTTP status: ", "HTTP status code ", "status code from registry ", "HTTP status "]
        .iter()
        .find_map(|before| after(line, before)?.get(..3)?.parse().ok())
}

fn after<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.split_once(before).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Repository, Tag};

    fn tag() -> Subject {
        let repository = Repository::parse("registry.example.com/lab/app").unwrap();
        Subject::Image(Reference::Tag(repository, Tag::parse("v1").unwrap()))
    }

    fn digest() -> Subject {
        let repository = Repository::parse("registry.example.com/lab/app").unwrap();
        Subject::Image(Reference::Digest(repository, Digest::of(b"")))
    }

    fn refused(address: &str) -> Cause {
        Cause::Refused { address: address.to_owned() }
    }

    fn unknown(host: &str) -> Cause {
        Cause::UnknownHost { host: host.to_owned() }
    }

    /// Recorded from skopeo 1.9.3, from newer ones, and from registries that word things their own way.
    #[test]
    fn recognises_what_skopeo_says() {
        let tag_not_found = || Cause::TagNotFound { nearest: Vec::new() };
        let cases = [
            (
                r#"Error parsing image name "docker://r/a:v1": reading manifest v1 in r/a: manifest unknown: manifest unknown"#,
                tag_not_found(),
            ),
            ("initializing source docker://r/a:v1: reading manifest v1 in r/a: manifest unknown", tag_not_found()),
            ("reading manifest v1 in r/a: StatusCode: 404, ", tag_not_found()),
            (
                "writing blob: initiating layer upload to /v2/a/blobs/uploads/ in r: name unknown: no such repository",
                Cause::NoSuchRepository,
            ),
            ("pinging container registry r: invalid status code from registry 404 (Not Found)", Cause::NotAManifest),
            (
                r#"pinging container registry nosuch.invalid: Get "https://nosuch.invalid/v2/": dial tcp: lookup nosuch.invalid on 10.0.0.53:53: no such host"#,
                unknown("nosuch.invalid"),
            ),
            (r#"pinging container registry r: Get "https://r/v2/": dial tcp: lookup r: no such host"#, unknown("r")),
            (
                r#"Get "https://r/v2/": dial tcp: lookup r.example on 127.0.0.53:53: server misbehaving"#,
                unknown("r.example"),
            ),
            (
                r#"Get "https://r/v2/": dial tcp: lookup r.example on 127.0.0.53:53: read udp 127.0.0.1:4->127.0.0.53:53: read: connection refused"#,
                unknown("r.example"),
            ),
            (
                r#"pinging container registry 127.0.0.1:1: Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused"#,
                refused("127.0.0.1:1"),
            ),
            (
                r#"Get "https://r/v2/": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused"#,
                refused("10.0.0.1:3128"),
            ),
            (r#"Get "https://r/v2/": dial tcp [::1]:443: connect: connection refused"#, refused("[::1]:443")),
            (r#"Get "https://r/v2/": dial tcp 10.0.0.1:443: connect: no route to host"#, Cause::Unreachable),
            (r#"pinging container registry r: Get "http://r/v2/": EOF"#, Cause::Reset),
            ("writing blob: happened during read: unexpected EOF", Cause::Reset),
            (r#"Get "https://r/v2/": read tcp 10.0.0.2:4->10.0.0.1:443: read: connection reset by peer"#, Cause::Reset),
            ("uploading layer chunked: use of closed network connection", Cause::Reset),
            (r#"Get "https://r/v2/": net/http: TLS handshake timeout"#, Cause::TimedOut { limit: None }),
            (r#"Get "https://r/v2/": dial tcp 10.0.0.1:443: i/o timeout"#, Cause::TimedOut { limit: None }),
            ("context deadline exceeded", Cause::TimedOut { limit: None }),
            (r#"Get "https://r/v2/": x509: certificate signed by unknown authority"#, Cause::Certificate),
            (
                r#"Get "https://r/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid"#,
                Cause::Certificate,
            ),
            (
                "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
                Cause::Certificate,
            ),
            (r#"Get "https://r/v2/": http: server gave HTTP response to HTTPS client"#, Cause::PlainHttp),
            ("reading manifest v1 in r/a: unauthorized: authentication required", Cause::Unauthorised),
            (
                "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
                Cause::Unauthorised,
            ),
            ("pinging container registry r: invalid status code from registry 401 (Unauthorized)", Cause::Unauthorised),
            ("reading manifest v1 in r/a: denied: requested access to the resource is denied", Cause::Forbidden),
            ("reading manifest v1 in r/a: denied", Cause::Forbidden),
            ("reading manifest v1 in r/a: StatusCode: 403, ", Cause::Forbidden),
            ("Error fetching blob: invalid status code from registry 403 (Forbidden)", Cause::Forbidden),
            ("reading manifest v1 in r/a: toomanyrequests: You have reached your pull rate limit.", Cause::RateLimited),
            ("reading manifest v1 in r/a: StatusCode: 429, ", Cause::RateLimited),
            ("too many requests to registry", Cause::RateLimited),
            (
                "reading manifest v1 in r/a: received unexpected HTTP status: 500 Internal Server Error",
                Cause::ServerError { status: 500 },
            ),
            (
                "Error fetching blob: invalid status code from registry 503 (Service Unavailable)",
                Cause::ServerError { status: 503 },
            ),
            ("pinging container registry r: StatusCode: 502, <html>…", Cause::ServerError { status: 502 }),
            (
                "writing blob: happened during read: Digest did not match, expected sha256:a, got sha256:b",
                Cause::DigestMismatch,
            ),
            ("Manifest does not match provided manifest digest sha256:a", Cause::DigestMismatch),
            ("Download config.json digest sha256:a does not match expected sha256:b", Cause::DigestMismatch),
            ("Digest of source image's manifest would not match destination reference", Cause::DigestMismatch),
            ("invalid character '<' looking for beginning of value", Cause::NotAManifest),
            ("unsupported manifest MIME type text/html", Cause::NotAManifest),
            ("writing blob: write /x/oci-put-blob1: no space left on device", Cause::DiskFull),
            (
                "(Mirrors also failed: [m/a:v1: StatusCode: 403, ] [n/a: x509: no]): r/a:v1: manifest unknown",
                tag_not_found(),
            ),
            ("open /run/containers/1001/auth.json: permission denied", Cause::Failed),
            ("Source image rejected: Running image docker://r/a is rejected by policy.", Cause::Rejected),
            ("Source image rejected: A signature was required, but no signature exists", Cause::Rejected),
            (
                "Source image rejected: error reading signature from https://r/s: status 403 (Forbidden)",
                Cause::Rejected,
            ),
            ("Source image rejected: open key.asc: no such file or directory", Cause::Rejected),
            (
                r#"Source image rejected: Get "https://r/s": dial tcp 10.0.0.1:443: connect: connection refused"#,
                refused("10.0.0.1:443"),
            ),
            ("Invalid destination name docker://[::1]:5000/a:v1: invalid reference format", Cause::Ipv6Address),
            (r#"Error loading trust policy: invalid policy in "p.json": Unknown key "x""#, Cause::BadPolicy),
            (
                r#"getting username and password: 1 error occurred: * error getting credentials - err: exec: "docker-credential-desktop": executable file not found in $PATH, out: ``"#,
                Cause::Credentials { missing: Some("docker-credential-desktop".to_owned()) },
            ),
            (
                "getting username and password: 1 error occurred: * error getting credentials - err: \
                 docker-credential-x.y resolves to executable in current directory (./docker-credential-x.y), out: ``",
                Cause::Credentials { missing: Some("docker-credential-x.y".to_owned()) },
            ),
            (
                "getting username and password: 1 error occurred: * error getting credentials - err: exit status 1, \
                 out: `unauthorized: no space left on device`",
                Cause::Credentials { missing: None },
            ),
            (
                "getting username and password: 1 error occurred: * invalid character 'W' looking for beginning of value",
                Cause::Credentials { missing: None },
            ),
            ("", Cause::Failed),
        ];
        for (line, cause) in cases {
            assert_eq!(Cause::classify(line, &tag()), cause, "{line}");
        }
    }

    #[test]
    fn what_is_not_found_depends_on_what_was_asked_for() {
        let unknown = "reading manifest: manifest unknown: manifest unknown";
        assert_eq!(Cause::classify(unknown, &digest()), Cause::DigestNotFound);
        let repository = Subject::Repository(Repository::parse("r.example/a").unwrap());
        let listing = "fetching tags list: invalid status code from registry 404 (Not Found)";
        assert_eq!(Cause::classify(listing, &repository), Cause::NoSuchRepository);
        assert_eq!(Cause::classify(listing, &Subject::Other("a".to_owned())), Cause::Failed);
    }

    #[test]
    fn names_the_blob_that_is_nowhere() {
        let digest = Digest::of(b"");
        let line = format!("reading blob {digest}: open /x/blobs/sha256/{}: no such file or directory", digest.hex());
        assert_eq!(Cause::classify(&line, &tag()), Cause::BlobAbsent { digest: Some(digest) });
        let line = "open /x/blobs/sha256/…: no such file or directory";
        assert_eq!(Cause::classify(line, &tag()), Cause::BlobAbsent { digest: None });
    }

    #[test]
    fn names_the_blob_that_the_registry_lost() {
        let gone = Cause::BlobGone { digest: Some(Digest::of(b"")) };
        for said in [
            "Error fetching blob: invalid status code from registry 404 (Not Found)",
            "fetching blob: StatusCode: 404, ",
            "fetching blob: blob unknown to registry",
        ] {
            let line = format!("reading blob {}: {said}", Digest::of(b""));
            assert_eq!(Cause::classify(&line, &digest()), gone, "{said}");
        }
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        for cause in [refused("a"), Cause::Reset, Cause::TimedOut { limit: None }, Cause::RateLimited] {
            assert!(cause.is_transient(), "{cause:?}");
        }
        assert!(Cause::ServerError { status: 503 }.is_transient());
        for cause in [
            Cause::Unauthorised,
            Cause::Forbidden,
            Cause::Certificate,
            Cause::NoSuchRepository,
            Cause::DigestMismatch,
            Cause::DiskFull,
        ] {
            assert!(!cause.is_transient(), "{cause:?}");
        }
        assert!(!Cause::ServerError { status: 501 }.is_transient());
    }
}
