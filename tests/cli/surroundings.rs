//! What the other tests stand on, by itself: a failure here explains all of theirs.

use crate::support::images::{self, Base};
use crate::support::ordinary::needs_root;
use crate::support::podman::Storage;
use crate::support::registry::{PASSWORD, USER};
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext};

#[test]
fn a_registry_serves_what_was_pushed_and_logs_it() {
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, "lab/busybox", "latest");
    assert_eq!(digest, images::manifest(Base::Busybox, images::architecture()).0);
    let requests = registry.requests();
    assert!(requests.contains(&"PUT /v2/lab/busybox/manifests/latest 201".to_owned()), "{requests:#?}");
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 0);
    let url = format!("http://{}/v2/lab/busybox/blobs/{}", registry.host(), images::layers(Base::Busybox)[0]);
    succeed(tool("curl").args(["-sS", "--fail", "-o", "/dev/null", &url]));
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 1);
}

#[test]
fn a_registry_with_accounts_refuses_strangers() {
    let registry = Registry::start_with_accounts();
    let status = |options: &[&str]| {
        let url = format!("http://{}/v2/", registry.host());
        succeed(tool("curl").args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", &url]).args(options))
    };
    assert_eq!(status(&[]), "401");
    assert_eq!(status(&["-u", &format!("{USER}:{PASSWORD}")]), "200");
    let context = TestContext::new();
    let credentials = context.root().join("auth.json");
    registry.write_credentials(&credentials);
    assert!(std::fs::read_to_string(credentials).unwrap().contains(&registry.host()));
}

#[test]
fn a_registry_ends_with_its_value() {
    let registry = Registry::start();
    let host = registry.host();
    drop(registry);
    assert!(std::net::TcpStream::connect(host).is_err());
}

#[test]
fn an_index_and_a_schema_2_image_are_what_they_say() {
    let registry = Registry::start();
    let raw = |repository: &str| {
        let image = format!("docker://{}", registry.repository(repository));
        succeed(tool("skopeo").args(["inspect", "--tls-verify=false", "--raw", &image]))
    };
    let index = images::push(&registry, Base::Index, "lab/index", "latest");
    let hash = images::hex(&<sha2::Sha256 as sha2::Digest>::digest(raw("lab/index")));
    assert_eq!(index, format!("sha256:{hash}"));
    assert!(raw("lab/index").contains(images::other_architecture()));
    let oci = images::push(&registry, Base::Busybox, "lab/busybox", "latest");
    assert_ne!(images::push_schema2(&registry, Base::Busybox, "lab/schema2", "latest"), oci);
    assert!(raw("lab/schema2").contains("vnd.docker.distribution.manifest.v2+json"));
}

#[test]
fn only_root_engines_run_a_base_from_overlay_storage() {
    needs_root();
    let registry = Registry::start();
    images::push(&registry, Base::Merged, "lab/merged", "latest");
    let image = format!("docker://{}:latest", registry.repository("lab/merged"));
    let storage = Storage::new();
    let told = storage.podman_run(&[], &image, &["stat", "-c", "%n %a %F", "/bin", "/tmp"]);
    assert_eq!(told, "/bin 777 symbolic link\n/tmp 1777 directory");
    let container = succeed(storage.buildah("from").args(["--tls-verify=false", "--name", "made", &image]));
    assert_eq!(container, "made");
    let root = succeed(storage.buildah("mount").arg("made"));
    assert_eq!(std::fs::read_link(format!("{root}/bin")).unwrap().to_str(), Some("usr/bin"));
    assert!(root.contains("/overlay/"), "{root}");
}
