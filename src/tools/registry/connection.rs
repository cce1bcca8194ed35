//! Connections to one registry, as skopeo would make them: which certificates are accepted, and which address is used.
//!
//! If settings of the machine or the environment, which are not read here, could make skopeo do something else, no
//! connection is made at all.
//!
//! ```text
//! …/containers/registries.conf{,.d}     other places, refusals, helpers for credentials: for skopeo
//! …/certs.d/HOST/*.crt                  authorities, as in the manifest's own `cert-dir`
//! …/certs.d/HOST/*.{cert,key}           what a client shows: for skopeo
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml_edit::DocumentMut;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use super::Access;
use crate::fs;
use crate::model::Repository;

/// How many connections are kept: as many as there are questions at once.
const CONNECTIONS: usize = 32;
/// How many redirects are followed.
const REDIRECTS: u32 = 5;
const NAME: &str = concat!("oci/", env!("CARGO_PKG_VERSION"));
const REGISTRIES: &str = "containers/registries.conf";
/// Variables that name a proxy. If one is set, skopeo has to ask.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection ended before the answer did.
    Reset,
    /// The registry has refused the login before.
    Stranger,
    /// It names a server for tokens, by this URL, to which the credentials may not go.
    TokenServer(String),
    /// The answer is longer than allowed.
    TooMuch,
    Unclear,
}

impl From<ureq::Error> for Trouble {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Self::Reset,
                _ => Self::Unclear,
            },
            _ => Self::Unclear,
        }
    }
}

/// The HTTP client for this repository's registry; `None` if it is not known how skopeo would reach the registry.
pub(super) fn agent(repository: &Repository, access: &Access, limit: Duration) -> Option<Agent> {
    let is_insecure = access.insecure || repository.is_loopback();
    let home = variable("HOME")?;
    let is_detour = !repository.is_loopback() && PROXIES.iter().any(|name| variable(name).is_some());
    if is_detour || !has_plain_settings(&home) {
        return None;
    }
    let trusted = trusted(&certificates(repository.registry(), access, &home))?;
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .disable_verification(is_insecure)
        .root_certs(match is_insecure {
            true => RootCerts::new_with_certs(&[]),
            false => RootCerts::new_with_certs(&[native(), trusted].concat()),
        });
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .https_only(!is_insecure)
        .proxy(None)
        .timeout_global(Some(limit))
        .max_redirects(REDIRECTS)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .http_status_as_error(false)
        .max_idle_connections(CONNECTIONS)
        .max_idle_connections_per_host(CONNECTIONS)
        .user_agent(NAME);
    Some(config.build().new_agent())
}

/// Where a registry's answers come from.
pub(super) fn server(registry: &str) -> &str {
    match registry {
        "docker.io" => "registry-1.docker.io",
        registry => registry,
    }
}

/// True for a URL whose server is this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| Repository::parse(&format!("{host}/any")).is_ok_and(|any| any.is_loopback()))
}

/// The server that a URL names.
pub(super) struct Server {
    pub(super) host: String,
    /// `host[:port]`.
    pub(super) authority: String,
    pub(super) is_https: bool,
}

/// `None` if it is no URL of a web server.
pub(super) fn server_of(url: &str) -> Option<Server> {
    let url = url.parse::<ureq::http::Uri>().ok()?;
    let is_https = match url.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = url.host()?.to_ascii_lowercase();
    let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    Some(Server { host, authority, is_https })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// True if no file sends skopeo elsewhere than the reference says.
fn has_plain_settings(home: &Path) -> bool {
    [Path::new("/usr/share"), Path::new("/etc"), &home.join(".config")].into_iter().all(|folder| {
        let file = folder.join(REGISTRIES);
        let more = match std::fs::read_dir(file.with_extension("conf.d")) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        more.is_ok_and(|more| {
            more.iter().chain([&file]).all(|file| match fs::read_text(file, fs::LARGEST_TEXT) {
                Ok(text) => is_plain(&text),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            })
        })
    })
}

/// True for a `registries.conf` that only says how short names are completed; `oci` has no short names.
fn is_plain(text: &str) -> bool {
    const HARMLESS: [&str; 3] = ["unqualified-search-registries", "short-name-mode", "aliases"];
    text.parse::<DocumentMut>().is_ok_and(|table| table.iter().all(|(key, _)| HARMLESS.contains(&key)))
}

/// The folder with the registry's certificates: the manifest's, or the first that the machine has for it.
fn certificates(registry: &str, access: &Access, home: &Path) -> Option<PathBuf> {
    let folders = [
        &home.join(".config/containers/certs.d"),
        Path::new("/etc/containers/certs.d"),
        Path::new("/etc/docker/certs.d"),
    ];
    let found = folders.map(|folder| folder.join(registry)).into_iter().find(|folder| folder.exists());
    access.certificates.clone().or(found)
}

/// The authorities of a folder; `None` if the folder has anything but authorities.
fn trusted(folder: &Option<PathBuf>) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    let Some(folder) = folder else { return Some(found) };
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                for item in ureq::tls::parse_pem(&fs::read(&path, fs::LARGEST_TEXT).ok()?) {
                    if let PemItem::Certificate(certificate) = item.ok()? {
                        found.push(certificate);
                    }
                }
            }
            Some("cert" | "key") => return None,
            _ => {}
        }
    }
    Some(found)
}

/// The certificate authorities that the machine trusts. Files that cannot be read are left out.
fn native() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_settings_that_only_skopeo_follows() {
        for (text, plain) in [
            ("", true),
            ("# unqualified-search-registries = [\"example.com\"]\n", true),
            ("unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"enforcing\"\n", true),
            ("[aliases]\n\"debian\" = \"docker.io/library/debian\"\n", true),
            ("[[registry]]\nlocation = \"docker.io\"\nblocked = true\n", false),
            ("[registries.insecure]\nregistries = []\n", false),
            ("credential-helpers = [\"x\"]\n", false),
            ("[", false),
        ] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
    }

    #[test]
    fn knows_what_stays_on_the_machine() {
        for (url, loopback) in [
            ("http://127.0.0.1:5000/token", true),
            ("https://localhost/token?a=b", true),
            ("http://[::1]:5000", true),
            ("https://auth.example.com/token", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }

    #[test]
    fn takes_authorities_and_leaves_what_a_client_shows_to_skopeo() {
        let folder = tempfile::tempdir().unwrap();
        let there = Some(folder.path().to_owned());
        assert_eq!(trusted(&None).unwrap().len(), 0);
        assert_eq!(trusted(&there).unwrap().len(), 0);
        std::fs::write(folder.path().join("README"), "x").unwrap();
        assert_eq!(trusted(&there).unwrap().len(), 0);
        std::fs::write(folder.path().join("client.cert"), "x").unwrap();
        assert!(trusted(&there).is_none());
        assert!(trusted(&Some(folder.path().join("nowhere"))).is_none());
    }
}
