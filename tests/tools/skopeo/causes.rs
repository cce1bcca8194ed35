//! Every cause as the real skopeo reports it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::registry::{Image, Proxy, Registry};
use crate::model::{Digest, Reference, Repository};
use crate::tools::error::ToolError;
use crate::tools::skopeo::QUESTION_LIMIT;
use crate::tools::skopeo::tests::{Bench, access, code, help, tag};
use crate::tools::{Cause, Subject};

/// A registry with one image, `app:v1`.
fn stocked(bench: &Bench) -> (Registry, Image) {
    let (registry, image) = (Registry::start(), Image::new(b"a layer of some bytes"));
    bench.publish(&image, &registry.repository("app"), "v1");
    (registry, image)
}

/// Tries all cases, with their numbers, at once: what passes is tried again, and most of that is waiting.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, case: impl Fn(usize, T) + Sync) {
    std::thread::scope(|scope| {
        for (number, what) in cases.into_iter().enumerate() {
            let case = &case;
            scope.spawn(move || case(number, what));
        }
    });
}

#[test]
fn tells_an_unknown_tag_from_an_unknown_repository() {
    let bench = Bench::new();
    let (registry, image) = stocked(&bench);
    let repository = registry.repository("app");
    for name in ["3.12-slim", "3.11", "latest"] {
        bench.publish(&image, &repository, name);
    }
    let error = bench.skopeo.inspect_raw(&tag(&repository, "3.12-slm"), &access()).unwrap_err();
    assert_eq!(error.to_string(), format!("`{repository}` has no tag `3.12-slm`"));
    assert_eq!(code(&error), "oci::resolve::tag_not_found");
    assert!(help(&error).ends_with(": `3.12-slim`, `3.11`, `latest`, `v1`"), "{}", help(&error));

    let error = bench.skopeo.inspect_raw(&tag(&registry.repository("none"), "v1"), &access()).unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` has no repository `none`", registry.address));

    let reference = Reference::Digest(repository.clone(), Digest::of(b"nowhere"));
    let error = bench.skopeo.inspect_raw(&reference, &access()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::DigestNotFound));

    let error = bench.skopeo.list_tags(&registry.repository("none"), &access(), QUESTION_LIMIT).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::NoSuchRepository));
}

#[test]
fn an_unknown_tag_is_one_where_tags_may_not_be_listed() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let proxy = Proxy::start(&registry, json!([{"match": "/tags/list", "do": "status", "argument": 403}]));
    let error = bench.skopeo.inspect_raw(&tag(&proxy.repository("app"), "v2"), &access()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::TagNotFound { nearest: Vec::new() }));
}

#[test]
fn there_is_no_registry() {
    let bench = Bench::new();
    let inspect = |repository: &str| {
        let subject = Subject::Image(tag(&Repository::parse(repository).unwrap(), "v1"));
        let invocation = bench.skopeo.prepared(bench.skopeo.command().limit(Duration::from_secs(60))).unwrap();
        // A proxy would look the name up for us.
        let invocation = invocation.variable("HTTPS_PROXY", "").variable("https_proxy", "");
        let invocation = invocation.arguments(["inspect", "--raw"]).argument(format!("docker://{subject}"));
        bench.skopeo.task("resolve", subject).run(&invocation).unwrap_err()
    };
    // Whether the name is unknown or nothing knows names: it cannot be looked up.
    assert_eq!(inspect("nosuch.invalid/app").cause(), Some(&Cause::UnknownHost { host: "nosuch.invalid".to_owned() }));
    let refused = Cause::Refused { address: "127.0.0.1:1".to_owned() };
    assert_eq!(inspect("127.0.0.1:1/app").cause(), Some(&refused));
}

#[test]
fn questions_that_go_wrong() {
    let bench = Bench::new();
    let (registry, image) = stocked(&bench);
    let manifest =
        |action: &str, argument: Value| json!({"match": "GET .*/manifests/", "do": action, "argument": argument});
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let cases = [
        (manifest("status", json!(401)), Cause::Unauthorised),
        (manifest("status", json!(403)), Cause::Forbidden),
        (json!({"match": "GET .*/manifests/", "do": "status", "argument": 403, "body": denied}), Cause::Forbidden),
        (manifest("status", json!(500)), Cause::ServerError { status: 500 }),
        (manifest("status", json!(503)), Cause::ServerError { status: 503 }),
        (manifest("close", json!(null)), Cause::Reset),
        (manifest("truncate", json!(20)), Cause::Reset),
        (json!({"match": "GET /v2/$", "do": "status", "argument": 503}), Cause::ServerError { status: 503 }),
        (json!({"match": "GET /v2/$", "do": "status", "argument": 404}), Cause::NotAManifest),
    ];
    at_once(cases, |_, (rule, cause)| {
        let proxy = Proxy::start(&registry, json!([rule]));
        let error = bench.skopeo.inspect_raw(&tag(&proxy.repository("app"), "v1"), &access()).unwrap_err();
        assert_eq!(error.cause(), Some(&cause), "{rule}: {error:?}");
    });
    let page = json!([{"match": "GET .*/manifests/", "do": "replace", "body": "<html>log in</html>"}]);
    let proxy = Proxy::start(&registry, page);
    let config = Digest::of(&image.config);
    let error = bench.skopeo.inspect_config(&proxy.repository("app"), &image.manifest, &config, &access()).unwrap_err();
    assert!(matches!(error.cause(), Some(Cause::DigestMismatch | Cause::NotAManifest)), "{error:?}");
}

/// skopeo itself waits and asks again, for half a minute in all.
#[test]
fn a_registry_that_wants_fewer_requests() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let rule =
        json!([{"match": "GET .*/manifests/", "do": "status", "argument": 429, "headers": {"Retry-After": "1"}}]);
    let proxy = Proxy::start(&registry, rule);
    let error = bench.skopeo.inspect_raw(&tag(&proxy.repository("app"), "v1"), &access()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::RateLimited), "{error:?}");
}

#[test]
fn downloads_that_go_wrong() {
    let bench = Bench::new();
    let (registry, image) = stocked(&bench);
    let layer = |action: &str, argument: Value| json!({"match": format!("GET .*/blobs/{}", image.layer), "do": action, "argument": argument});
    let cases = [
        (layer("corrupt", json!(3)), Cause::DigestMismatch),
        (layer("truncate", json!(3)), Cause::Reset),
        (layer("status", json!(403)), Cause::Forbidden),
        (layer("status", json!(503)), Cause::ServerError { status: 503 }),
        (json!({"match": "GET .*/manifests/", "do": "corrupt", "argument": 40}), Cause::DigestMismatch),
        (
            json!({"match": format!("GET .*/blobs/{}", Digest::of(&image.config)), "do": "corrupt", "argument": 3}),
            Cause::DigestMismatch,
        ),
    ];
    at_once(cases, |number, (rule, cause)| {
        let proxy = Proxy::start(&registry, json!([rule]));
        let scratch = bench.scratch(&number.to_string());
        let error = bench.skopeo.fetch(image.wanted(&proxy.repository("app")), &[], &scratch, &access()).unwrap_err();
        assert_eq!(error.cause(), Some(&cause), "{rule}: {error:?}");
    });
}

#[test]
fn uploads_that_go_wrong() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let cases = [
        ("POST .*/uploads/", json!(401), Cause::Unauthorised),
        ("POST .*/uploads/", json!(403), Cause::Forbidden),
        ("POST .*/uploads/", json!(404), Cause::NoSuchRepository),
        ("PATCH .*/uploads/", json!(500), Cause::ServerError { status: 500 }),
        ("PUT .*/uploads/", json!(503), Cause::ServerError { status: 503 }),
        ("PUT .*/manifests/", json!(500), Cause::ServerError { status: 500 }),
        ("PATCH .*/uploads/", Value::Null, Cause::Reset),
    ];
    at_once(cases, |number, (rule, status, cause)| {
        let action = if status.is_null() { "close" } else { "status" };
        let proxy = Proxy::start(&registry, json!([{"match": rule, "do": action, "argument": status}]));
        let image = Image::new(format!("layer {number}").as_bytes());
        let reference = tag(&proxy.repository(&format!("new{number}")), "v1");
        let error = Bench::new().skopeo.push(image.layout(), &reference, None, &access()).unwrap_err();
        assert_eq!(error.cause(), Some(&cause), "{rule} {status}: {error:?}");
        let ToolError::Tool(failure) = error else { panic!("{error:?}") };
        assert!(!failure.said.unwrap().contains("_state="));
    });
}

#[test]
fn certificates_and_plain_http() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let proxy = Proxy::with_tls(&registry);
    let ask = |address: &str, flags: &[&str]| {
        // Loopback registries are never checked, so the question is put as it is for others.
        let subject = Subject::Image(tag(&Repository::parse(&format!("{address}/app")).unwrap(), "v1"));
        let task = bench.skopeo.task("resolve", subject.clone());
        let invocation = bench.skopeo.prepared(bench.skopeo.command().limit(Duration::from_secs(30))).unwrap();
        task.run(&invocation.arguments(["inspect", "--raw"]).arguments(flags).argument(format!("docker://{subject}")))
    };
    assert_eq!(ask(&proxy.address, &[]).unwrap_err().cause(), Some(&Cause::Certificate));
    assert_eq!(ask(&registry.address, &[]).unwrap_err().cause(), Some(&Cause::PlainHttp));
    assert!(ask(&proxy.address, &["--tls-verify=false"]).is_ok());
    let named = proxy.address.replace("127.0.0.1", "localhost");
    assert_eq!(ask(&named, &[]).unwrap_err().cause(), Some(&Cause::Certificate));
    assert!(ask(&named, &["--cert-dir", proxy.authority.to_str().unwrap()]).is_ok());
}

#[test]
fn a_registry_that_never_answers_is_given_up() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let proxy = Proxy::start(&registry, json!([{"match": "GET .*/manifests/", "do": "hang"}]));
    let reference = tag(&proxy.repository("app"), "v1");
    let limit = Duration::from_secs(2);
    let task = bench.skopeo.task("resolve", Subject::Image(reference.clone()));
    let invocation = bench.skopeo.prepared(bench.skopeo.command().limit(limit)).unwrap();
    let invocation =
        invocation.arguments(["inspect", "--raw", "--tls-verify=false"]).argument(format!("docker://{reference}"));
    let error = task.run(&invocation).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::TimedOut { limit: Some(limit) }));
}

/// In the environment of a test that started itself again.
const INSIDE: &str = "OCI_TEST_INSIDE";

#[test]
fn a_full_disk() {
    if std::env::var_os(INSIDE).is_none() {
        // Every user may mount as root of a user namespace.
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "tools::skopeo::tools_tests::causes::a_full_disk", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains(" 1 passed"), "{output:?}");
        return;
    }
    let bench = Bench::new();
    let (registry, image) = (Registry::start(), Image::new(&vec![7; 3_000_000]));
    bench.publish(&image, &registry.repository("app"), "v1");
    let disk = bench.scratch("disk");
    // It goes with the namespace.
    rustix::mount::mount("tmpfs", &disk, "tmpfs", rustix::mount::MountFlags::empty(), c"size=1m").unwrap();
    let error = bench.skopeo.fetch(image.wanted(&registry.repository("app")), &[], &disk, &access()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::DiskFull), "{error:?}");
    assert_eq!(code(&error), "oci::fs::disk_full");
}

/// The whole output is kept, readable by its owner alone, and once for equal failures.
#[test]
fn the_log_has_everything() {
    let bench = Bench::new();
    let (registry, _) = stocked(&bench);
    let reference = Reference::Digest(registry.repository("app"), Digest::of(b"nowhere"));
    for _ in 0..2 {
        let error = bench.skopeo.inspect_raw(&reference, &access()).unwrap_err();
        let ToolError::Tool(failure) = error else { panic!("{error:?}") };
        let log = failure.log.unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.starts_with("$ skopeo --insecure-policy inspect "), "{text}");
        assert!(text.contains("level=fatal"), "{text}");
        assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(bench.folder.path().join("logs")).unwrap().count(), 1);
}
