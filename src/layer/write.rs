//! Writes a tree as a layer's blob: every file is read once, in the order of the entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use rustix::fs::fstat;

use crate::compress::{Blocks, Compressors, EarlierBlocks, WrittenLayer, pack};
use crate::fs::Stamp;
use crate::layer::content::OpenArchives;
use crate::layer::files::{Files, unreadable};
use crate::layer::tree::{Entry, Kind, PackageOrigin};
use crate::layer::{LayerError, Tree, WriteError};
use crate::manifest::package::Owner;
use crate::model::elf::ElfMachine;
use crate::model::{Compression, LayerPath};
use crate::sanitize;
use crate::source::At;
use crate::tar::{Attributes, Record, RecordKind, record};

/// The least content of a layer whose blocks are worth remembering. Less content is compressed sooner than its blocks
/// are looked up and recorded.
const WORTH_REMEMBERING: u64 = 8 << 20;

/// How a layer is written.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions<'a> {
    /// The time that every entry carries, in seconds since 1970.
    pub(crate) epoch: i64,
    pub(crate) compression: Compression,
    /// The threads of the process that compress. The bytes do not depend on their number.
    pub(crate) compressors: &'a Compressors,
    /// Blocks that need not be compressed again. With `None` no blocks are remembered either. The bytes do not depend
    /// on them.
    pub(crate) earlier: Option<Arc<EarlierBlocks>>,
}

impl Tree {
    /// Whether a layer of this tree should take blocks from one before it.
    pub(crate) fn is_worth_remembering(&self, compression: Compression) -> bool {
        compression != Compression::None && self.entries.iter().map(Entry::size).sum::<u64>() >= WORTH_REMEMBERING
    }

    /// Writes the layer to `out` in one pass.
    ///
    /// On `Ok` every file was, from before it was read until after, as it was when the tree was
    /// scanned. On an error the content of `out` is broken, and must not be used.
    pub(crate) fn write(
        &self,
        options: &WriteOptions<'_>,
        out: &mut (impl Write + Send),
    ) -> Result<WrittenLayer, WriteError> {
        let mut programs = BTreeSet::new();
        let first = self.first_file().filter(|entry| !entry.is_executable()).map(|entry| &entry.path);
        let mut is_first_inert = false;
        let written = pack(
            options.compression,
            options.compressors,
            options.earlier.clone(),
            out,
            |blocks| -> Result<(), WriteError> {
                let mut header = Vec::with_capacity(4 * record::BLOCK);
                let mut archives = OpenArchives::new(self);
                let mut files = Files::default();
                let further_names = self.further_names();
                for (index, entry) in self.entries.iter().enumerate() {
                    header.clear();
                    let same_as = further_names.get(&index).map(|first| &self.entries[*first].path);
                    put_header(entry, same_as, options.epoch, &mut header);
                    if matches!(entry.kind, Kind::File { .. } | Kind::Text(_) | Kind::Archived(_)) {
                        blocks.may_cut(entry.path.as_bytes())?;
                    }
                    blocks.put(&header)?;
                    if same_as.is_some() {
                        continue;
                    }
                    let head = self.put_content(entry, &mut archives, &mut files, blocks)?;
                    is_first_inert |= head.is_program() && first == Some(&entry.path) && !is_library(entry);
                    programs.extend(head.machine.filter(|_| !self.origins[entry.origin].foreign));
                    blocks.put(&record::END[..record::padding(entry.size())])?;
                }
                Ok(blocks.put(&record::END)?)
            },
        )?;
        Ok(WrittenLayer { programs, is_first_inert, ..written })
    }

    /// Appends what a file holds. Returns what its first bytes say.
    fn put_content(
        &self,
        entry: &Entry,
        archives: &mut OpenArchives<'_>,
        files: &mut Files,
        blocks: &mut Blocks<'_>,
    ) -> Result<Head, WriteError> {
        let origin = &self.origins[entry.origin];
        let blame = |error| WriteError::Package(At::new(error, &origin.place, ""));
        match &entry.kind {
            Kind::Folder(_) | Kind::Link(_) => Ok(Head::default()),
            Kind::Text(text) => {
                blocks.put(text)?;
                Ok(Head::of(text))
            }
            Kind::File { host, stamp } => {
                let shown = || sanitize::path(&host.path(&entry.path), &self.folder);
                let unreadable = |source: io::Error| blame(unreadable(shown(), source));
                let is_unchanged = |file: &File| match fstat(file) {
                    Ok(now) if Stamp::of(&now) == *stamp => Ok(()),
                    Ok(_) => Err(blame(LayerError::Changed { path: shown() })),
                    Err(errno) => Err(unreadable(errno.into())),
                };
                let mut file = files.open(host, &entry.path, origin.follows).map_err(unreadable)?;
                // The file has to be the one that was scanned, before it is read and after.
                is_unchanged(&file)?;
                let program = self.copy(&mut file, stamp.size, origin, shown, blocks)?;
                is_unchanged(&file).map(|()| program)
            }
            Kind::Archived(archived) => {
                let shown = || archived.shown(&entry.path, &self.folder);
                let content = archives.seek(archived).map_err(blame)?;
                let program = self.copy(content, archived.size, origin, shown, blocks)?;
                archives.check(archived).map(|()| program).map_err(blame)
            }
        }
    }

