//! The words for a failure: a plain message, a stable code and the next command for every [`Cause`].

use std::fmt::{self, Display};

use miette::Diagnostic;

use crate::model::{Reference, Repository};
use crate::process::seconds;
use crate::sanitize;
use crate::tools::error::ToolFailure;
use crate::tools::program::{Absence, variable};
use crate::tools::{Cause, Subject};

/// The message.
impl Display for ToolFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tool, stage, subject, .. } = self;
        let registry = self.registry();
        match &self.cause {
            Cause::TagNotFound { .. } | Cause::DigestNotFound => match subject {
                Subject::Image(Reference::Tag(repository, tag)) => {
                    write!(formatter, "`{repository}` has no tag `{tag}`")
                }
                Subject::Image(Reference::Digest(repository, digest)) => {
                    write!(formatter, "`{repository}` has no image `{digest}`")
                }
                Subject::Repository(_) | Subject::Other(_) => write!(formatter, "there is no `{subject}`"),
            },
            Cause::NoSuchRepository => {
                write!(formatter, "`{registry}` has no repository `{}`", self.path().unwrap_or_default())
            }
            Cause::UnknownHost { host } => write!(formatter, "could not find the host `{host}`"),
            Cause::Refused { address } => write!(formatter, "nothing listens at `{address}`"),
            Cause::Unreachable => write!(formatter, "there is no way from here to `{registry}`"),
            Cause::Reset => write!(formatter, "`{registry}` ended the connection before its answer was complete"),
            Cause::TimedOut { limit: Some(limit) } => {
                write!(formatter, "could not {stage} `{subject}` within {}", seconds(*limit))
            }
            Cause::Stalled { limit } => {
                write!(formatter, "could not {stage} `{subject}`: nothing moved for {}", seconds(*limit))
            }
            Cause::TimedOut { limit: None } => write!(formatter, "`{registry}` did not answer in time"),
            Cause::TooMuch { layer: Some((digest, size)) } => write!(
                formatter,
                "`{registry}` sends more for the layer `{digest}` of `{subject}` than the {size} bytes that the manifest promises"
            ),
            Cause::TooMuch { layer: None } => {
                write!(formatter, "`{registry}` sends more for `{subject}` than there can be")
            }
            Cause::TokenServer { realm } => {
                write!(formatter, "`{registry}` wants your credentials to be sent to `{}`", sanitize::name(realm))
            }
            Cause::Ipv6Address => {
                write!(formatter, "could not {stage} `{subject}`: this {tool} knows no registry by an IPv6 address")
            }
            Cause::Certificate => write!(formatter, "could not verify that `{registry}` is what it says it is"),
            Cause::PlainHttp => write!(formatter, "`{registry}` speaks plain HTTP, not HTTPS"),
            Cause::Credentials { missing: Some(program) } => {
                write!(formatter, "`{program}`, which has the credentials of `{registry}`, is not installed")
            }
            Cause::Credentials { missing: None } => {
                write!(formatter, "could not get the credentials of `{registry}`")
            }
            Cause::Unauthorised => write!(formatter, "`{registry}` wants to know who asks for `{subject}`"),
            Cause::Forbidden => write!(formatter, "`{registry}` does not let you {stage} `{subject}`"),
            Cause::RateLimited => write!(formatter, "`{registry}` answers no more requests for now"),
            Cause::ServerError { status } => write!(formatter, "`{registry}` failed with HTTP status {status}"),
            Cause::DigestMismatch => {
                write!(formatter, "the bytes of `{subject}` do not have the digest that they should")
            }
            Cause::NotAManifest => {
                write!(formatter, "`{registry}` answered `{subject}` with something that is no image")
            }
            Cause::Rejected => write!(formatter, "the signature policy does not accept `{subject}`"),
            Cause::BadPolicy => write!(formatter, "could not {stage} `{subject}`: the signature policy is not valid"),
            Cause::BlobAbsent { digest: Some(digest) } => {
                write!(formatter, "could not {stage} `{subject}`: neither side has the layer `{}`", digest.short())
            }
            Cause::BlobAbsent { digest: None } => {
                write!(formatter, "could not {stage} `{subject}`: neither side has one of its layers")
            }
            Cause::BlobGone { digest: Some(digest) } => {
                write!(formatter, "`{registry}` has lost `{digest}`, which belongs to `{subject}`")
            }
            Cause::BlobGone { digest: None } => {
                write!(formatter, "`{registry}` has lost something that belongs to `{subject}`")
            }
            Cause::DiskFull => write!(formatter, "could not {stage} `{subject}`: the disk is full"),
            Cause::Missing => {
                write!(formatter, "`{tool}` is needed to {stage} `{subject}`, and {}", self.absence().state())
            }
            Cause::TooOld { found, minimum } => {
                write!(formatter, "{tool} {found} is too old, {minimum} or newer is needed")
            }
            Cause::Interrupted | Cause::Failed => write!(formatter, "could not {stage} `{subject}`"),
        }
    }
}

