//! Credentials, read from the files in which skopeo looks for them, in its order.
//!
//! Only credentials that stand in the files themselves are understood here. skopeo is asked wherever there is more: a
//! helper program, a token of another kind, a file that cannot be read, or a place that only some versions of skopeo
//! read.
//!
//! ```text
//! the file that was named, else $REGISTRY_AUTH_FILE, else one of
//!     $XDG_RUNTIME_DIR/containers/auth.json      without the variable: /run/containers/UID/auth.json
//! $XDG_CONFIG_HOME/containers/auth.json          without the variable: ~/.config
//! $DOCKER_CONFIG/config.json                     without the variable: ~/.docker
//! ~/.dockercfg
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;

use rustix::process::getuid;
use serde::Deserialize;
use serde_json::Value;

use crate::fs::{self, FileError};
use crate::secrets;
use crate::tools::environment;

/// Name and password, as a registry takes them; a secret.
pub(super) struct Basic(String);

impl Basic {
    /// The value of the header (RFC 7617).
    pub(super) fn into_header(self) -> String {
        format!("Basic {}", self.0)
    }
}

/// Credentials that only skopeo understands.
#[derive(Debug)]
pub(super) struct NotUnderstood;

/// Where credentials may be.
#[derive(Debug)]
pub(super) struct Places {
    /// A file that the manifest, the user's settings or the environment names. Newer versions of skopeo then read no
    /// other file.
    named: Option<PathBuf>,
    files: Vec<PathBuf>,
    /// A file in the old format: the whole file is what `auths` is in the other formats.
    legacy: Option<PathBuf>,
}

impl Places {
    /// Those of this process's user; `named` is what the manifest says.
    pub(super) fn of_environment(named: Option<&Path>) -> Self {
        Self::of(named, environment::credentials_are_out_of_reach(), |name| std::env::var_os(name))
    }

    fn of(named: Option<&Path>, is_out_of_reach: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let named = named.map(Path::to_owned).or_else(|| folder("REGISTRY_AUTH_FILE"));
        let runtime = match folder("XDG_RUNTIME_DIR") {
            Some(folder) => Some(folder.join("containers")),
            None if is_out_of_reach => None,
            None => Some(format!("/run/containers/{}", getuid().as_raw()).into()),
        };
        let config = folder("XDG_CONFIG_HOME").or_else(|| in_home(".config"));
        let docker = folder("DOCKER_CONFIG").or_else(|| in_home(".docker"));
        let files = [
            runtime.filter(|_| named.is_none()).map(|folder: PathBuf| folder.join("auth.json")),
            config.map(|folder| folder.join("containers/auth.json")),
            docker.map(|folder| folder.join("config.json")),
        ];
        Self { named, files: files.into_iter().flatten().collect(), legacy: in_home(".dockercfg") }
    }

    /// The credentials for this repository of the registry, if there are any.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Result<Option<Basic>, NotUnderstood> {
        if let Some(found) = self.named.iter().find_map(|path| File::read(path).lookup(registry, repository)) {
            return found.map(Some);
        }
        let others = self.files.iter().map(|path| File::read(path));
        let others = others.chain(self.legacy.iter().map(|path| File::read_legacy(path)));
        let found = others.into_iter().find_map(|file| file.lookup(registry, repository));
        match found {
            Some(_) if self.named.is_some() => Err(NotUnderstood),
            found => found.transpose(),
        }
    }
}

/// What the files say of a registry's credentials.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// This file has them.
    Here(PathBuf),
    /// This program has them, as the file says.
    Helper {
        program: String,
        file: PathBuf,
    },
    /// Another engine would find them by this key of the file, which skopeo does not read.
    Unread {
        key: &'static str,
        file: PathBuf,
    },
}

