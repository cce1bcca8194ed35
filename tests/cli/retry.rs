//! What passes is tried again, and seen; what stays is told after so many tries, or at once.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Outcome, Registry, TestContext, eventually};

fn context(registry: &Registry, proxy: &FaultyRegistry) -> TestContext {
    images::push(registry, Base::Busybox, "library/busybox", "1");
    let repository = proxy.repository("library/busybox");
    TestContext::with_manifest(&format!("[base.busybox]\nrepository = \"{repository}\"\ntag = \"1\"\n"))
}

fn again(outcome: &Outcome) -> usize {
    outcome.stderr().matches("; trying again in ").count()
}

#[test]
fn what_passes_is_seen_and_goes_well() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = context(&registry, &proxy);
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "close", "times": 1 }]));
    let outcome = context.run(["lock"]).success();
    assert_eq!(again(&outcome), 1, "{outcome}");
    std::fs::remove_file(context.project().join("oci.lock")).unwrap();
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "status", "argument": 503, "times": 2 }]));
    let outcome = context.run(["lock"]).success();
    assert_eq!(again(&outcome), 2, "{outcome}");
    let layer = images::layers(Base::Busybox)[0].clone();
    let half = json!([{ "match": format!("GET .*/blobs/{layer}"), "do": "truncate", "argument": 1000, "times": 1 }]);
    proxy.set_faults(&half);
    let outcome = context.run(["fetch"]).success();
    // Newer versions of skopeo go on by themselves where a transfer broke off.
    assert!(again(&outcome) <= 1, "{outcome}");
    std::fs::remove_dir_all(context.root().join("cache/oci")).unwrap();
    proxy.set_faults(
        &json!([{ "match": format!("GET .*/blobs/{layer}"), "do": "status", "argument": 503, "times": 1 }]),
    );
    let outcome = context.run(["fetch"]).success();
    assert_eq!(again(&outcome), 1, "{outcome}");
}

#[test]
fn what_stays_says_how_often_it_was_tried() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = context(&registry, &proxy);
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "status", "argument": 500 }]));
    let outcome = context.run(["lock"]).failure(1);
    assert_eq!(again(&outcome), 4, "{outcome}");
    assert_outcome!(outcome);
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = context(&registry, &proxy);
    context.run(["lock"]).success();
    std::fs::remove_dir_all(context.root().join("cache")).unwrap();
    let status = |status: u16| json!([{ "match": "GET .*/manifests/", "do": "status", "argument": status }]);
    let layer = images::layers(Base::Busybox)[0].clone();
    let corrupt = json!([{ "match": format!("GET .*/blobs/{layer}"), "do": "corrupt", "argument": 10 }]);
    let faults: [Value; 4] = [status(401), status(403), status(404), corrupt];
    for fault in faults {
        proxy.set_faults(&fault);
        let outcome = context.run(["fetch"]).failure(1);
        assert_eq!(again(&outcome), 0, "{fault} {outcome}");
    }
}

#[test]
fn an_interrupt_ends_the_waiting() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = context(&registry, &proxy);
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "status", "argument": 500, "times": 4 }]));
    let mut locking = context.start(["lock"]);
    eventually("it waits for four seconds", || locking.stderr().contains("trying again in 4 s"));
    locking.signal(Signal::INT);
    assert_eq!(locking.end(), None, "{}", locking.stderr());
    // After the waiting it would have asked again, and been answered.
    let asked =
        registry.requests().into_iter().filter(|request| request.starts_with("GET /v2/library/busybox/manifests"));
    assert_eq!(asked.collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

/// The first ones wait for it, all others do not; each base has its error.
#[test]
fn many_bases_of_a_broken_registry_are_not_waited_for_one_by_one() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "status", "argument": 500 }]));
    let variants: String = (0..40).map(|number| format!("v{number} = \"{number}\"\n")).collect();
    let repository = proxy.repository("library/busybox");
    let manifest = format!("[base.busybox]\nrepository = \"{repository}\"\n[base.busybox.variants]\n{variants}");
    let context = TestContext::with_manifest(&manifest);
    let outcome = context.run(["lock"]).failure(1);
    assert!(again(&outcome) <= 16 * 4, "{outcome}");
    assert_eq!(outcome.stderr().matches("oci::registry::server_error").count(), 40, "{outcome}");
}
