//! Images of layers made by hand, and what packages take of them.

use std::io::Write;

use super::*;
use crate::contents::ArchiveError;
use crate::contents::blob::blob_of;
use crate::contents::links::{BaseLinks, LayerLinks};
use crate::image::Layer;
use crate::layer::{Below, Look, Tree, inherit};
use crate::manifest::Package;
use crate::manifest::package::Mode;
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageName};
use crate::pack::testing::{Project, RawMember, image, listing, path_to, tarred, text, written};

/// A member of a layer: kind, name, what it links to or holds.
pub(crate) type Part<'a> = (char, &'a str, &'a str);

/// A layer's tar. Folders are 0750 of 10:20, all else 0640 of 1:2.
pub(crate) fn tar(parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, rest) in parts {
        let (link, content) = if *kind == '0' { ("", *rest) } else { (*rest, "") };
        let (mode, owner) = if *kind == '5' { (0o750, (10, 20)) } else { (0o640, (1, 2)) };
        let (name, link, content) = (name.as_bytes(), link.as_bytes(), content.as_bytes());
        RawMember { kind: *kind as u8, name, link, content, mode, owner, time: 0 }.append_to(&mut bytes);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// The image `there` with these layers, each compressed in another way.
fn project(layers: &[&[Part<'_>]]) -> Project {
    let mut project = Project::new(&[]);
    let mut there = Image::scratch(&project.platform);
    for (number, parts) in layers.iter().enumerate() {
        let tar = tar(parts);
        let diff_id = DiffId(Digest::of(&tar));
        let (blob, media_type) = match number % 2 {
            0 => (tar, media_type::LAYER),
            _ => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&tar).unwrap();
                (encoder.finish().unwrap(), media_type::LAYER_GZIP)
            }
        };
        project.store.put(&blob).unwrap();
        there.layers.push(Layer { descriptor: Descriptor::of(media_type, &blob), diff_id });
    }
    let read = ImageTree::read("there", &there, &project.store).unwrap();
    // What was read once is known, also without the blobs.
    let known = ImageTree::recall("there", &there, &project.store).unwrap().unwrap();
    assert_eq!(format!("{known:?}"), format!("{read:?}"));
    project.images.insert(ImageName::parse("there").unwrap(), Arc::new(known));
    project
}

fn take(path: &str) -> Package {
    image("there", path, None)
}

fn take_to(path: &str, to: &str) -> Package {
    image("there", path, Some(to))
}

const BASE: &[Part<'_>] = &[
    ('5', "./", ""),
    ('5', "usr/", ""),
    ('5', "usr/bin/", ""),
    ('0', "usr/bin/tool", "tool"),
    ('2', "bin", "usr/bin"),
    ('5', "opt/", ""),
    ('0', "opt/a", "a"),
    ('1', "opt/b", "opt/a"),
    ('2', "opt/c", "a"),
    ('5', "opt/sub/", ""),
    ('0', "opt/sub/d", "d"),
];

#[test]
fn a_file_goes_where_it_was_or_where_it_is_told() {
    let project = project(&[BASE]);
    let above = ["/usr 750 10:20 as there", "/usr/bin 750 10:20 as there"];
    let tool = |path: &str| format!("{path} 640 1:2 archived 4");
    let lines = |lines: &[&str], last: &str| [lines, &[tool(last).as_str()]].concat().join("\n");
    for (package, expected) in [
        (take("/usr/bin/tool"), lines(&above, "/usr/bin/tool")),
        // The path is the one that is written, whatever links are on the way to it.
        (take("/bin/tool"), lines(&["/bin 755 0:0 implied"], "/bin/tool")),
        (take_to("/bin/tool", "/usr/bin/"), lines(&above, "/usr/bin/tool")),
        (take_to("/bin/tool", "/x/y"), lines(&["/x 755 0:0 implied"], "/x/y")),
        (take_to("/usr/bin/tool", "/y").owned(3, 4).with_mode(0o755), "/y 755 3:4 archived 4".to_owned()),
        (take("/bin"), "/bin 777 1:2 link usr/bin".to_owned()),
    ] {
        assert_eq!(project.listing(&[package]).join("\n"), expected);
    }
    let entrypoint = |package: Package| project.scan(&[package]).unwrap().entrypoint();
    assert_eq!(entrypoint(take_to("/bin/tool", "/usr/local/bin/").with_mode(0o755)).unwrap(), "/usr/local/bin/tool");
    assert_eq!(entrypoint(take("/bin/tool")), None);
    assert_eq!(entrypoint(take("/usr/bin/").with_mode(0o755)), None);
}

#[test]
fn a_folder_is_as_it_is_there() {
    let project = project(&[BASE]);
    let below = |to: &str| {
        [
            format!("{to} 750 10:20 folder"),
            format!("{to}/a 640 1:2 archived 1"),
            format!("{to}/b 640 1:2 archived 1"),
            format!("{to}/c 777 1:2 link a"),
            format!("{to}/sub 750 10:20 folder"),
            format!("{to}/sub/d 640 1:2 archived 1"),
        ]
    };
    assert_eq!(project.listing(&[take("/opt")]), below("/opt"));
    assert_eq!(project.listing(&[take_to("/opt/", "/other")]), below("/other"));
    assert_eq!(project.listing(&[take_to("/opt", "/")]), below("")[1..]);
    let whole = project.listing(&[take("/")]);
    assert_eq!((whole.len(), whole[0].as_str()), (10, "/bin 777 1:2 link usr/bin"));
    // A slash asks for the folder that a link leads to.
    assert_eq!(project.listing(&[take("/bin/")]), ["/bin 750 10:20 folder", "/bin/tool 640 1:2 archived 4"]);
    let changed = project.listing(&[Package { folder_mode: Some(Mode(0o700)), ..take("/opt/sub").with_mode(0o600) }]);
    assert_eq!(changed, ["/opt 750 10:20 as there", "/opt/sub 700 10:20 folder", "/opt/sub/d 600 1:2 archived 1"]);
}

/// A step below may have given it to somebody. The base from elsewhere is not looked into for it.
#[test]
fn a_folder_above_is_rather_as_a_layer_that_was_made_here_has_it() {
    let project = project(&[BASE]);
    let of = |path: &str| {
        let links = LayerLinks::read(blob_of(&tarred(&[(path, 0o711, 7)])), media_type::LAYER).unwrap();
        BaseLinks::stack([&links])
    };
    for (made, expected) in [(of("opt"), "/opt 711 7:7 as there"), (of("other"), "/opt 750 10:20 as there")] {
        let mut tree = project.scan(&[take("/opt/sub")]).unwrap();
        assert_eq!(Look::of([&tree].into_iter()), Look::Made);
        inherit(&mut [&mut tree], &Below { all: of("opt"), made });
        assert_eq!(listing(&tree)[0], expected);
    }
}

#[test]
fn globs_and_filters_select() {
    let project = project(&[BASE]);
    let paths = |package: Package| -> Vec<String> {
        let lines = project.listing(&[package]).into_iter();
        lines.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
    };
    assert_eq!(paths(take("/opt").excluding(&["sub", "b"])), ["/opt", "/opt/a", "/opt/c"]);
    assert_eq!(paths(take("/opt").including(&["**/d"])), ["/opt", "/opt/sub", "/opt/sub/d"]);
    assert_eq!(paths(take("/opt").including(&["sub"]).excluding(&["**/d"])), ["/opt", "/opt/sub"]);
    assert_eq!(paths(take("/opt/*")), ["/opt", "/opt/a", "/opt/b", "/opt/c", "/opt/sub", "/opt/sub/d"]);
    assert_eq!(paths(take_to("/opt/s*/*", "/")), ["/d"]);
    assert_eq!(paths(take_to("/opt/**/d", "/x")), ["/x", "/x/sub", "/x/sub/d"]);
    assert_eq!(paths(take_to("/bin/t*", "/x/")), ["/x", "/x/tool"]);
    assert_eq!(paths(take("/*/a")), ["/a"]);
    assert_eq!(paths(Package { optional: true, ..take("/none/*") }), [""; 0]);
    assert_eq!(paths(Package { optional: true, ..take("/none") }), [""; 0]);
    assert_eq!(paths(Package { optional: true, ..take("/opt").including(&["none"]) }), [""; 0]);
}

#[test]
fn layers_on_top_change_and_delete() {
    let project = project(&[
        BASE,
        &[
            ('0', "opt/new", "new"),
            ('0', "opt/.wh.a", ""),
            ('0', "opt/sub/.wh..wh..opq", ""),
            ('0', "opt/sub/e", "ee"),
            ('0', "usr/.wh.bin", ""),
            ('0', ".wh..wh.plnk", ""),
            // Below a link: it is what it leads to that gets the file.
            ('5', "usr/lib/", ""),
            ('2', "lib", "/usr/lib"),
            ('0', "lib/x", "x"),
        ],
        // A folder takes the place of a link, and a file that of a folder.
        &[('5', "bin/", ""), ('0', "bin/sh", "sh"), ('0', "opt/sub", "now a file"), ('0', "opt/new", "newer")],
    ]);
    let expected = [
        "/bin 750 10:20 folder",
        "/bin/sh 640 1:2 archived 2",
        "/lib 777 1:2 link /usr/lib",
        "/opt 750 10:20 folder",
        "/opt/b 640 1:2 archived 1",
        "/opt/c 777 1:2 link a",
        "/opt/new 640 1:2 archived 5",
        "/opt/sub 640 1:2 archived 10",
        "/usr 750 10:20 folder",
        "/usr/lib 750 10:20 folder",
        "/usr/lib/x 640 1:2 archived 1",
    ];
    assert_eq!(project.listing(&[take("/")]), expected);
    // Its other name is gone, the content is there.
    let (_, blob) = written(&project.scan(&[take("/opt/b"), take("/usr/lib/x"), take("/opt/new")]).unwrap(), 1);
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(&blob[..]));
    let contents = tar.entries().unwrap().filter_map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
        (!content.is_empty()).then_some(content)
    });
    assert_eq!(contents.collect::<Vec<_>>(), ["a", "newer", "x"]);
}

