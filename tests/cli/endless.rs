//! A registry that never stops sending, or sends credentials astray: it decides neither how much is downloaded, nor how
//! long a command takes, nor where credentials go.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::TestContext;
use crate::support::odd::{Answer, OddRegistry, Request};
use crate::support::snapshot::assert_outcome;

const NAME: &str = "acme/base";
/// A tar without files.
const EMPTY: [u8; 1024] = [0; 1024];

fn base(registry: &OddRegistry) -> String {
    format!("[base.b]\nrepository = \"{}\"\ntag = \"1\"\n", registry.repository(NAME))
}

fn log_in(context: &TestContext, registry: &OddRegistry) {
    let file = json!({ "auths": { registry.host(): { "auth": "bW9uYTpjb3JyZWN0LWhvcnNl" } } });
    fs::create_dir_all(context.root().join("home/.docker")).unwrap();
    fs::write(context.root().join("home/.docker/config.json"), file.to_string()).unwrap();
}

/// The bytes of all files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { size(&entry.path()) } else { metadata.len() }
        })
        .sum()
}

/// An image of several layers, one of which goes on without end.
fn with_endless_layer(registry: &OddRegistry, number: usize) {
    let layers: Vec<Vec<u8>> = (1..=4_usize).map(|length| vec![0; length * 1024]).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let manifest = registry.image(NAME, &layers);
    registry.put(NAME, "1", &manifest);
    let endless = manifest["layers"][number]["digest"].as_str().unwrap().to_owned();
    let start = layers[number].to_vec();
    registry.answer(move |request| {
        request.is("GET", &endless).then(|| Answer::endless(start.clone(), vec![b'z'; 1 << 20]))
    });
}

#[test]
fn a_layer_is_never_longer_than_its_descriptor_says() {
    for number in 0..4 {
        let registry = OddRegistry::start();
        with_endless_layer(&registry, number);
        let context = TestContext::with_manifest(&base(&registry));
        let mut running = context.start(["fetch"]);
        let code = running.end();
        assert_eq!(code, Some(1), "{}", running.stderr());
        let digest = registry.document(NAME, "1")["layers"][number]["digest"].as_str().unwrap().to_owned();
        let told = running.stderr();
        assert!(told.contains("oci::registry::too_much") && told.contains(&digest), "{told}");
        assert!(told.contains(&format!("{} bytes", (number + 1) * 1024)), "{told}");
        assert!(size(&context.root().join("cache")) < 1 << 20, "nothing of it stays");
    }
}

#[test]
fn an_endless_layer_is_told() {
    let registry = OddRegistry::start();
    with_endless_layer(&registry, 2);
    let context = TestContext::with_manifest(&base(&registry));
    assert_outcome!(context.run(["fetch", "-q"]).failure(1));
}

#[test]
fn a_mirror_with_an_endless_layer_is_passed_over() {
    let (registry, mirror) = (OddRegistry::start(), OddRegistry::start());
    with_endless_layer(&mirror, 1);
    let layers: Vec<Vec<u8>> = (1..=4_usize).map(|length| vec![0; length * 1024]).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    registry.put(NAME, "1", &registry.image(NAME, &layers));
    let mirrors = format!("[registry.\"{}\"]\nmirrors = [\"{}\"]\n", registry.host(), mirror.host());
    let context = TestContext::with_manifest(&(base(&registry) + &mirrors));
    let told = context.run(["fetch"]).success();
    assert!(told.stderr().contains("passing over the mirror") && told.stderr().contains("promises"), "{told}");
}

/// Whatever is asked for, an answer without end is none.
#[test]
fn an_answer_without_end_is_no_answer() {
    for part in ["/manifests/", "/blobs/", "/tags/list", "/token", "/v2/"] {
        let registry = OddRegistry::start();
        registry.put(NAME, "1", &registry.image(NAME, &[&EMPTY]));
        let realm = format!("Bearer realm=\"http://{}/token\"", registry.host());
        registry.answer(move |request| match part {
            "/token" if request.path.starts_with("/v2/") && request.authorization().is_empty() => {
                Some(Answer::error("401 Unauthorized", "UNAUTHORIZED").header("WWW-Authenticate", realm.clone()))
            }
            "/v2/" if request.path != "/v2/" => None,
            // The list of tags is asked for only where a tag is not there.
            "/tags/list" if request.path.contains("/manifests/") => {
                Some(Answer::error("404 Not Found", "MANIFEST_UNKNOWN"))
            }
            _ if request.path.contains(part) => Some(Answer::endless("[\"", vec![b'z'; 1 << 20])),
            _ => None,
        });
        let context = TestContext::with_manifest(&base(&registry));
        let mut running = context.start(["lock"]);
        let code = running.end();
        // A registry that is asked in process need not be asked whether it is one.
        let expected = if part == "/v2/" { 0 } else { 1 };
        assert_eq!(code, Some(expected), "{part}: {}", running.stderr());
        assert!(size(&context.root().join("cache")) < 1 << 20, "{part}");
    }
}

