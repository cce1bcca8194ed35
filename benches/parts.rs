//! Times the inner parts of a layer's writing, each against the least that its work takes, in one run:
//! only the ratios mean anything. `cargo run --release --example parts` prints a table of medians; words
//! that follow pick the rows in whose names they are.
//!
//! It is built as an example, since what is built as a benchmark has the modules' tests in it.

#![expect(clippy::expect_used, reason = "without its setting a benchmark has nothing to say")]
#![expect(dead_code, unused_imports, reason = "the program's modules are taken in whole, and few things used")]

#[path = "../src/compress/mod.rs"]
mod compress;
#[path = "../src/contents/mod.rs"]
mod contents;
#[path = "../src/fs/mod.rs"]
mod fs;
#[path = "../src/image/mod.rs"]
mod image;
#[path = "../src/layer/mod.rs"]
mod layer;
#[path = "../src/manifest/mod.rs"]
mod manifest;
#[path = "../src/model/mod.rs"]
mod model;
#[path = "../src/pack/mod.rs"]
mod pack;
#[path = "../src/parallel.rs"]
mod parallel;
#[path = "../src/problem.rs"]
mod problem;
#[path = "../src/process/mod.rs"]
mod process;
#[path = "../src/sanitize.rs"]
mod sanitize;
#[path = "../src/secrets.rs"]
mod secrets;
#[path = "../src/source.rs"]
mod source;
#[path = "../src/store/mod.rs"]
mod store;
#[path = "../src/suggest.rs"]
mod suggest;
mod support;
#[path = "../src/tar/mod.rs"]
mod tar;
#[path = "../src/tools/mod.rs"]
mod tools;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use compress::{Compressors, EarlierBlocks};
use layer::{Tree, WriteOptions};
use manifest::{Package, PackageContent};
use model::{Compression, Digest, Platform};
use pack::ScanRequest;
use source::{Placed, Source};
use store::Store;
use support::{floor, header, is_wanted, medians, program, row, small_files};

const RUNS: usize = 7;

const ZSTD: Compression = Compression::Zstd { level: 3 };

fn main() {
    let folder = tempfile::tempdir().expect("a folder to work in");
    let folder = folder.path();
    header();
    if ["walk", "unchanged", "tar"].iter().any(|word| is_wanted(word)) {
        small_files(&folder.join("files"));
        files(folder);
    }
    if ["hash", "compress", "earlier"].iter().any(|word| is_wanted(word)) {
        std::fs::create_dir(folder.join("large")).expect("a folder");
        let content: Vec<u8> = (0..16).flat_map(|part| program(part, 4 << 20)).collect();
        std::fs::write(folder.join("large/app"), &content).expect("a file");
        hashes(&content);
        large(folder, &content);
    }
}

/// 20,000 small files.
fn files(folder: &Path) {
    let walk = || floor::walk(&folder.join("files"), &mut Vec::new());
    row("walk", medians(RUNS, || drop(scan(folder, "files")), walk), "a stat walk");
    let unchanged = || assert_ne!(scan(folder, "files").fingerprint(), Digest::of(b""));
    row("unchanged: walk and fingerprint", medians(RUNS, unchanged, walk), "a stat walk");
    let tree = scan(folder, "files");
    let compressors = compressors();
    let tar = || drop(write(&tree, Compression::None, &compressors, None, &mut std::io::sink()));
    let mut found = Vec::new();
    floor::walk(&folder.join("files"), &mut found);
    found.sort();
    let read = || {
        let mut hasher = Sha256::new();
        for (path, _) in &found {
            hasher.update(std::fs::read(path).expect("a file"));
        }
        assert_ne!(hasher.finalize()[..], [0; 32]);
    };
    row("tar: read, check, tar and hash", medians(RUNS, tar, read), "read and hash");
}

fn hashes(content: &[u8]) {
    let sha256 = || assert_ne!(Digest::of(content), Digest::of(b""));
    let blake3 = || assert_ne!(blake3::hash(content), blake3::hash(b""));
    row("hash: BLAKE3 of a block", medians(RUNS, blake3, sha256), "SHA-256");
}

/// One file of 64 MiB.
fn large(folder: &Path, content: &[u8]) {
    let store = Store::open(&folder.join("cache")).expect("a store");
    let compressors = compressors();
    let tree = scan(folder, "large");
    let out = || std::fs::File::create(folder.join("out")).expect("a file");
    for (name, compression) in [("gzip", Compression::Gzip), ("zstd", ZSTD), ("none", Compression::None)] {
        let ours = || drop(write(&tree, compression, &compressors, None, &mut out()));
        let floor = || floor::layer(&folder.join("large"), &folder.join("floor"), name, false);
        row(&format!("compress: {name}"), medians(RUNS, ours, floor), "read, hash, compress, hash, write");
        if compression == Compression::None {
            continue;
        }
        let mut blob = store.start_blob().expect("a blob");
        let empty = Some(Arc::new(EarlierBlocks::default()));
        let written = write(&tree, compression, &compressors, empty.clone(), &mut blob);
        store.commit_blob(blob, &written.digest).expect("a blob");
        let slot = Digest::of(name.as_bytes());
        written.blocks.expect("a list").record(&store, &slot).expect("a record");
        let remembering = || drop(write(&tree, compression, &compressors, empty.clone(), &mut out()));
        let plain = || drop(write(&tree, compression, &compressors, None, &mut out()));
        row(&format!("earlier blocks: {name}, none"), medians(RUNS, remembering, plain), "nothing remembered");
        let copying = || {
            let earlier = Some(Arc::new(EarlierBlocks::recall(&store, &slot)));
            drop(write(&tree, compression, &compressors, earlier, &mut out()));
        };
        let hash_both = || {
            let mut file = std::fs::File::open(folder.join("large/app")).expect("a file");
            let mut bytes = Vec::with_capacity(content.len());
            file.read_to_end(&mut bytes).expect("content");
            assert_ne!(Digest::of(&bytes), Digest::of(b""));
        };
        row(&format!("earlier blocks: {name}, all"), medians(RUNS, copying, hash_both), "read and hash");
    }
}

fn compressors() -> Compressors {
    Compressors::new(std::thread::available_parallelism().map_or(1, usize::from))
}

fn scan(folder: &Path, name: &str) -> Tree {
    let source = Source::new("oci.toml", name);
    let path = Placed::new(name.to_owned(), source.place(0..name.len()));
    let package = Package::new(path.place.clone(), PackageContent::Path { path, to: None });
    let platform = Platform::host();
    // What a store costs to open is nothing beside what is measured.
    let store = Store::open(&folder.join("cache")).expect("a store");
    let (packages, platform) = (&[package], &platform);
    Tree::scan(&ScanRequest {
        packages,
        folder,
        exclude: &[],
        ignore: &[],
        platform,
        store: &store,
        records: false,
        images: &BTreeMap::new(),
        targets: &BTreeMap::new(),
        layer: None,
    })
    .expect("a tree")
}

fn write(
    tree: &Tree,
    compression: Compression,
    compressors: &Compressors,
    earlier: Option<Arc<EarlierBlocks>>,
    out: &mut (impl Write + Send),
) -> compress::WrittenLayer {
    tree.write(&WriteOptions { epoch: 0, compression, compressors, earlier }, out).expect("a layer")
}
