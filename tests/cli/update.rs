//! `oci update`, and `--dry-run` of it and of `oci lock`: what moves a pin, and what only says so.

use serde_json::{Value, json};

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext};

/// A base with two variants, and one without; all tags then move from busybox to merged.
fn moved(registry: &Registry) -> (TestContext, String, String) {
    for (repository, tag) in [("library/python", "slim"), ("library/python", "full"), ("library/debian", "12")] {
        images::push(registry, Base::Busybox, repository, tag);
    }
    let context = TestContext::with_manifest(&format!(
        "[base.python]\nrepository = \"{}\"\n[base.python.variants]\nslim = \"slim\"\nfull = \"full\"\n\n\
         [base.debian]\nrepository = \"{}\"\ntag = \"12\"\n",
        registry.repository("library/python"),
        registry.repository("library/debian"),
    ));
    context.run(["lock"]).success();
    let old = registry.digest("library/debian", "12");
    for (repository, tag) in [("library/python", "slim"), ("library/python", "full"), ("library/debian", "12")] {
        images::push(registry, Base::Merged, repository, tag);
    }
    (context, old, registry.digest("library/debian", "12"))
}

/// The names whose entries have this digest.
fn pinned_to(context: &TestContext, digest: &str) -> Vec<String> {
    let lock = context.read("oci.lock");
    let entries = lock.split("\n[image.\"").filter(|entry| entry.contains(&format!("\ndigest = \"{digest}\"")));
    entries.map(|entry| entry.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn moves_what_is_named_and_nothing_else() {
    let registry = Registry::start();
    let (context, old, new) = moved(&registry);
    context.run(["lock"]).success();
    assert_eq!(pinned_to(&context, &old), ["debian", "python#full", "python#slim"]);
    let outcome = context.run(["update", ":python#slim"]).success();
    assert_eq!(outcome.stdout(), format!("python#slim  slim  {} -> {}\n", short(&old), short(&new)));
    assert_eq!(pinned_to(&context, &new), ["python#slim"]);
    context.run(["update", "python"]).success();
    assert_eq!(pinned_to(&context, &new), ["python#full", "python#slim"]);
    let outcome = context.run(["update", "--json"]).success();
    let expected = json!({ "changed": [{ "name": "debian", "tag": "12", "old": old, "new": new }] });
    assert_eq!(serde_json::from_str::<Value>(&outcome.stdout()).unwrap(), expected);
    assert_eq!(pinned_to(&context, &new), ["debian", "python#full", "python#slim"]);
    assert_eq!(context.run(["update"]).success().stdout(), "");
}

fn short(digest: &str) -> String {
    format!("{}…", &digest[..19])
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let registry = Registry::start();
    let (context, old, _) = moved(&registry);
    let before = context.read("oci.lock");
    let dry = context.run(["update", "--dry-run"]).success();
    assert_eq!(context.read("oci.lock"), before);
    assert_eq!(dry.stdout().lines().count(), 3);
    context.write("oci.toml", context.read("oci.toml").replace("[base.debian]", "[base.other]"));
    let dry = context.run(["lock", "--dry-run"]).success();
    assert_eq!(context.read("oci.lock"), before);
    assert!(dry.stdout().contains(&format!("other  12  {} (was debian)", short(&old))), "{dry}");
    context.write("oci.toml", context.read("oci.toml").replace("tag = \"12\"", "tag = \"12-slim\""));
    images::push(&registry, Base::Busybox, "library/debian", "12-slim");
    let dry = context.run(["lock", "--dry-run"]).success();
    assert!(dry.stdout().contains(&format!("debian  12  {} -> none", short(&old))), "{dry}");
    assert!(dry.stdout().contains("other  12-slim  none -> "), "{dry}");
    assert_eq!(context.run(["lock"]).success().stdout(), dry.stdout());
}

#[test]
fn a_name_that_is_none() {
    let context = TestContext::with_manifest(
        "[base.python]\nrepository = \"registry.invalid/library/python\"\n[base.python.variants]\nslim = \"3-slim\"\n",
    );
    assert_outcome!(context.run(["update", "pyton", "python#slm", "python#slim"]).failure(2));
    assert!(!context.project().join("oci.lock").exists());
}

#[test]
fn what_asks_is_refused_where_asking_is() {
    let context = TestContext::with_manifest("");
    assert_outcome!(context.run(["update", "--locked"]).failure(2));
    for command in ["update", "outdated"] {
        context.run([command, "--offline"]).failure(2);
        context.run([command, "--frozen"]).failure(2);
    }
    context.run(["add", "a", "python", "--offline"]).failure(2);
    assert_eq!(context.read("oci.toml"), "");
}
