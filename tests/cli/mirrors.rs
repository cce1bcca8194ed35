//! `[registry.…] mirrors`: asked first, and never to be relied upon.

use std::fs;

use serde_json::json;

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Outcome, Registry, TestContext};

const NAME: &str = "library/busybox";

fn host(repository: &str) -> &str {
    repository.split('/').next().unwrap()
}

/// A base in this repository and a build on it; the registry has these mirrors.
fn context(repository: &str, mirrors: &[&str]) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[base.busybox]\nrepository = \"{repository}\"\ntag = \"1\"\n\n\
         [build.app]\nbase = \"busybox\"\npackages = [\"app\"]\n\n\
         [registry.\"{}\"]\nmirrors = {}\n",
        host(repository),
        json!(mirrors)
    ));
    context.write_program("app", "#!/bin/sh\n");
    context
}

/// Forgets what was locked and what was brought.
fn forget(context: &TestContext) {
    fs::remove_file(context.project().join("oci.lock")).unwrap();
    fs::remove_dir_all(context.root().join("cache")).unwrap();
}

fn notes(outcome: &Outcome) -> usize {
    outcome.stderr().matches("the mirror `").count()
}

#[test]
fn a_dry_run_shows_that_they_are_asked_first() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    images::push(&mirror, Base::Busybox, &format!("hub/{NAME}"), "1");
    let repository = registry.repository(NAME);
    let context = context(&repository, &[&mirror.repository("hub")]);
    let shown = || {
        let told = context.run(["build", "--dry-run"]).success().stdout();
        assert!(told.contains(&format!("docker://{}", mirror.repository("hub"))), "{told}");
        assert!(!told.contains(&format!("docker://{repository}")), "{told}");
        told
    };
    assert!(shown().contains("resolve"));
    context.run(["lock"]).success();
    fs::remove_dir_all(context.root().join("cache")).unwrap();
    assert!(shown().contains("--config --raw"));
}

/// The registry is never asked, not even by another name; nothing in the lockfile tells where it came from.
#[test]
fn serve_everything_that_is_read() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    images::push(&mirror, Base::Busybox, &format!("hub/{NAME}"), "1");
    let repository = registry.repository(NAME);
    let context = context(&repository, &[&mirror.repository("hub")]);
    context.run(["lock"]).success();
    let lock = context.read("oci.lock");
    assert!(lock.contains(&format!("repository = \"{repository}\"")) && !lock.contains(&mirror.host()), "{lock}");
    context.run(["build"]).success();
    context.run(["fetch"]).success();
    context.run(["outdated", "--exit-code"]).success();
    context.run(["update"]).success();
    context.run(["add", "other", &format!("{repository}:1")]).success();
    assert_eq!(registry.requests(), Vec::<String>::new());
    // The nearest tags are those of the mirror, as long as it has some.
    context.write("oci.toml", context.read("oci.toml").replace("tag = \"1\"", "tag = \"12\""));
    let outcome = context.run(["lock"]).failure(1);
    assert!(outcome.stderr().contains("nearest tags that it has: `1`"), "{outcome}");
}

/// As everywhere where there are mirrors: for a tag the first answer counts.
#[test]
fn decide_what_a_tag_is() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    images::push(&registry, Base::Merged, NAME, "1");
    let digest = images::push(&mirror, Base::Busybox, NAME, "1");
    let context = context(&registry.repository(NAME), &[&mirror.host()]);
    assert!(context.run(["lock"]).success().stdout().contains(&digest[..19]));
    // A pinned digest has to match wherever the image comes from, or the image is refused.
    fs::remove_dir_all(context.root().join("cache")).unwrap();
    drop(mirror);
    let outcome = context.run(["build"]).failure(1);
    assert!(outcome.stderr().contains("oci::resolve::digest_not_found"), "{outcome}");
}

#[test]
fn that_lack_an_image_are_passed_over_quietly() {
    let (registry, empty, mirror) = (Registry::start(), Registry::start(), Registry::start());
    images::push(&registry, Base::Busybox, NAME, "1");
    let context = context(&registry.repository(NAME), &[&empty.host(), &mirror.repository("hub")]);
    assert_eq!(notes(&context.run(["lock"]).success()), 0);
    forget(&context);
    let told = context.run(["lock", "--verbose"]).success();
    assert!(notes(&told) >= 2, "{told}");
    context.run(["fetch"]).success();
    // The second one is asked, and not only the first.
    images::push(&mirror, Base::Busybox, &format!("hub/{NAME}"), "1");
    forget(&context);
    let before = registry.requests().len();
    context.run(["fetch"]).success();
    assert_eq!(registry.requests().len(), before);
}

