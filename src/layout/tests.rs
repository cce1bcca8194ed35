//! Tests layouts and archives of every kind, and everything that may be wrong with them.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::files::LARGEST_DOCUMENT;
use super::*;
use crate::diagnostic::{codes_of, rendered};
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, ImageManifest, canonical_json};
use crate::mutation::changed;
use crate::tar::StreamFormat;

/// A folder with layouts and archives, and a store.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

/// The files of a layout or an archive.
type Members = Vec<(String, Vec<u8>)>;

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        Self { folder, store }
    }

    fn folder(&self, name: &str, members: &Members) {
        for (member, bytes) in members {
            let path = self.folder.path().join(name).join(member);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, path: &str) -> Result<Layout, LayoutError> {
        Layout::open(&LayoutPath::parse(path).unwrap(), self.folder.path())
    }

    fn pin(&self, path: &str) -> Result<Pinned, LayoutError> {
        self.open(path)?.pin(None, &self.store)
    }

    fn error(&self, path: &str) -> LayoutError {
        self.pin(path).map(|pinned| pinned.digest).expect_err(path)
    }
}

fn tar(members: &Members) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn config(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<DiffId> = layers.iter().map(|layer| DiffId(Digest::of(layer))).collect();
    serde_json::to_vec(&json!({
        "architecture": architecture, "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids }
    }))
    .unwrap()
}

fn blob(bytes: &[u8]) -> (String, Vec<u8>) {
    (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec())
}

