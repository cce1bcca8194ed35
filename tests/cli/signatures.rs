//! `[policy] signatures`: what a containers `policy.json` does not accept is not built on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::images::{self, Base};
use crate::support::registry::skopeo_copy;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext, eventually_none};

const NAME: &str = "library/busybox";

/// A build on each of these repositories, called as the base that it is on.
fn context(bases: &[(&str, &str)]) -> TestContext {
    let images: String = bases
        .iter()
        .map(|(name, repository)| {
            format!(
                "[base.{name}]\nrepository = \"{repository}\"\ntag = \"1\"\n\n\
                 [build.on-{name}]\nbase = \"{name}\"\npackages = [\"app\"]\n\n"
            )
        })
        .collect();
    let context = TestContext::with_manifest(&format!("{images}[policy]\nsignatures = \"trust/policy.json\"\n"));
    context.write_program("app", "#!/bin/sh\n");
    context
}

fn write_policy(context: &TestContext, policy: &Value) {
    context.write("trust/policy.json", policy.to_string());
}

fn reject_all() -> Value {
    json!({ "default": [{ "type": "reject" }] })
}

/// Accepts what is in this repository, and nothing else.
fn accept(repository: &str) -> Value {
    require(repository, &json!({ "type": "insecureAcceptAnything" }))
}

fn require(repository: &str, requirement: &Value) -> Value {
    json!({ "default": [{ "type": "reject" }], "transports": { "docker": { repository: [requirement] } } })
}

#[test]
fn a_policy_that_rejects_everything() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, NAME, "1");
    let context = context(&[("busybox", &registry.repository(NAME))]);
    write_policy(&context, &reject_all());
    // What a tag stands for may be known of anything.
    context.run(["lock"]).success();
    assert_outcome!(context.run(["fetch"]).failure(1));
    for (arguments, status) in [(["build", "on-busybox"], 1), (["run", "on-busybox"], 125), (["run", "busybox"], 125)] {
        let outcome = context.run(arguments).failure(status);
        assert!(outcome.stderr().contains("oci::policy::rejected"), "{outcome}");
    }
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 0);
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn a_policy_that_accepts_one_repository() {
    let registry = Registry::start();
    let (one, other) = (registry.repository(NAME), registry.repository("acme/other"));
    images::push(&registry, Base::Busybox, NAME, "1");
    images::push(&registry, Base::Busybox, "acme/other", "1");
    let context = context(&[("one", &one), ("other", &other)]);
    write_policy(&context, &accept(&one));
    context.run(["build", "on-one"]).success();
    // The second base names this image, by an equal digest.
    let outcome = context.run(["build", "on-other"]).failure(1);
    assert!(outcome.stderr().contains("oci::policy::rejected"), "{outcome}");
    write_policy(&context, &accept(&other));
    context.run(["build", "on-other"]).success();
    let outcome = context.run(["build", "on-one"]).failure(1);
    assert!(outcome.stderr().contains("oci::policy::rejected"), "{outcome}");
    // The first answer, to the first policy, is still known.
    write_policy(&context, &accept(&one));
    context.run(["build", "on-one", "--offline"]).success();
}

#[test]
fn is_asked_once() {
    let registry = Registry::start();
    let repository = registry.repository(NAME);
    images::push(&registry, Base::Busybox, NAME, "1");
    let context = context(&[("busybox", &repository)]);
    write_policy(&context, &accept(&repository));
    context.run(["build"]).success();
    // The base stays shallow.
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 0);
    let asked = registry.requests().len();
    context.run(["build"]).success();
    context.run(["build", "--offline"]).success();
    let forecast = context.run(["build", "--dry-run"]).success();
    assert!(!forecast.stdout().contains("--policy"), "{forecast}");
    assert_eq!(registry.requests().len(), asked);
    // The layers need no other judgement than their manifest.
    context.run(["fetch"]).success();
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 1);
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn another_policy_judges_again() {
    let registry = Registry::start();
    let repository = registry.repository(NAME);
    images::push_schema2(&registry, Base::Busybox, NAME, "1");
    let context = context(&[("busybox", &repository)]);
    let manifest = context.read("oci.toml");
    let (without, _) = manifest.split_once("[policy]").unwrap();
    context.write("oci.toml", without);
    context.run(["fetch"]).success();
    context.run(["build"]).success();
    // All is in the cache, from a time without a policy.
    context.write("oci.toml", &manifest);
    write_policy(&context, &accept(&repository));
    assert_outcome!(context.run(["build", "--offline"]).failure(1));
    assert_outcome!(context.run(["build", "--dry-run"]).success());
    write_policy(&context, &reject_all());
    let outcome = context.run(["build"]).failure(1);
    assert!(outcome.stderr().contains("oci::policy::rejected"), "{outcome}");
    write_policy(&context, &accept(&repository));
    let asked = registry.requests().len();
    context.run(["build"]).success();
    assert!(registry.requests().len() > asked);
}

