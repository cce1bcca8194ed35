//! The least that has to be done for a layer: walk, read, tar, SHA-256, compress on all cores, SHA-256,
//! write. No check, no manifest, no cache; a sync only if that is asked for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, bounded, unbounded};
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

const BLOCK: usize = 1 << 20;

/// Looks at everything in a folder.
pub(crate) fn walk(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("a stat");
        if metadata.is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push((entry.path(), metadata.size()));
        }
    }
}

/// Walks, and reads and hashes a tar of what is found, in blocks.
fn produce(folder: &Path, mut send: impl FnMut(Vec<u8>)) {
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    let mut hasher = Sha256::new();
    let mut block = Vec::with_capacity(BLOCK);
    let mut cut = |block: &mut Vec<u8>| {
        hasher.update(&block[..]);
        send(std::mem::replace(block, Vec::with_capacity(BLOCK)));
    };
    for (path, size) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        let _ = header.set_path(path.strip_prefix(folder).expect("a path below"));
        header.set_cksum();
        block.extend_from_slice(header.as_bytes());
        let mut file = File::open(&path).expect("a file");
        let mut left = size;
        while left > 0 {
            if block.len() >= BLOCK {
                cut(&mut block);
            }
            let part = left.min((BLOCK - block.len()) as u64);
            Read::take(&mut file, part).read_to_end(&mut block).expect("content");
            left -= part;
        }
        block.resize(block.len().next_multiple_of(512), 0);
        if block.len() >= BLOCK {
            cut(&mut block);
        }
    }
    cut(&mut block);
    assert_ne!(hasher.finalize()[..], [0; 32]);
}

/// Makes a layer of `folder` in the file `out`; `compression` is `gzip`, `zstd` or `none`. With a sync it is
/// on the disk then.
pub(crate) fn layer(folder: &Path, out: &Path, compression: &str, is_synced: bool) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (full, work) = bounded::<(u64, Vec<u8>)>(cores);
    let (done, packed) = unbounded::<(u64, Vec<u8>)>();
    thread::scope(|scope| {
        for _ in 0..cores {
            let (work, done) = (work.clone(), done.clone());
            scope.spawn(move || compress(compression, &work, |block| done.send(block).expect("a writer")));
        }
        drop(done);
        scope.spawn(move || write(out, compression != "none", &packed));
        let mut number = 0;
        produce(folder, |block| {
            full.send((number, block)).expect("a worker");
            number += 1;
        });
        drop(full);
    });
    if is_synced {
        File::open(out).and_then(|file| file.sync_all()).expect("a disk");
    }
}

fn compress(compression: &str, work: &Receiver<(u64, Vec<u8>)>, send: impl Fn((u64, Vec<u8>))) {
    let mut gzip = Compressor::new(CompressionLvl::new(4).expect("a level"));
    let mut zstd = zstd::bulk::Compressor::new(3).expect("a level");
    for (number, plain) in work {
        let packed = match compression {
            "gzip" => {
                let mut packed = vec![0; gzip.gzip_compress_bound(plain.len())];
                let length = gzip.gzip_compress(&plain, &mut packed).expect("room");
                packed.truncate(length);
                packed
            }
            "zstd" => zstd.compress(&plain).expect("room"),
            _ => plain,
        };
        send((number, packed));
    }
}

fn write(out: &Path, is_hashed: bool, packed: &Receiver<(u64, Vec<u8>)>) {
    let mut file = File::create(out).expect("a file");
    let mut hasher = Sha256::new();
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, bytes) in packed {
        early.insert(number, bytes);
        while let Some(bytes) = early.remove(&next) {
            if is_hashed {
                hasher.update(&bytes);
            }
            file.write_all(&bytes).expect("room");
            next += 1;
        }
    }
    assert_ne!(hasher.finalize()[..], [0; 32]);
}