#[test]
fn hard_links_are_kept_within_what_is_taken() {
    let project = project(&[
        BASE,
        // A name of a file of the layer below, and at the same place in this layer another file.
        &[('1', "opt/f", "/opt/a"), ('0', "opt/g", "g"), ('1', "opt/h", "opt/g")],
    ]);
    let links = |packages: &[Package]| -> Vec<(usize, usize)> {
        project.scan(packages).unwrap().further_names().into_iter().collect()
    };
    // /opt a b c f g h sub
    assert_eq!(links(&[take("/opt")]), [(2, 1), (4, 1), (6, 5)]);
    assert_eq!(links(&[take("/opt/b"), take("/opt/f")]), []);
    assert_eq!(links(&[take("/opt/[bf]")]), [(2, 1)]);
}

#[test]
fn nothing_leads_out_of_the_image() {
    let project = project(&[&[
        ('0', "../../../../../../etc/secret", "inside"),
        ('2', "up", "../../../../../../.."),
        ('2', "host", "/etc"),
        ('2', "round", "about"),
        ('2', "about", "round"),
        ('0', "up/through", "kept in"),
        ('0', "file/below", "its parent was never said"),
        ('0', "file/below/more", "and is no folder"),
    ]]);
    let (_, blob) =
        written(&project.scan(&[take_to("/host/secret", "/x"), take_to("/up/up/through", "/y")]).unwrap(), 1);
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(&blob[..]));
    let sizes: Vec<u64> = tar.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert_eq!(sizes, [6, 7]);
    assert_eq!(project.listing(&[take("/file")])[1], "/file/below 755 0:0 folder");
    let problems = project.problems(&[take("/round/x")]);
    let message = "the symbolic links on the way to `/round/x` in `there` lead back to themselves";
    assert_eq!(problems, [format!("oci::layer::image_link_loop: {message}")]);
}

