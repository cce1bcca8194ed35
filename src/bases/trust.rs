//! Reads the policy that says which images from registries may be used, as `[policy] signatures` names it.
//!
//! The file is a containers `policy.json`, and [skopeo is the judge](super::judge).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fs;
use crate::model::{Digest, Reference, canonical_json};
use crate::sanitize;
use crate::source::{At, Place, Placed};
use crate::tools::skopeo::SignaturePolicy;

/// Why the policy cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum TrustError {
    #[error("could not read the signature policy `{path}`")]
    #[diagnostic(
        code(oci::policy::unreadable),
        help("write it there, as `man containers-policy.json` says; the path is relative to `oci.toml`")
    )]
    Unreadable { path: String, source: io::Error },
    #[error("the signature policy `{path}` is not JSON")]
    #[diagnostic(code(oci::policy::not_json), help("correct it as `man containers-policy.json` says"))]
    NotJson { path: String, source: serde_json::Error },
    #[error("the signature policy names `{path}`, which cannot be read")]
    #[diagnostic(
        code(oci::policy::bad_key),
        help("a key or certificate is a regular file; correct its path in the policy")
    )]
    Key { path: String, source: io::Error },
}

/// A policy, which is read once for a run.
#[derive(Debug)]
pub(crate) struct Trust {
    path: PathBuf,
    text: Vec<u8>,
    /// The line of `oci.toml` that names it.
    pub(super) place: Place,
    /// The digest of the policy and of all keys that it names.
    digest: Digest,
}

impl Trust {
    /// Reads the policy and its keys. Only skopeo interprets the policy. A missing key is no error here, since no image
    /// may need it.
    pub(crate) fn load(file: &Placed<PathBuf>) -> Result<Self, At<TrustError>> {
        let at = |error| At::new(error, &file.place, "named here");
        let shown = || sanitize::name(&file.display().to_string());
        let text = fs::read(&file.value, fs::LARGEST_TEXT)
            .map_err(|source| at(TrustError::Unreadable { path: shown(), source }))?;
        let policy: Value =
            serde_json::from_slice(&text).map_err(|source| at(TrustError::NotJson { path: shown(), source }))?;
        let mut keys = BTreeMap::new();
        digest_files(&policy, fs::parent(&file.value), &mut keys)
            .map_err(|(path, source)| at(TrustError::Key { path: sanitize::name(&path), source }))?;
        let digest = Digest::of(&canonical_json(&json!({ "policy": Digest::of(&text).to_string(), "keys": keys })));
        Ok(Self { path: file.value.clone(), text, place: file.place.clone(), digest })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the policy, for skopeo.
    pub(super) fn policy(&self) -> SignaturePolicy<'_> {
        SignaturePolicy { text: &self.text, folder: fs::parent(&self.path) }
    }

    /// The digest of everything that decides whether an image is accepted.
    pub(super) fn key(&self, image: &Reference) -> Digest {
        Digest::of(&canonical_json(&json!({ "trust": self.digest.to_string(), "image": image.to_string() })))
    }
}

/// The digests of the files that a policy names, by path as written there: every text under `…Path`, and every text of
/// a list under `…Paths`. A missing file has no digest. A file that exists and cannot be read is an error with its
/// path. So is a pipe: skopeo, which gets these paths, would wait for it.
fn digest_files(
    policy: &Value,
    folder: &Path,
    found: &mut BTreeMap<String, Option<String>>,
) -> Result<(), (String, io::Error)> {
    let mut add = |path: &str| {
        let digest = match fs::read(&folder.join(path), fs::LARGEST_TEXT) {
            Ok(bytes) => Some(Digest::of(&bytes).to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err((path.to_owned(), error)),
        };
        found.insert(path.to_owned(), digest);
        Ok(())
    };
    let Value::Object(fields) = policy else {
        return policy.as_array().into_iter().flatten().try_for_each(|item| digest_files(item, folder, found));
    };
    for (name, value) in fields {
        match value {
            Value::String(path) if name.ends_with("Path") => add(path)?,
            Value::Array(paths) if name.ends_with("Paths") => {
                paths.iter().filter_map(Value::as_str).try_for_each(&mut add)?;
            }
            _ => {}
        }
    }
    fields.values().try_for_each(|value| digest_files(value, folder, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn placed(path: PathBuf) -> Placed<PathBuf> {
        Placed::new(path, Source::new("oci.toml", "x").place(0..1))
    }

    /// The key of the record covers everything that decides, and nothing else.
    #[test]
    fn a_policy_is_its_text_and_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let load = |policy: &str| {
            let path = folder.path().join("policy.json");
            std::fs::write(&path, policy).unwrap();
            Trust::load(&placed(path)).unwrap().digest
        };
        let write = |name: &str, key: &str| std::fs::write(folder.path().join(name), key).unwrap();
        for policy in [
            r#"{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"a.gpg"}]}"#,
            r#"{"default":[],"transports":{"docker":{"r/x":[{"type":"signedBy","keyPaths":["b.gpg","a.gpg"]}]}}}"#,
            r#"{"default":[{"type":"sigstoreSigned","fulcio":{"caPath":"a.gpg"},"rekorPublicKeyPath":"b.gpg"}]}"#,
        ] {
            let absent = load(policy);
            write("a.gpg", "one");
            let one = load(policy);
            write("a.gpg", "two");
            let two = load(policy);
            write("a.gpg", "one");
            assert_eq!(load(policy), one, "{policy}");
            assert!(absent != one && one != two && absent != two, "{policy}");
            assert_ne!(load(&format!("{policy} ")), one, "{policy}");
            write("c.gpg", "of no interest");
            assert_eq!(load(policy), one, "{policy}");
            std::fs::remove_file(folder.path().join("a.gpg")).unwrap();
        }
    }

    #[test]
    fn keys_are_regular_files_or_are_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut found = BTreeMap::new();
        let absent = json!({ "keyPaths": ["a.gpg", "none/b.gpg"], "keyPath": ["x"], "Paths": { "a": 1 } });
        digest_files(&absent, folder.path(), &mut found).unwrap();
        assert_eq!(found, BTreeMap::from(["a.gpg", "none/b.gpg"].map(|path| (path.to_owned(), None))));
        for path in ["/dev/zero", ".", ""] {
            for policy in [json!({ "a": [{ "keyPath": path }] }), json!({ "keyPaths": [path] })] {
                assert_eq!(digest_files(&policy, folder.path(), &mut found).unwrap_err().0, path);
            }
        }
    }

    #[test]
    fn what_is_no_json_is_no_policy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.json");
        assert!(matches!(
            Trust::load(&placed(folder.path().into())).unwrap_err().error(),
            TrustError::Unreadable { .. }
        ));
        for text in ["", "{", "{\"a\": \"\u{1}\"}", &"[".repeat(100_000)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Trust::load(&placed(path.clone())).unwrap_err().error(), TrustError::NotJson { .. }));
        }
    }
}
