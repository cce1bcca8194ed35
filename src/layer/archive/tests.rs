//! Archives as packages, made by GNU tar and, where it makes none such, by hand.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use miette::Diagnostic as _;

use super::*;
use crate::layer::testing::{Project, archive, listing, path_to, written};
use crate::layer::{Compressors, Tree, WriteOptions};
use crate::manifest::{Package, PackageContent};
use crate::model::{Compression, Platform};

/// Which program compresses, and what to.
const COMPRESSORS: [Option<&str>; 5] = [None, Some("gzip"), Some("zstd"), Some("xz"), Some("bzip2")];

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
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
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(0o644);
        header.set_uid(7);
        header.set_gid(8);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
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

/// A folder with everything that an archive can hold and a layer too.
fn make_tree(folder: &Path) {
    let long = "long/".repeat(30) + &"name".repeat(30);
    let write = |name: &str, content: &[u8], mode: u32| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    write("usr/bin/tool", &b"#!/bin/sh\n".repeat(10_000), 0o4751);
    write("usr/share/empty", b"", 0o600);
    write(&long, b"deep", 0o640);
    write("zeros", &vec![0; 300_000], 0o644);
    std::fs::write(folder.join(std::ffi::OsStr::from_bytes(b"b\xff\xe9")), "not UTF-8").unwrap();
    std::fs::hard_link(folder.join("usr/bin/tool"), folder.join("usr/bin/again")).unwrap();
    std::fs::hard_link(folder.join("usr/bin/tool"), folder.join("z-last")).unwrap();
    std::os::unix::fs::symlink("../usr/bin/tool", folder.join("usr/link")).unwrap();
    std::os::unix::fs::symlink(&long, folder.join("to-long")).unwrap();
    std::fs::create_dir(folder.join("nobody")).unwrap();
    std::fs::set_permissions(folder.join("nobody"), Permissions::from_mode(0o1770)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(folder.join("usr/link"), Some(11), Some(12)).unwrap();
        std::os::unix::fs::chown(folder.join("zeros"), Some(3_000_000), Some(65534)).unwrap();
    }
}

/// What [`make_tree`] made, as [`unpacked`] tells it; of the names of one file the first has the content.
fn expected(folder: &Path) -> BTreeMap<Vec<u8>, About> {
    let mut paths = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                pending.push(path.clone());
            }
            paths.push(path);
        }
    }
    let mut names = BTreeMap::new();
    paths.sort_by_key(|path| path.as_os_str().as_bytes().to_vec());
    let all = paths.iter().map(|path| {
        let stat = path.symlink_metadata().unwrap();
        let mut name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
        let (kind, link, content) = if stat.is_dir() {
            name.push(b'/');
            (b'5', None, Vec::new())
        } else if stat.is_symlink() {
            (b'2', Some(std::fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()), Vec::new())
        } else {
            let first = names.entry(stat.ino()).or_insert_with(|| name.clone());
            match *first == name {
                true => (b'0', None, std::fs::read(path).unwrap()),
                false => (b'1', Some(first.clone()), Vec::new()),
            }
        };
        let (uid, gid) = (u64::from(stat.uid()), u64::from(stat.gid()));
        (name, (kind, stat.mode() & 0o7777, uid, gid, 1_700_000_000, link, content))
    });
    all.collect()
}

#[test]
fn every_kind_of_archive_gives_the_same_layer() {
    let project = Project::new(&["tree/"]);
    make_tree(&project.path("tree"));
    let expected = expected(&project.path("tree"));
    let mut layers = Vec::new();
    for format in ["gnu", "posix"] {
        let name = format!("{format}.tar");
        let sorted = if format == "gnu" { "--sort=name" } else { "--sort=none" };
        run(Command::new("tar").arg("-cf").arg(project.path(&name)).arg("-C").arg(project.path("tree")).args([
            &format!("--format={format}"),
            sorted,
            "--numeric-owner",
            ".",
        ]));
        for (index, compressor) in COMPRESSORS.into_iter().enumerate() {
            // The name says nothing.
            let name = match compressor {
                None => name.clone(),
                Some(compressor) => {
                    let compressed = run(Command::new(compressor).arg("-c").arg(project.path(&name)));
                    let name = format!("{format}-{index}.jpeg");
                    project.file(&name, &compressed, 0o600);
                    name
                }
            };
            let tree = project.scan(&[archive(&name, "/")]).unwrap();
            assert_eq!(
                tree.entries.iter().map(crate::layer::tree::Entry::size).sum::<u64>(),
                300_000 + 3 * 100_000 + 4 + 9
            );
            let (layer, bytes) = written(&tree, 2);
            assert_eq!(unpacked(&bytes), expected, "{name}");
            layers.push(layer);
        }
    }
    assert!(layers.iter().all(|layer| layer == &layers[0]), "{layers:?}");
}

