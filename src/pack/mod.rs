//! From packages to the entries of a layer, by looking at names and stats alone, and at what archives and images hold.
//!
//! Each package is looked at by itself, all problems are gathered, and [`Tree::assemble`] makes one tree of what was
//! found. There is a file for each form of a package: [`folder`] has files, folders and globs of this machine, which
//! [`host`] finds and [`walk`] goes through, [`archive`] archives, [`image`] files of other images, and [`target`] what targets [`made`]. [`mount`] is
//! what a step mounts of an image.

mod archive;
mod filter;
mod folder;
mod host;
mod ignore;
mod image;
mod made;
mod mount;
mod package;
mod target;
#[cfg(test)]
pub(crate) mod testing;
mod walk;

pub(crate) use ignore::unheeded;
pub(crate) use made::{Made, MadeLayer, MadeOutput, MadeTarget, Provides, Word};
pub(crate) use package::ScanRequest;

use crate::contents::glob::{self, GlobError, Globs};
use crate::layer::Tree;
use crate::layer::tree::{Claim, Kind, PackageOrigin, Packed, folder_mode};
use crate::manifest::package::{Mode, expand};
use crate::manifest::{Package, PackageContent};
use crate::pack::ignore::Ignores;
use crate::pack::package::{LINK_MODE, PackProblem, PackageScan};
use crate::source::At;

impl Tree {
    /// Looks at everything that the packages put in. No file is opened but an archive that the store does not know.
    ///
    /// Returns the errors of all packages.
    pub(crate) fn scan(request: &ScanRequest<'_>) -> Result<Self, Vec<PackProblem>> {
        let mut entries = Vec::new();
        let mut problems: Vec<PackProblem> = Vec::new();
        let mut origins = Vec::new();
        let project = Globs::compile(request.exclude).unwrap_or_else(|problem| {
            problems.push(problem.into());
            Globs::default()
        });
        let ignores = match request.packages.first() {
            Some(first) => Ignores::read(request.ignore, request.folder).unwrap_or_else(|error| {
                problems.push(At::new(error, &first.place, ""));
                Ignores::default()
            }),
            None => Ignores::default(),
        };
        for (origin, package) in request.packages.iter().enumerate() {
            let own = own_globs(request, package).unwrap_or_else(|problem| {
                problems.push(problem.into());
                None
            });
            let exclude = own.as_ref().unwrap_or(&project);
            let mut scan = PackageScan::new(request, package, origin, (exclude, &ignores));
            match scan.run(&mut problems) {
                Ok(packed) => {
                    let foreign = package.foreign || scan.is_foreign_fine();
                    let place = package.place.clone();
                    origins.push(PackageOrigin { place, foreign, packed, follows: package.follow });
                    if entries.is_empty() {
                        entries = scan.entries;
                    } else {
                        entries.append(&mut scan.entries);
                    }
                }
                Err(problem) => {
                    // The origin still has to be there for the entries of later packages.
                    origins.push(PackageOrigin {
                        place: package.place.clone(),
                        foreign: false,
                        packed: Packed::Other,
                        follows: false,
                    });
                    problems.push(problem);
                }
            }
        }
        let (tree, conflicts) =
            Self { entries, origins, platform: request.platform.clone(), folder: request.folder.to_owned() }.assemble();
        problems.extend(conflicts);
        if problems.is_empty() { Ok(tree) } else { Err(problems) }
    }
}

/// What stays out of a package with globs of its own that are relative to the manifest's folder.
fn own_globs(request: &ScanRequest<'_>, package: &Package) -> Result<Option<Globs>, At<GlobError>> {
    if package.exclude_in_project.is_empty() {
        return Ok(None);
    }
    let globs: Vec<_> = request.exclude.iter().chain(&package.exclude_in_project).cloned().collect();
    Globs::compile(&globs).map(Some)
}

