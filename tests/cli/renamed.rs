//! A base that is renamed in `oci.toml` keeps its pin, however far its tag has moved since.

use serde_json::{Value, json};

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext};

const TABLES: &str = "[base.old]\nrepository = \"{}\"\ntag = \"1\"\n[build.app]\nbase = \"old\"\n";

/// A project whose base was pinned before its tag moved: the pinned digest, and the new one.
fn pinned(registry: &Registry, tables: &str) -> (TestContext, [String; 2]) {
    let before = images::push(registry, Base::Busybox, "library/moving", "1");
    let context = TestContext::with_manifest(&tables.replace("{}", &registry.repository("library/moving")));
    context.run(["lock"]).success();
    (context, [before, images::push(registry, Base::Merged, "library/moving", "1")])
}

/// A digest as people are shown it.
fn short(digest: &str) -> String {
    format!("{}…", &digest[..19])
}

/// Replaces a text in the manifest everywhere.
fn edit(context: &TestContext, old: &str, new: &str) {
    context.write("oci.toml", context.read("oci.toml").replace(old, new));
}

#[test]
fn lock_carries_the_pin_over_and_says_so() {
    let registry = Registry::start();
    let (context, [before, _]) = pinned(&registry, TABLES);
    let lock = context.read("oci.lock");
    edit(&context, "old", "new");
    let asked = registry.requests().len();
    let dry = context.run(["lock", "--dry-run"]).success();
    assert_eq!(
        (dry.stdout(), context.read("oci.lock")),
        (format!("new  1  {} (was old)\n", short(&before)), lock.clone())
    );
    let data: Value = serde_json::from_str(&context.run(["lock", "--dry-run", "--json"]).success().stdout()).unwrap();
    let change = json!({ "name": "new", "was": "old", "tag": "1", "old": before, "new": before });
    assert_eq!(data, json!({ "changed": [change] }));
    let told = context.run(["lock"]).success();
    assert_eq!(told.stdout(), dry.stdout());
    assert!(told.stderr().contains("the pin of `old` is carried over to `new`"), "{told}");
    assert_eq!(context.read("oci.lock"), lock.replace("\"old\"", "\"new\""));
    assert_eq!(registry.requests().len(), asked);
    context.run(["lock", "--check"]).success();
}

/// Without a network, too: nobody has to be asked.
#[test]
fn a_build_carries_it_over_and_says_so() {
    let registry = Registry::start();
    let (context, [before, _]) = pinned(&registry, TABLES);
    context.run(["fetch"]).success();
    let lock = context.read("oci.lock");
    edit(&context, "old", "new");
    let planned = context.run(["build", "--dry-run", "--offline"]).success();
    assert!(!planned.stdout().contains("resolve"), "{planned}");
    assert_eq!(context.read("oci.lock"), lock);
    let told = context.run(["build", "--offline"]).success();
    assert!(told.stderr().contains("the pin of `old` is carried over to `new`"), "{told}");
    assert_eq!(context.read("oci.lock"), lock.replace("\"old\"", "\"new\""));
    let again = context.run(["build"]).success();
    assert!(!again.stderr().contains("carried over") && context.read("oci.lock").contains(&before), "{again}");
}

#[test]
fn where_the_lockfile_may_not_change_it_is_stale() {
    let registry = Registry::start();
    let (context, _) = pinned(&registry, TABLES);
    let lock = context.read("oci.lock");
    edit(&context, "old", "new");
    assert_outcome!(context.run(["build", "--locked"]).failure(1));
    for arguments in [["lock", "--locked"], ["lock", "--check"], ["check", "--locked"], ["check", "--frozen"]] {
        context.run(arguments).failure(1);
    }
    let told = context.run(["check"]).success();
    assert!(told.stderr().contains("`oci.lock` pins `new` under the name `old`"), "{told}");
    assert_eq!(context.run(["lock", "--check"]).stdout(), "new  renamed (was old)\n");
    assert_eq!(context.read("oci.lock"), lock);
}

#[test]
fn variants_are_carried_over_each_under_its_name() {
    let registry = Registry::start();
    let tables = "[base.old]\nrepository = \"{}\"\nvariants = { one = \"1\", two = \"1\" }\n";
    let (context, _) = pinned(&registry, tables);
    let lock = context.read("oci.lock");
    edit(&context, "base.old", "base.new");
    context.run(["lock"]).success();
    assert_eq!(context.read("oci.lock"), lock.replace("\"old#", "\"new#"));
    edit(&context, "two =", "other =");
    context.run(["lock"]).success();
    assert_eq!(context.read("oci.lock"), lock.replace("\"old#two", "\"new#other").replace("\"old#", "\"new#"));
}

#[test]
fn what_is_renamed_and_changed_is_resolved_again() {
    let registry = Registry::start();
    let (context, [before, after]) = pinned(&registry, TABLES);
    images::push(&registry, Base::Merged, "library/moving", "2");
    edit(&context, "tag = \"1\"", "tag = \"2\"");
    edit(&context, "old", "new");
    let told = context.run(["lock"]).success();
    assert!(!told.stderr().contains("carried over"), "{told}");
    let lock = context.read("oci.lock");
    assert!(lock.contains(&after) && !lock.contains(&before), "{lock}");
}

/// Both names are still there, so each is a base that was changed.
#[test]
fn names_that_were_swapped_are_resolved_again() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/moving", "2");
    let tables = "[base.a]\nrepository = \"{}\"\ntag = \"1\"\n[base.b]\nrepository = \"{}\"\ntag = \"2\"\n";
    let (context, [_, after]) = pinned(&registry, tables);
    edit(&context, "[base.a]", "[base.c]");
    edit(&context, "[base.b]", "[base.a]");
    edit(&context, "[base.c]", "[base.b]");
    let told = context.run(["lock"]).success();
    assert!(!told.stderr().contains("carried over"), "{told}");
    assert!(context.read("oci.lock").contains(&after));
}

#[test]
fn update_moves_what_it_is_asked_for_and_carries_the_rest() {
    let registry = Registry::start();
    let tables = "[base.old]\nrepository = \"{}\"\ntag = \"1\"\n[base.other]\nrepository = \"{}\"\ntag = \"1\"\n";
    let (context, [before, after]) = pinned(&registry, tables);
    edit(&context, "base.old", "base.new");
    let told = context.run(["update", "other"]).success();
    let expected = format!("new  1  {} (was old)\nother  1  {} -> {}\n", short(&before), short(&before), short(&after));
    assert_eq!(told.stdout(), expected);
    edit(&context, "base.new", "base.newer");
    let told = context.run(["update"]).success();
    assert_eq!(told.stdout(), format!("newer  1  {} -> {} (was new)\n", short(&before), short(&after)));
    assert!(!context.read("oci.lock").contains(&before));
}
