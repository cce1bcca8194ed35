//! Archives as packages, made by hand and, in `tests/tools`, by GNU tar.

mod faults;
mod meaning;
#[cfg(feature = "tools-tests")]
#[path = "../../../tests/tools/archives.rs"]
mod tools_tests;

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::io::{Read, Write};

use miette::Diagnostic as _;

use super::*;
use crate::compress::Compressors;
use crate::layer::{Tree, WriteOptions};
use crate::manifest::{Package, PackageContent};
use crate::model::{Compression, Platform};
use crate::pack::testing::{Project, RawMember, archive, listing, path_to, written};

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

const FORMS: [Form; 5] = [Form::Plain, Form::Gzip, Form::Zstd, Form::Xz, Form::Bzip2];

impl Form {
    fn compressed(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => {
                // With a checksum, as the program `zstd` writes it.
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Xz => {
                let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

fn stripping(strip: usize, package: Package) -> Package {
    let PackageContent::Archive { archive, to, .. } = package.content else { panic!() };
    Package { content: PackageContent::Archive { archive, to, strip }, ..package }
}

/// One member made by hand: kind, name, link, content.
struct Part<'a>(u8, &'a [u8], &'a [u8], &'a [u8]);

fn file<'a>(name: &'a str, content: &'a str) -> Part<'a> {
    Part(b'0', name.as_bytes(), b"", content.as_bytes())
}

fn other<'a>(kind: u8, name: &'a str, link: &'a str) -> Part<'a> {
    Part(kind, name.as_bytes(), link.as_bytes(), b"")
}

fn folder(name: &str) -> Part<'_> {
    other(b'5', name, "")
}

fn symlink<'a>(name: &'a str, target: &'a str) -> Part<'a> {
    other(b'2', name, target)
}

fn hard_link<'a>(name: &'a str, target: &'a str) -> Part<'a> {
    other(b'1', name, target)
}

fn members(parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Part(kind, name, link, content) in parts {
        RawMember { kind: *kind, name, link, content, mode: 0o644, owner: (7, 8), time: 0 }.append_to(&mut bytes);
    }
    bytes
}

fn ended(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn project_of(bytes: &[u8]) -> Project {
    let project = Project::new(&[]);
    project.file("a.tar", bytes, 0o644);
    project
}

/// Kind, mode, owner, time, link and content.
type About = (u8, u32, u64, u64, u64, Option<Vec<u8>>, Vec<u8>);

/// What a layer holds, as another implementation reads it, by path.
fn unpacked(layer: &[u8]) -> BTreeMap<Vec<u8>, About> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(layer));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let about = (
            header.entry_type().as_byte(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            entry.link_name_bytes().map(|name| name.into_owned()),
            content,
        );
        assert_eq!(found.insert(entry.path_bytes().into_owned(), about), None);
    }
    found
}

/// A pax header with these records.
fn pax(records: &[(&str, &[u8])], kind: u8) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        // Two digits are enough here.
        let rest = key.len() + value.len() + 5;
        assert!((10..100).contains(&rest), "{key}");
        content.extend(format!("{rest} {key}=").as_bytes());
        content.extend(*value);
        content.push(b'\n');
    }
    members(&[Part(kind, b"PaxHeaders", b"", &content)])
}
