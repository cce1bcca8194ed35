//! Damages references, manifests and configs: each gives an error, or a value that keeps its guarantees, and never a
//! panic.

use crate::model::{Digest, Document, ImageConfig, Platform, Reference, Repository, Tag, canonical_json};
use crate::mutation::changed;

const COUNT: u32 = 4000;

/// A reference may become an argument of skopeo, and a line of the lockfile.
fn is_plain(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '\'');
    !text.starts_with('-') && text.chars().all(plain)
}

#[test]
fn references() {
    const REFERENCES: [&str; 6] = [
        "docker.io/library/python:3.12-slim",
        "localhost:5000/a",
        "[::1]:5000/a/b_c.d--e:latest",
        "gcr.io/distroless/static@sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2",
        "sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2",
        "linux/arm64/v8",
    ];
    fn is_stable<T: PartialEq + std::fmt::Display, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) {
        let Ok(value) = parse(text) else { return };
        let printed = value.to_string();
        assert!(parse(&printed).is_ok_and(|again| again == value), "{text:?} is printed as {printed:?}");
        assert!(is_plain(&printed), "{printed:?}");
    }
    changed(&REFERENCES, COUNT, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        is_stable(&text, Repository::parse);
        is_stable(&text, Tag::parse);
        is_stable(&text, Digest::parse);
        is_stable(&text, Platform::parse);
        let (repository, tag) = text.rsplit_once(':').unwrap_or((&text, "latest"));
        if let (Ok(repository), Ok(tag)) = (Repository::parse(repository), Tag::parse(tag)) {
            assert_eq!(Reference::Tag(repository, tag).to_string().matches('@').count(), 0);
        }
    });
}

#[test]
fn manifests_and_indexes() {
    const DOCUMENTS: [&str; 3] = [
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":32}],"annotations":{"a":"b"}}"#,
        r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}},{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":9,"mediaType":"m","platform":{"architecture":"unknown","os":"unknown"}}]}"#,
        r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"c","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1},"layers":[]}"#,
    ];
    changed(&DOCUMENTS, COUNT, |bytes| match Document::parse(bytes) {
        Ok(Document::Index(index)) => {
            index.platforms().keys().for_each(|platform| assert!(is_plain(&platform.to_string()), "{platform}"));
            let again = canonical_json(&index);
            assert!(matches!(Document::parse(&again), Ok(Document::Index(_))), "{}", String::from_utf8_lossy(&again));
        }
        Ok(Document::Manifest(manifest)) => {
            let again = canonical_json(&manifest);
            let Ok(Document::Manifest(read)) = Document::parse(&again) else {
                panic!("{} is no manifest", String::from_utf8_lossy(&again))
            };
            assert_eq!(canonical_json(&read), again);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}

#[test]
fn configs() {
    const CONFIGS: [&str; 2] = [
        r#"{"created":"2020-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"User":"app","Env":["PATH=/bin","A"],"Entrypoint":["/a"],"Cmd":null,"WorkingDir":"/w","Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[{"created_by":"x"},{"empty_layer":true}],"unknown":[1.5,{"deep":null}]}"#,
        r#"{"architecture":"arm","variant":"v7","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#,
    ];
    let layer = crate::model::DiffId(Digest::of(b"layer"));
    changed(&CONFIGS, COUNT, |bytes| {
        let Ok(mut config) = ImageConfig::parse(bytes) else { return };
        let layers = config.diff_ids().len();
        let _ = (config.execution(), config.environment());
        assert!(config.platform().is_unknown() || is_plain(&config.platform().to_string()));
        config.complete_history();
        config.append_layer(layer, "1970-01-01T00:00:00Z", "test");
        config.set("User", Some("app".into()));
        let written = config.to_bytes();
        let again = ImageConfig::parse(&written).unwrap_or_else(|error| panic!("{error} in what was written"));
        assert_eq!((again.diff_ids().len(), again.to_bytes()), (layers + 1, written));
    });
}
