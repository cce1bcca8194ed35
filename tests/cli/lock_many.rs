//! Many bases at once: how many questions are asked, and of whom.

use std::fmt::Write;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::{Registry, TestContext, eventually};

/// How many questions a registry is asked at once.
const LIMIT: usize = 16;

/// How many questions are on their way.
fn asked(context: &TestContext) -> usize {
    context.leftovers().iter().filter(|left| left.contains(" inspect ")).count()
}

#[test]
fn each_registry_is_asked_so_much_at_once_and_no_more() {
    let registry = Registry::start();
    let proxies = [FaultyRegistry::in_front_of(&registry), FaultyRegistry::in_front_of(&registry)];
    let mut manifest = String::new();
    for (number, proxy) in proxies.iter().enumerate() {
        proxy.set_faults(&json!([{ "match": "GET .*/manifests/", "do": "hang" }]));
        let repository = proxy.repository("library/busybox");
        writeln!(manifest, "[base.r{number}]\nrepository = \"{repository}\"\n[base.r{number}.variants]").unwrap();
        (0..LIMIT + 4).for_each(|tag| writeln!(manifest, "v{tag} = \"{tag}\"").unwrap());
    }
    let context = TestContext::with_manifest(&manifest);
    let mut locking = context.start(["lock"]);
    eventually("both are asked", || asked(&context) == 2 * LIMIT);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asked(&context), 2 * LIMIT);
    locking.signal(Signal::INT);
    assert_eq!(locking.end(), None, "{}", locking.stderr());
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn what_is_meant_twice_is_asked_once() {
    let registry = Registry::start();
    images::push(&registry, Base::Index, "library/busybox", "1");
    let repository = registry.repository("library/busybox");
    let base = |name: &str| format!("[base.{name}]\nrepository = \"{repository}\"\ntag = \"1\"\n");
    let context = TestContext::with_manifest(&["a", "b", "c"].map(base).concat());
    let outcome = context.run(["lock"]).success();
    assert_eq!(outcome.stdout().lines().count(), 3, "{outcome}");
    let asked = registry
        .requests()
        .iter()
        .filter(|request| request.starts_with("GET ") && request.contains("/manifests/1"))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn three_hundred_variants_are_asked_once_each_and_then_never() {
    const VARIANTS: usize = 300;
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Index, "library/busybox", "first");
    registry.tag("library/busybox", &digest, &(0..VARIANTS).map(|number| format!("t{number}")).collect::<Vec<_>>());
    let repository = registry.repository("library/busybox");
    let mut manifest = format!("[base.many]\nrepository = \"{repository}\"\n[base.many.variants]\n");
    (0..VARIANTS).for_each(|number| writeln!(manifest, "v{number} = \"t{number}\"").unwrap());
    let context = TestContext::with_manifest(&manifest);
    let asked = || {
        let requests = registry.requests().into_iter();
        let mut asked: Vec<String> =
            requests.filter(|request| request.contains(" /v2/library/busybox/manifests/t")).collect();
        asked.retain(|request| request.starts_with("GET "));
        asked.sort();
        asked
    };

    context.run(["lock"]).success();
    let mut expected: Vec<String> =
        (0..VARIANTS).map(|number| format!("GET /v2/library/busybox/manifests/t{number} 200")).collect();
    expected.sort();
    assert_eq!(asked(), expected);
    let lock = context.read("oci.lock");
    for number in 0..VARIANTS {
        assert!(lock.contains(&format!("\"many#v{number}\"")), "v{number} in {lock}");
        assert!(lock.contains(&format!("\"t{number}\"")), "t{number} in {lock}");
    }
    assert_eq!(lock.matches(&format!("digest = \"{digest}\"")).count(), VARIANTS);

    let before = registry.requests().len();
    context.run(["lock"]).success();
    context.run(["lock", "--check"]).success();
    assert_eq!(registry.requests().len(), before);
    assert_eq!(context.read("oci.lock"), lock);
}

#[test]
fn a_configuration_that_is_known_is_not_asked_for() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/busybox", "1");
    let repository = registry.repository("library/busybox");
    let context = TestContext::with_manifest(&format!("[base.a]\nrepository = \"{repository}\"\ntag = \"1\"\n"));
    context.run(["lock"]).success();
    let configurations = || registry.requests().iter().filter(|request| request.contains("/blobs/")).count();
    let before = configurations();
    assert!(before > 0);
    context.run(["update"]).success();
    assert_eq!(configurations(), before);
}
