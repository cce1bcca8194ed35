//! Tests of what a build makes of its base, field by field, and of the documents' bytes.

use std::path::Path;

use super::*;
use crate::diagnostic::rendered;
use crate::source::Source;

/// A build with these lines on a base. It has a layer if there is a program.
struct Case {
    base: Value,
    lines: &'static str,
    program: Option<&'static str>,
}

/// A typical base: fields in Docker's order, and fields that the spec does not know.
fn base() -> Value {
    json!({
        "architecture": "amd64",
        "config": {
            "Env": ["PATH=/usr/local/bin:/bin", "LANG=C.UTF-8", "EMPTY="],
            "Cmd": ["python3"],
            "Entrypoint": ["/entry"],
            "ExposedPorts": { "8080/tcp": {}, "9090": {} },
            "Volumes": { "/data": {} },
            "Labels": { "vendor": "someone", "maintainer": "someone" },
            "WorkingDir": "/work",
            "StopSignal": "SIGINT",
            "Healthcheck": { "Test": ["CMD", "true"] },
            "OnBuild": null
        },
        "created": "2020-01-01T00:00:00Z",
        "docker_version": "20.10",
        "history": [
            { "created": "2020-01-01T00:00:00Z", "created_by": "ADD rootfs", "comment": "kept" },
            { "created": "2020-01-01T00:00:00Z", "created_by": "CMD python3", "empty_layer": true }
        ],
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"base layer")] }
    })
}

fn image(config: &Value) -> Image {
    let config = serde_json::to_vec(config).unwrap();
    let descriptor = Descriptor::new(media_type::DOCKER_LAYER_GZIP, Digest::of(b"base blob"), 9);
    let layers = ImageConfig::parse(&config).unwrap().diff_ids().iter().map(|_| descriptor.clone()).collect();
    let manifest = ImageManifest::new(Descriptor::of(media_type::CONFIG, &config), layers, BTreeMap::new());
    Image::parse(&manifest, &config).unwrap()
}

fn build(lines: &str) -> Build {
    let text = format!("[build.app]\nbase = \"scratch\"\n{lines}\n");
    let manifest = crate::manifest::parse(&Source::new("oci.toml", text), Path::new("."));
    manifest.unwrap().builds.remove("app").unwrap()
}

fn layer() -> AddedLayer {
    let descriptor = Descriptor::new(media_type::LAYER_GZIP, Digest::of(b"blob"), 4);
    let layer = Layer { descriptor, diff_id: DiffId(Digest::of(b"layer")) };
    AddedLayer { layer, created_by: "oci: dist/app".to_owned() }
}

fn derive(case: &Case) -> Result<Image, At<ImageError>> {
    let layers = [layer()];
    image(&case.base).derive(&Addition {
        build: &build(case.lines),
        layers: if case.program.is_some() { &layers } else { &[] },
        given: &given(case.program),
        epoch: 0,
        base: None,
    })
}

/// A field of the config after a build with these lines on [`base`].
fn field(name: &str, lines: &'static str) -> Option<Value> {
    derive(&Case { base: base(), lines, program: None }).unwrap().config.get(name).cloned()
}

fn document(image: &Image) -> Value {
    serde_json::from_slice(&image.documents().0).unwrap()
}

/// What a first package that is a program gives.
fn given(program: Option<&str>) -> Given {
    Given { entrypoint: program.map(|program| vec![program.to_owned()]), ..Given::default() }
}

#[test]
fn nothing_said_is_nothing_changed() {
    let derived = document(&derive(&Case { base: base(), lines: "", program: None }).unwrap());
    let mut expected = base();
    expected["created"] = json!("1970-01-01T00:00:00Z");
    assert_eq!(derived, expected);
    let order: Vec<&String> = derived.as_object().unwrap().keys().collect();
    assert_eq!(order, expected.as_object().unwrap().keys().collect::<Vec<_>>());
}

#[test]
fn the_environment_stands_above_the_base_s() {
    let path = "PATH=/usr/local/bin:/bin";
    for (lines, variables) in [
        ("env = { NEW = \"1\" }", vec![path, "LANG=C.UTF-8", "EMPTY=", "NEW=1"]),
        ("env = { B = \"2\", A = \"1\" }", vec![path, "LANG=C.UTF-8", "EMPTY=", "A=1", "B=2"]),
        ("env = { PATH = \"/x:${PATH}\" }", vec!["PATH=/x:/usr/local/bin:/bin", "LANG=C.UTF-8", "EMPTY="]),
        ("env = { LANG = false, NONE = false }", vec![path, "EMPTY="]),
        ("env = { EMPTY = \"[${EMPTY}]\" }", vec![path, "LANG=C.UTF-8", "EMPTY=[]"]),
        // Values come from the base, not from the other keys of the table.
        ("env = { LANG = \"de\", A = \"${LANG}\" }", vec![path, "LANG=de", "EMPTY=", "A=C.UTF-8"]),
        ("env = { A = \"$$1 $HOME {{x}} $${{x}}\" }", vec![path, "LANG=C.UTF-8", "EMPTY=", "A=$1 $HOME {x} ${x}"]),
    ] {
        assert_eq!(field("Env", lines), Some(json!(variables)), "{lines}");
    }
    assert_eq!(field("Env", "env = { PATH = false, LANG = false, EMPTY = false }"), None);
}