#[test]
fn a_policy_that_is_not_there_or_none() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, NAME, "1");
    let context = context(&[("busybox", &registry.repository(NAME))]);
    let asked = registry.requests().len();
    assert_outcome!(context.run(["build"]).failure(2));
    // Two files are checked, and no other.
    assert!(!context.run(["check"]).stderr().contains("policy"));
    context.write("trust/policy.json", b"{ \"default\": \xff }");
    assert_outcome!(context.run(["build"]).failure(2));
    assert_eq!(registry.requests().len(), asked);
    write_policy(&context, &json!({ "default": [{ "type": "sign me" }] }));
    assert_outcome!(context.run(["fetch"]).failure(1));
    // Skopeo would wait for such a key for ever.
    write_policy(
        &context,
        &json!({ "default": [{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/dev/zero" }] }),
    );
    assert_outcome!(context.run(["build"]).failure(2));
}

/// What is on the disk is pinned, and came from no registry.
#[test]
fn layouts_are_not_judged() {
    let context = TestContext::with_manifest(
        "[base.local]\nlayout = \"base\"\n\n[build.app]\nbase = \"local\"\npackages = [\"app\"]\n\n\
         [policy]\nsignatures = \"trust/policy.json\"\n",
    );
    context.write_program("app", "#!/bin/sh\n");
    write_policy(&context, &reject_all());
    images::save(Base::Busybox, &format!("oci:{}:1", context.project().join("base").display()));
    context.run(["build"]).success();
}

/// The policy names the registry, and it is the registry that is asked; everything else comes from the mirror.
#[test]
fn mirrors_are_not_judged() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    images::push(&registry, Base::Busybox, NAME, "1");
    images::push(&mirror, Base::Busybox, NAME, "1");
    let repository = registry.repository(NAME);
    let context = context(&[("busybox", &repository)]);
    let manifest = context.read("oci.toml");
    let mirrors = format!("[registry.\"{}\"]\nmirrors = [\"{}\"]\n", registry.host(), mirror.host());
    context.write("oci.toml", format!("{manifest}\n{mirrors}"));
    write_policy(&context, &accept(&mirror.repository(NAME)));
    context.run(["build"]).failure(1);
    write_policy(&context, &accept(&repository));
    context.run(["fetch"]).success();
    let layer = &images::layers(Base::Busybox)[0];
    assert_eq!((registry.blob_downloads(layer), mirror.blob_downloads(layer)), (0, 1));
}

/// A person with a key.
struct Signer {
    /// Its path is short, as an agent's socket has to have.
    keyring: tempfile::TempDir,
    name: String,
}

impl Signer {
    fn new(name: &str) -> Self {
        let keyring = tempfile::tempdir_in("/tmp").unwrap();
        let signer = Self { keyring, name: format!("{name}@example.com") };
        succeed(signer.gpg().args(["--pinentry-mode", "loopback", "--passphrase", ""]).args([
            "--quick-generate-key",
            &signer.name,
            "ed25519",
            "sign",
            "never",
        ]));
        signer
    }

    fn gpg(&self) -> std::process::Command {
        let mut command = tool("gpg");
        command.env("GNUPGHOME", self.keyring.path()).args(["--batch", "--quiet", "--no-tty"]);
        command
    }

    fn export(&self, path: &Path) {
        succeed(self.gpg().arg("--yes").arg("--output").arg(path).args(["--export", &self.name]));
    }

    /// Copies an image and signs the copy; where signatures go is in the home folder.
    fn sign(&self, context: &TestContext, source: &str, destination: &str) {
        succeed(
            skopeo_copy()
                .env("HOME", context.root().join("home"))
                .env("GNUPGHOME", self.keyring.path())
                .args(["--all", "--preserve-digests", "--sign-by", &self.name])
                .args([format!("docker://{source}:1"), format!("docker://{destination}:1")]),
        );
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = tool("gpgconf").env("GNUPGHOME", self.keyring.path()).args(["--kill", "gpg-agent"]).output();
    }
}

#[test]
fn images_have_to_be_signed() {
    let registry = Registry::start();
    let (signed, from) = (registry.repository("acme/signed"), registry.repository(NAME));
    // An index: what is signed is each of its images.
    images::push(&registry, Base::Index, NAME, "1");
    images::push(&registry, Base::Merged, "acme/signed", "1");
    let context = context(&[("signed", &signed)]);
    let signatures = context.root().join("signatures");
    let registries = context.root().join("home/.config/containers/registries.d");
    fs::create_dir_all(&registries).unwrap();
    let place = format!("file://{}", signatures.display());
    // Older tools know the second name alone.
    let lookaside = json!({ "docker": { registry.host(): { "lookaside": place, "sigstore": place } } });
    fs::write(registries.join("test.yaml"), lookaside.to_string()).unwrap();
    let (signer, other) = (Signer::new("signer"), Signer::new("other"));
    write_policy(
        &context,
        &require(&signed, &json!({ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "keys/acme.gpg" })),
    );

    // No key yet.
    context.run(["build"]).failure(1);
    fs::create_dir(context.project().join("trust/keys")).unwrap();
    let key = context.project().join("trust/keys/acme.gpg");
    signer.export(&key);
    assert_outcome!(context.run(["fetch"]).failure(1));

    // The tag moves to an image that is signed.
    signer.sign(&context, &from, &signed);
    // To sign, an image is copied, and may be in the registry under another name.
    let downloads = || registry.blob_downloads(&images::layers(Base::Busybox)[0]);
    let before = downloads();
    context.run(["build"]).failure(1);
    context.run(["update"]).success();
    context.run(["build"]).success();
    assert_eq!(downloads(), before);
    context.run(["build", "--offline"]).success();

    // Another key in the file of this name is another policy.
    other.export(&key);
    let outcome = context.run(["build"]).failure(1);
    assert!(outcome.stderr().contains("oci::policy::rejected"), "{outcome}");
    // skopeo leaves gpg's agent to itself, which ends when it sees that its folder is gone.
    eventually_none("gpg's agents", || context.leftovers());
}
