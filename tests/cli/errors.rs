//! What a person sees when something is wrong: the exit status and every line, as snapshots.

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Outcome, Registry, TestContext, project};

/// A manifest with a base in this repository, and a build on it.
fn on_base(repository: &str, pin: &str) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[base.busybox]\nrepository = \"{repository}\"\n{pin}\n\n[build.app]\nbase = \"busybox\"\npackages = [\"app\"]\n"
    ));
    context.write_program("app", "#!/bin/sh\n");
    context
}

/// A manifest that is wrong by itself: every command says so, without asking anybody.
fn wrong(manifest: &str) -> Outcome {
    let context = TestContext::with_manifest(manifest);
    let built = context.run(["build"]).failure(2);
    let locked = context.run(["lock", "--offline"]).failure(2);
    assert_eq!(locked.to_string(), built.to_string());
    built
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_outcome!(wrong("[build.app]\nbase = \"scratch\"\npackges = [\"app\"]\n"));
}

#[test]
fn an_unknown_base() {
    assert_outcome!(wrong(
        "[base.python]\nrepository = \"docker.io/library/python\"\ntag = \"3\"\n\n[build.app]\nbase = \"pyton\"\n"
    ));
}

#[test]
fn a_variant_that_does_not_exist() {
    assert_outcome!(wrong(
        "[base.python]\nrepository = \"docker.io/library/python\"\n[base.python.variants]\nslim = \"3-slim\"\n\
         buster = \"3-buster\"\n\n[build.app]\nbase = \":python#slm\"\n"
    ));
}

#[test]
fn a_base_with_variants_named_without_one() {
    assert_outcome!(wrong(
        "[base.python]\nrepository = \"docker.io/library/python\"\n[base.python.variants]\nslim = \"3-slim\"\n\n\
         [build.app]\nbase = \"python\"\n"
    ));
}

#[test]
fn a_short_name_of_a_repository() {
    assert_outcome!(wrong("[base.python]\nrepository = \"python\"\ntag = \"3\"\n"));
}

#[test]
fn several_mistakes_at_once() {
    assert_outcome!(wrong(
        "[project]\nplatforms = [\"linux/amd46\"]\n\n[base.a]\nrepository = \"example.com/a\"\n\n\
         [build.app]\nbase = \"b\"\ntag = \"1\"\ntags = [\"2\"]\nentrypoint = \"run me\"\n"
    ));
}

#[test]
fn a_cycle_of_builds() {
    assert_outcome!(wrong("[build.a]\nbase = \"b\"\n\n[build.b]\nbase = \"a\"\n"));
}

#[test]
fn what_is_not_toml() {
    assert_outcome!(wrong("[build.app\nbase = \"scratch\"\n"));
}

#[test]
fn no_manifest() {
    assert_outcome!(TestContext::new().run(["build"]).failure(2));
}

#[test]
fn a_build_that_does_not_exist() {
    let context = TestContext::with_manifest("[build.my-server]\nbase = \"scratch\"\n");
    assert_outcome!(context.run(["build", "my-sever"]).failure(2));
}

#[test]
fn a_package_file_that_is_missing() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scratch\"\npackages = [\"dist/app\"]\n");
    assert_outcome!(context.run(["build"]).failure(1));
}

#[test]
fn a_package_pattern_that_matches_nothing() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scratch\"\npackages = [\"dist/*.whl\"]\n");
    assert_outcome!(context.run(["build"]).failure(1));
}

#[test]
fn a_tag_that_does_not_exist_names_the_nearest_ones() {
    let registry = Registry::start();
    for tag in ["1.36", "1.37", "latest"] {
        images::push(&registry, Base::Busybox, "library/busybox", tag);
    }
    let context = on_base(&registry.repository("library/busybox"), "tag = \"1.38\"");
    assert_outcome!(context.run(["lock"]).failure(1));
    assert!(!context.project().join("oci.lock").exists());
}