/// What the files say of a registry's credentials; no registry is asked. `named` is the file that the manifest or the
/// user's settings name, beside which no other counts. A file that cannot be read, or is no JSON
/// ([`io::ErrorKind::InvalidData`]), is an error with its path.
pub(crate) fn known(named: Option<&Path>, registry: &str) -> Result<Known, (PathBuf, io::Error)> {
    let places = Places::of_environment(named);
    let files = match &places.named {
        Some(named) => std::slice::from_ref(named),
        None => &places.files[..],
    };
    let mut unread = Known::Nothing;
    for file in files {
        let document: Value = match fs::read(file, fs::LARGEST_TEXT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err((file.clone(), error)),
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| (file.clone(), io::Error::new(io::ErrorKind::InvalidData, error)))?,
        };
        match known_by(&document, file, registry) {
            Known::Nothing => {}
            Known::Unread { .. } if unread != Known::Nothing => {}
            found @ Known::Unread { .. } => unread = found,
            found => return Ok(found),
        }
    }
    Ok(unread)
}

/// What one file says; of several entries of a registry, the first with credentials counts.
fn known_by(document: &Value, file: &Path, registry: &str) -> Known {
    let wanted = normal(registry);
    let of_registry = |table: &str| {
        let entries = document[table].as_object().into_iter().flatten();
        entries.filter(|(key, _)| normal(key) == wanted).map(|(_, entry)| entry).collect::<Vec<_>>()
    };
    let file = file.to_owned();
    if let Some(name) = of_registry("credHelpers").first().and_then(|name| name.as_str()) {
        return Known::Helper { program: format!("docker-credential-{name}"), file };
    }
    let is_filled = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let entries = of_registry("auths");
    if entries.iter().any(|entry| is_filled(&entry["auth"]) || is_filled(&entry["identitytoken"])) {
        Known::Here(file)
    } else if entries.iter().any(|entry| is_filled(&entry["username"])) {
        Known::Unread { key: "username", file }
    } else if is_filled(&document["credsStore"]) {
        Known::Unread { key: "credsStore", file }
    } else {
        Known::Nothing
    }
}

/// Has the credentials of every file where skopeo looks struck out of what is shown from now on. This is done once in
/// the life of a process, when a tool has failed: its own words may quote them.
pub(crate) fn learn_all() {
    static LEARNT: Once = Once::new();
    LEARNT.call_once(|| {
        let places = Places::of_environment(None);
        places.named.iter().chain(&places.files).chain(&places.legacy).for_each(|path| learn(path));
    });
}

/// On `Ok` nothing that skopeo is about to read for itself keeps it waiting, or has no end: the user's credentials, the
/// files of `named`, and the settings of registries are regular files of a bounded size, or are not there. What may not
/// be read at all is for skopeo to tell.
pub(crate) fn refuse_endless<'a>(named: impl Iterator<Item = &'a Path>) -> Result<(), FileError> {
    let places = Places::of_environment(None);
    let settings = places.files.iter().filter(|path| path.ends_with("containers/auth.json"));
    let settings = settings.map(|path| path.with_file_name("registries.conf"));
    let own = places.named.iter().chain(&places.files).chain(&places.legacy).cloned();
    own.chain(settings).chain(named.map(Path::to_owned)).try_for_each(|path| refuse_endless_file(&path))
}

fn refuse_endless_file(path: &Path) -> Result<(), FileError> {
    match fs::open(path).and_then(|file| fs::read_bounded(file, fs::LARGEST_TEXT)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge) => {
            let mut error = FileError::new("read", path, error);
            error.help =
                Some("skopeo reads it for credentials and settings of registries: remove it, or write it anew".into());
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Has the credentials of a file, in any of the formats, struck out of what is shown. A file that cannot be read has
/// none.
pub(crate) fn learn(path: &Path) {
    if let Ok(text) = fs::read(path, fs::LARGEST_TEXT)
        && let Ok(document) = serde_json::from_slice(&text)
    {
        learn_from(&document);
    }
}

fn learn_from(value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("auth", Value::String(auth)) => secrets::learn_basic(auth),
            ("password" | "identitytoken" | "registrytoken", Value::String(secret)) => secrets::learn(secret),
            (_, value) => learn_from(value),
        }
    }
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, serde_json::Value>>,
}

/// The credentials in a file; `None` if they are not understood. A file that does not exist has none.
struct File(Option<Content>);

impl File {
    fn read(path: &Path) -> Self {
        Self::read_as(path, |text| serde_json::from_slice(text))
    }

    fn read_legacy(path: &Path) -> Self {
        Self::read_as(path, |text| Ok(Content { auths: Some(serde_json::from_slice(text)?), ..Content::default() }))
    }