#[test]
fn that_do_not_work_are_asked_once_and_told() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, NAME, "1");
    let broken = FaultyRegistry::in_front_of(&registry);
    broken.set_faults(&json!([{ "match": ".", "do": "status", "argument": 503 }]));
    let mirrors = ["127.0.0.1:1", &broken.repository("hub"), "nosuch.invalid"];
    let context = context(&registry.repository(NAME), &mirrors);
    let outcome = context.run(["fetch"]).success();
    for mirror in mirrors {
        let told = outcome.stderr().matches(&format!("going on without the mirror `{mirror}`")).count();
        assert_eq!(told, 1, "{outcome}");
    }
    assert_eq!(outcome.stderr().matches("trying again").count(), 0, "{outcome}");
    // Offline, nobody is asked at all.
    assert_eq!(notes(&context.run(["build", "--offline"]).success()), 0);
}

/// Manifest, config and layer: wrong bytes, a half answer and a login page come to nothing.
#[test]
fn that_lie_are_never_believed() {
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, NAME, "1");
    let mirror = FaultyRegistry::in_front_of(&registry);
    let context = context(&registry.repository(NAME), &[host(&mirror.repository(""))]);
    let (layer, page) = (images::layers(Base::Busybox)[0].clone(), "<!DOCTYPE html><title>Log in</title>");
    let by_digest = "/manifests/sha256:";
    for (fault, commands) in [
        (json!({ "match": "/manifests/1", "do": "replace", "body": page }), ["lock", "fetch"]),
        (json!({ "match": "/manifests/1", "do": "truncate", "argument": 40 }), ["lock", "fetch"]),
        (json!({ "match": by_digest, "do": "corrupt", "argument": 60 }), ["lock", "fetch"]),
        (json!({ "match": format!("/blobs/{layer}"), "do": "corrupt", "argument": 100 }), ["lock", "fetch"]),
        (json!({ "match": format!("/blobs/{layer}"), "do": "truncate", "argument": 1000 }), ["lock", "fetch"]),
        (json!({ "match": "/blobs/", "do": "corrupt", "argument": 10 }), ["lock", "build"]),
    ] {
        mirror.set_faults(&json!([fault]));
        let outcomes = commands.map(|command| context.run([command]).success());
        assert!(outcomes.iter().map(notes).sum::<usize>() >= 1, "{fault}\n{}\n{}", outcomes[0], outcomes[1]);
        assert!(context.read("oci.lock").contains(&digest), "{fault}");
        mirror.set_faults(&json!([]));
        context.run(["build", "--complete", "--offline"]).failure(if commands[1] == "build" { 1 } else { 0 });
        forget(&context);
    }
}

#[test]
fn that_all_fail_leave_the_error_to_the_registry() {
    let (registry, empty) = (Registry::start(), Registry::start());
    let broken = FaultyRegistry::in_front_of(&registry);
    broken.set_faults(&json!([{ "match": ".", "do": "status", "argument": 403 }]));
    let mirrors = ["127.0.0.1:1", &broken.repository("hub"), &empty.host()];
    let context = context(&registry.repository(NAME), &mirrors);
    assert_outcome!(context.run(["lock"]).failure(1));
}

/// A mirror is talked to as its own table says, and the registry's credentials are not for it.
#[test]
fn have_settings_of_their_own() {
    let (registry, mirror) = (Registry::start(), Registry::start_with_accounts());
    let secured = FaultyRegistry::with_tls(&mirror);
    let at = secured.strict_repository("hub");
    let context = context(&registry.repository(NAME), &[&at]);
    let credentials = context.project().join("auth.json");
    mirror.write_credentials(&credentials);
    images::push_with_credentials(&mirror, Base::Busybox, &format!("hub/{NAME}"), "1", &credentials);
    context.write("auth.json", context.read("auth.json").replace(&mirror.host(), host(&at)));
    fs::create_dir(context.project().join("certificates")).unwrap();
    fs::copy(secured.authority(), context.project().join("certificates/ca.crt")).unwrap();
    let bare = context.read("oci.toml");
    let lock = |settings: &str| {
        context.write("oci.toml", format!("{bare}{settings}"));
        context.run(["lock"])
    };
    let certificate = format!("[registry.\"{}\"]\ncert-dir = \"certificates\"\n", host(&at));
    for (settings, said) in
        [("auth-file = \"auth.json\"\n", "could not verify that"), (certificate.as_str(), "wants to know who asks")]
    {
        let outcome = lock(settings).failure(1);
        assert!(outcome.stderr().contains(said), "{outcome}");
    }
    let known = format!("{certificate}auth-file = \"auth.json\"\n");
    lock(&known).success();
    context.run(["fetch"]).success();
    forget(&context);
    let anonymous = context.read("oci.toml").replace("tag = \"1\"", "tag = \"1\"\nanonymous = true");
    context.write("oci.toml", anonymous);
    let outcome = context.run(["lock"]).failure(1);
    assert!(outcome.stderr().contains("wants to know who asks"), "{outcome}");
}
