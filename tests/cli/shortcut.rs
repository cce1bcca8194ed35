//! Questions that need no skopeo: how many there are, on how many connections, and what is left to skopeo.
//!
//! Where none is to be needed, there is none.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::registry::{PASSWORD, USER};
use crate::support::tools::{succeed, tool};
use crate::support::{Outcome, Registry, TestContext, project};

const NAME: &str = "library/busybox";

/// Runs it where there is no skopeo.
fn alone<const N: usize>(context: &TestContext, arguments: [&str; N]) -> Outcome {
    context.finish(context.oci().env("OCI_SKOPEO", "no-such-skopeo").args(arguments))
}

/// What it had the registry asked, sorted.
fn requests_of(registry: &Registry, run: impl FnOnce()) -> Vec<String> {
    let before = registry.requests().len();
    run();
    let mut requests = registry.requests().split_off(before);
    requests.sort();
    requests
}

fn host(repository: &str) -> &str {
    repository.split('/').next().unwrap()
}

/// A base with these lines, and a tag.
fn base(repository: &str, lines: &str) -> TestContext {
    TestContext::with_manifest(&format!("[base.busybox]\nrepository = \"{repository}\"\ntag = \"1\"\n{lines}"))
}

fn base64(text: &str) -> String {
    succeed(tool("sh").args(["-c", &format!("printf %s '{text}' | base64")])).trim().to_owned()
}

/// Logs in, as `docker login` would.
fn log_in(context: &TestContext, host: &str) {
    let file = context.root().join("home/.docker/config.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let encoded = base64(&format!("{USER}:{PASSWORD}"));
    fs::write(file, json!({ "auths": { host: { "auth": encoded } } }).to_string()).unwrap();
}

/// The base in a registry with accounts.
fn private() -> Registry {
    let private = Registry::start_with_accounts();
    let folder = tempfile::tempdir().unwrap();
    private.write_credentials(&folder.path().join("auth.json"));
    images::push_with_credentials(&private, Base::Busybox, NAME, "1", &folder.path().join("auth.json"));
    private
}

#[test]
fn many_tags_are_a_request_each_on_few_connections() {
    const TAGS: usize = 100;
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Index, NAME, "first");
    registry.tag(NAME, &digest, &(0..TAGS).map(|number| format!("t{number}")).collect::<Vec<_>>());
    let mut manifest = format!("[base.many]\nrepository = \"{}\"\n[base.many.variants]\n", registry.repository(NAME));
    (0..TAGS).for_each(|number| writeln!(manifest, "v{number} = \"t{number}\"").unwrap());
    let context = TestContext::with_manifest(&manifest);
    let each = |method: &str| {
        let mut all: Vec<String> =
            (0..TAGS).map(|number| format!("{method} /v2/{NAME}/manifests/t{number} 200")).collect();
        all.sort();
        all
    };
    let connected = registry.connections();
    assert_eq!(requests_of(&registry, || drop(alone(&context, ["lock"]).success())), each("GET"));
    let lock = context.read("oci.lock");
    // Nothing has moved: the registry says so, and no document is brought again.
    assert_eq!(requests_of(&registry, || drop(alone(&context, ["update"]).success())), each("HEAD"));
    assert_eq!(requests_of(&registry, || drop(alone(&context, ["outdated"]).success())), each("HEAD"));
    assert_eq!(context.read("oci.lock"), lock);
    // As many as there are questions at once, and no more.
    let connections = registry.connections() - connected;
    assert!((3..=3 * 16).contains(&connections), "{connections}");
}

#[test]
fn an_image_is_its_manifest_and_its_config_and_what_moved_is_asked_for_again() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, NAME, "1");
    let context = base(&registry.repository(NAME), "");
    let requests = requests_of(&registry, || drop(alone(&context, ["lock"]).success()));
    assert_eq!(requests.len(), 2, "{requests:?}");
    let new = images::push(&registry, Base::Merged, NAME, "1");
    let requests = requests_of(&registry, || drop(alone(&context, ["update"]).success()));
    let manifest = format!("/v2/{NAME}/manifests/1 200");
    assert!(requests.contains(&format!("HEAD {manifest}")) && requests.contains(&format!("GET {manifest}")));
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(context.read("oci.lock").contains(&new));
}

