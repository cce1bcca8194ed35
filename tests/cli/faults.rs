//! A network and a cache that break: what is half or wrong is never used, and the next try works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext, eventually, project};

/// A project whose base is behind the proxy.
fn behind_proxy(registry: &Registry, proxy: &FaultyRegistry) -> TestContext {
    let context = project::script(registry, "#!/bin/sh\necho whole\n");
    let (direct, proxied) = (registry.repository("library/busybox"), proxy.repository("library/busybox"));
    context.write("oci.toml", context.read("oci.toml").replace(&direct, &proxied));
    context
}

fn layer() -> String {
    images::layers(Base::Busybox)[0].clone()
}

/// Where the store keeps a blob.
fn stored(context: &TestContext, digest: &str) -> PathBuf {
    context.root().join("cache/oci/blobs").join(digest.replace(':', "/"))
}

fn fault(pattern: &str, action: &str, argument: impl Into<Value>) -> Value {
    json!([{ "match": pattern, "do": action, "argument": argument.into() }])
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_is_never_stored() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    context.run(["lock"]).success();
    for (action, argument) in [("corrupt", 100), ("truncate", 1000)] {
        proxy.set_faults(&fault(&format!("GET .*/blobs/{}", layer()), action, argument));
        context.run(["fetch"]).failure(1);
        assert!(!stored(&context, &layer()).exists());
    }
    proxy.set_faults(&json!([]));
    context.run(["fetch"]).success();
    assert_eq!(sha256(&stored(&context, &layer())), layer());
}

#[test]
fn a_manifest_that_is_not_what_its_digest_says_is_never_used() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    context.run(["lock"]).success();
    fs::remove_dir_all(context.root().join("cache")).unwrap();
    proxy.set_faults(&fault("GET .*/manifests/", "corrupt", 60));
    context.run(["build"]).failure(1);
    proxy.set_faults(&json!([]));
    context.run(["build"]).success();
}

#[test]
fn a_login_page_is_no_manifest() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    let page = "<!DOCTYPE html><title>Log in</title>";
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "replace", "body": page }]));
    assert_outcome!(context.run(["lock"]).failure(1));
    assert!(!context.project().join("oci.lock").exists());
}

#[test]
fn a_registry_that_forbids() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    proxy.set_faults(&fault("GET .*/manifests/", "status", 403));
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn a_registry_that_is_broken() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    proxy.set_faults(&fault("GET .*/manifests/", "status", 500));
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn an_interrupt_ends_a_tool_that_hangs() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "hang" }]));
    for signal in [Signal::INT, Signal::TERM] {
        let mut locking = context.start(["lock"]);
        eventually("skopeo runs", || context.leftovers().iter().any(|left| left.contains("inspect")));
        locking.signal(signal);
        assert_eq!(locking.end(), None, "{}", locking.stderr());
        assert_eq!(context.leftovers(), Vec::<String>::new());
        assert!(!context.project().join("oci.lock").exists());
    }
}

#[test]
fn a_blob_of_the_store_that_was_damaged_is_fetched_again() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["fetch"]).success();
    let path = stored(&context, &layer());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    context.run(["fetch"]).success();
    assert_eq!(sha256(&path), layer());
    assert_eq!(registry.blob_downloads(&layer()), 2);
}

/// Changes one byte of a blob where it is, as a disk does: `.oci/` has a hard link to that file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[40] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_damaged_in_the_store_is_never_published_and_made_again() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["build"]).success();
    let manifest = context.built("app");
    let read = |digest: &str| serde_json::from_slice::<Value>(&fs::read(stored(&context, digest)).unwrap()).unwrap();
    let config = read(&manifest)["config"]["digest"].as_str().unwrap().to_owned();
    let layer = read(&manifest)["layers"][1]["digest"].as_str().unwrap().to_owned();
    let whole = |digest: &str| {
        let linked = context.layout().join("blobs").join(digest.replace(':', "/"));
        assert_eq!((sha256(&stored(&context, digest)), sha256(&linked)), (digest.to_owned(), digest.to_owned()));
    };
    for document in [&manifest, &config] {
        flip(&stored(&context, document));
        context.run(["build"]).success();
        whole(document);
    }
    flip(&stored(&context, &layer));
    let damaged = context.run(["publish"]).failure(1);
    assert_outcome!(damaged);
    context.run(["publish"]).success();
    whole(&layer);
}

fn sha256(path: &Path) -> String {
    format!("sha256:{}", images::hex(&<sha2::Sha256 as sha2::Digest>::digest(fs::read(path).unwrap())))
}
