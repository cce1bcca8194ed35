//! `oci outdated`: tags that have moved, told and left alone.

use serde_json::{Value, json};

use crate::support::images::{self, Base};
use crate::support::{Registry, TestContext};

#[test]
fn lists_the_tags_that_have_moved() {
    let registry = Registry::start();
    let old = images::push(&registry, Base::Busybox, "library/python", "moves");
    images::push(&registry, Base::Busybox, "library/python", "stays");
    let context = TestContext::with_manifest(&format!(
        "[base.python]\nrepository = \"{}\"\n[base.python.variants]\nmoves = \"moves\"\nstays = \"stays\"\n\
         digest = \"{old}\"\nboth = {{ tag = \"moves\", digest = \"{old}\" }}\n",
        registry.repository("library/python"),
    ));
    context.run(["lock"]).success();
    let before = context.read("oci.lock");
    for arguments in [["outdated", "--quiet"], ["outdated", "--exit-code"]] {
        assert_eq!(context.run(arguments).success().stdout(), "");
    }
    let new = images::push(&registry, Base::Merged, "library/python", "moves");
    let told = context.run(["outdated"]).success().stdout();
    let lines = ["both", "moves"].map(|name| format!("python#{name}  moves  {}… -> {}…\n", &old[..19], &new[..19]));
    assert_eq!(told, lines.concat());
    assert_eq!(context.run(["outdated", "--exit-code"]).failure(1).stdout(), told);
    let as_json = context.run(["outdated", "--json"]).success().stdout();
    let expected = ["python#both", "python#moves"]
        .map(|name| json!({ "name": name, "tag": "moves", "locked": old, "current": new }));
    assert_eq!(serde_json::from_str::<Value>(&as_json).unwrap(), json!({ "outdated": expected }));
    assert_eq!(context.read("oci.lock"), before);
}

#[test]
fn what_cannot_be_asked_hides_nothing() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/python", "1");
    let repository = registry.repository("library/python");
    let context = TestContext::with_manifest(&format!(
        "[base.python]\nrepository = \"{repository}\"\n[base.python.variants]\nnever = \"nosuch\"\nnew = \"1\"\n"
    ));
    let outcome = context.run(["outdated"]).failure(1);
    assert!(outcome.stdout().starts_with("python#new  1  none -> sha256:"), "{outcome}");
    assert!(outcome.stderr().contains("oci::resolve::tag_not_found"), "{outcome}");
    assert!(!context.project().join("oci.lock").exists());
}