/// That nothing has moved says nothing of the rest of an entry: its other fields are corrected by the documents.
#[test]
fn a_lockfile_is_not_believed_more_than_the_documents() {
    let registry = Registry::start();
    images::push(&registry, Base::Index, NAME, "1");
    let context = base(&registry.repository(NAME), "");
    context.run(["lock"]).success();
    let lock = context.read("oci.lock");
    let (platform, _) = images::manifest(Base::Index, images::architecture());
    let wrong = lock.replace(&platform, &format!("sha256:{}", "0".repeat(64)));
    assert_ne!(wrong, lock);
    for method in ["HEAD", "GET"] {
        context.write("oci.lock", &wrong);
        let requests = requests_of(&registry, || drop(alone(&context, ["update"]).success()));
        assert_eq!(requests, [format!("{method} /v2/{NAME}/manifests/1 200")]);
        assert_eq!(context.read("oci.lock"), lock);
        // Without the document the registry has to give it.
        fs::remove_dir_all(context.root().join("cache")).unwrap();
    }
}

#[test]
fn what_is_published_already_is_one_request_for_each_tag() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    let first = context.run(["publish"]).success();
    let again = || {
        let told = alone(&context, ["publish"]).success();
        assert_eq!(told.stdout(), first.stdout());
        assert!(told.stderr().contains("is this image already"), "{told}");
    };
    let head = |tag: &str| format!("HEAD /v2/acme/both/manifests/{tag} 200");
    assert_eq!(requests_of(&registry, again), [head("1"), head("latest")]);
    // A tag that is another image now is pushed, and no other.
    images::push(&registry, Base::Busybox, "acme/both", "latest");
    let requests = requests_of(&registry, || drop(context.run(["publish"]).success()));
    assert_eq!(registry.digest("acme/both", "latest"), context.built("both"));
    assert_eq!(requests.iter().filter(|request| request.contains("/manifests/1 ")).count(), 1, "{requests:?}");
}

#[test]
fn what_is_published_already_where_accounts_are_is_two_requests() {
    let registry = Registry::start_with_accounts();
    let context = TestContext::with_manifest(&format!(
        "[build.app]\nbase = \"scratch\"\npackages = [{{ text = \"1\", to = \"/one\" }}]\nrepository = \"{}\"\n",
        registry.repository("acme/app")
    ));
    log_in(&context, &registry.host());
    context.run(["publish"]).success();
    let requests = requests_of(&registry, || drop(alone(&context, ["publish"]).success()));
    assert_eq!(requests, ["HEAD /v2/acme/app/manifests/latest 200", "HEAD /v2/acme/app/manifests/latest 401"]);
}

/// Verified by the manifest's own authority, and by one of the machine's.
#[test]
fn certificates_count() {
    let registry = private();
    let proxy = FaultyRegistry::with_tls(&registry);
    let repository = proxy.strict_repository(NAME);
    let context = base(&repository, &format!("[registry.\"{}\"]\ncert-dir = \"certificates\"\n", host(&repository)));
    log_in(&context, host(&repository));
    let certificates = context.project().join("certificates");
    fs::create_dir(&certificates).unwrap();
    // It is not for nothing that there is one: without it nobody is told the password.
    let requests = requests_of(&registry, || drop(alone(&context, ["lock"]).failure(1)));
    assert_eq!(requests, Vec::<String>::new());
    fs::copy(proxy.authority(), certificates.join("ca.crt")).unwrap();
    let told = alone(&context, ["lock"]).success();
    assert!(!told.to_string().contains(PASSWORD), "{told}");

    let context = base(&repository, "");
    log_in(&context, host(&repository));
    let trusting = |authority: bool| {
        let mut command = context.oci();
        command.env("OCI_SKOPEO", "no-such-skopeo").arg("lock");
        if authority {
            command.env("SSL_CERT_FILE", proxy.authority());
        }
        context.finish(&mut command)
    };
    trusting(false).failure(1);
    trusting(true).success();
}