#[test]
fn a_variable_that_the_base_names_twice_is_set_wholly() {
    let mut twice = base();
    twice["config"]["Env"] = json!(["A=1", "B=1", "A=2"]);
    let derived = derive(&Case { base: twice, lines: "env = { A = \"${A}3\" }", program: None }).unwrap();
    assert_eq!(derived.config.get("Env"), Some(&json!(["A=23", "B=1"])));
}

#[test]
fn path_has_a_value_where_no_base_gives_one() {
    let scratch = Image::scratch(&Platform::parse("linux/amd64").unwrap());
    let addition =
        |build| scratch.derive(&Addition { build, layers: &[], given: &Given::default(), epoch: 0, base: None });
    let (with_path, without) = (build("env = { PATH = \"/app:${PATH}\" }"), build(""));
    let derived = addition(&with_path).unwrap();
    assert_eq!(derived.config.get("Env"), Some(&json!([format!("PATH=/app:{DEFAULT_PATH}")])));
    assert_eq!(addition(&without).unwrap().config.get("Env"), None);
}

#[test]
fn a_value_that_the_base_does_not_have_is_an_error_at_its_line() {
    let error = derive(&Case { base: base(), lines: "env = { A = \"${HOME}\" }", program: None }).unwrap_err();
    insta::assert_snapshot!(rendered(&error), @r#"
    oci::image::no_base_value

      × the base has no environment variable `HOME`
       ╭─[oci.toml:3:13]
     2 │ base = "scratch"
     3 │ env = { A = "${HOME}" }
       ·             ─────────
       ╰────
      help: `${HOME}` stands for the base's value; write `$$` for a dollar sign
    "#);
}

#[test]
fn an_entrypoint_drops_the_base_s_arguments() {
    for (lines, program, entrypoint, arguments) in [
        ("", None, json!(["/entry"]), json!(["python3"])),
        ("args = [\"x\"]", None, json!(["/entry"]), json!(["x"])),
        ("args = []", None, json!(["/entry"]), Value::Null),
        ("entrypoint = \"/app\"", None, json!(["/app"]), Value::Null),
        ("entrypoint = []", None, Value::Null, Value::Null),
        ("entrypoint = [\"/app\"]\nargs = [\"x\"]", None, json!(["/app"]), json!(["x"])),
        ("", Some("/server"), json!(["/server"]), Value::Null),
        ("args = [\"x\"]", Some("/server"), json!(["/server"]), json!(["x"])),
        ("entrypoint = [\"/app\"]", Some("/server"), json!(["/app"]), Value::Null),
        ("entrypoint = []", Some("/server"), Value::Null, Value::Null),
        ("entrypoint = false", None, json!(["/entry"]), json!(["python3"])),
        ("entrypoint = false", Some("/server"), json!(["/entry"]), json!(["python3"])),
        ("entrypoint = false\nargs = [\"x\"]", Some("/server"), json!(["/entry"]), json!(["x"])),
    ] {
        let derived = derive(&Case { base: base(), lines, program }).unwrap();
        let field = |name| derived.config.get(name).cloned().unwrap_or_default();
        assert_eq!((field("Entrypoint"), field("Cmd")), (entrypoint, arguments), "{lines} {program:?}");
    }
}

#[test]
fn sets_are_added_to_and_removed_from() {
    for (name, lines, keys) in [
        ("ExposedPorts", "ports = [\"53/udp\", \"443\"]", vec!["8080/tcp", "9090", "443/tcp", "53/udp"]),
        ("ExposedPorts", "ports = [\"8080\", \"!9090\"]", vec!["8080/tcp"]),
        ("ExposedPorts", "ports = [\"9090/tcp\"]", vec!["8080/tcp", "9090"]),
        ("ExposedPorts", "ports = [\"!8080/udp\"]", vec!["8080/tcp", "9090"]),
        ("Volumes", "volumes = [\"/b\", \"/a\", \"!/data\"]", vec!["/a", "/b"]),
    ] {
        let set = field(name, lines).unwrap();
        assert_eq!(set.as_object().unwrap().keys().collect::<Vec<_>>(), keys, "{lines}");
        assert!(set.as_object().unwrap().values().all(|value| *value == json!({})));
    }
    assert_eq!(field("Volumes", "volumes = [\"!/data\"]"), None);
}

#[test]
fn labels_user_folder_and_signal() {
    let labels = field("Labels", "labels = { maintainer = false, vendor = \"us\", new = \"1\" }");
    assert_eq!(labels, Some(json!({ "vendor": "us", "new": "1" })));
    assert_eq!(field("Labels", "labels = { maintainer = false, vendor = false }"), None);
    assert_eq!(field("User", "user = \"7:8\""), Some(json!("7:8")));
    assert_eq!(field("WorkingDir", "workdir = \"/app\""), Some(json!("/app")));
    assert_eq!(field("StopSignal", "stop-signal = \"SIGTERM\""), Some(json!("SIGTERM")));
}

#[test]
fn annotations_name_the_base() {
    let build = build("description = \"d\"\nannotations = { a = \"1\" }");
    let name = "docker.io/library/python:3.12".to_owned();
    let base = (Some(name.clone()), Digest::of(b"base"));
    let found = annotations(&build, Some(&base));
    assert_eq!(
        found,
        [
            ("a".to_owned(), "1".to_owned()),
            ("org.opencontainers.image.base.digest".to_owned(), Digest::of(b"base").to_string()),
            ("org.opencontainers.image.base.name".to_owned(), name),
            ("org.opencontainers.image.description".to_owned(), "d".to_owned()),
        ]
        .into()
    );
    assert_eq!(annotations(&self::build(""), None), BTreeMap::new());
    let nameless = annotations(&self::build(""), Some(&(None, Digest::of(b"base"))));
    assert_eq!(nameless.into_keys().collect::<Vec<_>>(), ["org.opencontainers.image.base.digest"]);
}

#[test]
fn a_layer_adds_its_history() {
    let derived = derive(&Case { base: base(), lines: "", program: Some("/app") }).unwrap();
    let document = document(&derived);
    assert_eq!(document["history"].as_array().unwrap().len(), 3);
    let entry = json!({ "created": "1970-01-01T00:00:00Z", "created_by": "oci: dist/app" });
    assert_eq!(document["history"][2], entry);
    assert_eq!(document["rootfs"]["diff_ids"], json!([Digest::of(b"base layer"), Digest::of(b"layer")]));
    let media_types: Vec<_> = derived.layers.iter().map(|layer| layer.descriptor.media_type.as_str()).collect();
    assert_eq!(media_types, [media_type::LAYER_GZIP; 2], "Docker's media types become OCI's");
}

#[test]
fn a_base_without_history_gets_one_entry_for_each_layer() {
    let mut base = base();
    for history in [Value::Null, json!([{ "created_by": "CMD", "empty_layer": true }])] {
        let entries = history.as_array().map_or(0, Vec::len);
        base["history"] = history;
        let derived = document(&derive(&Case { base: base.clone(), lines: "", program: Some("/app") }).unwrap());
        let history = derived["history"].as_array().unwrap();
        let with_layer = history.iter().filter(|entry| entry.get("empty_layer").is_none()).count();
        assert_eq!((history.len(), with_layer), (entries + 2, 2), "{derived}");
    }
}

#[test]
fn documents_that_do_not_fit_are_refused() {
    let config = serde_json::to_vec(&base()).unwrap();
    let manifest = ImageManifest::new(Descriptor::of(media_type::CONFIG, &config), Vec::new(), BTreeMap::new());
    assert!(matches!(Image::parse(&manifest, &config), Err(ImageError::Layers { layers: 0, diff_ids: 1 })));
    assert!(matches!(Image::parse(&manifest, b"{}"), Err(ImageError::Config(_))));
    let index = canonical_json(&crate::model::Index::new(Vec::new(), BTreeMap::new()));
    assert!(matches!(Image::parse_manifest(&index), Err(ImageError::NestedIndex)));
}

/// A change of these bytes gives every image a new digest. The changelog has to name it.
#[test]
fn the_bytes_stay_what_they_are() {
    let scratch = Image::scratch(&Platform::parse("linux/arm/v7").unwrap());
    let build = build(
        r#"
        args = ["--serve"]
        env = { PATH = "/app:${PATH}", B = "ä", A = "1" }
        user = "65532:65532"
        workdir = "/srv"
        ports = ["8080", "53/udp"]
        volumes = ["/data"]
        labels = { "org.opencontainers.image.source" = "https://example.com/acme" }
        annotations = { team = "shop" }
        description = "a small build"
        "#,
    );
    let addition = Addition {
        build: &build,
        layers: &[layer()],
        given: &given(Some("/app")),
        epoch: 1_767_225_600,
        base: Some((Some("docker.io/library/python:3.12".to_owned()), Digest::of(b"base"))),
    };
    let (config, manifest) = scratch.derive(&addition).unwrap().documents();
    assert_eq!(Digest::of(&config).hex(), "fda433fac41125a2964b46791320f28a2914aca6d37f2bb1294cf44ade95c805");
    assert_eq!(Digest::of(&manifest).hex(), "79def883763acc2f8a1b8aa9ed13593ba2275e2ea767d21912031995b6aaea2c");
}
