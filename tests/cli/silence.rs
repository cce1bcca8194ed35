//! Registries that fall silent: given up after a time that is told, while a slow one is waited for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Outcome, Registry, TestContext, project};

/// A base behind the proxy, and a build that is published through it.
fn behind_proxy(registry: &Registry, proxy: &FaultyRegistry) -> TestContext {
    let context = project::script(registry, "#!/bin/sh\necho whole\n");
    let manifest = context.read("oci.toml").replace(&registry.host(), proxy.repository("").trim_end_matches('/'));
    context.write("oci.toml", manifest);
    context
}

fn impatient(context: &TestContext, command: &str) -> Outcome {
    context.finish(context.oci().args(["--network-timeout", "2", command]))
}

fn fault(pattern: &str, action: &str, argument: impl Into<Value>) -> Value {
    json!([{ "match": pattern, "do": action, "argument": argument.into() }])
}

fn blob() -> String {
    format!("GET .*/blobs/{}", images::layers(Base::Busybox)[0])
}

#[test]
fn a_registry_that_never_answers_a_question() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    proxy.set_faults(&fault("GET .*/manifests/", "hang", Value::Null));
    assert_outcome!(impatient(&context, "lock").failure(1));
    // Half an answer is none either; and the limit comes from the environment, too.
    proxy.set_faults(&fault("GET .*/manifests/", "stall", 20));
    let half = context.finish(context.oci().arg("lock").env("OCI_NETWORK_TIMEOUT", "1")).failure(1);
    assert!(half.stderr().contains("oci::registry::timed_out"), "{half}");
    // Once is once: it is asked again.
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "hang", "times": 1 }]));
    impatient(&context, "lock").success();
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn a_download_that_stops_in_the_middle() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    context.run(["lock"]).success();
    proxy.set_faults(&fault(&blob(), "stall", 1000));
    assert_outcome!(impatient(&context, "fetch").failure(1));
    assert_eq!(context.leftovers(), Vec::<String>::new());
    let once = json!([{ "match": blob(), "do": "stall", "argument": 1000, "times": 1 }]);
    proxy.set_faults(&once);
    let outcome = impatient(&context, "fetch").success();
    assert!(outcome.stderr().contains("nothing moved for 2 s; trying again in"), "{outcome}");
}

#[test]
fn a_download_that_is_slow_and_goes_on() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    context.run(["lock"]).success();
    let (_, manifest) = images::manifest(Base::Busybox, images::architecture());
    let size = manifest["layers"][0]["size"].as_u64().unwrap();
    proxy.set_faults(&fault(&blob(), "trickle", size / 40));
    let started = Instant::now();
    let outcome = context.finish(context.oci().args(["--network-timeout", "5", "fetch"])).success();
    assert!(!outcome.stderr().contains("trying again"), "{outcome}");
    assert!(started.elapsed() > Duration::from_secs(10), "it was to take longer than the limit: {outcome}");
}

#[test]
fn an_upload_that_is_never_acknowledged() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    context.run(["build", "--complete"]).success();
    proxy.set_faults(&fault("(PUT|PATCH) .*/blobs/uploads/", "hang", Value::Null));
    let outcome = impatient(&context, "publish").failure(1);
    assert!(outcome.stderr().contains("oci::registry::stalled"), "{outcome}");
    proxy.set_faults(&json!([{ "match": "(PUT|PATCH) .*/blobs/uploads/", "do": "hang", "times": 1 }]));
    impatient(&context, "publish").success();
}

/// skopeo waits as long as it is asked to.
#[test]
fn a_registry_that_wants_fewer_requests() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = behind_proxy(&registry, &proxy);
    let limited = |times: Option<u32>| {
        let mut rule = json!({ "match": "GET .*/manifests/", "do": "status", "argument": 429 });
        rule["headers"] = json!({ "Retry-After": "1" });
        times.into_iter().for_each(|times| rule["times"] = times.into());
        json!([rule])
    };
    proxy.set_faults(&limited(Some(2)));
    context.run(["lock"]).success();
    std::fs::remove_file(context.project().join("oci.lock")).unwrap();
    proxy.set_faults(&limited(None));
    let outcome = context.run(["lock"]).failure(1);
    assert!(outcome.stderr().contains("oci::registry::rate_limited"), "{outcome}");
}

#[test]
fn a_limit_that_is_none() {
    let context = TestContext::with_manifest("");
    for value in ["0", "-1", "soon", ""] {
        context.finish(context.oci().args(["--network-timeout", value, "lock"])).failure(2);
    }
}
