//! What skopeo is told of a registry, and what a program says that is no skopeo or an old one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::{Access, LayoutImage, Settings, Skopeo, Version};
use crate::model::{Reference, Repository, Tag};
use crate::tools::Cause;
use crate::tools::error::ToolError;

/// A wrapper with folders of its own.
pub(super) struct Bench {
    pub(super) skopeo: Skopeo,
    pub(super) folder: TempDir,
}

impl Bench {
    pub(super) fn with_program(program: impl AsRef<Path>) -> Self {
        Self::with(program, BTreeMap::new())
    }

    pub(super) fn with_registries(registries: BTreeMap<String, Access>) -> Self {
        Self::with("skopeo", registries)
    }

    fn with(program: impl AsRef<Path>, registries: BTreeMap<String, Access>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            cache: folder.path().join("cache"),
            logs: folder.path().join("logs"),
            registries,
            timeout: None,
            // It is skopeo that is tested.
            shortcut: None,
            on_retry: Box::new(|_| {}),
            on_mirror: Box::new(|_| {}),
        };
        Self { skopeo: Skopeo::new(program.as_ref(), settings), folder }
    }
}

pub(super) fn tag(repository: &Repository, name: &str) -> Reference {
    Reference::Tag(repository.clone(), Tag::parse(name).unwrap())
}

pub(super) fn access() -> Access {
    Access::default()
}

pub(super) fn code(error: &ToolError) -> String {
    miette::Diagnostic::code(error).unwrap().to_string()
}

pub(super) fn help(error: &ToolError) -> String {
    miette::Diagnostic::help(error).unwrap().to_string()
}

#[test]
fn only_what_is_asked_for_weakens_a_connection() {
    let far = Repository::parse("registry.example.com/app").unwrap();
    let near = Repository::parse("localhost:5000/app").unwrap();
    assert!(Access::default().flags(&far, "src-").is_empty());
    assert_eq!(Access::default().flags(&near, "dest-"), ["--dest-tls-verify=false"]);
    let insecure = Access { insecure: true, ..Access::default() };
    assert_eq!(insecure.flags(&far, ""), ["--tls-verify=false"]);
    let file = Some("/auth.json".into());
    let known = Access { certificates: Some("/certs".into()), credentials: file.clone(), ..Access::default() };
    assert_eq!(known.flags(&far, "src-"), ["--src-cert-dir", "/certs", "--src-authfile", "/auth.json"]);
    // skopeo refuses to be given credentials and told to send none.
    let anonymous = Access { anonymous: true, credentials: file, ..Access::default() };
    assert_eq!(anonymous.flags(&far, ""), ["--no-creds"]);
}

#[test]
fn where_a_project_alone_says_insecure_no_credentials_go() {
    let settings = Access { insecure: true, withholds_credentials: true, ..Access::default() };
    let registries = ["registry.example.com", "127.0.0.1:5000", "localhost:5000", "127.0.0.1.example.com"];
    let bench = Bench::with_registries(registries.map(|registry| (registry.to_owned(), settings.clone())).into());
    for (registry, anonymous) in registries.into_iter().zip([true, false, false, true]) {
        let access = bench.skopeo.access(&Repository::parse(&format!("{registry}/a")).unwrap(), false);
        assert_eq!(access.anonymous, anonymous, "{registry}");
    }
}

#[test]
fn every_registry_is_talked_to_as_its_settings_say() {
    let settings = Access { insecure: true, certificates: Some("/certs".into()), ..Access::default() };
    let registries = BTreeMap::from([("registry.example.com:5000".to_owned(), settings.clone())]);
    let bench = Bench::with_registries(registries);
    let access = |name: &str, anonymous| bench.skopeo.access(&Repository::parse(name).unwrap(), anonymous);
    assert_eq!(access("registry.example.com:5000/a/b", false), settings);
    assert_eq!(access("registry.example.com:5000/a/b", true), Access { anonymous: true, ..settings });
    for other in ["registry.example.com/a", "registry.example.com:5001/a", "docker.io/registry.example.com"] {
        assert_eq!(access(other, false), Access::default(), "{other}");
    }
}

#[test]
fn a_tool_that_is_missing_or_too_old() {
    let repository = Repository::parse("registry.example.com/app").unwrap();
    let bench = Bench::with_program("no-such-skopeo");
    let error = bench.skopeo.inspect_raw(&tag(&repository, "v1"), &access()).unwrap_err();
    assert_eq!((error.cause(), code(&error).as_str()), (Some(&Cause::Missing), "oci::tools::missing"));
    assert!(error.to_string().ends_with("it is not on `PATH`"), "{error}");
    assert!(help(&error).contains("under `[tools]`") && !help(&error).contains("install"), "{}", help(&error));

    // What skopeo 1.4 does with a flag of 1.6.
    let old = bench.folder.path().join("skopeo");
    let script = "#!/bin/sh\ncase $1 in --version) echo skopeo version 1.4.1;; *)\n\
                  echo 'FATA[0000] unknown flag: --preserve-digests' >&2; exit 1;; esac\n";
    std::fs::write(&old, script).unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let layout = LayoutImage { folder: bench.folder.path(), name: "made", blobs: None };
    let error = Bench::with_program(old).skopeo.push(layout, &tag(&repository, "v1"), None, &access()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::TooOld { found: Version(1, 4, 1), minimum: Version(1, 6, 0) }));
    assert_eq!(error.to_string(), "skopeo 1.4.1 is too old, 1.6.0 or newer is needed");
}
