//! Renders errors that a test of the program cannot bring about, or not on every machine. `tests/cli` shows the others,
//! and `tests/house` fails if a code is shown nowhere.

use std::io;

use miette::Diagnostic;

use super::rendered;
use crate::bases::BaseError;
use crate::containers::rootfs::RootfsError;
use crate::containers::unstarted::Unstarted;
use crate::contents::BaseLayerError;
use crate::executor::BuildError;
use crate::image::ImageError;
use crate::model::Digest;
use crate::process::ProcessError;
use crate::process::namespace::NamespaceError;
use crate::resolve::ResolveError;
use crate::sandbox::Refusal;
use crate::store::BlobError;
use crate::tools::git::GitError;

fn all(errors: &[&dyn Diagnostic]) -> String {
    errors.iter().map(|error| format!("{}\n", rendered(*error))).collect()
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

fn reference() -> String {
    "registry.example.com/acme/base:1".to_owned()
}

#[test]
fn images_that_are_wrong_where_they_come_from() {
    let bad = |source| BaseError::Image { reference: reference(), source };
    insta::assert_snapshot!(all(&[
        &bad(ImageError::NestedIndex),
        &bad(ImageError::Layers { layers: 2, diff_ids: 1 }),
        &BaseError::MissingLayer { reference: reference(), digest: Digest::of(b"layer") },
        &ResolveError::NoPlatform { reference: reference(), help: "look".to_owned() },
        &BlobError::Mismatch { expected: Digest::of(b"expected"), found: Digest::of(b"found") },
        &BaseLayerError::MediaType("application/x-layer".to_owned()),
        &BaseLayerError::Read(io::ErrorKind::UnexpectedEof.into()),
    ]));
}

#[test]
fn faults_of_our_own() {
    insta::assert_snapshot!(all(&[&BuildError::Forgotten { name: "app".to_owned() }]));
}

#[test]
fn machines_that_run_no_container() {
    insta::assert_snapshot!(all(&[
        &Unstarted::Namespace(NamespaceError::User { source: denied() }),
        &NamespaceError::Map { stderr: "newuidmap: no\nnewuidmap: not allowed \u{1b}[31m".to_owned(), source: None },
        &NamespaceError::Isolation { source: denied() },
        &Refusal::UnmappedUser { user: 1000, group: 1001 },
        &Refusal::Overlay { cause: denied().into() },
        &Refusal::Runtime { message: "runc run failed: no \u{1b}[31mspace left".to_owned() },
        &Refusal::Copy { cause: std::io::Error::from(std::io::ErrorKind::StorageFull).into() },
        &Refusal::Foreign { program: "server".to_owned(), machine: "aarch64".to_owned() },
        &Refusal::LineEnds { script: "/start.sh".to_owned(), wanted: "/bin/sh".to_owned() },
        &Refusal::Interrupted,
        &Unstarted::Sandbox { source: ProcessError::Start { program: "oci".to_owned(), source: denied() } },
        &RootfsError::Colon { path: "/cache/a:b".into() },
    ]));
}

#[test]
fn repositories_that_git_would_start_programs_for() {
    insta::assert_snapshot!(all(&[&GitError::Filter { name: "filter.a=b.clean".to_owned() }]));
}
