//! What ignore files leave out of packages.

use std::path::Path;

use super::unheeded;
use crate::manifest::Package;
use crate::manifest::package::IgnoreFile;
use crate::pack::testing::{Project, path, path_to, text};

/// A project whose ignore files count, and the paths that a package puts in.
fn names(ignore: &[IgnoreFile], files: &[(&str, &str)], package: &Package) -> Vec<String> {
    let mut project = Project::new(&[]);
    project.ignore = ignore.to_vec();
    for (name, content) in files {
        project.file(name, content.as_bytes(), 0o644);
    }
    let listing = project.listing(std::slice::from_ref(package));
    listing.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

const FILES: [(&str, &str); 10] = [
    (".env", ""),
    ("a.log", ""),
    ("src/main.c", ""),
    ("src/b.log", ""),
    ("src/keep.log", ""),
    ("src/gen/x", ""),
    ("src/gen/deep/y", ""),
    ("dist/app", ""),
    ("other/gen/z", ""),
    ("oci.toml", ""),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    FILES.iter().chain(more).copied().collect()
}

#[test]
fn dockerignore_counts_from_the_project_s_folder() {
    let docker = [IgnoreFile::Docker];
    let files =
        with(&[(".dockerignore", "**/*.log\n!src/keep.log\n.env\nsrc/gen\n!src/gen/deep\ndist\n.dockerignore\n")]);
    let all =
        ["/p/other", "/p/other/gen", "/p/other/gen/z", "/p/src", "/p/src/gen", "/p/src/gen/deep", "/p/src/gen/deep/y"];
    let all = [&all[..], &["/p/src/keep.log", "/p/src/main.c"]].concat();
    assert_eq!(names(&docker, &files, &path_to(".", "/p")), [&["/p"], &all[..]].concat());
    let expected = ["/src", "/src/gen", "/src/gen/deep", "/src/gen/deep/y", "/src/keep.log", "/src/main.c"];
    assert_eq!(names(&docker, &files, &path("src")), expected);
    // A folder that is named is packed: only its content is judged.
    assert_eq!(names(&docker, &files, &path("dist")), ["/dist", "/dist/app"]);
    assert_eq!(names(&docker, &files, &path("a.log")), ["/a.log"]);
    assert_eq!(names(&docker, &files, &path("src/*")), ["/gen", "/gen/deep", "/gen/deep/y", "/keep.log", "/main.c"]);
    // Ignore files do not count in this project, or the file is in a folder where it does not count.
    assert!(names(&[], &files, &path("src")).contains(&"/src/b.log".to_owned()));
    let nested = with(&[("src/.dockerignore", "main.c\n")]);
    assert!(names(&docker, &nested, &path("src")).contains(&"/src/main.c".to_owned()));
}

#[test]
fn everything_but_what_is_put_back() {
    let files = with(&[(".dockerignore", "*\n!src\nsrc/gen\n")]);
    let names = names(&[IgnoreFile::Docker], &files, &path_to(".", "/"));
    assert_eq!(names, ["/src", "/src/b.log", "/src/keep.log", "/src/main.c"]);
}

#[test]
fn gitignore_counts_in_every_folder() {
    let git = [IgnoreFile::Git];
    let files = with(&[
        (".gitignore", "*.log\ngen/\n/.env\ndist/\n.gitignore\n[broken\n"),
        ("src/.gitignore", "!keep.log\n/main.c\n"),
        ("other/deep/.gitignore", "*\n!yes\n"),
        ("other/deep/yes", ""),
        ("other/deep/no", ""),
    ]);
    let expected = ["/", "/other", "/other/deep", "/other/deep/yes", "/src", "/src/keep.log"];
    assert_eq!(names(&git, &files, &path_to(".", "/")), expected[1..]);
    assert_eq!(names(&git, &files, &path("src")), ["/src", "/src/keep.log"]);
    assert_eq!(names(&git, &files, &path("other/deep")), ["/deep", "/deep/yes"]);
    assert_eq!(names(&git, &files, &path("dist")), ["/dist", "/dist/app"]);
    let both = [&files[..], &[(".dockerignore", "src\n")]].concat();
    let expected = ["/.dockerignore", "/other", "/other/deep", "/other/deep/yes"];
    assert_eq!(names(&[IgnoreFile::Git, IgnoreFile::Docker], &both, &path_to(".", "/")), expected);
}

#[test]
fn gitignore_means_what_git_reads_in_it() {
    let names = |rules: &str| {
        let files = [(".gitignore", rules), ("a.log", ""), ("b.log", ""), ("{a,b}.log", ""), ("sub/b.log", "")];
        names(&[IgnoreFile::Git], &files, &path_to(".", "/"))
    };
    assert_eq!(names("\u{feff}a.log\n/.gitignore\n"), ["/b.log", "/sub", "/sub/b.log", "/{a,b}.log"]);
    assert_eq!(names("{a,b}.log\n/.gitignore\n"), ["/a.log", "/b.log", "/sub", "/sub/b.log"]);
    assert_eq!(names("***/b.log\n/.gitignore\n"), ["/a.log", "/sub", "/{a,b}.log"]);
    assert_eq!(names("[[:alpha:]].log\n/.gitignore\n"), ["/sub", "/{a,b}.log"]);
}

#[test]
fn a_change_of_an_ignore_file_is_another_layer() {
    let mut project = Project::new(&["p/a", "p/b"]);
    project.ignore = vec![IgnoreFile::Docker, IgnoreFile::Git];
    let key = |project: &Project| project.scan(&[path("p")]).unwrap().fingerprint();
    let mut seen = vec![key(&project)];
    for (file, content) in
        [(".dockerignore", "p/a"), (".gitignore", "b"), ("p/.gitignore", "!b"), (".dockerignore", "")]
    {
        project.file(file, content.as_bytes(), 0o644);
        let now = key(&project);
        assert!(!seen.contains(&now), "{file}");
        seen.push(now);
    }
}

#[test]
fn ignore_files_that_say_nothing() {
    let mut project = Project::new(&["p/a"]);
    project.ignore = vec![IgnoreFile::Docker, IgnoreFile::Git];
    project.file(".dockerignore", b"fine\n[broken\n", 0o644);
    let problem = |project: &Project| project.problems(&[path("p")]);
    let bad =
        |file: &str, reason: &str| format!("oci::layer::bad_ignore_file: `{file}` cannot say what stays out: {reason}");
    assert_eq!(problem(&project), [bad(".dockerignore", "line 2 is no pattern")]);
    project.file(".dockerignore", &vec![b'a'; (1 << 20) + 1], 0o644);
    assert_eq!(problem(&project), [bad(".dockerignore", "it has more than 1 MiB")]);
    std::fs::remove_file(project.path(".dockerignore")).unwrap();
    project.link(".dockerignore", "/etc/passwd");
    assert_eq!(problem(&project), [bad(".dockerignore", "it is no regular file")]);
    std::fs::remove_file(project.path(".dockerignore")).unwrap();
    let fifo = project.path("p/.gitignore");
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(problem(&project).contains(&bad("p/.gitignore", "it is no regular file")));
}

#[test]
fn the_manifest_and_the_lockfile_stay_out_unless_named() {
    let files = [("oci.toml", ""), ("oci.lock", ""), ("sub/oci.toml", ""), ("x", "")];
    let names = |package: Package| names(&[], &files, &package);
    assert_eq!(names(path_to(".", "/")), ["/sub", "/sub/oci.toml", "/x"]);
    assert_eq!(names(path_to("*", "/")), ["/sub", "/sub/oci.toml", "/x"]);
    assert_eq!(names(path_to(".", "/").including(&["oci.toml", "x"])), ["/oci.toml", "/x"]);
    assert_eq!(names(path("oci.lock")), ["/oci.lock"]);
    assert_eq!(names(path("sub")), ["/sub", "/sub/oci.toml"]);
}

#[test]
fn a_file_that_nobody_heeds() {
    let project = Project::new(&[".dockerignore", "sub/.dockerignore", "plain/x"]);
    let found = |package: &Package| unheeded(package, project.folder(), &project.platform);
    assert_eq!(found(&path_to(".", "/")).as_deref(), Some(".dockerignore"));
    assert_eq!(found(&path("sub")).as_deref(), Some("sub/.dockerignore"));
    for package in [path("plain"), path("plain/x"), path("sub/*"), path_to(".", "/").including(&["x"]), text("t", "/t")]
    {
        assert_eq!(found(&package), None, "{:?}", package.content);
    }
    assert!(unheeded(&path("none"), Path::new("/nowhere"), &project.platform).is_none());
}
