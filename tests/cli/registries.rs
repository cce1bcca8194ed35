//! `[registry.…]`: every command talks to a registry as the manifest says.

use std::fs;

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::registry::PASSWORD;
use crate::support::{Registry, TestContext};

/// A base in `from`, a build on it that is published to `to`, and how registries are talked to.
fn manifest(from: &str, to: &str, settings: &str) -> String {
    format!(
        "[base.busybox]\nrepository = \"{from}\"\ntag = \"1\"\n\n\
         [build.app]\nbase = \"busybox\"\npackages = [\"app\"]\nrepository = \"{to}\"\n\n{settings}"
    )
}

fn host(repository: &str) -> &str {
    repository.split('/').next().unwrap()
}

fn context(manifest: &str) -> TestContext {
    let context = TestContext::with_manifest(manifest);
    context.write_program("app", "#!/bin/sh\n");
    context
}

#[test]
fn an_insecure_one_is_read_and_written_over_plain_http() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    images::push(&registry, Base::Busybox, "library/busybox", "1");
    let (from, to) = (proxy.strict_repository("library/busybox"), proxy.strict_repository("acme/app"));
    let settings = format!("[registry.\"{}\"]\ninsecure = true\n", host(&from));
    let context = context(&manifest(&from, &to, &settings));
    context.run(["lock"]).success();
    context.run(["update"]).success();
    context.run(["outdated", "--exit-code"]).success();
    context.run(["fetch"]).success();
    let outcome = context.run(["publish"]).success();
    assert_eq!(outcome.stdout(), format!("{to}@{}\n", registry.digest("acme/app", "latest")));
    // `oci add` asks as the manifest says, too.
    context.run(["add", "other", &format!("{from}:1")]).success();
}

#[test]
fn a_certificate_and_credentials_of_its_own() {
    let registry = Registry::start_with_accounts();
    let proxy = FaultyRegistry::with_tls(&registry);
    let (from, to) = (proxy.strict_repository("library/busybox"), registry.repository("acme/app"));
    let context = context("");
    let (certificates, credentials) = (context.project().join("certificates"), context.project().join("auth.json"));
    fs::create_dir(&certificates).unwrap();
    fs::copy(proxy.authority(), certificates.join("ca.crt")).unwrap();
    registry.write_credentials(&credentials);
    images::push_with_credentials(&registry, Base::Busybox, "library/busybox", "1", &credentials);
    let known = context.read("auth.json");
    context.write("both.json", known.replace(&registry.host(), host(&from)));

    let (certificate, account) = ("cert-dir = \"certificates\"\n", "auth-file = \"both.json\"\n");
    let lock = |settings: &str| {
        let settings = format!("[registry.\"{}\"]\n{settings}", host(&from));
        context.write("oci.toml", manifest(&from, &to, &settings));
        context.run(["lock"])
    };
    for (settings, code) in [
        (String::new(), "oci::registry::tls"),
        (account.to_owned(), "oci::registry::tls"),
        (certificate.to_owned(), "oci::registry::unauthorised"),
    ] {
        let outcome = lock(&settings).failure(1);
        assert!(outcome.stderr().contains(code), "{outcome}");
    }
    lock(&format!("{certificate}{account}")).success();
    context.run(["fetch"]).success();
    // The registry that is published to asks for credentials, too.
    let refused = context.run(["publish"]).failure(1);
    assert!(refused.stderr().contains("oci::registry::unauthorised"), "{refused}");
    let destination = format!("\n[registry.\"{}\"]\nauth-file = \"auth.json\"\n", registry.host());
    context.write("oci.toml", context.read("oci.toml") + &destination);
    let published = context.run(["publish"]).success();
    assert!(published.stdout().starts_with(&format!("{to}@sha256:")), "{published}");
    assert!(!published.to_string().contains(PASSWORD), "{published}");
    // With `anonymous`, no credentials are sent.
    context.write("oci.toml", context.read("oci.toml").replace("tag = \"1\"", "tag = \"1\"\nanonymous = true"));
    let anonymous = context.run(["update"]).failure(1);
    assert!(anonymous.stderr().contains("oci::registry::unauthorised"), "{anonymous}");
}