impl Diagnostic for ToolFailure {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(code(&self.cause)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.advice().map(|advice| Box::new(advice) as Box<dyn Display>)
    }
}

fn code(cause: &Cause) -> &'static str {
    match cause {
        Cause::TagNotFound { .. } => "oci::resolve::tag_not_found",
        Cause::DigestNotFound => "oci::resolve::digest_not_found",
        Cause::NoSuchRepository => "oci::resolve::no_such_repository",
        Cause::UnknownHost { .. } => "oci::registry::unknown_host",
        Cause::Refused { .. } => "oci::registry::refused",
        Cause::Unreachable => "oci::registry::unreachable",
        Cause::Reset => "oci::registry::reset",
        Cause::TimedOut { .. } => "oci::registry::timed_out",
        Cause::Stalled { .. } => "oci::registry::stalled",
        Cause::TooMuch { .. } => "oci::registry::too_much",
        Cause::TokenServer { .. } => "oci::registry::token_server",
        Cause::Ipv6Address => "oci::registry::ipv6",
        Cause::Certificate => "oci::registry::tls",
        Cause::PlainHttp => "oci::registry::plain_http",
        Cause::Credentials { .. } => "oci::registry::credentials",
        Cause::Unauthorised => "oci::registry::unauthorised",
        Cause::Forbidden => "oci::registry::forbidden",
        Cause::RateLimited => "oci::registry::rate_limited",
        Cause::ServerError { .. } => "oci::registry::server_error",
        Cause::DigestMismatch => "oci::registry::digest_mismatch",
        Cause::NotAManifest => "oci::registry::not_a_manifest",
        Cause::Rejected => "oci::policy::rejected",
        Cause::BadPolicy => "oci::policy::invalid",
        Cause::BlobAbsent { .. } => "oci::registry::blob_absent",
        Cause::BlobGone { .. } => "oci::registry::blob_gone",
        Cause::DiskFull => "oci::fs::disk_full",
        Cause::Missing => "oci::tools::missing",
        Cause::TooOld { .. } => "oci::tools::too_old",
        Cause::Interrupted => "oci::tools::interrupted",
        Cause::Failed => "oci::tools::failed",
    }
}

