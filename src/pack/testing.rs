//! Packages and folders for this module's tests.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compress::{Compressors, WrittenLayer};
use crate::contents::image::ImageTree;
use crate::layer::tree::{Claim, Entry, Kind};
use crate::layer::{LayerError, Tree, WriteOptions};
use crate::manifest::package::{IgnoreFile, Mode, Owner};
use crate::manifest::{Package, PackageContent};
use crate::model::{Compression, ImageName, Platform};
use crate::pack::ScanRequest;
use crate::source::{At, Place, Placed, Source};
use crate::store::Store;

/// A project's folder.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    _cache: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) exclude: Vec<Placed<String>>,
    pub(crate) ignore: Vec<IgnoreFile>,
    pub(crate) platform: Platform,
    /// What packages take files from.
    pub(crate) images: BTreeMap<ImageName, Arc<ImageTree>>,
}

impl Project {
    /// Makes a project of these files. A name that ends in `/` is a folder.
    pub(crate) fn new(files: &[&str]) -> Self {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(cache.path()).unwrap();
        let platform = Platform::parse("linux/amd64").unwrap();
        let images = BTreeMap::new();
        let (exclude, ignore) = (Vec::new(), Vec::new());
        let project = Self { folder, _cache: cache, store, exclude, ignore, platform, images };
        for file in files {
            if file.ends_with('/') {
                std::fs::create_dir_all(project.path(file)).unwrap();
            } else {
                project.file(file, file.as_bytes(), 0o644);
            }
        }
        project
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn file(&self, path: &str, content: &[u8], mode: u32) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub(crate) fn scan(&self, packages: &[Package]) -> Result<Tree, Vec<At<LayerError>>> {
        let (folder, store) = (self.folder(), &self.store);
        Tree::scan(&ScanRequest {
            targets: &BTreeMap::new(),
            layer: None,
            packages,
            folder,
            exclude: &self.exclude,
            ignore: &self.ignore,
            platform: &self.platform,
            store,
            records: true,
            images: &self.images,
        })
    }

    /// The code of every problem, with its message.
    pub(crate) fn problems(&self, packages: &[Package]) -> Vec<String> {
        let codes = |problem: &At<LayerError>| format!("{}: {problem}", miette::Diagnostic::code(problem).unwrap());
        self.scan(packages).unwrap_err().iter().map(codes).collect()
    }

    /// The entries of the packages, a line for each.
    pub(crate) fn listing(&self, packages: &[Package]) -> Vec<String> {
        listing(&self.scan(packages).unwrap())
    }
}

pub(crate) fn listing(tree: &Tree) -> Vec<String> {
    let line = |entry: &Entry| {
        let kind = match &entry.kind {
            Kind::Folder(Claim::Implied) => "implied".to_owned(),
            Kind::Folder(Claim::AsThere) => "as there".to_owned(),
            Kind::Folder(_) => "folder".to_owned(),
            Kind::File { host, .. } => format!("file {}", host.path(&entry.path).file_name().unwrap().display()),
            Kind::Text(text) => format!("text {}", String::from_utf8_lossy(text)),
            Kind::Link(target) => format!("link {}", String::from_utf8_lossy(target)),
            Kind::Archived(archived) => format!("archived {}", archived.size),
        };
        format!("{} {:o} {}:{} {kind}", entry.path, entry.mode.0, entry.owner.uid, entry.owner.gid)
    };
    tree.entries.iter().map(line).collect()
}

pub(crate) fn written(tree: &Tree, workers: usize) -> (WrittenLayer, Vec<u8>) {
    let compressors = Compressors::new(workers);
    let options =
        WriteOptions { epoch: 1_700_000_000, compression: Compression::Gzip, compressors: &compressors, earlier: None };
    let mut out = Vec::new();
    let written = tree.write(&options, &mut out).unwrap();
    (written, out)
}

pub(crate) fn placed(text: &str) -> Placed<String> {
    Placed::new(text.to_owned(), place(text))
}

/// A place in a manifest. Every text has another.
fn place(text: &str) -> Place {
    let start = text.bytes().fold(0, |sum: usize, byte| (sum * 31 + usize::from(byte)) % 4000);
    Source::new("oci.toml", " ".repeat(5000)).place(start..start + 1)
}

fn package(content: PackageContent, name: &str) -> Package {
    Package::new(place(name), content)
}

pub(crate) fn path(path: &str) -> Package {
    package(PackageContent::Path { path: placed(path), to: None }, path)
}

pub(crate) fn path_to(path: &str, to: &str) -> Package {
    package(PackageContent::Path { path: placed(path), to: Some(placed(to)) }, &format!("{path}{to}"))
}

pub(crate) fn archive(archive: &str, to: &str) -> Package {
    let content = PackageContent::Archive { archive: placed(archive), to: placed(to), strip: 0 };
    package(content, &format!("{archive}{to}"))
}

/// Files of an image.
pub(crate) fn image(image: &str, path: &str, to: Option<&str>) -> Package {
    let name = Placed::new(ImageName::parse(image).unwrap(), place(image));
    let content = PackageContent::Image { image: name, path: placed(path), to: to.map(placed) };
    package(content, &format!("{image}{path}{}", to.unwrap_or_default()))
}

pub(crate) fn text(text: &str, to: &str) -> Package {
    package(PackageContent::Text { text: text.to_owned(), to: placed(to) }, &format!("{text}{to}"))
}

pub(crate) fn link(link: &str, target: &str) -> Package {
    package(PackageContent::Link { link: placed(link), target: target.to_owned() }, link)
}

pub(crate) fn folder(folder: &str) -> Package {
    package(PackageContent::Folder { folder: placed(folder) }, folder)
}

impl Package {
    pub(crate) fn owned(self, uid: u32, gid: u32) -> Self {
        Self { owner: Some(Owner { uid, gid }), ..self }
    }

    pub(crate) fn with_mode(self, mode: u32) -> Self {
        Self { mode: Some(Mode(mode)), ..self }
    }

    pub(crate) fn including(self, globs: &[&str]) -> Self {
        Self { include: globs.iter().map(|glob| placed(glob)).collect(), ..self }
    }

    pub(crate) fn excluding(self, globs: &[&str]) -> Self {
        Self { exclude: globs.iter().map(|glob| placed(glob)).collect(), ..self }
    }
}

/// A member of a tar, to be written as it is said here, whether a file can be so or not.
pub(crate) struct RawMember<'a> {
    pub(crate) kind: u8,
    pub(crate) name: &'a [u8],
    pub(crate) link: &'a [u8],
    pub(crate) content: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) time: u64,
}

impl RawMember<'_> {
    /// The header and content of the member, up to a whole block.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..self.name.len()].copy_from_slice(self.name);
        header.as_mut_bytes()[157..157 + self.link.len()].copy_from_slice(self.link);
        header.set_entry_type(tar::EntryType::new(self.kind));
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(self.time);
        header.set_size(self.content.len() as u64);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
}

/// A tar of folders, each with its mode, and with a number that is its owner and group.
pub(crate) fn tarred(folders: &[(&str, u32, u64)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, owner) in folders {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(*owner);
        header.set_size(0);
        builder.append_data(&mut header, name, &[][..]).unwrap();
    }
    builder.into_inner().unwrap()
}
