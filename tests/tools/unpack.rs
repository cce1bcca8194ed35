//! What tar and umoci unpack of a layer is what went in.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::tests::{content, packages, project};
use super::*;
use crate::as_root::is_root_or_was;
use crate::model::document::media_type;
use crate::model::{Descriptor, ImageConfig, ImageManifest, Index, Platform, canonical_json};
use crate::pack::testing::written;

/// Mode, owner, size and link target of everything below a folder.
fn found(folder: &Path) -> BTreeMap<String, (u32, u32, u32, u64, String)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            if stat.is_dir() {
                pending.push(path.clone());
            }
            assert_eq!(stat.mtime(), 1_700_000_000, "{}", path.display());
            let size = if stat.is_file() { stat.size() } else { 0 };
            let target = std::fs::read_link(&path).map(|target| target.display().to_string()).unwrap_or_default();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            found.insert(name, (stat.mode() & 0o7777, stat.uid(), stat.gid(), size, target));
        }
    }
    found
}

fn expected(tree: &Tree) -> BTreeMap<String, (u32, u32, u32, u64, String)> {
    let one = |entry: &Entry| {
        let target = match &entry.kind {
            Kind::Link(target) => String::from_utf8_lossy(target).into_owned(),
            _ => String::new(),
        };
        let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        (name, (entry.mode.0, entry.owner.uid, entry.owner.gid, entry.size(), target))
    };
    tree.entries.iter().map(one).collect()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tar_and_umoci_unpack_exactly_what_went_in() {
    if !is_root_or_was("layer::write::tools_tests::tar_and_umoci_unpack_exactly_what_went_in") {
        return;
    }
    let project = project(false);
    let tree = project.scan(&packages()).unwrap();
    let (layer, bytes) = written(&tree, 2);
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);

    std::fs::create_dir_all(at("tar")).unwrap();
    std::fs::write(at("layer.tar.gz"), &bytes).unwrap();
    run(Command::new("tar").arg("-xpzf").arg(at("layer.tar.gz")).arg("--numeric-owner").arg("-C").arg(at("tar")));
    assert_eq!(found(&at("tar")), expected(&tree));
    assert!(std::fs::read(at("tar/opt/tree/big")).unwrap() == content(5 << 18, 7));

    std::fs::create_dir_all(at("image/blobs/sha256")).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(kind, bytes);
        std::fs::write(at("image/blobs/sha256").join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let mut config = ImageConfig::scratch(&Platform::host());
    config.append_layer(layer.diff_id, "1970-01-01T00:00:00Z", "test");
    let config = put(media_type::CONFIG, &config.to_bytes());
    let layers = vec![put(media_type::LAYER_GZIP, &bytes)];
    let manifest = ImageManifest::new(config, layers, BTreeMap::new());
    let mut manifest = put(media_type::MANIFEST, &canonical_json(&manifest));
    manifest.annotations.insert("org.opencontainers.image.ref.name".to_owned(), "a".to_owned());
    std::fs::write(at("image/index.json"), canonical_json(&Index::new(vec![manifest], BTreeMap::new()))).unwrap();
    std::fs::write(at("image/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let image = format!("{}:a", at("image").display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(at("bundle")));
    assert_eq!(found(&at("bundle/rootfs")), expected(&tree));
}