impl ToolFailure {
    /// The help: what to do next.
    fn advice(&self) -> Option<String> {
        let registry = self.registry();
        let login = self.login();
        Some(match &self.cause {
            Cause::TagNotFound { nearest } if nearest.is_empty() => {
                format!("list the tags that it has: `skopeo list-tags docker://{}`", self.repository()?)
            }
            Cause::TagNotFound { nearest } => {
                let tags: Vec<String> = nearest.iter().map(|tag| format!("`{tag}`")).collect();
                format!("the nearest tags that it has: {}", tags.join(", "))
            }
            Cause::DigestNotFound => {
                "it was deleted there, or never was: `oci update` pins what the tag stands for now".to_owned()
            }
            Cause::NoSuchRepository => format!(
                "check the spelling; if it is private, log in first: `{login}` (some registries deny that it exists)"
            ),
            Cause::UnknownHost { host } if !self.is_proxy() => {
                format!(
                    "check the spelling of the registry, and that this machine can look names up: `getent hosts {host}`"
                )
            }
            Cause::UnknownHost { .. } | Cause::Refused { .. } if self.is_proxy() => {
                "that is the proxy of this environment: check `HTTPS_PROXY`, or add the registry to `NO_PROXY`"
                    .to_owned()
            }
            Cause::Refused { .. } => format!("start the registry, or check the port: `{}`", self.ping()),
            Cause::UnknownHost { .. } | Cause::Unreachable => {
                format!("check this machine's network, and whether a proxy is needed: `{}`", self.ping())
            }
            Cause::Reset => format!(
                "run the command again; if it stays so, look at the registry's log, or what is in between: `{}`",
                self.ping()
            ),
            Cause::TimedOut { limit: None } => format!("see whether it answers, and how fast: `{}`", self.ping()),
            Cause::TimedOut { limit: Some(_) } | Cause::Stalled { .. } => format!(
                "see whether it answers, and how fast: `{}`; if it is only slow, wait longer: `--network-timeout SECONDS`",
                self.ping()
            ),
            Cause::TooMuch { layer: Some(_) } => {
                "nothing of it was kept; the registry, or a proxy in between, is damaged or means harm: tell who runs it"
                    .to_owned()
            }
            Cause::TooMuch { layer: None } => {
                format!("nothing of it was kept; see what answers there: `{}`", self.ping())
            }
            Cause::TokenServer { realm } => format!(
                "they were not sent, because the way there is not verified; if it is right, set `insecure = true` under \
                 `[registry.\"{}\"]` in `~/.config/oci/config.toml`; for a public image, set `anonymous = true`",
                sanitize::name(authority(realm))
            ),
            Cause::Ipv6Address => {
                "write a name instead, which `/etc/hosts` may give to that address, or install a newer skopeo".to_owned()
            }
            Cause::Certificate => format!(
                "give the folder with its certificate authority's `ca.crt`: `cert-dir = \"…\"` under `[registry.\"{registry}\"]`"
            ),
            Cause::PlainHttp => {
                format!("if that is meant to be so, set `insecure = true` under `[registry.\"{registry}\"]`")
            }
            Cause::Unauthorised if self.orders.anonymous => format!(
                "no credentials were sent: `anonymous` says so, or `insecure`, which `oci.toml` alone has for it; agree with \
                 `insecure = true` under `[registry.\"{registry}\"]` in `~/.config/oci/config.toml`"
            ),
            Cause::Credentials { missing: Some(_) } => format!(
                "`credHelpers` names it in the file with your logins: install it, or take the registry out there and log in: \
                 `{login}`"
            ),
            Cause::Credentials { missing: None } => format!(
                "mend the file with your logins, or the helper program that it names, as the words above say; `oci doctor` \
                 tells which file it is; or log in without one: `{login}`"
            ),
            Cause::Unauthorised if self.unread.is_some() => {
                let (key, file) = self.unread.as_ref()?;
                let file = file.display();
                format!(
                    "a login is in `{file}`, but as `{key}`, which skopeo does not read: log in for skopeo, too: `{login}`"
                )
            }
            Cause::Unauthorised if self.stage == "push" => format!(
                "log in, or again if the password has changed: `{login}` (some registries ask this for what does not exist, too)"
            ),
            Cause::Unauthorised => format!(
                "log in, or again if the password has changed: `{login}`; for a public image that old credentials \
                 hide, log out, or set `anonymous = true` for its base (some registries ask this for what does not exist, too)"
            ),
            Cause::Forbidden => format!(
                "ask for access, or log in as someone who has it: `{login}` (some registries say this of what does not exist, too)"
            ),
            Cause::RateLimited => {
                format!("wait some minutes; who is logged in may ask more: `{login}`")
            }
            Cause::ServerError { .. } => {
                format!("run the command again later; the registry's log knows why: `{}`", self.ping())
            }
            Cause::DigestMismatch => {
                "run the command again; if it stays so, the registry's copy or a proxy in between is damaged".to_owned()
            }
            Cause::NotAManifest => {
                format!("see what answers there, a login page or a proxy perhaps: `{}`", self.ping())
            }
            Cause::Rejected => "accept the repository in the policy: `man containers-policy.json`; if the image is signed, say where its signatures are: `man containers-registries.d`".to_owned(),
            Cause::BadPolicy => "correct it as `man containers-policy.json` says".to_owned(),
            Cause::BlobAbsent { .. } => "bring the base's layers here first: `oci fetch`".to_owned(),
            Cause::BlobGone { .. } => {
                "its manifest is still there: have the image pushed to the registry again, or pin another one".to_owned()
            }
            Cause::DiskFull => {
                "free some space, `oci cache clean` for instance, then run the command again; nothing was lost"
                    .to_owned()
            }
            Cause::Missing => self.absence().advice("install it"),
            Cause::TooOld { minimum, .. } => format!(
                "install {minimum} or newer, which may be more than this distribution's package is, and say where it is: in \
                 `{}`, or under `[tools]` in `~/.config/oci/config.toml`",
                variable(self.tool)
            ),
            Cause::Interrupted => return None,
            Cause::Failed => format!("run the tool's command by itself to see more: `{} --debug …`", self.tool),
        })
    }