/// The token is asked for with the password, once for a repository, and the registry gets only the token.
#[test]
fn a_token_is_fetched_where_the_registry_says() {
    const TOKEN: &str = "t0ken.of-the-test";
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Index, NAME, "1");
    registry.tag(NAME, &digest, &(2..20).map(|number| number.to_string()).collect::<Vec<_>>());
    let proxy = FaultyRegistry::in_front_of(&registry);
    let repository = proxy.repository(NAME);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"the test\"", host(&repository));
    let password = format!("^Basic {}$", base64(&format!("{USER}:{PASSWORD}")));
    let wanted = format!("/token\\?scope=repository%3A{}%3Apull&service=the%20test$", NAME.replace('/', "%2F"));
    let rules = |grants: Value| {
        json!([
            { "match": wanted, "unless": password, "do": "status", "argument": 401 },
            grants,
            { "match": "/token", "do": "status", "argument": 401 },
            {
                "match": "/v2/", "unless": format!("^Bearer {TOKEN}$"), "do": "status", "argument": 401,
                "headers": { "WWW-Authenticate": challenge }
            },
        ])
    };
    let granted = json!({ "token": TOKEN, "expires_in": 60 }).to_string();
    proxy.set_faults(&rules(json!({ "match": wanted, "do": "status", "argument": 200, "body": granted, "times": 1 })));
    let variants: String = (2..20).map(|number| format!("v{number} = \"{number}\"\n")).collect();
    let context =
        TestContext::with_manifest(&format!("[base.a]\nrepository = \"{repository}\"\n[base.a.variants]\n{variants}"));
    log_in(&context, host(&repository));
    let told = alone(&context, ["--verbose", "lock"]).success();
    assert!(!told.to_string().contains(TOKEN) && !told.to_string().contains(PASSWORD), "{told}");
    // Without a password there is no token, and then it is for skopeo to say what is wrong.
    fs::remove_file(context.root().join("home/.docker/config.json")).unwrap();
    let told = context.run(["update"]).failure(1);
    assert!(told.stderr().contains("oci::registry::unauthorised"), "{told}");
}

/// A redirect to another host takes no password along.
#[test]
fn no_credentials_go_where_an_answer_sends_us() {
    let open = Registry::start();
    images::push(&open, Base::Busybox, NAME, "1");
    let registry = private();
    let (elsewhere, proxy) = (FaultyRegistry::in_front_of(&open), FaultyRegistry::in_front_of(&registry));
    elsewhere.set_faults(&json!([{ "match": ".", "unless": "^$", "do": "status", "argument": 403 }]));
    let target = format!("http://{}", host(&elsewhere.repository(NAME)));
    let (_, manifest) = images::manifest(Base::Busybox, images::architecture());
    let blob = format!("/v2/{NAME}/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
    proxy.set_faults(&json!([{
        "match": format!("GET {blob}"), "do": "status", "argument": 307,
        "headers": { "Location": format!("{target}{blob}") }
    }]));
    let context = base(&proxy.repository(NAME), "");
    log_in(&context, host(&proxy.repository(NAME)));
    alone(&context, ["lock"]).success();
}

/// Settings of the machine, and helpers: the answer is skopeo's.
#[test]
fn what_only_skopeo_understands_is_left_to_it() {
    let registry = private();
    let context = base(&registry.repository(NAME), "");
    let config = context.root().join("home/.docker/config.json");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, json!({ "credHelpers": { registry.host(): "test" } }).to_string()).unwrap();
    let helper = context.project().join("bin/docker-credential-test");
    fs::create_dir(helper.parent().unwrap()).unwrap();
    let answer = json!({ "ServerURL": registry.host(), "Username": USER, "Secret": PASSWORD });
    fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let lock = |arguments: &[&str]| {
        let path = std::env::join_paths(
            [helper.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&search_path(&context))),
        );
        context.finish(context.oci().env("PATH", path.unwrap()).args(arguments))
    };
    lock(&["lock"]).success();

    // What the machine's settings forbid is not asked for, although it would be given.
    let settings = context.root().join("home/.config/containers");
    fs::create_dir_all(&settings).unwrap();
    fs::write(
        settings.join("registries.conf"),
        format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", registry.host()),
    )
    .unwrap();
    let requests = requests_of(&registry, || drop(lock(&["update"]).failure(1)));
    assert_eq!(requests, Vec::<String>::new());
}

fn search_path(context: &TestContext) -> String {
    context.environment().into_iter().find(|(name, _)| *name == "PATH").unwrap().1
}