impl PackageScan<'_> {
    /// Adds the package's entries.
    fn run(&mut self, problems: &mut Vec<PackProblem>) -> Result<Packed, PackProblem> {
        match &self.package.content {
            PackageContent::Path { path, to } => {
                let path = self.expanded(path);
                let to = to.as_ref().map(|to| self.expanded(to));
                if glob::is_pattern(&path) {
                    self.selection(&path, to.as_ref(), problems)
                } else {
                    self.path(&path, to.as_ref(), problems)
                }
            }
            PackageContent::Archive { archive, to, strip } => {
                let (archive, to) = (self.expanded(archive), self.expanded(to));
                self.archive(&archive, &to, *strip, problems).map(|()| Packed::Other)
            }
            PackageContent::Image { image, path, to } => {
                let (path, to) = (self.expanded(path), to.as_ref().map(|to| self.expanded(to)));
                self.image(image, &path, to.as_ref(), problems)
            }
            PackageContent::Target { target, output, to, .. } => {
                let to = to.as_ref().map(|to| self.expanded(to));
                self.target(target, *output, to.as_ref(), problems)
            }
            PackageContent::Text { text, to } => {
                let path = self.destination(&self.expanded(to))?;
                self.add(path, Kind::Text(text.as_bytes().into()), Mode(0o644));
                Ok(Packed::Files)
            }
            PackageContent::Link { link, target } => {
                let path = self.destination(&self.expanded(link))?;
                let target = expand(target, self.request.platform);
                self.add(path, Kind::Link(target.into_bytes().into()), LINK_MODE);
                Ok(Packed::Other)
            }
            PackageContent::Folder { folder } => {
                let path = self.destination(&self.expanded(folder))?;
                let mode = folder_mode(&path);
                self.add(path, Kind::Folder(Claim::Declared), mode);
                Ok(Packed::Other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use rustix::fs::FileType;

    use crate::compress::Compressors;
    use crate::layer::WriteOptions;
    use crate::manifest::Package;
    use crate::model::Compression;
    use crate::pack::testing::{Project, archive, folder, link, path, path_to, placed, text};

    #[test]
    fn everything_goes_where_the_manifest_says() {
        let project =
            Project::new(&["dist/app", "dist/a.whl", "dist/b.whl", "dist/sub/c.whl", "web/x/y", "web/.hidden"]);
        let cases: [(Package, &[&str]); 12] = [
            (path("dist/app"), &["/app 644 0:0 file app"]),
            (path("./dist//app"), &["/app 644 0:0 file app"]),
            (
                path("web"),
                &[
                    "/web 755 0:0 folder",
                    "/web/.hidden 644 0:0 file .hidden",
                    "/web/x 755 0:0 folder",
                    "/web/x/y 644 0:0 file y",
                ],
            ),
            (path("dist/*.whl"), &["/a.whl 644 0:0 file a.whl", "/b.whl 644 0:0 file b.whl"]),
            (
                path("dist/**/*.whl").owned(1, 2),
                &[
                    "/a.whl 644 1:2 file a.whl",
                    "/b.whl 644 1:2 file b.whl",
                    "/sub 755 1:2 folder",
                    "/sub/c.whl 644 1:2 file c.whl",
                ],
            ),
            (path("*/x"), &["/x 755 0:0 folder", "/x/y 644 0:0 file y"]),
            (
                path_to("dist/app", "/usr/bin/tool").owned(5, 6).with_mode(0o4755),
                &["/usr 755 0:0 implied", "/usr/bin 755 0:0 implied", "/usr/bin/tool 4755 5:6 file app"],
            ),
            (path_to("dist/app", "/tmp/"), &["/tmp 1777 0:0 implied", "/tmp/app 644 0:0 file app"]),
            (path_to("web/x", "/"), &["/y 644 0:0 file y"]),
            (
                path_to("dist/a*", "/root/{arch}"),
                &[
                    "/root 700 0:0 implied",
                    "/root/amd64 755 0:0 implied",
                    "/root/amd64/a.whl 644 0:0 file a.whl",
                    "/root/amd64/app 644 0:0 file app",
                ],
            ),
            (text("hello", "/etc/motd"), &["/etc 755 0:0 implied", "/etc/motd 644 0:0 text hello"]),
            (link("/a/b", "../c"), &["/a 755 0:0 implied", "/a/b 777 0:0 link ../c"]),
        ];
        for (package, listing) in cases {
            assert_eq!(project.listing(std::slice::from_ref(&package)), listing, "{:?}", package.content);
        }
        let package = folder("/data").owned(7, 8).with_mode(0o750);
        assert_eq!(project.listing(&[package]), ["/data 750 7:8 folder"]);
    }

    #[test]
    fn modes_come_from_the_owner_alone() {
        let project = Project::new(&[]);
        for (name, mode) in [("a", 0o700), ("b", 0o677), ("c", 0o4711), ("d", 0o000)] {
            project.file(&format!("x/{name}"), b"", mode);
        }
        let listing = project.listing(&[path_to("x", "/")]);
        assert_eq!(listing, ["/a 755 0:0 file a", "/b 644 0:0 file b", "/c 755 0:0 file c", "/d 644 0:0 file d"]);
    }

    #[test]
    fn include_and_exclude() {
        let mut project = Project::new(&[
            "w/a.py",
            "w/a.pyc",
            "w/tests/t.py",
            "w/lib/b.py",
            "w/lib/deep/c.txt",
            "w/.git/config",
            "w/.oci/index.json",
            "w/empty/",
        ]);
        let names = |project: &Project, package: Package| -> Vec<String> {
            project.listing(&[package]).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        let everything = [
            "/w",
            "/w/a.py",
            "/w/a.pyc",
            "/w/empty",
            "/w/lib",
            "/w/lib/b.py",
            "/w/lib/deep",
            "/w/lib/deep/c.txt",
            "/w/tests",
            "/w/tests/t.py",
        ];
        assert_eq!(names(&project, path("w")), everything);
        assert_eq!(
            names(&project, path("w").excluding(&["**/*.pyc", "tests", "lib/**", "empty"])),
            ["/w", "/w/a.py", "/w/lib"]
        );
        assert_eq!(
            names(&project, path("w").including(&["**/*.py"]).excluding(&["tests"])),
            ["/w", "/w/a.py", "/w/lib", "/w/lib/b.py"]
        );
        assert_eq!(
            names(&project, path("w").including(&["lib"])),
            ["/w", "/w/lib", "/w/lib/b.py", "/w/lib/deep", "/w/lib/deep/c.txt"]
        );
        assert_eq!(names(&project, path("w").including(&[".git/**"])), ["/w", "/w/.git", "/w/.git/config"]);
        assert_eq!(names(&project, path("w/.git")), ["/.git", "/.git/config"]);
        project.exclude = vec![placed("w/lib"), placed("**/*.pyc"), placed("tests")];
        assert_eq!(names(&project, path("w")), ["/w", "/w/a.py", "/w/empty", "/w/tests", "/w/tests/t.py"]);
    }

    #[test]
    fn links_are_kept_or_followed() {
        let project = Project::new(&["p/file", "p/d/inner", "out/secret"]);
        project.link("p/d/up", "../file");
        project.link("p/dir", "d");
        assert!(project.listing(&[path("p")]).contains(&"/p/d/up 777 0:0 link ../file".to_owned()));
        let follow = |package: Package| Package { follow: true, ..package };
        let listing = project.listing(&[follow(path("p"))]);
        assert!(listing.contains(&"/p/dir/inner 644 0:0 file inner".to_owned()), "{listing:?}");
        assert!(listing.contains(&"/p/dir/up 644 0:0 file up".to_owned()), "{listing:?}");

        project.link("p/d/away", "../../out/secret");
        project.link("p/absolute", "/etc/passwd");
        let problems = project.problems(&[path("p")]);
        assert_eq!(problems.len(), 2);
        assert!(problems.iter().all(|problem| problem.starts_with("oci::layer::link_leaves")), "{problems:?}");
        assert!(project.scan(&[path("p").excluding(&["absolute", "d/away"])]).is_ok());
        assert!(project.scan(&[follow(path("p"))]).is_ok());
        project.link("p/d/loop", "..");
        project.link("p/self", "self");
        let problems = project.problems(&[follow(path("p"))]);
        assert!(problems.iter().all(|problem| problem.starts_with("oci::layer::link_loop")), "{problems:?}");

        assert_eq!(
            project.problems(&[path("p/dir")]),
            ["oci::layer::link_leaves: the symbolic link `p/dir` leaves its package: it points to `d`"]
        );
        assert_eq!(project.listing(&[follow(path("p/dir")).excluding(&["loop", "away"])]).len(), 3);
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let project = Project::new(&["dist/server", "x/.wh.gone", ".oci/index.json"]);
        let _socket = UnixListener::bind(project.path("x/socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, project.path("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let problems = project.problems(&[
            path("dist/sever"),
            path("dits/server"),
            path("*.none"),
            path("x"),
            path("fifo"),
            path(".oci"),
            path("./.oci/*"),
            path("."),
            path_to("dist", "/a/.wh.b"),
            path_to("dist", "relative"),
            path_to("dist/server", "/"),
            path("[a"),
            text("", "/"),
        ]);
        let expected = [
            "oci::layer::not_found: there is no `dist/sever`",
            "oci::layer::not_found: there is no `dits/server`",
            "oci::layer::no_match: nothing matches `*.none`",
            "oci::layer::reserved_name: `/x/.wh.gone` has a name that layers and builds keep for themselves",
            "oci::layer::special_file: `x/socket` is a socket, which a layer cannot hold",
            "oci::layer::special_file: `fifo` is a FIFO, which a layer cannot hold",
            "oci::layer::reserved_name: `.oci` has a name that layers and builds keep for themselves",
            "oci::layer::reserved_name: `./.oci/*` has a name that layers and builds keep for themselves",
            "oci::layer::no_destination: `.` does not say where it goes",
            "oci::layer::reserved_name: `/a/.wh.b` has a name that layers and builds keep for themselves",
            "oci::layer::invalid_path: `relative` is no path in an image",
            "oci::layer::invalid_glob: `[a` is no glob: unclosed character class; missing ']'",
            "oci::layer::no_destination: `/` does not say where it goes",
        ];
        let sorted = |lines: Vec<&str>| -> Vec<String> {
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(problems.iter().map(String::as_str).collect()), sorted(expected.to_vec()));
        let help = |package| miette::Diagnostic::help(&project.scan(&[package]).unwrap_err()[0]).unwrap().to_string();
        assert_eq!(help(path("dist/sever")), "did you mean `dist/server`?");
        assert_eq!(help(path("dits/server")), "did you mean `dist`?");
        for (name, include, exclude) in [("dist", "sever", ""), ("dist/*", "", "server"), ("dist/*", "sever", "")] {
            let nothing = path(name).excluding(&[exclude]);
            let nothing = if include.is_empty() { nothing } else { nothing.including(&[include]) };
            let expected = format!("oci::layer::nothing_left: nothing of `{name}` goes into the image");
            assert_eq!(project.problems(std::slice::from_ref(&nothing)), [expected]);
            assert!(project.scan(&[Package { optional: true, ..nothing }]).unwrap().is_empty());
        }
        for name in ["none", "none/x", "none*"] {
            assert!(project.scan(&[Package { optional: true, ..path(name) }]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_slash_at_the_end_says_a_folder() {
        let project = Project::new(&["f", "dir/x"]);
        project.link("to-file", "f");
        project.link("to-dir", "dir");
        let follow = |package| Package { follow: true, ..package };
        let expected = |path: &str| {
            format!("oci::layer::not_a_folder: `{path}` is a file, and a path that ends in `/` says a folder")
        };
        for (package, shown) in [
            (path("f/"), "f"),
            (path("./f//"), "f"),
            (path_to("f/", "/x"), "f"),
            (path_to("f/.", "/x/"), "f"),
            (Package { optional: true, ..path("f/") }, "f"),
            (follow(path("to-file/")), "to-file"),
            (archive("f/", "/x"), "f"),
        ] {
            assert_eq!(project.problems(std::slice::from_ref(&package)), [expected(shown)], "{:?}", package.content);
        }
        for package in [path("dir/"), path_to("dir/.", "/dir"), follow(path_to("to-dir/", "/dir"))] {
            assert_eq!(project.listing(&[package]), ["/dir 755 0:0 folder", "/dir/x 644 0:0 file x"]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let project = Project::new(&["p/locked/x", "p/fine"]);
        project.file("secret", b"", 0o000);
        for (path, mode) in [("", 0o755), ("p", 0o755), ("p/locked", 0o000)] {
            std::fs::set_permissions(project.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        // The test becomes the user `nobody`, since root may read everything. Only this thread changes its user.
        let as_nobody = || {
            if rustix::process::geteuid().is_root() {
                rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
            }
            let compressors = Compressors::new(1);
            let options =
                WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
            let unwritable = project.scan(&[path("secret")]).unwrap().write(&options, &mut std::io::sink());
            (project.problems(&[path("p")]), unwritable.map_err(|error| error.to_string()))
        };
        let (problems, unwritable) = std::thread::scope(|scope| scope.spawn(as_nobody).join().unwrap());
        assert_eq!(problems, ["oci::layer::unreadable: could not read `p/locked`"]);
        assert_eq!(unwritable.unwrap_err(), "could not read `secret`");
        std::fs::set_permissions(project.path("p/locked"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn names_need_not_be_utf8() {
        let project = Project::new(&["x/"]);
        std::fs::write(project.path("x").join(OsStr::from_bytes(b"\xff\x1b")), "").unwrap();
        let tree = project.scan(&[path("x")]).unwrap();
        assert_eq!(tree.entries[1].path.as_bytes(), b"x/\xff\x1b");
    }
}
