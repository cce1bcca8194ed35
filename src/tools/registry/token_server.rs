//! Which server for tokens may be sent a user's name and password.
//!
//! A registry names it, and it is often another host (for Docker Hub, `auth.docker.io`). The registry is believed as
//! far as it was verified: over a connection that others could have changed, it could name any server.

use std::collections::BTreeSet;

use super::connection;
use crate::model::Repository;

/// True if the token server at `realm` may be sent the credentials of a registry.
///
/// `is_verified` says that the registry's certificate was accepted; `insecure` has the registries, as `host[:port]`, of
/// which the user says that they need no certificate.
pub(super) fn may_have_credentials(
    realm: &str,
    registry: &Repository,
    is_verified: bool,
    insecure: &BTreeSet<String>,
) -> bool {
    let Some(server) = connection::server_of(realm) else { return false };
    let is_agreed_to = insecure.contains(&server.authority)
        || (insecure.contains(registry.registry()) && server.host == host(registry.registry()));
    (is_verified && server.is_https) || is_agreed_to || connection::is_loopback(realm)
}

/// A registry's name without its port.
fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_where_the_user_or_a_certificate_says() {
        let agreed = BTreeSet::from(["lab.example:5000".to_owned(), "auth.lab.example".to_owned()]);
        for (registry, is_verified, realm, may) in [
            ("docker.io", true, "https://auth.docker.io/token", true),
            ("docker.io", true, "http://auth.docker.io/token", false),
            ("r.example", true, "http://r.example/token", false),
            ("r.example", true, "http://127.0.0.1:5001/token", true),
            ("r.example", true, "http://127.0.0.1@evil.example/token", false),
            ("r.example", true, "ftp://r.example/token", false),
            ("r.example", true, "token", false),
            ("lab.example:5000", false, "http://lab.example:5001/token", true),
            ("lab.example:5000", false, "https://lab.example/token", true),
            ("lab.example:5000", false, "https://evil.example/token", false),
            ("lab.example:5000", false, "http://auth.lab.example/token", true),
            ("lab.example:5000", false, "http://auth.lab.example:8080/token", false),
            ("127.0.0.1:5000", false, "http://localhost:5001/token", true),
            ("127.0.0.1:5000", false, "https://evil.example/token", false),
        ] {
            let registry = Repository::parse(&format!("{registry}/a")).unwrap();
            assert_eq!(may_have_credentials(realm, &registry, is_verified, &agreed), may, "{realm}");
        }
    }
}