    fn read_as(path: &Path, parse: impl FnOnce(&[u8]) -> serde_json::Result<Content>) -> Self {
        match fs::read(path, fs::LARGEST_TEXT) {
            Ok(text) => Self(parse(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self(Some(Content::default())),
            Err(_) => Self(None),
        }
    }

    /// `None` if the next file is to be asked.
    fn lookup(&self, registry: &str, repository: &str) -> Option<Result<Basic, NotUnderstood>> {
        let Some(content) = &self.0 else { return Some(Err(NotUnderstood)) };
        if content.cred_helpers.as_ref().is_some_and(|helpers| helpers.contains_key(registry)) {
            return Some(Err(NotUnderstood));
        }
        let entry = entry(content.auths.as_ref()?, registry, repository)?;
        match entry.identitytoken.is_empty() {
            false => Some(Err(NotUnderstood)),
            true if entry.auth.is_empty() => None,
            true => {
                secrets::learn_basic(&entry.auth);
                Some(Ok(Basic(entry.auth.clone())))
            }
        }
    }
}

/// The entry of the repository, of a folder it is in, or of the registry by one of its names.
fn entry<'a>(auths: &'a BTreeMap<String, Entry>, registry: &str, repository: &str) -> Option<&'a Entry> {
    let mut name = format!("{registry}/{repository}");
    loop {
        if let Some(entry) = auths.get(&name) {
            return Some(entry);
        }
        match name.rfind('/') {
            Some(slash) => name.truncate(slash),
            None => break,
        }
    }
    let wanted = normal(registry);
    auths.iter().find(|(name, _)| normal(name) == wanted).map(|(_, entry)| entry)
}

