//! What is built is what the OCI image specification's own schemas (`tests/schemas`) describe.

use std::path::Path;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

use crate::support::images::{self, Base, blob, read_json};
use crate::support::{Registry, TestContext};

const LAYOUT: &str = "image-layout-schema";
const INDEX: &str = "image-index-schema";
const MANIFEST: &str = "image-manifest-schema";
const CONFIG: &str = "config-schema";
const DESCRIPTOR: &str = "content-descriptor";
const ALL: [&str; 7] = [LAYOUT, INDEX, MANIFEST, CONFIG, DESCRIPTOR, "defs", "defs-descriptor"];

/// A schema with all the others in it, so that none is looked for elsewhere.
fn validator(name: &str) -> Validator {
    let load = |name: &str| {
        let mut schema = read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/schemas/{name}.json")));
        adapt(&mut schema, name);
        schema
    };
    let mut schema = load(name);
    let definitions: Map<String, Value> = ALL.iter().map(|name| ((*name).to_owned(), load(name))).collect();
    schema["definitions"] = Value::Object(definitions);
    jsonschema::options().with_draft(Draft::Draft4).build(&schema).unwrap()
}

/// Takes the names by which a schema is found in networks from it, and refers to others where they are put.
fn adapt(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(object) => {
            if object.get("id").is_some_and(Value::is_string) {
                object.remove("id");
            }
            object.remove("$schema");
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                let file = if file.is_empty() { name } else { file.trim_end_matches(".json") };
                *reference = format!("#/definitions/{file}{pointer}");
            }
            object.values_mut().for_each(|value| adapt(value, name));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| adapt(value, name)),
        _ => {}
    }
}

#[track_caller]
fn hold(schema: &str, document: &Value) {
    let errors: Vec<String> = validator(schema).iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{document:#}");
}

/// Everything in a project's layout, from `oci-layout` down to the configs; how many documents that is.
#[track_caller]
fn hold_layout(layout: &Path) -> usize {
    hold(LAYOUT, &read_json(&layout.join("oci-layout")));
    let index = read_json(&layout.join("index.json"));
    hold(INDEX, &index);
    2 + hold_index(layout, &index)
}

#[track_caller]
fn hold_index(layout: &Path, index: &Value) -> usize {
    let mut count = 0;
    for descriptor in index["manifests"].as_array().unwrap() {
        hold(DESCRIPTOR, descriptor);
        let document = read_json(&blob(layout, descriptor));
        assert_eq!(document["mediaType"], descriptor["mediaType"]);
        count += 1;
        if document.get("manifests").is_some() {
            hold(INDEX, &document);
            count += hold_index(layout, &document);
            continue;
        }
        hold(MANIFEST, &document);
        let config = &document["config"];
        assert_eq!(config["mediaType"], "application/vnd.oci.image.config.v1+json");
        hold(CONFIG, &read_json(&blob(layout, config)));
        count += 1;
        for layer in document["layers"].as_array().unwrap() {
            hold(DESCRIPTOR, layer);
        }
    }
    count
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let descriptor = |digest: &str| serde_json::json!({ "mediaType": "a/b", "digest": digest, "size": 1 });
    let good = format!("sha256:{}", "a".repeat(64));
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "config": descriptor(&good), "layers": [descriptor(&good)] });
    hold(MANIFEST, &manifest);
    let wrong = |change: fn(&mut Value)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        !validator(MANIFEST).is_valid(&changed)
    };
    assert!(wrong(|manifest| manifest["schemaVersion"] = 1.into()));
    assert!(wrong(|manifest| manifest["config"]["digest"] = "md5".into()));
    assert!(wrong(|manifest| manifest["layers"][0]["size"] = "1".into()));
    assert!(wrong(|manifest| manifest["annotations"] = serde_json::json!({ "a": 1 })));
    assert!(!validator(CONFIG).is_valid(&serde_json::json!({ "architecture": "amd64", "os": "linux" })));
}

#[test]
fn images_from_scratch_with_everything_that_can_be_said() {
    let context = TestContext::with_manifest(
        r#"
[build.everything]
base = "scratch"
platforms = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]
packages = ["app", { text = "{arch}", to = "/etc/arch" }]
compression = "zstd"
args = ["--serve"]
env = { PATH = "/bin", EMPTY = "" }
user = "1000:1000"
workdir = "/srv"
stop-signal = "SIGINT"
ports = ["8080", "53/udp"]
volumes = ["/data"]
labels = { "org.opencontainers.image.title" = "é" }
annotations = { "com.example.a" = "b" }
description = "all of it"

[build.plain]
base = "everything"
platforms = ["linux/amd64"]
packages = [{ text = "x", to = "/x" }]
compression = "none"
"#,
    );
    context.write_program("app", "#!/bin/sh\n");
    context.run(["build"]).success();
    // Both of them, an index's three manifests, and every manifest's config.
    assert_eq!(hold_layout(&context.layout()), 2 + 2 + 3 + 4);
}

/// The schema asks for a layer, and some tools do.
#[test]
fn an_image_of_nothing_has_one_empty_layer() {
    let context = TestContext::with_manifest(
        r#"
[build.gzip]
base = "scratch"
[build.zstd]
base = "scratch"
compression = "zstd"
[build.none]
base = "scratch"
compression = "none"
packages = [{ path = "absent", optional = true }]
[build.above]
base = "gzip"
labels = { above = "gzip" }
"#,
    );
    context.run(["build"]).success();
    assert_eq!(hold_layout(&context.layout()), 2 + 4 + 4);
    let layers = |name: &str| {
        let manifest = images::descriptor(&context.layout(), name);
        read_json(&blob(&context.layout(), &manifest))["layers"].clone()
    };
    for name in ["gzip", "zstd", "none", "above"] {
        assert_eq!(layers(name).as_array().unwrap().len(), 1, "{name}");
        assert!(blob(&context.layout(), &layers(name)[0]).exists(), "{name}");
    }
    let plan = context.run(["build", "--dry-run"]).success().stdout();
    assert!(plan.lines().count() == 4 && plan.lines().all(|line| line.ends_with(": cached")), "{plan}");
    assert_eq!(layers("gzip"), layers("above"));
}

#[test]
fn images_on_bases_of_one_platform_and_of_several() {
    let registry = Registry::start();
    images::push(&registry, Base::Index, "library/busybox", "latest");
    images::push_schema2(&registry, Base::Merged, "library/merged", "latest");
    let context = TestContext::with_manifest(&format!(
        r#"
[base.index]
repository = "{}"
tag = "latest"
[base.schema2]
repository = "{}"
tag = "latest"
[build.both]
base = "index"
platforms = ["linux/amd64", "linux/arm64"]
packages = [{{ text = "x", to = "/x" }}]
[build.converted]
base = "schema2"
packages = [{{ text = "x", to = "/x" }}]
"#,
        registry.repository("library/busybox"),
        registry.repository("library/merged"),
    ));
    context.run(["build"]).success();
    assert_eq!(hold_layout(&context.layout()), 2 + 2 + 2 + 3);
}