#[test]
fn redirects_end() {
    let registry = OddRegistry::start();
    registry.put(NAME, "1", &registry.image(NAME, &[&EMPTY]));
    registry.answer(|request| {
        let next = format!("{}x", request.path);
        request.path.contains("/manifests/").then(|| Answer::new("307 Temporary Redirect", "").header("Location", next))
    });
    let context = TestContext::with_manifest(&base(&registry));
    context.run(["lock"]).failure(1);
    let asked = registry.requests().iter().filter(|request| request.path.contains("/manifests/")).count();
    assert!(asked < 50, "{asked}");
}

/// A registry that sends a client to this URL for a token.
fn with_tokens_from(registry: &OddRegistry, realm: &str) {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
    registry.put(NAME, "1", &registry.image(NAME, &[&EMPTY]));
    registry.answer(move |request: &Request| {
        (request.authorization() != "Bearer granted")
            .then(|| Answer::error("401 Unauthorized", "UNAUTHORIZED").header("WWW-Authenticate", challenge.clone()))
    });
}

/// A server that grants a token to everyone, at an address that is no loopback address, but leads here.
fn token_server() -> OddRegistry {
    let server = OddRegistry::at("0.0.0.0:0");
    server.answer(|_| Some(Answer::json("200 OK", &json!({ "token": "granted" }))));
    server
}

fn sent(server: &OddRegistry) -> Vec<String> {
    server.requests().iter().map(|request| request.authorization().to_owned()).collect()
}

#[test]
fn credentials_go_to_no_token_server_that_nobody_vouches_for() {
    let (registry, server) = (OddRegistry::start(), token_server());
    with_tokens_from(&registry, &format!("http://{}/token", server.host()));
    let manifest = format!(
        "{}[build.a]\nbase = \"b\"\npackages = [{{ text = \"x\", to = \"/x\" }}]\nrepository = \"{}\"\n",
        base(&registry),
        registry.repository("acme/app")
    );
    let context = TestContext::with_manifest(&manifest);
    // Without credentials there is nothing to lose: a public image is read.
    context.run(["lock"]).success();
    assert!(sent(&server).iter().all(String::is_empty));
    log_in(&context, &registry);
    let refused = context.run(["update"]).failure(1);
    assert!(refused.stderr().contains("oci::registry::token_server"), "{refused}");
    for arguments in [&["fetch"][..], &["publish"], &["doctor"], &["outdated"]] {
        let told = context.finish(context.oci().args(arguments));
        assert!(told.to_string().contains("wants your credentials to be sent"), "{arguments:?}: {told}");
    }
    assert!(sent(&server).iter().all(String::is_empty), "{:?}", sent(&server));
    // The user vouches for it.
    fs::create_dir_all(context.root().join("home/.config/oci")).unwrap();
    let settings = format!("[registry.\"{}\"]\ninsecure = true\n", server.host());
    fs::write(context.root().join("home/.config/oci/config.toml"), settings).unwrap();
    context.run(["update"]).success();
    assert!(sent(&server).contains(&"Basic bW9uYTpjb3JyZWN0LWhvcnNl".to_owned()));
}

#[test]
fn a_token_server_that_nobody_vouches_for_is_told() {
    let registry = OddRegistry::start();
    with_tokens_from(&registry, "http://auth.example.com/token");
    let context = TestContext::with_manifest(&base(&registry));
    log_in(&context, &registry);
    assert_outcome!(context.run(["lock"]).failure(1));
}

/// A blob may be elsewhere, as in the storage of a cloud. Credentials for the registry are not sent there.
#[test]
fn a_redirect_to_another_host_takes_no_credentials_along() {
    let (registry, storage) = (OddRegistry::start(), OddRegistry::at("0.0.0.0:0"));
    let manifest = registry.image(NAME, &[&EMPTY]);
    registry.put(NAME, "1", &manifest);
    for blob in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
        storage.blob(NAME, &registry.bytes(NAME, blob["digest"].as_str().unwrap()));
    }
    let elsewhere = storage.host().to_owned();
    registry.answer(move |request| {
        if request.authorization() != "Basic bW9uYTpjb3JyZWN0LWhvcnNl" {
            let refused = Answer::error("401 Unauthorized", "UNAUTHORIZED");
            return Some(refused.header("WWW-Authenticate", "Basic realm=\"r\""));
        }
        let there = format!("http://{elsewhere}{}", request.path);
        request.path.contains("/blobs/").then(|| Answer::new("307 Temporary Redirect", "").header("Location", there))
    });
    let context = TestContext::with_manifest(&base(&registry));
    log_in(&context, &registry);
    context.run(["fetch"]).success();
    assert!(!sent(&storage).is_empty() && sent(&storage).iter().all(String::is_empty), "{:?}", sent(&storage));
}
