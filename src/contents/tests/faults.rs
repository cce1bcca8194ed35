//! What cannot be taken of an archive, and what is none.

use super::*;

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
            [pax(&[("GNU.sparse.major", b"0")], b'x'), members(&[file("a", "")])].concat(),
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
fn what_is_no_archive_is_an_error() {
    let project = Project::new(&["folder/", "text"]);
    project.file("zip", b"PK\x03\x04", 0o644);
    project.file("program", &[0x7f; 4096], 0o644);
    project.file("empty", b"", 0o644);
    for (ending, form) in [("gzip", Form::Gzip), ("xz", Form::Xz)] {
        project.file(&format!("program.{ending}"), &form.compressed(&[0x7f; 4096]), 0o644);
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
    for form in FORMS {
        let whole = form.compressed(&plain);
        let end = if form == Form::Plain { plain.len() - 1024 } else { whole.len() };
        for length in (0..end).step_by(end / 20).chain([end - 1]) {
            let cut = project_of(&whole[..length]);
            let problems = cut.problems(&[archive("a.tar", "/")]);
            let is_told = |problem: &str| {
                problem.starts_with("oci::layer::archive_damaged") || problem.starts_with("oci::layer::no_archive")
            };
            assert!(problems.len() == 1 && is_told(&problems[0]), "{form:?} {length}: {problems:?}");
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
    for form in FORMS {
        let whole = form.compressed(&plain);
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
    for form in [Form::Plain, Form::Zstd] {
        let project = project_of(&plain);
        let bytes = form.compressed(&plain);
        let changes: [&[u8]; 3] = [&bytes[..50], &plain[..600], b""];
        for change in changes {
            project.file("a.tar", &bytes, 0o644);
            let tree = project.scan(&[archive("a.tar", "/")]).unwrap();
            assert!(tree.settle());
            assert!(tree.write(&options, &mut std::io::sink()).is_ok());
            project.file("a.tar", change, 0o644);
            let error = tree.write(&options, &mut std::io::sink()).unwrap_err();
            assert_eq!(error.code().unwrap().to_string(), "oci::layer::changed", "{form:?} {}", change.len());
        }
    }
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
