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
