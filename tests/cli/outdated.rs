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

/// The test's bases are of 2024-01-01, long ago whatever the clock says; the limits are on both sides.
#[test]
fn lists_the_bases_that_are_too_old() {
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, "library/python", "1");
    let with_limit = |days: u32| {
        format!(
            "[policy]\nmax-age-days = {days}\n[base.python]\nrepository = \"{}\"\n[base.python.variants]\n\
             tagged = \"1\"\npinned = \"{digest}\"\n",
            registry.repository("library/python")
        )
    };
    let context = TestContext::with_manifest(&with_limit(100));
    // What is not pinned has no age.
    assert!(!context.run(["outdated"]).success().stdout().contains("days old"));
    context.run(["lock"]).success();
    let before = context.read("oci.lock");
    let told = context.run(["outdated"]).success().stdout();
    let mut lines = told.lines();
    for named in [format!("python#pinned  {}…  ", &digest[..19]), "python#tagged  1  ".to_owned()] {
        let line = lines.next().unwrap_or_else(|| panic!("no {named} in {told}"));
        let days = line.strip_prefix(&named).and_then(|rest| rest.strip_suffix(" days old"));
        assert!(days.unwrap().parse::<u32>().unwrap() > 500, "{told}");
    }
    assert_eq!(lines.next(), None);
    assert_eq!(context.run(["outdated", "--exit-code"]).failure(1).stdout(), told);
    let found: Value = serde_json::from_str(&context.run(["outdated", "--json"]).success().stdout()).unwrap();
    assert_eq!((&found["outdated"], &found["unknown-age"]), (&json!([]), &json!([])));
    let tagged = &found["too-old"][1];
    assert_eq!((&tagged["name"], &tagged["locked"]), (&json!("python#tagged"), &json!(digest)));
    assert!(tagged["age-days"].as_u64().unwrap() > 500, "{found}");
    assert_eq!(context.read("oci.lock"), before);
    context.write("oci.toml", with_limit(1_000_000));
    assert_eq!(context.run(["outdated", "--exit-code"]).success().stdout(), "");
}

/// Reproducible images are of 1970, or of no time at all.
#[test]
fn bases_that_do_not_say_when_they_were_made_are_of_unknown_age() {
    let registry = Registry::start();
    let made = TestContext::with_manifest(&format!(
        "[project]\nsource-date-epoch = 0\n[build.made]\nbase = \"scratch\"\n\
         packages = [{{ text = \"1\", to = \"/one\" }}]\nrepository = \"{}\"\n",
        registry.repository("acme/made")
    ));
    made.run(["publish"]).success();
    let context = TestContext::with_manifest(&format!(
        "[policy]\nmax-age-days = 1\n[base.made]\nrepository = \"{}\"\ntag = \"latest\"\n",
        registry.repository("acme/made")
    ));
    context.run(["lock"]).success();
    let outcome = context.run(["outdated", "--exit-code"]).success();
    assert!(outcome.stderr().contains("of unknown age") && outcome.stderr().contains("`made`"), "{outcome}");
    let found: Value = serde_json::from_str(&context.run(["outdated", "--json"]).success().stdout()).unwrap();
    assert_eq!(found, json!({ "outdated": [], "too-old": [], "unknown-age": ["made"] }));
}