#[test]
fn an_archive_is_known_by_its_stat_and_read_when_it_changes() {
    let project = project_of(&ended(members(&[file("a", "1")])));
    let scan = || project.scan(&[archive("a.tar", "/")]).unwrap();
    let first = scan();
    assert!(listing(&first) == ["/a 644 7:8 archived 1"]);
    let key = |tree: &Tree| match &tree.entries[0].kind {
        crate::layer::tree::Kind::Archived(archived) => archived.archive.key(),
        other => panic!("{other:?}"),
    };
    let known: Option<Listing> = project.store.recall("archive", &key(&first)).unwrap();
    assert_eq!(known.unwrap().0.len(), 1);
    // What the store says counts as long as the stat is the same.
    project.store.record("archive", &key(&first), &Listing(Vec::new())).unwrap();
    assert!(project.scan(&[Package { optional: true, ..archive("a.tar", "/") }]).unwrap().is_empty());
    project.store.record("archive", &key(&first), &"damaged").unwrap();
    assert_eq!(scan().fingerprint(), first.fingerprint());

    // The same size, and the modification time put back.
    let times = std::fs::metadata(project.path("a.tar")).unwrap();
    project.file("a.tar", &ended(members(&[file("b", "1")])), 0o644);
    let changed = File::options().write(true).open(project.path("a.tar")).unwrap();
    changed.set_times(FileTimes::new().set_modified(times.modified().unwrap())).unwrap();
    assert!(listing(&scan()) == ["/b 644 7:8 archived 1"]);
    assert_ne!(scan().fingerprint(), first.fingerprint());
}

#[test]
fn entries_go_where_the_manifest_says() {
    let parts = [
        folder("./"),
        folder("./top/"),
        file("./top/README", "x"),
        folder("top/lib"),
        file("/top//lib/./a.so", "1"),
        file("top/lib/b.txt", "22"),
        symlink("top/link", "lib/../b"),
        hard_link("top/hard", "./top/lib/a.so"),
        file("loose", "333"),
        file("deep/er/than/its/folders", ""),
    ];
    let project = project_of(&ended(members(&parts)));
    let take = |package: Package| project.listing(&[package]);
    assert_eq!(
        take(archive("a.tar", "/")),
        [
            "/deep 755 0:0 implied",
            "/deep/er 755 0:0 implied",
            "/deep/er/than 755 0:0 implied",
            "/deep/er/than/its 755 0:0 implied",
            "/deep/er/than/its/folders 644 7:8 archived 0",
            "/loose 644 7:8 archived 3",
            "/top 644 7:8 folder",
            "/top/README 644 7:8 archived 1",
            "/top/hard 644 7:8 archived 1",
            "/top/lib 644 7:8 folder",
            "/top/lib/a.so 644 7:8 archived 1",
            "/top/lib/b.txt 644 7:8 archived 2",
            "/top/link 777 7:8 link lib/../b",
        ]
    );
    // The root of the archive is the folder that it goes to, also when `strip` makes it that.
    let stripped = take(stripping(1, archive("a.tar", "/tmp/x/")).including(&["**/*.so", "er"]));
    assert_eq!(
        stripped,
        [
            "/tmp 1777 0:0 implied",
            "/tmp/x 644 7:8 folder",
            "/tmp/x/er 755 0:0 implied",
            "/tmp/x/er/than 755 0:0 implied",
            "/tmp/x/er/than/its 755 0:0 implied",
            "/tmp/x/er/than/its/folders 644 7:8 archived 0",
            "/tmp/x/lib 644 7:8 folder",
            "/tmp/x/lib/a.so 644 7:8 archived 1",
        ]
    );
    assert_eq!(take(stripping(2, archive("a.tar", "/")).excluding(&["*.txt", "than"])), ["/a.so 644 7:8 archived 1"]);
    let owned = Package { folder_mode: Some(crate::manifest::package::Mode(0o700)), ..archive("a.tar", "/x") };
    assert_eq!(
        take(owned.owned(1, 2).with_mode(0o600).including(&["top"]).excluding(&["**/lib", "**/R*"])),
        [
            "/x 700 1:2 folder",
            "/x/top 700 1:2 folder",
            // Of the file that it is a link to only this name is taken.
            "/x/top/hard 600 1:2 archived 1",
            "/x/top/link 777 1:2 link lib/../b",
        ]
    );
    for nothing in [stripping(9, archive("a.tar", "/")), archive("a.tar", "/").excluding(&["**"])] {
        assert_eq!(
            project.problems(std::slice::from_ref(&nothing)),
            ["oci::layer::archive_empty: nothing of `a.tar` goes into the image"]
        );
        assert!(project.scan(&[Package { optional: true, ..nothing }]).unwrap().is_empty());
    }
    assert!(project.scan(&[Package { optional: true, ..archive("none.tar", "/") }]).unwrap().is_empty());
}

