//! What members mean, where they go, and whom they meet there.

use super::*;
use crate::contents::LISTINGS;
use crate::store::Shelf;

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
    let links = crate::contents::links::LayerLinks::read(
        crate::contents::blob::blob_of(&links.into_inner().unwrap()),
        crate::model::document::media_type::LAYER,
    );
    let links = crate::contents::links::BaseLinks::stack([&links.unwrap()]);
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
fn an_archive_is_known_by_its_stat_and_read_when_it_changes() {
    let project = project_of(&ended(members(&[file("a", "1")])));
    let scan = || project.scan(&[archive("a.tar", "/")]).unwrap();
    let first = scan();
    assert!(listing(&first) == ["/a 644 7:8 archived 1"]);
    let key = |tree: &Tree| match &tree.entries[0].kind {
        crate::layer::tree::Kind::Archived(archived) => archived.archive.key(),
        other => panic!("{other:?}"),
    };
    let known: Option<Listing> = LISTINGS.recall(&project.store, &key(&first)).unwrap();
    assert_eq!(known.unwrap().0.len(), 1);
    // The record in the store counts as long as the stat does not change.
    LISTINGS.record(&project.store, &key(&first), &Listing(Vec::new())).unwrap();
    assert!(project.scan(&[Package { optional: true, ..archive("a.tar", "/") }]).unwrap().is_empty());
    Shelf::<String>::new("archive", 1).record(&project.store, &key(&first), &"damaged".to_owned()).unwrap();
    assert_eq!(scan().fingerprint(), first.fingerprint());

    // New content of equal length, with the old modification time.
    let times = std::fs::metadata(project.path("a.tar")).unwrap();
    project.file("a.tar", &ended(members(&[file("b", "1")])), 0o644);
    let changed = File::options().write(true).open(project.path("a.tar")).unwrap();
    changed.set_times(FileTimes::new().set_modified(times.modified().unwrap())).unwrap();
    assert!(listing(&scan()) == ["/b 644 7:8 archived 1"]);
    assert_ne!(scan().fingerprint(), first.fingerprint());
}