    /// Appends `size` bytes of the file, which messages call `shown`. Returns what the first bytes say.
    fn copy(
        &self,
        file: &mut File,
        size: u64,
        origin: &PackageOrigin,
        shown: impl Fn() -> String,
        blocks: &mut Blocks<'_>,
    ) -> Result<Head, WriteError> {
        let blame = |error| WriteError::Package(At::new(error, &origin.place, ""));
        let mut head = Head::default();
        let mut left = size;
        while left > 0 {
            let read = blocks.fill(file, left)?.map_err(|source| blame(unreadable(shown(), source)))?;
            if read.is_empty() {
                return Err(blame(LayerError::Changed { path: shown() }));
            }
            if left == size {
                head = Head::of(read);
                self.check_architecture(head.machine, origin, &shown).map_err(blame)?;
            }
            left -= read.len() as u64;
        }
        Ok(head)
    }

    fn check_architecture(
        &self,
        program: Option<ElfMachine>,
        origin: &PackageOrigin,
        shown: impl Fn() -> String,
    ) -> Result<(), LayerError> {
        match program {
            Some(machine) if !origin.foreign && !machine.fits(&self.platform) => Err(LayerError::WrongArchitecture {
                path: shown(),
                architecture: machine.to_string(),
                platform: self.platform.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

static NO_ATTRIBUTES: Attributes = BTreeMap::new();

/// Appends the headers that stand before the entry's content. A further name of the entry `same_as` is a hard link, and
/// has no content.
fn put_header(entry: &Entry, same_as: Option<&LayerPath>, epoch: i64, out: &mut Vec<u8>) {
    let mut name = entry.path.as_bytes().to_vec();
    let kind = match (&entry.kind, same_as) {
        (Kind::Folder(_), _) => {
            name.push(b'/');
            RecordKind::Folder
        }
        (Kind::Link(target), _) => RecordKind::SymbolicLink(target),
        (_, Some(first)) => RecordKind::HardLink(first.as_bytes()),
        (Kind::File { .. } | Kind::Text(_) | Kind::Archived(_), None) => RecordKind::File(entry.size()),
    };
    let Owner { uid, gid } = entry.owner;
    let attributes = entry.attributes.as_deref().unwrap_or(&NO_ATTRIBUTES);
    Record { name: &name, kind, mode: entry.mode.0, uid, gid, modified: epoch, attributes }.put(out);
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// What it runs on, if it is an ELF program or library.
    machine: Option<ElfMachine>,
    is_script: bool,
}

/// True if a file has the name of a shared library. Libraries look like programs.
fn is_library(entry: &Entry) -> bool {
    entry.path.name().is_some_and(|name| memchr::memmem::find(name, b".so").is_some())
}

impl Head {
    fn of(start: &[u8]) -> Self {
        Self { machine: ElfMachine::of(start), is_script: start.starts_with(b"#!") }
    }

    fn is_program(self) -> bool {
        self.is_script || self.machine.is_some()
    }
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/unpack.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {

    use std::fs::OpenOptions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use std::time::{Duration, SystemTime};

    use super::*;

    use crate::manifest::Package;

    use crate::model::{Digest, Platform};
    use crate::pack::testing::{Project, folder, link, path, path_to, text, written};

    pub(super) fn packages() -> Vec<Package> {
        vec![
            path_to("tree", "/opt/tree").owned(1000, 1001),
            path_to("tree/big", "/usr/bin/big").with_mode(0o4755),
            text("hello\n", "/etc/motd"),
            link("/opt/link", "tree/big"),
            folder("/data").owned(65532, 65532).with_mode(0o1770),
            text("", "/tmp/é"),
        ]
    }

    pub(super) fn content(length: u32, seed: u32) -> Vec<u8> {
        (0..length).map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 27) as u8).collect()
    }

    /// The same content, made in another order, with another umask and at another time.
    pub(super) fn project(is_reversed: bool) -> Project {
        let project = Project::new(&["tree/empty/"]);
        let mut files: Vec<(String, Vec<u8>, u32)> = (0..40)
            .map(|number| (format!("tree/d{}/f{number}", number % 7), content(number * 997, number), 0o644))
            .collect();
        files.push(("tree/big".to_owned(), content(5 << 18, 7), 0o755));
        files.push((format!("tree/{}/{}", "n".repeat(120), "m".repeat(120)), b"long".to_vec(), 0o644));
        if is_reversed {
            files.reverse();
        }
        for (path, content, mode) in files {
            let umask = if is_reversed { 0o077 } else { 0o002 };
            project.file(&path, &content, (mode | 0o020) & !umask);
            if is_reversed {
                let file = std::fs::File::open(project.path(&path)).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(12345)).unwrap();
                let parent = project.path(&path).parent().unwrap().to_owned();
                std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        project.link("tree/d1/link", "../big");
        project
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let tree = project(false).scan(&[]);
        assert!(tree.unwrap().is_empty());
        let one = project(false);
        let (layer, bytes) = written(&one.scan(&packages()).unwrap(), 1);
        // Golden: if these change, every image that people have built before changes its digest.
        // Count WRITER_VERSION up, and say so in the changelog.
        assert_eq!(
            layer.diff_id.to_string(),
            "sha256:535074114112a78a58e68738614badd91012a6ee32fbc3befdc6414dd53ab849"
        );
        assert_eq!(layer.digest.to_string(), "sha256:64d8bad2b9a984b8b75971e2d98b9aebc047f4b616d47f58ce8db880fd0074bb");
        assert_eq!((layer.size, layer.digest), (bytes.len() as u64, Digest::of(&bytes)));
        let other = project(true);
        for workers in 1..=8 {
            assert!(written(&other.scan(&packages()).unwrap(), workers) == (layer.clone(), bytes.clone()), "{workers}");
        }
    }

    #[test]
    fn a_file_that_changes_is_an_error() {
        let compressors = Compressors::new(1);
        let options =
            WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
        let changes: [fn(&Path); 6] = [
            |path| std::fs::write(path, "").unwrap(),
            |path| std::fs::write(path, "longer than it was").unwrap(),
            |path| std::fs::write(path, "b").unwrap(),
            |path| std::fs::remove_file(path).unwrap(),
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            |path| {
                std::fs::remove_file(path).unwrap();
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            },
        ];
        for change in changes {
            let project = Project::new(&["a"]);
            let tree = project.scan(&[path("a")]).unwrap();
            assert!(tree.settle());
            assert!(tree.write(&options, &mut io::sink()).is_ok());
            change(&project.path("a"));
            let error = tree.write(&options, &mut io::sink()).unwrap_err();
            assert_eq!(miette::Diagnostic::code(&error).unwrap().to_string(), "oci::layer::changed");
        }
    }

    /// Does something when the first bytes arrive: then most of a long file is still to be read.
    struct Meanwhile<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Write for Meanwhile<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(act) = self.0.take() {
                act();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_an_error() {
        let compressors = Compressors::new(1);
        let changes: [fn(&Path); 7] = [
            |path| OpenOptions::new().write(true).open(path).unwrap().set_len(3 << 20).unwrap(),
            |path| OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap(),
            |path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap(),
            |path| OpenOptions::new().write(true).open(path).unwrap().write_all(b"other").unwrap(),
            |path| {
                // What was read already, with the time put back.
                let file = OpenOptions::new().write(true).open(path).unwrap();
                let before = file.metadata().unwrap().modified().unwrap();
                (&file).write_all(b"other").unwrap();
                file.set_modified(before).unwrap();
            },
            |path| std::fs::remove_file(path).unwrap(),
            |path| {
                std::fs::copy(path, path.with_extension("new")).unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            for compression in [Compression::Gzip, Compression::None] {
                let project = Project::new(&[]);
                project.file("a", &vec![b'a'; 8 << 20], 0o644);
                let tree = project.scan(&[path("a")]).unwrap();
                assert!(tree.settle());
                let path = project.path("a");
                let options = WriteOptions { epoch: 0, compression, compressors: &compressors, earlier: None };
                let error = tree.write(&options, &mut Meanwhile(Some(|| change(&path)))).unwrap_err();
                assert_eq!(miette::Diagnostic::code(&error).unwrap().to_string(), "oci::layer::changed", "{number}");
            }
        }
    }

    #[test]
    fn a_program_for_another_machine_is_an_error() {
        let mut project = Project::new(&[]);
        std::fs::copy("/proc/self/exe", project.path("app")).unwrap();
        project.platform = Platform::host();
        let compressors = Compressors::new(1);
        let options =
            WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
        let write = |project: &Project, package| project.scan(&[package]).unwrap().write(&options, &mut io::sink());
        assert!(write(&project, path("app")).is_ok());
        project.platform = Platform::parse("linux/s390x").unwrap();
        let error = write(&project, path("app")).unwrap_err();
        assert_eq!(miette::Diagnostic::code(&error).unwrap().to_string(), "oci::layer::wrong_architecture");
        assert!(write(&project, Package { foreign: true, ..path("app") }).is_ok());
    }
}
