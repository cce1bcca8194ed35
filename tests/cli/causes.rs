//! What may be wrong with a registry, or on the way to it: every cause is told apart.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::registry::{PASSWORD, USER};
use crate::support::tools::{succeed, tool};
use crate::support::{Outcome, Registry, TestContext};

/// A base in this repository, and a build that is published beside it.
fn context(repository: &str, pin: &str) -> TestContext {
    TestContext::with_manifest(&format!(
        "[base.busybox]\nrepository = \"{repository}\"\n{pin}\n\n[build.app]\nbase = \"busybox\"\n\
         packages = [{{ text = \"1\", to = \"/one\" }}]\nrepository = \"{repository}-app\"\n"
    ))
}

/// The first code that it shows.
fn code(outcome: &Outcome) -> String {
    let stderr = outcome.stderr();
    let line = stderr.lines().find(|line| line.starts_with("oci::"));
    line.unwrap_or_else(|| panic!("no code in\n{outcome}")).to_owned()
}

#[test]
fn faults_of_a_registry() {
    const NAME: &str = "library/busybox";
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, NAME, "1");
    let status = |status: u16| json!([{ "match": "GET .*/manifests/", "do": "status", "argument": status }]);
    let fault =
        |action: &str, argument: Value| json!([{ "match": "GET .*/manifests/", "do": action, "argument": argument }]);
    let by_digest = format!("digest = \"{digest}\"");
    let cases = [
        ("tag = \"1\"", status(401), "oci::registry::unauthorised"),
        ("tag = \"1\"", status(403), "oci::registry::forbidden"),
        ("tag = \"1\"", status(500), "oci::registry::server_error"),
        ("tag = \"1\"", status(503), "oci::registry::server_error"),
        ("tag = \"1\"", fault("close", Value::Null), "oci::registry::reset"),
        ("tag = \"1\"", fault("truncate", 20.into()), "oci::registry::reset"),
        (&by_digest, fault("corrupt", 60.into()), "oci::registry::digest_mismatch"),
        (
            "tag = \"1\"",
            json!([{ "match": "manifests", "do": "replace", "body": "<html>" }]),
            "oci::resolve::not_an_image",
        ),
    ];
    // Together, for some of it is waiting.
    std::thread::scope(|scope| {
        for (pin, faults, expected) in &cases {
            let registry = &registry;
            scope.spawn(move || {
                let proxy = FaultyRegistry::in_front_of(registry);
                let context = context(&proxy.repository(NAME), pin);
                proxy.set_faults(faults);
                let outcome = context.run(["lock"]).failure(1);
                assert_eq!(code(&outcome), *expected, "{faults}\n{outcome}");
                assert!(!context.project().join("oci.lock").exists());
                proxy.set_faults(&json!([]));
                context.run(["lock"]).success();
            });
        }
    });
}

/// Logs in, as `docker login` would.
fn log_in(context: &TestContext, host: &str, password: &str) {
    let file = context.root().join("home/.docker/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let encoded = succeed(tool("sh").args(["-c", &format!("printf %s '{USER}:{password}' | base64")]));
    std::fs::write(file, json!({ "auths": { host: { "auth": encoded } } }).to_string()).unwrap();
}

/// Nothing of it, log files included, tells the password.
fn tells_no_password(context: &TestContext, outcome: &Outcome) {
    assert!(!outcome.to_string().contains(PASSWORD), "{outcome}");
    for entry in std::fs::read_dir(context.root().join("cache/oci/logs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn a_registry_with_accounts_and_a_certificate_of_its_own() {
    let registry = Registry::start_with_accounts();
    let proxy = FaultyRegistry::with_tls(&registry);
    let repository = proxy.strict_repository("library/busybox");
    let host = repository.split('/').next().unwrap();
    let context = context(&repository, "tag = \"1\"");
    let trusting = |arguments: &[&str]| {
        let mut command = context.oci();
        command.args(arguments).env("SSL_CERT_FILE", proxy.authority());
        context.finish(&mut command)
    };

    let refused = context.run(["lock"]).failure(1);
    assert_eq!(code(&refused), "oci::registry::tls", "{refused}");
    let stranger = trusting(&["lock"]).failure(1);
    assert_eq!(code(&stranger), "oci::registry::unauthorised", "{stranger}");
    log_in(&context, host, "wrong-pass");
    let wrong = trusting(&["lock"]).failure(1);
    assert_eq!(code(&wrong), "oci::registry::unauthorised", "{wrong}");
    assert!(!wrong.to_string().contains("wrong-pass"), "{wrong}");

    log_in(&context, host, PASSWORD);
    push_with_accounts(&registry, &context);
    tells_no_password(&context, &trusting(&["lock"]).success());
    tells_no_password(&context, &trusting(&["--verbose", "publish"]).success());
    let anonymous = context.read("oci.toml").replace("tag = \"1\"\n", "tag = \"1\"\nanonymous = true\n");
    context.write("oci.toml", anonymous);
    std::fs::remove_file(context.project().join("oci.lock")).unwrap();
    assert_eq!(code(&trusting(&["lock"]).failure(1)), "oci::registry::unauthorised", "although it is logged in");
}

/// Puts the base where only those with an account can.
fn push_with_accounts(registry: &Registry, context: &TestContext) {
    let open = Registry::start();
    images::push(&open, Base::Busybox, "library/busybox", "1");
    succeed(
        tool("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", "--preserve-digests"])
            .args(["--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds"])
            .arg(format!("{USER}:{PASSWORD}"))
            .arg(format!("docker://{}:1", open.repository("library/busybox")))
            .arg(format!("docker://{}:1", registry.repository("library/busybox")))
            .env("XDG_DATA_HOME", Path::new(context.root()).join("tmp"))
            .env("_CONTAINERS_ROOTLESS_UID", "1"),
    );
}

#[test]
fn plain_http_where_https_is_expected() {
    let registry = Registry::start();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let outcome = context(&proxy.strict_repository("library/busybox"), "tag = \"1\"").run(["lock"]).failure(1);
    assert_eq!(code(&outcome), "oci::registry::plain_http", "{outcome}");
}
