//! Images as registries really have them: indexes in indexes, entries and configs that say nothing or something wrong of
//! their platform, `null` where a list should be. What other engines read is read.

use serde_json::{Value, json};

use crate::support::TestContext;
use crate::support::images::{architecture, blob, other_architecture, read_json};
use crate::support::odd::{Answer, CONFIG, INDEX, OddRegistry, digest_of};
use crate::support::snapshot::assert_outcome;

const NAME: &str = "acme/base";
/// A tar without files.
const EMPTY: [u8; 1024] = [0; 1024];

fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}

fn with(mut descriptor: Value, platform: Value) -> Value {
    descriptor["platform"] = platform;
    descriptor
}

fn here() -> Value {
    json!({ "os": "linux", "architecture": architecture() })
}

/// A project that builds on the tag `1`, for this machine and another one if it says so.
fn context(registry: &OddRegistry, platforms: &[&str]) -> TestContext {
    let platforms: Vec<String> = platforms.iter().map(|platform| format!("linux/{platform}")).collect();
    TestContext::with_manifest(&format!(
        "[base.b]\nrepository = \"{}\"\ntag = \"1\"\n\n[build.a]\nbase = \"b\"\nplatforms = {platforms:?}\n\
         packages = [{{ text = \"x\", to = \"/x\" }}]\n",
        registry.repository(NAME)
    ))
}