#[test]
fn what_is_not_there_is_told_with_the_nearest() {
    let project = project(&[BASE, &[('3', "opt/null", ""), ('6', "opt/pipe", ""), ('1', "opt/lost", "none")]]);
    let told = [
        take("/opt/aa"),
        take("/tool"),
        take("/usr/bin/tool/more"),
        take("/usr/bin/tool/"),
        take("/very/far/away"),
        take("/opt/*.so"),
        take("/opt").including(&["none"]),
        take("/opt"),
        take("/opt/null"),
    ];
    insta::assert_snapshot!(told.map(|package| told_of(&project, package)).join("\n"));
}

fn told_of(project: &Project, package: Package) -> String {
    let problems = project.scan(&[package]).unwrap_err();
    problems.iter().map(|problem| format!("{}\n", crate::diagnostic::rendered(problem.error()))).collect()
}

#[test]
fn what_the_cache_may_do_is_told() {
    let digest = Digest::of(b"layer");
    let damaged = std::io::Error::new(std::io::ErrorKind::InvalidData, "a header's sum is wrong");
    let looped = TakeError::Loop { image: "there".to_owned(), path: "/round/x".to_owned() };
    let unreadable = TakeError::unreadable("there", ArchiveError::Unreadable { path: String::new(), source: damaged });
    let errors = [looped, unreadable, TakeError::Damaged { digest }];
    insta::assert_snapshot!(errors.each_ref().map(|error| crate::diagnostic::rendered(error)).join("\n\n"));
}