/// The host in an old key, which was a URL.
fn normal(key: &str) -> &str {
    let key = key.strip_prefix("http://").or_else(|| key.strip_prefix("https://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_end_is_refused_before_skopeo_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "{}").unwrap();
        std::fs::File::create(path("huge")).unwrap().set_len(fs::LARGEST_TEXT + 1).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        let (fifo, mode) = (rustix::fs::FileType::Fifo, 0o600.into());
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), fifo, mode, 0).unwrap();
        for name in ["file", "absent"] {
            refuse_endless_file(&path(name)).unwrap();
        }
        for name in ["huge", "zero", "pipe"] {
            let error = refuse_endless_file(&path(name)).unwrap_err();
            assert_eq!(error.path, path(name));
            assert!(error.help.is_some_and(|help| help.contains("credentials")), "{name}");
        }
    }

    #[test]
    fn knows_whose_credentials_a_file_holds_and_which_are_not_read() {
        let file = || PathBuf::from("config.json");
        let here = || Known::Here(file());
        let unread = |key| Known::Unread { key, file: file() };
        for (document, registry, expected) in [
            (r#"{}"#, "a.example", Known::Nothing),
            (r#"[1]"#, "a.example", Known::Nothing),
            (r#"{"auths": {"a.example": {}}}"#, "a.example", Known::Nothing),
            (r#"{"auths": {"a.example": {"auth": "eDp5"}}}"#, "a.example", here()),
            (r#"{"auths": {"a.example/team": {"auth": "eDp5"}}}"#, "a.example", here()),
            (r#"{"auths": {"a.example": {"identitytoken": "x"}}}"#, "a.example", here()),
            (r#"{"auths": {"a.example.org": {"auth": "eDp5"}}}"#, "a.example", Known::Nothing),
            (r#"{"auths": {"https://index.docker.io/v1/": {"auth": "eDp5"}}}"#, "docker.io", here()),
            (r#"{"auths": {"a.example": {"username": "u", "password": "p"}}}"#, "a.example", unread("username")),
            (r#"{"auths": {"a.example": {"auth": "eDp5"}}, "credsStore": "x"}"#, "a.example", here()),
            (r#"{"auths": {"a.example": {}}, "credsStore": "pass"}"#, "a.example", unread("credsStore")),
            (r#"{"credsStore": ""}"#, "a.example", Known::Nothing),
            (
                r#"{"credHelpers": {"b.example": "x"}, "credsStore": "y"}"#,
                "b.example",
                Known::Helper { program: "docker-credential-x".to_owned(), file: file() },
            ),
        ] {
            let found = known_by(&serde_json::from_str(document).unwrap(), &file(), registry);
            assert_eq!(found, expected, "{document} {registry}");
        }
    }

    /// The files of a home, and what a repository is asked with: the value in `auth`, `-` for nothing, `?` for
    /// what only skopeo understands.
    #[track_caller]
    fn finds(files: &[(&str, &str)], named: Option<&str>, image: &str, expected: &str) {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let named = named.map(|path| home.path().join(path));
        let places = Places::of(named.as_deref(), false, |name| match name {
            "HOME" => Some(home.path().into()),
            "XDG_RUNTIME_DIR" => Some(home.path().join("run").into()),
            _ => None,
        });
        let (registry, repository) = image.split_once('/').unwrap();
        let found = match places.find(registry, repository) {
            Ok(Some(basic)) => basic.into_header().replace("Basic ", ""),
            Ok(None) => "-".to_owned(),
            Err(NotUnderstood) => "?".to_owned(),
        };
        assert_eq!(found, expected, "{image} {files:?}");
    }

    #[test]
    fn the_nearest_name_counts() {
        let text = r#"{"auths": {
            "r.example.com": {"auth": "aG9zdDo="}, "r.example.com/a": {"auth": "YTo="}, "r.example.com/a/b": {"auth": "YjphOg=="},
            "https://old.example.com/v1/": {"auth": "b2xkOg=="}, "https://index.docker.io/v1/": {"auth": "aHViOg=="},
            "none.example.com": {}, "token.example.com": {"auth": "eA==", "identitytoken": "x"}
        }, "credHelpers": {"helped.example.com": "x"}, "credsStore": "desktop"}"#;
        for (image, expected) in [
            ("r.example.com/b", "aG9zdDo="),
            ("r.example.com/a", "YTo="),
            ("r.example.com/a/c/d", "YTo="),
            ("r.example.com/a/b", "YjphOg=="),
            ("old.example.com/a", "b2xkOg=="),
            ("docker.io/library/a", "aHViOg=="),
            ("other.example.com/a", "-"),
            ("r.example.com:5000/a", "-"),
            ("none.example.com/a", "-"),
            ("token.example.com/a", "?"),
            ("helped.example.com/a", "?"),
        ] {
            finds(&[(".docker/config.json", text)], None, image, expected);
        }
    }

    #[test]
    fn the_first_file_that_has_it_counts() {
        let file = |auth: &str| format!(r#"{{"auths": {{"r.example.com": {{"auth": "{auth}"}}}}}}"#);
        let (run, config, docker) = (file("run="), file("config="), file("docker="));
        let legacy = r#"{"https://r.example.com/v1/": {"auth": "old="}}"#;
        let all = [
            ("run/containers/auth.json", run.as_str()),
            (".config/containers/auth.json", config.as_str()),
            (".docker/config.json", docker.as_str()),
            (".dockercfg", legacy),
        ];
        for (from, expected) in [(0, "run="), (1, "config="), (2, "docker="), (3, "old="), (4, "-")] {
            finds(&all[from..], None, "r.example.com/a", expected);
        }
        // A file that was named comes first. Whether the others count then depends on skopeo's version.
        let named = ("mine.json", r#"{"auths": {"s.example.com": {"auth": "mine="}}}"#);
        finds(&[named, all[2]], Some("mine.json"), "s.example.com/a", "mine=");
        finds(&[named, all[2]], Some("mine.json"), "r.example.com/a", "?");
        finds(&[named, all[0]], Some("mine.json"), "r.example.com/a", "-");
        finds(&[all[2]], Some("mine.json"), "r.example.com/a", "?");
    }

    #[test]
    fn what_is_not_understood_is_not_guessed_at() {
        for text in ["", "{", "1", r#"{"auths": {"r.example.com": {"auth": 1}}}"#, "\u{0}"] {
            finds(&[(".docker/config.json", text)], None, "r.example.com/a", "?");
        }
        finds(&[(".docker/config.json", r#"{"auths": null, "credHelpers": null}"#)], None, "r.example.com/a", "-");
        finds(&[(".docker/config.json/x", "")], None, "r.example.com/a", "?");
    }
}