fn config(more: &Value) -> Value {
    let mut config = json!({ "rootfs": { "type": "layers", "diff_ids": [digest_of(&EMPTY)] } });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

#[test]
fn an_index_in_an_index_is_followed_to_the_image() {
    let registry = OddRegistry::start();
    let foreign = config(&json!({ "os": "linux", "architecture": other_architecture() }));
    let (one, other) = (registry.image(NAME, &[&EMPTY]), registry.image_of(NAME, &[&EMPTY], &foreign));
    let (one, other) = (registry.put(NAME, "", &one), registry.put(NAME, "", &other));
    let there = json!({ "os": "linux", "architecture": other_architecture() });
    let attestation = with(one.clone(), json!({ "os": "unknown", "architecture": "unknown" }));
    // One of the inner indexes says what its image is for, the other does not.
    let first = registry.put(NAME, "", &index(&[attestation.clone(), with(one.clone(), here())]));
    let second = registry.put(NAME, "", &index(&[other.clone(), attestation]));
    registry.put(NAME, "1", &index(&[with(first, here()), with(second, there)]));
    let context = context(&registry, &[architecture(), other_architecture()]);
    context.run(["lock"]).success();
    let lock = context.read("oci.lock");
    for descriptor in [one, other] {
        assert!(lock.contains(descriptor["digest"].as_str().unwrap()), "{lock}");
    }
    context.run(["build", "--complete"]).success();
    context.run(["lock", "--check"]).success();
}

#[test]
fn documents_that_are_served_as_plain_json_are_what_they_say() {
    let registry = OddRegistry::start();
    let image = registry.image(NAME, &[&EMPTY]);
    let inner = registry.put(NAME, "", &image);
    for document in [image.clone(), index(&[with(inner, here())])] {
        let descriptor = registry.put(NAME, "1", &document);
        let outer = descriptor["digest"].as_str().unwrap().to_owned();
        let texts = [document.to_string(), image.to_string()];
        registry.answer(move |request| {
            let (_, name) = request.path.split_once("/manifests/")?;
            let name = if name == "1" { &outer } else { name };
            let text = texts.iter().find(|text| digest_of(text.as_bytes()) == name)?;
            let answer = Answer::new("200 OK", text.clone()).header("Content-Type", "application/json");
            Some(answer.header("Docker-Content-Digest", name))
        });
        let context = context(&registry, &[architecture()]);
        context.run(["lock"]).success();
        assert!(context.read("oci.lock").contains(descriptor["digest"].as_str().unwrap()));
        context.run(["build", "--complete"]).success();
        context.run(["lock", "--check"]).success();
    }
}

#[test]
fn indexes_without_end_are_refused() {
    let registry = OddRegistry::start();
    let mut descriptor = registry.put(NAME, "", &registry.image(NAME, &[&EMPTY]));
    for _ in 0..8 {
        descriptor = registry.put(NAME, "1", &index(&[with(descriptor, here())]));
    }
    assert_outcome!(context(&registry, &[architecture()]).run(["lock"]).failure(1));
}

#[test]
fn an_index_that_names_no_platform_is_looked_into() {
    let registry = OddRegistry::start();
    let descriptor = registry.put(NAME, "", &registry.image(NAME, &[&EMPTY]));
    // A signature beside it is no image.
    let config = registry.blob(NAME, b"{}");
    let config = json!({ "mediaType": "application/vnd.example.config", "digest": config, "size": 2 });
    let signature =
        json!({ "schemaVersion": 2, "mediaType": "application/vnd.example", "config": config, "layers": [] });
    let signature = registry.put(NAME, "", &signature);
    registry.put(NAME, "1", &index(&[signature, descriptor]));
    context(&registry, &[architecture()]).run(["build", "--complete"]).success();
}

#[test]
fn an_odd_entry_takes_no_other_away() {
    let registry = OddRegistry::start();
    let good = registry.put(NAME, "", &registry.image(NAME, &[&EMPTY]));
    let sha512 = json!({ "mediaType": CONFIG, "digest": format!("sha512:{}", "0".repeat(128)), "size": 1 });
    let odd = [json!({}), json!({ "architecture": "amd64" }), json!({ "os": null, "architecture": 1 }), Value::Null];
    let odd = odd.into_iter().map(|platform| with(good.clone(), platform)).chain([with(sha512, here()), json!(1)]);
    for odd in odd {
        registry.put(NAME, "1", &index(&[odd.clone(), with(good.clone(), here())]));
        let told = context(&registry, &[architecture()]).run(["build", "--complete"]);
        assert!(told.success().stderr().contains("b"), "{odd}");
    }
}

#[test]
fn only_digests_that_cannot_be_checked_are_told() {
    let registry = OddRegistry::start();
    let sha512 = json!({ "mediaType": CONFIG, "digest": format!("sha512:{}", "0".repeat(128)), "size": 1 });
    registry.put(NAME, "1", &index(&[with(sha512, here())]));
    assert_outcome!(context(&registry, &[architecture()]).run(["lock"]).failure(1));
}

#[test]
fn null_is_as_good_as_nothing() {
    let registry = OddRegistry::start();
    let plain = registry.image(NAME, &[&EMPTY]);
    let empty = registry.image_of(
        NAME,
        &[],
        &json!({ "os": "linux", "architecture": architecture(), "rootfs": { "diff_ids": null } }),
    );
    let edited = |document: &Value, edit: &dyn Fn(&mut Value)| {
        let mut document = document.clone();
        edit(&mut document);
        document
    };
    let named = with(registry.put(NAME, "", &plain), here());
    for document in [
        edited(&plain, &|manifest| manifest["annotations"] = Value::Null),
        edited(&plain, &|manifest| manifest["layers"][0]["annotations"] = Value::Null),
        edited(&plain, &|manifest| manifest["config"]["annotations"] = Value::Null),
        edited(&empty, &|manifest| manifest["layers"] = Value::Null),
        edited(&index(std::slice::from_ref(&named)), &|index| index["annotations"] = Value::Null),
        edited(&index(&[named]), &|index| index["manifests"][0]["annotations"] = Value::Null),
    ] {
        registry.put(NAME, "1", &document);
        context(&registry, &[architecture()]).run(["build"]).success();
    }
}

#[test]
fn the_word_of_the_index_counts() {
    let registry = OddRegistry::start();
    for (odd, is_told) in [
        (json!({ "os": "linux", "architecture": "s390x" }), true),
        (json!({ "os": "", "architecture": "" }), false),
        (json!({}), false),
    ] {
        let manifest = registry.image_of(NAME, &[&EMPTY], &config(&odd));
        let descriptor = registry.put(NAME, "", &manifest);
        registry.put(NAME, "1", &index(&[with(descriptor, here())]));
        let context = context(&registry, &[architecture()]);
        let told = context.run(["build"]).success();
        assert_eq!(told.stderr().contains("says that it is for linux/s390x"), is_told, "{told}");
        // What is made of it says what it is for.
        let manifest = read_json(&blob(&context.layout(), &json!({ "digest": context.built("a") })));
        assert_eq!(read_json(&blob(&context.layout(), &manifest["config"]))["architecture"], architecture());
    }
}

#[test]
fn an_image_that_says_nothing_of_its_platform_is_told() {
    let registry = OddRegistry::start();
    registry.put(NAME, "1", &registry.image_of(NAME, &[&EMPTY], &config(&json!({}))));
    assert_outcome!(context(&registry, &[architecture()]).run(["lock"]).failure(1));
}