#[test]
fn a_repository_that_does_not_exist() {
    let registry = Registry::start();
    let context = on_base(&registry.repository("library/nothing"), "tag = \"1\"");
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn a_registry_that_refuses_the_connection() {
    let repository = Registry::start().repository("library/busybox");
    let context = on_base(&repository, "tag = \"1\"");
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn a_host_that_nobody_knows() {
    let context = on_base("registry.invalid/library/busybox", "tag = \"1\"");
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn a_registry_that_wants_credentials() {
    let registry = Registry::start_with_accounts();
    let context = on_base(&registry.repository("library/busybox"), "tag = \"1\"");
    assert_outcome!(context.run(["lock"]).failure(1));
}

#[test]
fn a_platform_that_the_base_has_not() {
    let registry = Registry::start();
    images::push(&registry, Base::Foreign, "library/busybox", "1");
    let platforms = "tag = \"1\"\n\n[project]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]";
    let context = on_base(&registry.repository("library/busybox"), platforms);
    assert_outcome!(context.run(["build"]).failure(1));
}

#[test]
fn a_tool_that_is_not_where_it_was_said_to_be() {
    let registry = Registry::start();
    let context = on_base(&registry.repository("library/busybox"), "tag = \"1\"");
    assert_outcome!(context.finish(context.oci().env("OCI_SKOPEO", "/nonexistent").arg("lock")).failure(1));
}

#[test]
fn a_tool_that_is_not_on_the_path() {
    let registry = Registry::start();
    let context = on_base(&registry.repository("library/busybox"), "tag = \"1\"");
    assert_outcome!(context.finish(context.oci().env("PATH", "/nowhere").arg("lock")).failure(1));
}

#[test]
fn a_runtime_that_is_missing_is_125() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["build"]).success();
    let outcome = context.finish(context.oci().env("OCI_RUNC", "/nonexistent").args(["run", "app"]));
    assert_outcome!(outcome.failure(125));
}

#[test]
fn a_flag_in_the_environment_is_on_or_off() {
    let context = on_base("registry.invalid/library/busybox", "tag = \"1\"");
    for value in ["1", "true", "yes"] {
        let outcome = context.finish(context.oci().env("OCI_LOCKED", value).arg("build")).failure(1);
        assert!(outcome.stderr().contains("`--locked` forbids"), "{value}: {}", outcome.stderr());
    }
    for value in ["0", "false", ""] {
        let outcome =
            context.finish(context.oci().env("OCI_LOCKED", value).env("OCI_OFFLINE", "1").arg("build")).failure(1);
        assert!(outcome.stderr().contains("`--offline` forbids"), "{value}: {}", outcome.stderr());
    }
}

#[test]
fn locked_without_a_lockfile() {
    let context = on_base("registry.invalid/library/busybox", "tag = \"1\"");
    assert_outcome!(context.run(["build", "--locked"]).failure(1));
    assert!(!context.project().join("oci.lock").exists());
}

#[test]
fn frozen_with_a_stale_lockfile() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["lock"]).success();
    let before = context.read("oci.lock");
    let manifest = context.read("oci.toml");
    context.write("oci.toml", manifest.replace("tag = \"latest\"", "tag = \"newer\""));
    assert_outcome!(context.run(["build", "--frozen"]).failure(1));
    assert_eq!(context.read("oci.lock"), before);
}

#[test]
fn frozen_with_a_cold_cache() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["lock"]).success();
    std::fs::remove_dir_all(context.root().join("cache")).unwrap();
    assert_outcome!(context.run(["build", "--frozen"]).failure(1));
}

#[test]
fn a_lockfile_with_a_merge_conflict() {
    let context = on_base("registry.invalid/library/busybox", "tag = \"1\"");
    context.write("oci.lock", "version = 1\n<<<<<<< ours\n=======\n>>>>>>> theirs\n");
    assert_outcome!(context.run(["build"]).failure(2));
}

#[test]
fn a_lockfile_from_the_future() {
    let context = on_base("registry.invalid/library/busybox", "tag = \"1\"");
    context.write("oci.lock", "version = 2\n");
    assert_outcome!(context.run(["build"]).failure(2));
}

#[test]
fn publishing_what_has_no_repository() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scratch\"\n");
    context.run(["publish"]).failure(1);
    assert_outcome!(context.run(["publish", "app"]).failure(2));
}

#[test]
fn publishing_to_a_registry_that_wants_credentials() {
    let registry = Registry::start_with_accounts();
    let repository = registry.repository("acme/app");
    let context =
        TestContext::with_manifest(&format!("[build.app]\nbase = \"scratch\"\nrepository = \"{repository}\"\n"));
    assert_outcome!(context.run(["publish"]).failure(1));
}

#[test]
fn packages_that_disagree_about_many_paths() {
    let two = "packages = [{ path = \"a\", to = \"/\" }, { path = \"b\", to = \"/\" }]";
    let context = TestContext::with_manifest(&format!("[build.app]\nbase = \"scratch\"\n{two}\n"));
    for name in ["x", "y", "z\u{1b}[2J"] {
        context.write(&format!("a/{name}"), "of a");
        context.write(&format!("b/{name}"), "of b");
    }
    assert_outcome!(context.run(["build"]).failure(1));
    for line in [["build", "-v"], ["--verbose", "build"]] {
        let told = context.run(line).failure(1);
        assert!(told.stderr().ends_with("  also: `/y`\n  also: `/z`\n"), "{told}");
    }
    let told = context.run(["build", "--json"]).failure(1);
    let error: serde_json::Value = serde_json::from_str(told.stderr().lines().last().unwrap()).unwrap();
    let others: Vec<&str> =
        error["related"].as_array().unwrap().iter().map(|other| other["message"].as_str().unwrap()).collect();
    assert_eq!((others.len(), others[0]), (2, "`/y`"), "{told}");
}

#[test]
fn with_json_an_error_is_json_too() {
    let context = TestContext::with_manifest("[build.app]\nbase = \"scrach\"\n");
    let outcome = context.run(["build", "--json"]).failure(2);
    for line in outcome.stderr().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(outcome.stdout(), "");
    assert_outcome!(outcome);
}