#[test]
fn damage_and_what_is_no_tar_are_errors() {
    let project = Project::new(&[]);
    let mut there = Image::scratch(&project.platform);
    let bytes = b"no tar at all";
    let descriptor = Descriptor::of(media_type::LAYER, bytes);
    there.layers.push(Layer { descriptor: descriptor.clone(), diff_id: DiffId(Digest::of(bytes)) });
    let read = || ImageTree::read("there", &there, &project.store);
    assert!(matches!(read(), Err(TakeError::Damaged { .. })));
    project.store.put(bytes).unwrap();
    assert!(matches!(read(), Err(TakeError::Unreadable { .. })));
    assert!(ImageTree::recall("there", &there, &project.store).unwrap().is_none());
}

#[test]
fn a_layer_may_lack_its_end_and_all_else() {
    let project = Project::new(&[]);
    let mut there = Image::scratch(&project.platform);
    let whole = tar(&[('0', "file", "content")]);
    for bytes in [&whole[..1024], b""] {
        let descriptor = Descriptor::of(media_type::LAYER, bytes);
        project.store.put(bytes).unwrap();
        there.layers.push(Layer { descriptor, diff_id: DiffId(Digest::of(bytes)) });
    }
    let read = ImageTree::read("there", &there, &project.store).unwrap();
    assert_eq!(read.stack.nodes.len(), 1);
}

#[test]
fn only_what_is_taken_is_in_the_key() {
    let key = |layers: &[&[Part<'_>]], package: Package| -> Digest {
        let project = project(layers);
        project.scan(&[package]).unwrap().fingerprint()
    };
    let first = key(&[BASE], take("/opt"));
    assert_eq!(key(&[BASE, &[('0', "etc/other", "other")]], take("/opt")), first);
    assert_ne!(key(&[BASE, &[('0', "opt/sub/d", "D")]], take("/opt")), first);
    assert_ne!(key(&[BASE], take_to("/opt", "/other")), first);
    assert_ne!(key(&[BASE], take("/opt").excluding(&["a"])), first);
    assert_ne!(key(&[BASE], take("/opt").owned(0, 0)), first);
}

#[test]
fn folders_above_agree_with_what_other_packages_say() {
    let project = project(&[BASE]);
    let scan = |package: Package| project.scan(&[package]).unwrap();
    let mut trees: Vec<Tree> = [text("t", "/usr/bin/t"), take("/usr/bin/tool"), text("u", "/usr/u")].map(scan).into();
    assert!(crate::layer::reconcile(&mut trees.iter_mut().collect::<Vec<_>>()).is_empty());
    for tree in &trees {
        assert!(listing(tree)[0].starts_with("/usr 750 10:20"), "{:?}", listing(tree));
    }
    // A package that has the folder itself wins.
    project.file("mine/x", b"x", 0o644);
    let mut trees: Vec<Tree> = [take("/usr/bin/tool"), path_to("mine", "/usr")].map(scan).into();
    assert!(crate::layer::reconcile(&mut trees.iter_mut().collect::<Vec<_>>()).is_empty());
    assert!(listing(&trees[0])[0].starts_with("/usr 755 0:0"), "{:?}", listing(&trees[0]));
    let problems = project.problems(&[take("/opt/a"), text("other", "/opt/a")]);
    assert_eq!(problems, ["oci::layer::conflict: two packages disagree about `/opt/a`"]);
    assert_eq!(project.listing(&[take("/opt/a"), take("/opt")]).len(), 6);
}
