//! The part of our environment that tools may see: enough to find credentials and to reach the network.
//!
//! Everything else stays out, so that a build does not depend on the shell that it was started from.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use rustix::process::getuid;

use crate::fs::{self, FileError};
use crate::process::Invocation;

/// Variables that say how the network is reached. Programs disagree about the case of those that name proxies, so that
/// there are both forms.
pub(crate) const NETWORK: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Variables that are passed on if they are set.
const NAMES: [&str; 19] = [
    // These tell where credentials and the user's own registry settings are.
    "HOME",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    // Credential helpers are programs that skopeo starts: they ask a key ring (over the session bus, or
    // `pass` over gpg and its agent, which may show a prompt).
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
    "USER",
    "LOGNAME",
    // On a cloud's machines and in CI jobs, helpers exchange these for a token.
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "KUBERNETES_SERVICE_HOST",
];

/// The variables of the big clouds' credential helpers, of which there are too many to name: profiles,
/// regions, key files and tokens of `ecr-login`, `gcloud`, `gcr` and `acr-env`.
const PREFIXES: [&str; 4] = ["AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_"];

/// Prepares a call of skopeo: the environment above, and a private place for what skopeo remembers.
///
/// skopeo keeps a hidden cache of which blobs are where, and swaps layers by what it finds there. Ours is in `cache`,
/// apart from other programs'. The two variables that move it are not documented.
pub(crate) fn for_registries(invocation: Invocation, cache: &Path) -> Result<Invocation, FileError> {
    // skopeo writes there by names of its own, and would follow links.
    fs::refuse_links(cache)?;
    fs::create_own_folder(cache)?;
    let invocation = invocation
        .inherit(passed_on(std::env::vars_os().map(|(name, _)| name)))
        .variable("LC_ALL", "C")
        .variable("_CONTAINERS_ROOTLESS_UID", "1")
        .variable("XDG_DATA_HOME", cache);
    if !credentials_are_out_of_reach() {
        return Ok(invocation);
    }
    let runtime = cache.join("runtime");
    fs::create_folder(&runtime)?;
    Ok(invocation.variable("XDG_RUNTIME_DIR", runtime))
}

fn passed_on(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    names.filter(|name| {
        NETWORK.iter().chain(&NAMES).any(|known| name == OsStr::new(known))
            || PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
    })
}

/// True if skopeo would stumble over the default place of its credentials: without `XDG_RUNTIME_DIR` it
/// opens `/run/containers/<uid>/auth.json`, and fails, even for a public image, where root's podman
/// made that folder its own. An empty runtime folder is what "no credentials there" looks like.
pub(crate) fn credentials_are_out_of_reach() -> bool {
    let default = format!("/run/containers/{}/auth.json", getuid().as_raw());
    std::env::var_os("XDG_RUNTIME_DIR").is_none()
        && std::fs::File::open(default).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_on_what_is_needed_and_nothing_else() {
        let names = ["HOME", "AWS_PROFILE", "https_proxy", "MY_SECRET", "XAWS_", "LC_ALL", "REGISTRY_AUTH_FILE"];
        let passed: Vec<_> = passed_on(names.into_iter().map(OsString::from)).collect();
        assert_eq!(passed, ["HOME", "AWS_PROFILE", "https_proxy", "REGISTRY_AUTH_FILE"]);
    }

    #[test]
    fn the_tool_sees_a_private_cache_and_one_locale() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("skopeo");
        let shell = Invocation::new("/bin/sh").arguments(["-c", "echo $LC_ALL $XDG_DATA_HOME; env"]);
        let finished = for_registries(shell, &cache).unwrap().capture().unwrap();
        let seen = String::from_utf8(finished.stdout).unwrap();
        let mut lines = seen.lines();
        assert_eq!(lines.next().unwrap(), format!("C {}", cache.display()));
        assert!(!lines.any(|line| line.starts_with("CARGO")), "{seen}");
    }
}
