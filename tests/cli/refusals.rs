//! What registries refuse or have lost, told as what it is, and tried again where it may pass.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::TestContext;
use crate::support::odd::{Answer, OddRegistry};
use crate::support::snapshot::assert_outcome;

const NAME: &str = "acme/base";
/// A tar without files.
const EMPTY: [u8; 1024] = [0; 1024];

/// A build for two platforms, which is published as an index.
fn for_two_platforms(registry: &OddRegistry) -> TestContext {
    TestContext::with_manifest(&format!(
        "[build.a]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\nrepository = \"{}\"\n\
         packages = [{{ text = \"x\", to = \"/x\" }}]\n",
        registry.repository("acme/app")
    ))
}

/// Refuses the PUT of the index so many times.
fn refuse_index(registry: &OddRegistry, status: &'static str, times: u32) {
    let refused = AtomicU32::new(0);
    registry.answer(move |request| {
        (request.is("PUT", "/manifests/latest") && refused.fetch_add(1, Ordering::Relaxed) < times)
            .then(|| Answer::error(status, "DENIED"))
    });
}

#[test]
fn an_index_is_put_again_where_that_may_help() {
    for status in ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"] {
        // skopeo offers it a second time, as a list of Docker's.
        for times in [1, 2] {
            let registry = OddRegistry::start();
            let context = for_two_platforms(&registry);
            refuse_index(&registry, status, times);
            let told = context.run(["publish"]).success();
            assert_eq!(registry.document("acme/app", "latest")["manifests"].as_array().unwrap().len(), 2, "{told}");
        }
    }
}

#[test]
fn a_refused_index_is_told_as_a_refused_manifest() {
    for (status, code) in [
        ("401 Unauthorized", "oci::registry::unauthorised"),
        ("403 Forbidden", "oci::registry::forbidden"),
        ("400 Bad Request", "oci::tools::failed"),
    ] {
        let registry = OddRegistry::start();
        let context = for_two_platforms(&registry);
        refuse_index(&registry, status, u32::MAX);
        let told = context.run(["publish"]).failure(1);
        assert!(told.stderr().contains(code) && !told.stderr().contains("must be converted"), "{told}");
    }
    let registry = OddRegistry::start();
    let context = for_two_platforms(&registry);
    refuse_index(&registry, "403 Forbidden", u32::MAX);
    assert_outcome!(context.run(["publish", "-q"]).failure(1));
}

#[test]
fn a_layer_that_the_registry_lost_is_told() {
    let registry = OddRegistry::start();
    let manifest = registry.image(NAME, &[&EMPTY]);
    registry.put(NAME, "1", &manifest);
    let base = format!("[base.b]\nrepository = \"{}\"\ntag = \"1\"\n", registry.repository(NAME));
    let context = TestContext::with_manifest(&base);
    context.run(["lock"]).success();
    registry.remove_blob(NAME, manifest["layers"][0]["digest"].as_str().unwrap());
    assert_outcome!(context.run(["fetch", "-q"]).failure(1));
}

/// What skopeo does not read though engines do: OCI's layer types in a Docker manifest, Docker's name for zstd, and (in
/// its older versions) a registry by an IPv6 address.
#[test]
fn what_skopeo_does_not_read_is_fetched_all_the_same() {
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    for (address, media_type) in [
        ("127.0.0.1:0", "application/vnd.oci.image.layer.v1.tar"),
        ("127.0.0.1:0", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("[::1]:0", "application/vnd.docker.image.rootfs.diff.tar"),
    ] {
        let registry = OddRegistry::at(address);
        let mut manifest = registry.image(NAME, &[&EMPTY]);
        manifest["mediaType"] = docker.into();
        manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
        manifest["layers"][0]["mediaType"] = media_type.into();
        registry.put(NAME, "1", &manifest);
        let base = format!("[base.b]\nrepository = \"{}\"\ntag = \"1\"\n", registry.repository(NAME));
        let context = TestContext::with_manifest(&base);
        context.run(["fetch"]).success();
        // Its size and its digest count, as they do for what skopeo brings.
        for wrong in
            [Answer::endless(EMPTY, [0; 1024]), Answer::new("200 OK", [1; 1024]), Answer::new("200 OK", [0; 9])]
        {
            std::fs::remove_dir_all(context.root().join("cache")).unwrap();
            let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
            registry.answer(move |request| request.is("GET", &digest).then(|| wrong.clone()));
            context.run(["fetch"]).failure(1);
        }
    }
}

#[test]
fn a_registry_that_skopeo_knows_no_address_of_is_told() {
    let registry = OddRegistry::at("[::1]:0");
    let context = TestContext::with_manifest(&format!(
        "[build.a]\nbase = \"scratch\"\npackages = [{{ text = \"x\", to = \"/x\" }}]\nrepository = \"{}\"\n",
        registry.repository("acme/app")
    ));
    let told = context.run(["publish"]);
    assert!(told.code() == Some(0) || told.stderr().contains("oci::registry::ipv6"), "{told}");
}
