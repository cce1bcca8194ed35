//! Decides how to access each registry. The manifest and the user's settings decide it together; a project may not
//! decide some of it.
//!
//! A project may name a file with credentials and a folder with certificates. skopeo gets both by path, so they are
//! checked first: skopeo would wait for ever for a file that is not regular, and would start programs that a
//! credentials file names.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::diagnostic::{Failure, Status};
use crate::fs;
use crate::manifest::{HostPath, Insecure, Manifest};
use crate::source::{At, Placed};
use crate::tools::registry::learn_credentials;
use crate::tools::skopeo::Access;

/// Why what a project says of a registry is refused, or cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum AccessError {
    #[error("the credentials of `{registry}` would start programs: their file has `{key}`")]
    #[diagnostic(
        code(oci::registry::helpers),
        help(
            "programs are for the user to choose: move `auth-file` to `[registry.\"{registry}\"]` in \
             `~/.config/oci/config.toml`, or name a file that has `auths` alone"
        )
    )]
    Helpers { registry: String, key: String },
    #[error("could not read the credentials of `{registry}`")]
    #[diagnostic(
        code(oci::registry::auth_file),
        help("write the file anew: `skopeo login --authfile FILE {registry}`, or leave `auth-file` out")
    )]
    AuthFile { registry: String, source: io::Error },
    #[error("could not read the certificates of `{registry}`: `{file}` is no regular file")]
    #[diagnostic(code(oci::registry::cert_dir), help("`cert-dir` is a folder with the authority's `ca.crt`"))]
    Certificates { registry: String, file: String, source: io::Error },
    #[error("could not read the certificates of `{registry}`: `{folder}` is no folder")]
    #[diagnostic(code(oci::registry::cert_dir), help("`cert-dir` is a folder with the authority's `ca.crt`"))]
    CertificateFolder { registry: String, folder: String },
}

/// How to access each registry.
pub(super) fn of_registries(manifest: &Manifest) -> Result<BTreeMap<String, Access>, Failure> {
    let mut accesses = BTreeMap::new();
    for (registry, settings) in &manifest.registries {
        match &settings.auth_file {
            Some(HostPath::OfProject(file)) => check_credentials(registry, file)
                .map_err(|error| Failure::new(Status::Invalid, At::new(error, &file.place, "named here")))?,
            Some(HostPath::OfUser(file)) => learn_credentials(file),
            None => {}
        }
        match &settings.cert_dir {
            Some(HostPath::OfProject(folder)) => check_certificates(registry, folder)
                .map_err(|error| Failure::new(Status::Invalid, At::new(error, &folder.place, "named here")))?,
            Some(HostPath::OfUser(folder)) => {
                check_certificates(registry, folder).map_err(|error| Failure::new(Status::Invalid, error))?;
            }
            None => {}
        }
        let path = |named: &Option<HostPath>| named.as_ref().map(|named| named.path().to_owned());
        let access = Access {
            insecure: settings.insecure != Insecure::No,
            withholds_credentials: settings.insecure == Insecure::ForProject,
            anonymous: false,
            certificates: path(&settings.cert_dir),
            credentials: path(&settings.auth_file),
            mirrors: settings.mirrors.clone(),
        };
        accesses.insert(registry.clone(), access);
    }
    Ok(accesses)
}

/// Checks a file that a project names: it may have credentials, but no names of programs. A missing file has none.
fn check_credentials(registry: &str, file: &Placed<std::path::PathBuf>) -> Result<(), AccessError> {
    let unreadable = |source| AccessError::AuthFile { registry: registry.to_owned(), source };
    let text = match fs::read(file, fs::LARGEST_TEXT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    // skopeo may understand a file that is not understood here.
    let document: Value = serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
    let Value::Object(fields) = &document else {
        return Err(unreadable(io::Error::other("it is no JSON object")));
    };
    for (key, value) in fields {
        let is_helper = matches!(folded(key).as_str(), "credhelpers" | "credsstore");
        let is_empty = match value {
            Value::Null => true,
            Value::String(name) => name.is_empty(),
            Value::Object(names) => names.is_empty(),
            _ => false,
        };
        if is_helper && !is_empty {
            return Err(AccessError::Helpers { registry: registry.to_owned(), key: key.clone() });
        }
    }
    learn_credentials(file);
    Ok(())
}

/// A key as skopeo compares it: Go ignores case in the keys of JSON, also for two letters that look like `s` and `k`.
fn folded(key: &str) -> String {
    key.to_lowercase().replace('\u{17f}', "s").replace('\u{212a}', "k")
}

/// Checks that the files that skopeo would read in the folder are regular. skopeo reports a folder that is missing or
/// may not be read.
fn check_certificates(registry: &str, folder: &Path) -> Result<(), AccessError> {
    let entries = match std::fs::read_dir(folder) {
        // skopeo would wait for a pipe of this name.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let folder = folder.display().to_string();
            return Err(AccessError::CertificateFolder { registry: registry.to_owned(), folder });
        }
        Err(_) => return Ok(()),
        Ok(entries) => entries,
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_read =
            path.extension().is_some_and(|extension| ["crt", "cert", "key"].iter().any(|read| extension == *read));
        if is_read && let Err(source) = fs::open(&path) {
            let file = path.display().to_string();
            return Err(AccessError::Certificates { registry: registry.to_owned(), file, source });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::rendered;
    use crate::source::Source;

    fn check(text: &str) -> Result<(), AccessError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        std::fs::write(&file, text).unwrap();
        check_credentials("r.example.com", &Placed::new(file, Source::new("oci.toml", "x").place(0..1)))
    }

    #[test]
    fn a_file_of_a_project_starts_no_helper() {
        for text in [
            r#"{"credsStore": "evil"}"#,
            r#"{"auths": {}, "credHelpers": {"r.example.com": "evil"}}"#,
            r#"{"CREDHELPERS": {"r.example.com": "evil"}}"#,
            "{\"cred\u{17f}\u{17f}tore\": \"evil\", \"cred\u{17f}Store\": \"evil\"}",
            r#"{"\u0063redsStore": "evil"}"#,
            r#"{"credsStore": "", "CredsStore": "evil"}"#,
            r#"{"credHelpers": ["evil"]}"#,
        ] {
            assert!(matches!(check(text), Err(AccessError::Helpers { .. })), "{text}");
        }
        for text in
            ["", "\n", "{}", r#"{"auths": {"a": {"auth": "eDp5"}}}"#, r#"{"credsStore": "", "credHelpers": {}}"#]
        {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in ["{", "[]", "{\"credsStore\": \"evil\"} x", &"[".repeat(1000)] {
            assert!(matches!(check(text), Err(AccessError::AuthFile { .. })), "{text}");
        }
    }

    #[test]
    fn what_a_project_may_not_decide_is_told() {
        let registry = || "r.example.com".to_owned();
        let pipe = || io::Error::other("it is a named pipe, and no regular file");
        let errors = [
            AccessError::Helpers { registry: registry(), key: "credsStore".to_owned() },
            AccessError::AuthFile { registry: registry(), source: pipe() },
            AccessError::Certificates { registry: registry(), file: "certs/ca.crt".to_owned(), source: pipe() },
            AccessError::CertificateFolder { registry: registry(), folder: "certs".to_owned() },
        ];
        insta::assert_snapshot!(errors.iter().map(|error| rendered(error)).collect::<Vec<_>>().join("\n\n"));
    }
}
