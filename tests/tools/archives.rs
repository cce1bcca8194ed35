//! What GNU tar makes of a real folder, and what the real programs compress it to.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
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
        for (index, compressor) in [None, Some("gzip"), Some("zstd"), Some("xz"), Some("bzip2")].into_iter().enumerate()
        {
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