    /// The program that could not be found.
    fn absence(&self) -> Absence<'_> {
        Absence::of(self.tool, &self.program)
    }

    /// The command that logs in. It has the flag for plain HTTP where the tool was allowed to use that.
    fn login(&self) -> String {
        format!("skopeo login {}{}", if self.orders.plain_http { "--tls-verify=false " } else { "" }, self.registry())
    }

    fn repository(&self) -> Option<&Repository> {
        self.subject.repository()
    }

    fn registry(&self) -> &str {
        self.subject.registry().unwrap_or("the registry")
    }

    fn path(&self) -> Option<&str> {
        self.repository().map(Repository::path)
    }

    /// True if the proxy could not be reached, and the registry was not asked.
    fn is_proxy(&self) -> bool {
        self.said.as_deref().is_some_and(|said| said.contains("proxyconnect"))
    }

    /// A command that asks the registry whether it answers at all.
    fn ping(&self) -> String {
        let scheme = if self.repository().is_some_and(Repository::is_loopback) { "http" } else { "https" };
        let host = match self.registry() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        format!("curl -I {scheme}://{host}/v2/")
    }
}

/// The `host[:port]` of a URL, as settings name a registry.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;
    use crate::model::{Digest, Tag};
    use crate::process::{Finished, Invocation, ProcessError};
    use crate::tools::{ToolError, ToolTask, Version};

    fn repository(name: &str) -> Repository {
        Repository::parse(name).unwrap()
    }

    fn image(name: &str) -> Subject {
        Subject::Image(Reference::Tag(repository(name), Tag::parse("3.12-slm").unwrap()))
    }

    fn app() -> Subject {
        image("registry.example.com/acme/app")
    }

    /// An error as skopeo's own words for it lead to, with its log.
    fn failed(stage: &'static str, subject: Subject, message: &str, logs: &Path) -> ToolError {
        let task = ToolTask { tool: "skopeo", stage, subject, logs };
        let invocation = Invocation::new("skopeo").argument("inspect").argument("--raw").argument("docker://…");
        let stderr = match message {
            "" => String::new(),
            _ => format!("time=\"2026-01-01T00:00:00Z\" level=fatal msg={message:?}\n"),
        };
        let finished = Finished { status: ExitStatus::from_raw(256), stdout: Vec::new(), stderr: stderr.into_bytes() };
        ToolError::failed(&task, &invocation, &finished)
    }

    fn not_finished(error: ProcessError) -> ToolError {
        let task = ToolTask { tool: "skopeo", stage: "fetch", subject: app(), logs: Path::new("/nonexistent") };
        ToolError::not_finished(&task, &Invocation::new("skopeo").argument("copy"), error)
    }

    fn untrue() -> ToolError {
        let task = ToolTask { tool: "skopeo", stage: "resolve", subject: app(), logs: Path::new("/nonexistent") };
        let evidence = "the answer has sha256:1111, and should have sha256:2222".to_owned();
        ToolError::untrue(&task, &Invocation::new("skopeo").argument("inspect"), Cause::DigestMismatch, evidence)
    }

    fn refused(cause: Cause) -> ToolError {
        let task = ToolTask { tool: "skopeo", stage: "fetch", subject: app(), logs: Path::new("/nonexistent") };
        ToolError::unanswered(&task, &Invocation::new("skopeo").argument("copy"), cause, "it says so".to_owned())
    }

    #[test]
    fn every_cause_has_a_message_a_code_and_a_next_step() {
        let folder = tempfile::Builder::new().prefix("oci-logs-").tempdir_in("/tmp").unwrap();
        let failed = |stage, subject, message: &str| failed(stage, subject, message, folder.path());
        let tag_not_found =
            || failed("resolve", app(), "reading manifest 3.12-slm in registry.example.com/acme/app: manifest unknown");
        let by_digest = Subject::Image(Reference::Digest(repository("docker.io/library/python"), Digest::of(b"")));
        let seen = Duration::from_secs(60);
        let blob = Digest::of(b"").hex();
        let errors = [
            tag_not_found()
                .because(Cause::TagNotFound { nearest: vec!["3.12-slim".to_owned(), "3.11-slim".to_owned()] }),
            tag_not_found(),
            failed("resolve", by_digest, "reading manifest sha256:e3b0 in docker.io/library/python: manifest unknown"),
            tag_not_found().because(Cause::NoSuchRepository),
            failed(
                "resolve",
                app(),
                r#"pinging container registry registry.example.com: Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com on 10.0.0.53:53: no such host"#,
            ),
            failed(
                "resolve",
                app(),
                r#"Get "https://registry.example.com/v2/": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused"#,
            ),
            failed(
                "resolve",
                image("127.0.0.1:5000/app"),
                r#"pinging container registry 127.0.0.1:5000: Get "http://127.0.0.1:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused"#,
            ),
            failed(
                "resolve",
                app(),
                r#"Get "https://registry.example.com/v2/": dial tcp 10.0.0.1:443: connect: no route to host"#,
            ),
            failed("fetch", app(), "writing blob: happened during read: unexpected EOF"),
            failed("fetch", app(), r#"Get "https://registry.example.com/v2/": dial tcp 10.0.0.1:443: i/o timeout"#),
            not_finished(ProcessError::TimedOut { limit: seen, stderr: Vec::new() }),
            not_finished(ProcessError::Stalled { limit: seen, stderr: Vec::new() }),
            not_finished(ProcessError::TooMuch { stderr: Vec::new() }),
            not_finished(ProcessError::TooMuch { stderr: Vec::new() })
                .because(Cause::TooMuch { layer: Some((Digest::of(b""), 31_457_280)) }),
            failed("push", app(), "Invalid destination name docker://[::1]:5000/a:v1: invalid reference format"),
            refused(Cause::TokenServer { realm: "http://user@auth.example.com:8080/token?service=x".to_owned() }),
            failed(
                "resolve",
                app(),
                r#"Get "https://registry.example.com/v2/": x509: certificate signed by unknown authority"#,
            ),
            failed(
                "resolve",
                app(),
                r#"Get "https://registry.example.com/v2/": http: server gave HTTP response to HTTPS client"#,
            ),
            failed(
                "resolve",
                app(),
                "reading manifest 3.12-slm in registry.example.com/acme/app: unauthorized: authentication required",
            ),
            failed(
                "resolve",
                app(),
                r#"getting username and password: error getting credentials - err: exec: "docker-credential-x": executable file not found in $PATH, out: ``"#,
            ),
            failed(
                "resolve",
                app(),
                "getting username and password: error getting credentials - err: exit status 1, out: `locked`",
            ),
            failed(
                "push",
                app(),
                "writing blob: initiating layer upload to /v2/acme/app/blobs/uploads/ in registry.example.com: denied: requested access to the resource is denied",
            ),
            failed(
                "resolve",
                image("docker.io/library/python"),
                "reading manifest 3.12-slm in docker.io/library/python: toomanyrequests: You have reached your pull rate limit.",
            ),
            failed("fetch", app(), "Error fetching blob: invalid status code from registry 503 (Service Unavailable)"),
            failed(
                "fetch",
                app(),
                "writing blob: happened during read: Digest did not match, expected sha256:1111, got sha256:2222",
            ),
            untrue(),
            failed("resolve", app(), "invalid character '<' looking for beginning of value"),
            failed(
                "push",
                app(),
                &format!("reading blob sha256:{blob}: open /x/blobs/sha256/{blob}: no such file or directory"),
            ),
            failed(
                "fetch",
                app(),
                &format!(
                    "reading blob sha256:{blob}: Error fetching blob: invalid status code from registry 404 (Not Found)"
                ),
            ),
            failed("fetch", app(), "writing blob: write /x/oci-put-blob1: no space left on device"),
            not_finished(ProcessError::Missing { program: "skopeo".to_owned() }),
            failed("push", app(), "unknown flag: --preserve-digests")
                .because(Cause::TooOld { found: Version(1, 4, 1), minimum: Version(1, 6, 0) }),
            not_finished(ProcessError::Interrupted),
            not_finished(ProcessError::Start {
                program: "skopeo".to_owned(),
                source: std::io::Error::from_raw_os_error(13),
            }),
            failed(
                "fetch",
                app(),
                "Source image rejected: Running image docker://registry.example.com/acme/app is rejected by policy.",
            ),
            failed("fetch", app(), ""),
        ];
        let page = errors.iter().map(|error| crate::diagnostic::rendered(error)).collect::<Vec<_>>().join("\n\n");
        insta::with_settings!({filters => vec![(r"oci-logs-\w{6}", "oci-logs-XXXXXX")]}, {
            insta::assert_snapshot!(page);
        });
    }
}