/// A layout of images, one for each name. Their layers differ.
fn layout(names: &[Option<&str>]) -> Members {
    let mut members = vec![("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec())];
    let mut manifests = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let layer = format!("layer {number}").into_bytes();
        let config = config("arm64", &[&layer]);
        let layers = vec![Descriptor::of(media_type::LAYER, &layer)];
        let manifest = ImageManifest::new(Descriptor::of(media_type::CONFIG, &config), layers, BTreeMap::new());
        let manifest = canonical_json(&manifest);
        let mut descriptor = Descriptor::of(media_type::MANIFEST, &manifest);
        descriptor.annotations.extend(name.map(|name| (NAMES[1].to_owned(), name.to_owned())));
        manifests.push(descriptor);
        members.extend([blob(&layer), blob(&config), blob(&manifest)]);
    }
    members.push(("index.json".to_owned(), canonical_json(&Index::new(manifests, BTreeMap::new()))));
    members
}

/// An archive as `docker save` writes it, of images with these tags and layers.
fn saved(images: &[(Value, &[&[u8]])]) -> Members {
    let mut members = Members::new();
    let mut manifest = Vec::new();
    for (tags, layers) in images {
        let plain: Vec<Vec<u8>> = layers.iter().map(|layer| unpacked(layer)).collect();
        let config = config("arm64", &plain.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let name = |bytes: &[u8], end: &str| format!("{}.{end}", Digest::of(bytes).hex());
        let names: Vec<String> = layers.iter().map(|layer| name(layer, "tar")).collect();
        manifest.push(json!({ "Config": name(&config, "json"), "RepoTags": tags, "Layers": names }));
        members.extend(names.into_iter().zip(layers.iter().map(|layer| layer.to_vec())));
        members.push((name(&config, "json"), config));
    }
    members.push(("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap()));
    members
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpacked(layer: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match StreamFormat::of(layer) {
        StreamFormat::Gzip => drop(flate2::read::GzDecoder::new(layer).read_to_end(&mut bytes).unwrap()),
        StreamFormat::Zstd => bytes = zstd::decode_all(layer).unwrap(),
        _ => bytes = layer.to_vec(),
    }
    bytes
}

#[test]
fn a_folder_and_a_tar_of_it_are_the_same_image() {
    let bench = Bench::new();
    let members = layout(&[Some("1.0"), Some("docker.io/library/base:2")]);
    bench.folder("base", &members);
    bench.folder("a b:c", &members);
    bench.file("base.tar", &tar(&members));
    let dotted = members.iter().rev().map(|(name, bytes)| (format!("./{name}"), bytes.clone())).collect();
    bench.file("dotted.tar", &tar(&dotted));
    let pinned = bench.pin("base:1.0").unwrap();
    assert_eq!(pinned.media_type, media_type::MANIFEST);
    let platforms: Vec<_> = pinned.platforms.iter().map(|(platform, digest)| (platform.to_string(), *digest)).collect();
    assert_eq!(platforms, [("linux/arm64".to_owned(), pinned.digest)]);
    for path in
        ["oci:base:1.0", "./base:1.0", "a b:c:1.0", "base.tar:1.0", "oci-archive:base.tar:1.0", "dotted.tar:1.0"]
    {
        assert_eq!(bench.pin(path).unwrap().digest, pinned.digest, "{path}");
    }
    let other = bench.pin("base:docker.io/library/base:2").unwrap().digest;
    assert_ne!(other, pinned.digest);
    assert_eq!(bench.pin("base.tar:base:2").unwrap().digest, other);
    let open = bench.open("base").unwrap();
    assert_eq!(open.choose(Some(&other)).unwrap(), other);
    for path in ["base:1.0", "dotted.tar:1.0"] {
        let open = bench.open(path).unwrap();
        let layer = Descriptor::of(media_type::LAYER, b"layer 0");
        open.store_blob(&layer, &bench.store).unwrap();
        assert_eq!(bench.store.read(&layer.digest).unwrap().unwrap(), b"layer 0", "{path}");
        std::fs::remove_file(bench.store.blob_path(&layer.digest)).unwrap();
    }
}

#[test]
fn a_blob_of_another_size_than_its_descriptor_says_is_not_copied() {
    let bench = Bench::new();
    bench.folder("base", &layout(&[Some("1")]));
    let layer = Descriptor::of(media_type::LAYER, b"layer 0");
    let path = bench.folder.path().join(format!("base/blobs/sha256/{}", layer.digest.hex()));
    // Reading the whole file would take longer than any test, and fill the disk.
    std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 42).unwrap();
    let refused = bench.open("base").unwrap().store_blob(&layer, &bench.store).unwrap_err();
    assert!(matches!(refused, LayoutError::Damaged { digest, .. } if digest == layer.digest), "{refused}");
}

#[test]
fn an_image_without_a_name_is_enough_where_it_is_the_only_one() {
    let bench = Bench::new();
    bench.folder("one", &layout(&[None]));
    let mut twice = layout(&[Some("1")]);
    let index = String::from_utf8(twice.pop().unwrap().1).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    let mut again = index["manifests"][0].clone();
    again["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/base:1" });
    let attestation = json!({
        "mediaType": "x", "digest": Digest::of(b""), "size": 0, "platform": { "os": "unknown", "architecture": "unknown" }
    });
    index["manifests"] = json!([index["manifests"][0], again, attestation]);
    twice.push(("index.json".to_owned(), serde_json::to_vec(&index).unwrap()));
    bench.folder("twice", &twice);
    assert_eq!(bench.pin("one").unwrap().digest, bench.pin("twice").unwrap().digest);
    assert_eq!(bench.pin("one").unwrap().digest, bench.pin("twice:base:1").unwrap().digest);
}

#[test]
fn the_manifest_made_for_what_docker_saved_is_always_the_same() {
    let bench = Bench::new();
    let layers: [&[u8]; 4] =
        [b"layer 0", &gzip(b"layer 1"), &zstd::encode_all(&b"layer 2"[..], 3).unwrap(), b"layer 0"];
    let members = saved(&[(json!(["alpine:3.20", "x.io/a:1"]), &layers)]);
    bench.file("a.tar", &tar(&members));
    let pinned = bench.pin("a.tar").unwrap();
    let open = bench.open("a.tar").unwrap();
    let Document::Manifest(manifest) = Document::parse(&open.document(&pinned.digest).unwrap()).unwrap() else {
        panic!("a manifest was made")
    };
    let kinds: Vec<&str> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    assert_eq!(kinds, [media_type::LAYER, media_type::LAYER_GZIP, media_type::LAYER_ZSTD, media_type::LAYER]);
    for (layer, bytes) in manifest.layers.iter().zip(layers) {
        assert_eq!(layer, &Descriptor::of(&layer.media_type, bytes));
        open.store_blob(layer, &bench.store).unwrap();
        assert_eq!(bench.store.read(&layer.digest).unwrap().unwrap(), bytes);
    }
    // The digest does not depend on the order or the names in the archive, nor on other images in it.
    let other = saved(&[(json!(null), &[b"another"]), (json!(["docker.io/library/alpine:3.20"]), &layers)]);
    let other: Members = other.into_iter().rev().map(|(name, bytes)| (format!("./{name}"), bytes)).collect();
    bench.file("b.tar", &tar(&other));
    for path in [
        "a.tar:alpine:3.20",
        "docker-archive:a.tar:docker.io/library/alpine:3.20",
        "b.tar:alpine:3.20",
        "a.tar:x.io/a:1",
    ] {
        assert_eq!(bench.pin(path).unwrap().digest, pinned.digest, "{path}");
    }
}

/// A change of this digest would make lockfiles stale.
#[test]
fn what_docker_saved_is_pinned_by_the_same_digest_in_every_version() {
    let bench = Bench::new();
    bench.file("a.tar", &tar(&saved(&[(json!(["alpine:3.20"]), &[b"layer 0", b"layer 1"])])));
    insta::assert_snapshot!(bench.pin("a.tar").unwrap().digest, @"sha256:09773759609996cb73b83d93f4a5a805d46fccf91c1a0b450a55e40bd4f35f80");
}

#[test]
fn an_archive_that_is_both_is_what_was_asked_for() {
    let bench = Bench::new();
    let both = [layout(&[Some("1")]), saved(&[(json!(["a:1"]), &[b"layer 0"])])].concat();
    bench.file("both.tar", &tar(&both));
    let oci = bench.pin("both.tar").unwrap();
    assert_eq!(oci.digest, bench.pin("oci-archive:both.tar").unwrap().digest);
    // In this archive even the manifests are equal.
    assert_eq!(oci.digest, bench.pin("docker-archive:both.tar:a:1").unwrap().digest);
    assert!(matches!(bench.error("docker-archive:both.tar:1"), LayoutError::NoSuchImage { .. }));
}

/// Renders every fault that a layout may have, each under a heading.
fn wrong() -> Vec<(&'static str, LayoutError)> {
    let bench = Bench::new();
    let with = |members: Members, name: &str, bytes: &[u8]| -> Members {
        let kept = members.into_iter().filter(|(known, _)| known != name);
        kept.chain([(name.to_owned(), bytes.to_vec())]).collect()
    };
    let without = |members: Members, name: &str| members.into_iter().filter(|(known, _)| known != name).collect();
    let two = layout(&[Some("1.0"), Some("1.1")]);
    bench.folder("vendor/base", &two);
    bench.folder("nameless", &layout(&[None, None]));
    bench.folder("empty", &layout(&[]));
    bench.folder("plain", &vec![("a".to_owned(), Vec::new())]);
    bench.folder("broken", &with(layout(&[]), "index.json", b"{\"manifests\":"));
    let one = layout(&[None]);
    let manifest = one[3].0.clone();
    bench.folder("lacking", &without(one.clone(), &manifest));
    bench.folder("damaged", &with(one.clone(), &manifest, b"{}"));
    bench.folder("lax", &with(one.clone(), &one[1].0, b"layer 1"));
    let unknown = String::from_utf8(config("unknown", &[])).unwrap().replace("\"linux\"", "\"unknown\"").into_bytes();
    let mut nowhere = layout(&[]);
    let made = canonical_json(&ImageManifest::new(Descriptor::of("", &unknown), Vec::new(), BTreeMap::new()));
    nowhere.extend([blob(&unknown), blob(&made)]);
    let index = Index::new(vec![Descriptor::of(media_type::MANIFEST, &made)], BTreeMap::new());
    bench.folder("platformless", &with(nowhere.clone(), "index.json", &canonical_json(&index)));
    let index = Index::new(vec![Descriptor::of("", b"<html>")], BTreeMap::new());
    let page = with(nowhere, "index.json", &canonical_json(&index));
    bench.folder("page", &with(page, &blob(b"<html>").0, b"<html>"));
    let saved_one = saved(&[(json!(["a:1"]), &[b"layer 0"])]);
    bench.file("packed.tar.gz", &gzip(&tar(&saved_one)));
    bench.file("saved.tar", &tar(&saved_one));
    bench.file("text.tar", "no tar\n".repeat(100).as_bytes());
    bench.file("other.tar", &tar(&vec![("a".to_owned(), Vec::new())]));
    bench.file("half.tar", &tar(&without(saved_one.clone(), &saved_one[0].0)));
    bench.file("fewer.tar", &tar(&with(saved_one.clone(), &saved_one[1].0, &config("arm64", &[]))));
    bench.file("xz.tar", &tar(&with(saved_one.clone(), &saved_one[0].0, b"\xfd7zXZ\0")));
    let outside = br#"[{"Config":"../config.json","RepoTags":null,"Layers":null}]"#;
    bench.file("outside.tar", &tar(&with(saved_one, "manifest.json", outside)));
    let cut = tar(&saved(&[(json!(null), &[&gzip(&[7; 4000])])]).into_iter().rev().collect());
    bench.file("cut.tar", &cut[..cut.len() - 1530]);
    let mut torn = tar(&saved(&[(json!(null), &[])]));
    torn[1024..1300].fill(b'x');
    bench.file("torn.tar", &torn);
    let huge = bench.file("huge", b"");
    std::fs::File::options().append(true).open(huge).unwrap().set_len(LARGEST_DOCUMENT + 1).unwrap();
    bench.folder("large", &layout(&[]));
    std::fs::rename(bench.folder.path().join("huge"), bench.folder.path().join("large/index.json")).unwrap();
    std::os::unix::fs::symlink("/usr", bench.folder.path().join("away")).unwrap();
    let lax = bench.open("lax").unwrap();
    let layer = lax.store_blob(&Descriptor::of(media_type::LAYER, b"layer 0"), &bench.store).unwrap_err();
    let pinned = bench.open("vendor/base:1.0").unwrap().choose(Some(&Digest::of(b""))).unwrap_err();
    vec![
        ("no file", bench.error("nowhere:latest")),
        ("a mistake in its name", bench.error("vendor/baes:1.0")),
        ("a link out of the project", bench.error("away/share:1.0")),
        ("a folder that is no layout", bench.error("plain")),
        ("an archive of something else", bench.error("other.tar")),
        ("no archive", bench.error("text.tar")),
        ("compressed", bench.error("packed.tar.gz")),
        ("not what was said", bench.error("docker-archive:vendor/base:1.0")),
        ("a name that it has not", bench.error("vendor/base:1")),
        ("a name that no saved image has", bench.error("saved.tar:b:\u{202e}1")),
        ("several images", bench.error("vendor/base")),
        ("several images without names", bench.error("nameless")),
        ("no image", bench.error("empty")),
        ("a digest that it has not", pinned),
        ("an index that is none", bench.error("broken")),
        ("an index that is too large", bench.error("large")),
        ("a manifest that is missing", bench.error("lacking")),
        ("a manifest that is damaged", bench.error("damaged")),
        ("a layer that is damaged", layer),
        ("no manifest", bench.error("page")),
        ("no platform", bench.error("platformless")),
        ("a layer that is missing", bench.error("half.tar")),
        ("another number of layers", bench.error("fewer.tar")),
        ("a layer that is compressed as none is", bench.error("xz.tar")),
        ("a configuration outside", bench.error("outside.tar")),
        ("cut off", bench.error("cut.tar")),
        ("overwritten", bench.error("torn.tar")),
    ]
}

#[test]
fn every_error_is_shown() {
    let mut text = String::new();
    let mut codes = BTreeSet::new();
    for (title, error) in wrong() {
        writeln!(text, "# {title}\n{}\n", rendered(&error)).unwrap();
        codes.extend(miette::Diagnostic::code(&error).map(|code| code.to_string()));
    }
    insta::assert_snapshot!("errors", text);
    assert_eq!(codes, codes_of("layout"));
}

#[test]
fn what_something_happened_to_is_an_error_or_an_image() {
    /// Text that lives as long as the tests, as the mutations want it.
    fn kept(bytes: Vec<u8>) -> &'static str {
        Box::leak(String::from_utf8(bytes).unwrap().into_boxed_str())
    }
    let archives = [tar(&layout(&[Some("1")])), tar(&saved(&[(json!(["a:1"]), &[b"layer 0"])]))];
    let texts: &'static [&'static str] = Box::leak(Box::new(archives.map(kept)));
    let bench = Bench::new();
    let pinned = std::cell::Cell::new(0);
    changed(texts, 600, |bytes| {
        let path = bench.file("a.tar", bytes);
        if let Ok(image) = bench.pin("a.tar") {
            let open = bench.open("a.tar").unwrap();
            assert_eq!(Digest::of(&open.document(&image.digest).unwrap()), image.digest);
            if let Ok(Document::Manifest(manifest)) = Document::parse(&open.document(&image.digest).unwrap()) {
                for layer in &manifest.layers {
                    if open.store_blob(layer, &bench.store).is_ok() {
                        assert!(bench.store.verify(&layer.digest).unwrap());
                    }
                }
            }
            pinned.set(pinned.get() + 1);
        }
        std::fs::remove_file(path).unwrap();
    });
    assert!(pinned.get() > 10, "only {} were images", pinned.get());
}