#[test]
fn members_mean_what_they_mean_to_tar() {
    let owners = ended(
        [pax(&[("uid", b"3000000000")], b'g'), pax(&[("gid", b"2000009")], b'x'), members(&[file("a", "")])].concat(),
    );
    let cases: [(Vec<u8>, &[&str]); 9] = [
        // The last of one name counts.
        (ended(members(&[file("a", "1"), symlink("a", "b"), file("a", "22")])), &["/a 644 7:8 archived 2"]),
        (
            ended(members(&[symlink("d", "e"), folder("d"), file("d/x", "")])),
            &["/d 644 7:8 folder", "/d/x 644 7:8 archived 0"],
        ),
        // Packed twice: a link to itself.
        (ended(members(&[file("a", "1"), hard_link("a", "a")])), &["/a 644 7:8 archived 1"]),
        // A link is to what had the name then.
        (
            ended(members(&[file("a", "1"), hard_link("b", "a"), hard_link("c", "b"), file("a", "22")])),
            &["/a 644 7:8 archived 2", "/b 644 7:8 archived 1", "/c 644 7:8 archived 1"],
        ),
        (ended(members(&[symlink("a", "x"), hard_link("b", "a")])), &["/a 777 7:8 link x", "/b 777 7:8 link x"]),
        // Before POSIX: a slash for a folder, NUL for a file.
        (
            ended(members(&[Part(0, b"d/", b"", b""), Part(0, b"d/f", b"", b"1")])),
            &["/d 644 7:8 folder", "/d/f 644 7:8 archived 1"],
        ),
        // git's header for all, and a volume's label.
        (
            ended(
                [
                    pax(&[("comment", b"c0ffee"), ("path", b"no")], b'g'),
                    members(&[other(b'V', "label", ""), file("a", "1")]),
                ]
                .concat(),
            ),
            &["/a 644 7:8 archived 1"],
        ),
        (owners, &["/a 644 3000000000:2000009 archived 0"]),
        // What follows the end is of no interest.
        ([ended(members(&[file("a", "1")])), b"rest".to_vec()].concat(), &["/a 644 7:8 archived 1"]),
    ];
    for (bytes, expected) in cases {
        assert_eq!(project_of(&bytes).listing(&[archive("a.tar", "/")]), expected);
    }
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

#[test]
fn what_cannot_be_in_a_layer_is_an_error() {
    let cases: [(Vec<u8>, &str); 19] = [
        (members(&[file("a/../../b", "")]), "`a/../../b` of `a.tar` cannot go into a layer: its name has `..`"),
        (members(&[file("./", "x")]), ""),
        (members(&[symlink("./", "x")]), "`./` of `a.tar` cannot go into a layer: it has no name that a file can have"),
        (
            members(&[file("a/.wh.b", "")]),
            "`a/.wh.b` of `a.tar` cannot go into a layer: its name deletes files of lower layers",
        ),
        (
            members(&[folder(".wh.a"), file(".wh.a/b", "")]),
            "`.wh.a` of `a.tar` and one other entry cannot go into a layer: its name deletes files of lower layers",
        ),
        (
            members(&[other(b'3', "null", ""), other(b'3', "zero", "")]),
            "`null` of `a.tar` and one other entry cannot go into a layer: it is a character device",
        ),
        (members(&[other(b'6', "pipe", "")]), "`pipe` of `a.tar` cannot go into a layer: it is a FIFO"),
        (
            members(&[other(b'D', "dump", "")]),
            "`dump` of `a.tar` cannot go into a layer: it is a kind of entry that only the tar that made it knows",
        ),
        (
            members(&[hard_link("a", "b"), file("b", "")]),
            "`a` of `a.tar` cannot go into a layer: it is a hard link to `b`, which is no file that comes before it",
        ),
        (
            members(&[hard_link("a", "../b")]),
            "`a` of `a.tar` cannot go into a layer: it is a hard link to `../b`, which is no file that comes before it",
        ),
        (
            members(&[folder("b"), hard_link("a", "b")]),
            "`a` of `a.tar` cannot go into a layer: it is a hard link to `b`, which is no file that comes before it",
        ),
        (
            members(&[hard_link("a", "a")]),
            "`a` of `a.tar` cannot go into a layer: it is a hard link to `a`, which is no file that comes before it",
        ),
        (
            members(&[symlink("d", "/etc"), file("d/passwd", "")]),
            "`d/passwd` of `a.tar` cannot go into a layer: it is below `d`, which is no folder there",
        ),
        (
            members(&[file("d/e/f", ""), file("d", "")]),
            "`d/e/f` of `a.tar` cannot go into a layer: it is below `d`, which is no folder there",
        ),
        (members(&[symlink("a", "")]), "`a` of `a.tar` cannot go into a layer: it is a symbolic link to nothing"),
        (
            [pax(&[("uid", b"4294967295")], b'x'), members(&[file("a", "")])].concat(),
            "`a` of `a.tar` cannot go into a layer: the number of its owner is beyond what there is",
        ),
        (
            [pax(&[("SCHILY.xattr.system.posix_acl_access", b"\x02")], b'x'), members(&[file("a", "")])].concat(),
            "`a` of `a.tar` cannot go into a layer: it has `system.posix_acl_access`",
        ),
        (
            [pax(&[("SCHILY.acl.access", b"user::rw-")], b'x'), members(&[file("a", "")])].concat(),
            "`a` of `a.tar` cannot go into a layer: it has `SCHILY.acl.access`",
        ),
        (
            [pax(&[("GNU.sparse.major", b"1")], b'x'), members(&[file("a", "")])].concat(),
            "`a` of `a.tar` cannot go into a layer: it is kept as a sparse file",
        ),
    ];
    for (bytes, message) in cases {
        let project = project_of(&ended(bytes));
        if message.is_empty() {
            // With a slash at its end it is a folder: the root.
            assert_eq!(project.listing(&[archive("a.tar", "/x")]), ["/x 644 7:8 folder"]);
            continue;
        }
        assert_eq!(project.problems(&[archive("a.tar", "/")]), [format!("oci::layer::archive_entry: {message}")]);
        // What is left out is no error; but no name may lead out of an archive.
        let nothing = Package { optional: true, ..archive("a.tar", "/").excluding(&["**"]) };
        let leads_out = message.contains("has `..`") || message.contains("no name");
        assert_eq!(project.scan(&[nothing]).is_ok(), !leads_out, "{message}");
    }
}

#[test]
fn every_kind_of_fault_is_told_once() {
    let parts = [other(b'4', "dev/sda", ""), other(b'3', "dev/null", ""), other(b'4', "dev/sdb", ""), file("../x", "")];
    let project = project_of(&ended(members(&parts)));
    let problems = project.problems(&[archive("a.tar", "/")]);
    assert_eq!(
        problems,
        [
            "oci::layer::archive_entry: `../x` of `a.tar` cannot go into a layer: its name has `..`",
            "oci::layer::archive_entry: `dev/null` of `a.tar` cannot go into a layer: it is a character device",
            "oci::layer::archive_entry: `dev/sda` of `a.tar` and one other entry cannot go into a layer: it is a block device",
        ]
    );
}

#[test]
fn attributes_are_kept_and_labels_are_not() {
    let records: [(&str, &[u8]); 4] = [
        ("SCHILY.xattr.user.note", b"a\n\0b"),
        ("SCHILY.xattr.security.capability", b"\x01\0\0\x02\n"),
        ("SCHILY.xattr.security.selinux", b"label"),
        ("LIBARCHIVE.xattr.user.note", b"YQ=="),
    ];
    let bytes = ended([pax(&records, b'x'), members(&[file("a", "1"), file("b", "1")])].concat());
    let tree = project_of(&bytes).scan(&[archive("a.tar", "/")]).unwrap();
    let kept: Vec<_> = tree.entries[0].attributes.iter().flat_map(|all| all.iter()).collect();
    let expected: [(&[u8], &[u8]); 2] = [(b"security.capability", b"\x01\0\0\x02\n"), (b"user.note", b"a\n\0b")];
    assert_eq!(kept.iter().map(|(name, value)| (&name[..], &value[..])).collect::<Vec<_>>(), expected);
    assert_eq!(tree.entries[1].attributes, None);
    let without = project_of(&ended(members(&[file("a", "1"), file("b", "1")])));
    assert_ne!(without.scan(&[archive("a.tar", "/")]).unwrap().fingerprint(), tree.fingerprint());
}

#[test]
fn what_is_no_archive_is_an_error() {
    let project = Project::new(&["folder/", "text"]);
    project.file("zip", b"PK\x03\x04", 0o644);
    project.file("program", &[0x7f; 4096], 0o644);
    project.file("empty", b"", 0o644);
    for program in ["gzip", "xz"] {
        let compressed = run(Command::new(program).arg("-c").arg(project.path("program")));
        project.file(&format!("program.{program}"), &compressed, 0o644);
    }
    for (name, message) in [
        ("folder", "oci::layer::no_archive: `folder` is no archive"),
        ("text", "oci::layer::no_archive: `text` is no archive"),
        ("zip", "oci::layer::no_archive: `zip` is no archive"),
        ("empty", "oci::layer::archive_damaged: could not read the archive `empty`"),
        ("program", "oci::layer::no_archive: `program` is no archive"),
        ("program.gzip", "oci::layer::no_archive: `program.gzip` is no archive"),
        ("program.xz", "oci::layer::no_archive: `program.xz` is no archive"),
        ("/dev/null", "oci::layer::special_file: `/dev/null` is a character device, which a layer cannot hold"),
        ("txet", "oci::layer::not_found: there is no `txet`"),
        (".oci/x", "oci::layer::reserved_name: `.oci/x` has a name that layers and builds keep for themselves"),
    ] {
        assert_eq!(project.problems(&[archive(name, "/")]), [message]);
    }
}

#[test]
fn a_cut_archive_is_an_error_wherever_it_is_cut() {
    let plain = ended(members(&[folder("d"), file("d/a", &"content ".repeat(300)), file("b", "2")]));
    let project = project_of(&plain);
    for compressor in COMPRESSORS {
        let whole = match compressor {
            None => plain.clone(),
            Some(compressor) => run(Command::new(compressor).arg("-c").arg(project.path("a.tar"))),
        };
        let end = if compressor.is_none() { plain.len() - 1024 } else { whole.len() };
        for length in (0..end).step_by(end / 20).chain([end - 1]) {
            let cut = project_of(&whole[..length]);
            let problems = cut.problems(&[archive("a.tar", "/")]);
            let is_told = |problem: &str| {
                problem.starts_with("oci::layer::archive_damaged") || problem.starts_with("oci::layer::no_archive")
            };
            assert!(problems.len() == 1 && is_told(&problems[0]), "{compressor:?} {length}: {problems:?}");
        }
    }
    let problems = project_of(&plain[..plain.len() - 1024]).problems(&[archive("a.tar", "/")]);
    assert_eq!(problems, ["oci::layer::archive_damaged: could not read the archive `a.tar` beyond its entry `b`"]);
}

#[test]
fn whatever_the_bytes_are_there_is_a_layer_or_an_error() {
    let plain = ended(
        [
            pax(&[("path", b"long/name"), ("SCHILY.xattr.user.x", b"1")], b'x'),
            members(&[file("a", "1"), hard_link("b", "long/name"), symlink("c", "b")]),
        ]
        .concat(),
    );
    let folder = Project::new(&[]);
    folder.file("a.tar", &plain, 0o644);
    for compressor in COMPRESSORS {
        let whole = match compressor {
            None => plain.clone(),
            Some(compressor) => run(Command::new(compressor).arg("-c").arg(folder.path("a.tar"))),
        };
        for seed in 0..24_usize {
            let mut bytes = whole.clone();
            for step in 0..=seed % 3 {
                let at = (seed * 7919 + step * 104_729) % bytes.len();
                bytes[at] = bytes[at].wrapping_add(u8::try_from(seed % 255 + 1).unwrap());
            }
            let project = project_of(&bytes);
            if let Ok(tree) = project.scan(&[archive("a.tar", "/")]) {
                let (_, layer) = written(&tree, 1);
                assert_eq!(unpacked(&layer).len(), tree.entries.len());
            }
        }
    }
}

#[test]
fn an_archive_that_changes_before_it_is_written_is_an_error() {
    let plain = ended(members(&[file("a", &"1".repeat(5000))]));
    let compressors = Compressors::new(1);
    let options = WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
    for compressor in [None, Some("zstd")] {
        let project = project_of(&plain);
        let bytes = match compressor {
            None => plain.clone(),
            Some(compressor) => run(Command::new(compressor).arg("-c").arg(project.path("a.tar"))),
        };
        let changes: [&[u8]; 3] = [&bytes[..50], &plain[..600], b""];
        for change in changes {
            project.file("a.tar", &bytes, 0o644);
            let tree = project.scan(&[archive("a.tar", "/")]).unwrap();
            assert!(tree.settle());
            assert!(tree.write(&options, &mut std::io::sink()).is_ok());
            project.file("a.tar", change, 0o644);
            let error = tree.write(&options, &mut std::io::sink()).unwrap_err();
            assert_eq!(error.code().unwrap().to_string(), "oci::layer::changed", "{compressor:?} {}", change.len());
        }
    }
}

#[test]
fn archives_meet_other_packages_and_the_base() {
    let project = Project::new(&["x"]);
    let parts = [folder("bin"), file("bin/a", "1"), hard_link("usr/bin/b", "bin/a"), folder("usr/bin")];
    project.file("a.tar", &ended(members(&parts)), 0o644);
    project.file("b.tar", &ended(members(&[file("bin/a", "1")])), 0o644);
    // The same archive twice is no contradiction, another one is.
    let scan = |packages: &[Package]| project.scan(packages).unwrap();
    for (one, other, is_fine) in [
        (archive("a.tar", "/"), archive("a.tar", "/"), true),
        (archive("a.tar", "/"), archive("b.tar", "/"), false),
        (archive("a.tar", "/"), path_to("x", "/bin/a"), false),
        (archive("a.tar", "/"), path_to("x", "/bin/x"), true),
    ] {
        assert_eq!(project.scan(&[one.clone(), other.clone()]).is_ok(), is_fine);
        let mut trees = [scan(std::slice::from_ref(&one)), scan(&[other])];
        assert_eq!(crate::layer::reconcile(&mut trees.each_mut()).is_empty(), is_fine);
    }
    // Two packages of one archive share no file, though each has its own links.
    let twice = scan(&[archive("a.tar", "/one"), archive("a.tar", "/two")]);
    let (_, bytes) = written(&twice, 1);
    let links: Vec<_> = unpacked(&bytes).into_values().filter_map(|about| about.5).collect();
    assert_eq!(links, [b"one/bin/a".to_vec(), b"two/bin/a".to_vec()]);

    let mut links = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    links.append_link(&mut header, "bin", "usr/bin").unwrap();
    let links =
        crate::layer::LayerLinks::read(&links.into_inner().unwrap()[..], crate::model::document::media_type::LAYER);
    let links = crate::layer::BaseLinks::stack([&links.unwrap()]);
    let tree = scan(&[archive("a.tar", "/")]);
    assert!(tree.needs_base());
    let tree = tree.resolve(&links).unwrap();
    let expected = [
        "/usr 755 0:0 implied",
        "/usr/bin 644 7:8 folder",
        "/usr/bin/a 644 7:8 archived 1",
        "/usr/bin/b 644 7:8 archived 1",
    ];
    assert_eq!(listing(&tree), expected);
    let found = unpacked(&written(&tree, 1).1);
    assert_eq!(found[&b"usr/bin/b"[..]].5.as_deref(), Some(&b"usr/bin/a"[..]));
}

#[test]
fn a_program_for_another_machine_is_an_error_in_an_archive_too() {
    let mut project = Project::new(&[]);
    let program = std::fs::read("/proc/self/exe").unwrap();
    project.file("a.tar", &ended(members(&[Part(b'0', b"app", b"", &program)])), 0o644);
    let compressors = Compressors::new(1);
    let options = WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
    project.platform = Platform::parse("linux/s390x").unwrap();
    let write = |package| project.scan(&[package]).unwrap().write(&options, &mut std::io::sink());
    let error = write(archive("a.tar", "/opt")).unwrap_err().to_string();
    assert!(error.starts_with("`a.tar:/opt/app` is a program for"), "{error}");
    assert!(write(Package { foreign: true, ..archive("a.tar", "/opt") }).is_ok());
}
