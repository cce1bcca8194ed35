//! What a layer will hold: every entry, in its order, known without having read a file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contents::{Archived, Identity};
use crate::fs::Stamp;
use crate::layer::LayerError;
use crate::layer::conflict::Conflicts;
use crate::manifest::package::{Mode, Owner};
use crate::model::{Digest, LayerPath, Platform};
use crate::source::{At, Place};
use crate::tar::Attributes;

/// The entries of one layer, sorted, every path once, every folder before what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) entries: Vec<Entry>,
    pub(crate) origins: Vec<PackageOrigin>,
    pub(crate) platform: Platform,
    /// The manifest's, for messages.
    pub(crate) folder: PathBuf,
}

/// What an entry needs to know of the package that it came from.
#[derive(Clone, Debug)]
pub(crate) struct PackageOrigin {
    pub(crate) place: Place,
    /// ELF programs for another architecture are fine.
    pub(crate) foreign: bool,
    pub(crate) packed: Packed,
    /// Its files may be found behind symbolic links.
    pub(crate) follows: bool,
}

/// What a package put into its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    /// Files, each under a name of its own: what the package names is not a folder, even if it holds one file only.
    Files,
    /// A folder and what is in it, a link, or nothing.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: LayerPath,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) owner: Owner,
    /// Which of [`Tree::origins`] it came from.
    pub(crate) origin: usize,
    /// Extended attributes; most entries have none.
    pub(crate) attributes: Option<Box<Attributes>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder(Claim),
    /// A file on this machine, as it was when it was looked at.
    File {
        host: HostFile,
        stamp: Stamp,
    },
    /// A file whose content is here.
    Text(Box<[u8]>),
    /// A symbolic link with its target.
    Link(Box<[u8]>),
    /// A file whose content is in an archive.
    Archived(Archived),
}

/// Where the file of an entry is on this machine. The files of a folder share its path, so that a large
/// package costs little memory and no copying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFile {
    folder: Arc<Path>,
    /// Set only if the file has another name than its entry, so that equal entries are of one file.
    name: Option<Box<OsStr>>,
}

impl HostFile {
    /// The file `name` in `folder`, which goes to `path`.
    pub(crate) fn new(folder: Arc<Path>, name: &OsStr, path: &LayerPath) -> Self {
        let name = (path.name() != Some(name.as_bytes())).then(|| name.into());
        Self { folder, name }
    }

    /// The path of the folder that it is in.
    pub(crate) fn folder(&self) -> &Arc<Path> {
        &self.folder
    }

    /// Its name in that folder. An entry keeps its name wherever links lead it.
    pub(crate) fn name<'a>(&'a self, entry: &'a LayerPath) -> &'a OsStr {
        let same_name = || OsStr::from_bytes(entry.name().unwrap_or_default());
        self.name.as_deref().unwrap_or_else(same_name)
    }

    /// Its path on this machine.
    pub(crate) fn path(&self, entry: &LayerPath) -> PathBuf {
        self.folder.join(self.name(entry))
    }
}

/// Why a folder has an entry. Of two claims for one path the greater one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Something is below it.
    Implied,
    /// Something is below it, and its mode and owner are those of the image that the package takes files from.
    AsThere,
    /// It is a folder of a package.
    Packed,
    /// A `folder` package declares it.
    Declared,
}

impl Entry {
    /// An entry without extended attributes.
    pub(crate) fn new(path: LayerPath, kind: Kind, mode: Mode, owner: Owner, origin: usize) -> Self {
        Self { path, kind, mode, owner, origin, attributes: None }
    }

    /// The entry of a folder that has one since something is below it.
    pub(crate) fn implied(path: LayerPath, origin: usize) -> Self {
        let mode = folder_mode(&path);
        Self::new(path, Kind::Folder(Claim::Implied), mode, Owner::default(), origin)
    }

    pub(crate) fn claim(&self) -> Option<Claim> {
        match self.kind {
            Kind::Folder(claim) => Some(claim),
            _ => None,
        }
    }

    /// True if both entries would put equal things there. For files the name on this machine decides, not the content.
    pub(crate) fn writes_the_same(&self, other: &Self) -> bool {
        (self.mode, self.owner, &self.attributes) == (other.mode, other.owner, &other.attributes)
            && match (&self.kind, &other.kind) {
                (Kind::Folder(_), Kind::Folder(_)) => true,
                (one, other) => one == other,
            }
    }

    /// True if the two entries of one path contradict each other.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        match (self.claim(), other.claim()) {
            (Some(one), Some(other_claim)) if one != other_claim || one <= Claim::AsThere => false,
            _ => !self.writes_the_same(other),
        }
    }
}

/// The mode of a folder for which no package says one.
pub(crate) fn folder_mode(path: &LayerPath) -> Mode {
    match path.as_bytes() {
        b"tmp" | b"var/tmp" => Mode(0o1777),
        b"root" => Mode(0o700),
        _ => Mode(0o755),
    }
}

impl Tree {
    /// Sorts the entries, which are in no order yet, and joins entries for one path.
    ///
    /// Entries of packages that contradict each other are errors; the first one stays.
    pub(crate) fn assemble(self) -> (Self, Vec<At<LayerError>>) {
        let Self { mut entries, origins, platform, folder } = self;
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let mut conflicts = Conflicts::default();
        entries.dedup_by(|later, kept| {
            if later.path != kept.path {
                return false;
            }
            if kept.contradicts(later) {
                conflicts.add(&kept.path, &origins[kept.origin].place, &origins[later.origin].place);
            }
            if kept.claim().is_some() && later.claim() > kept.claim() {
                std::mem::swap(later, kept);
            }
            true
        });
        (Self { entries, origins, platform, folder }, conflicts.into_errors())
    }

    /// This tree without its folders.
    pub(crate) fn without_folders(mut self) -> Self {
        self.entries.retain(|entry| !matches!(entry.kind, Kind::Folder(_)));
        self
    }

    /// Where the first package's file is, absolute, if that package is exactly one executable file.
    pub(crate) fn entrypoint(&self) -> Option<String> {
        self.first_file().filter(|entry| entry.is_executable()).and_then(Entry::absolute)
    }

    /// Where the first package's file is, absolute, if that package is exactly one file without an executable bit.
    pub(crate) fn not_executable(&self) -> Option<String> {
        self.first_file().filter(|entry| !entry.is_executable()).and_then(Entry::absolute)
    }

    /// The first package's file, if that package is exactly one file.
    pub(crate) fn first_file(&self) -> Option<&Entry> {
        if self.origins.first()?.packed != Packed::Files {
            return None;
        }
        let is_above = |entry: &Entry| entry.claim().is_some_and(|claim| claim <= Claim::AsThere);
        let mut entries = self.entries.iter().filter(|entry| entry.origin == 0 && !is_above(entry));
        let entry = entries.next()?;
        let is_file = matches!(entry.kind, Kind::File { .. } | Kind::Text(_) | Kind::Archived(_));
        (is_file && entries.next().is_none()).then_some(entry)
    }

    /// The entries that are further names of a file in an archive, each with the first entry of that file. They are
    /// hard links in the archive, and become hard links in the layer.
    pub(crate) fn further_names(&self) -> BTreeMap<usize, usize> {
        let mut firsts = BTreeMap::new();
        let mut further = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if let Kind::Archived(Archived { archive, offset, has_more_names: true, .. }) = &entry.kind {
                let first = *firsts.entry((entry.origin, &*archive.host, *offset)).or_insert(index);
                if first != index {
                    further.insert(index, first);
                }
            }
        }
        further
    }

    /// The blobs of other images' layers that it takes files from, each with a package that does.
    pub(crate) fn layers_read(&self) -> BTreeMap<Digest, &Place> {
        let blobs = self.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::Archived(Archived { archive, .. }) => match &archive.identity {
                Identity::Layer { blob, .. } => Some((blob.digest, &self.origins[entry.origin].place)),
                Identity::File(_) => None,
            },
            _ => None,
        });
        blobs.collect()
    }

    /// True if there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    /// Whether it has an executable bit.
    pub(crate) fn is_executable(&self) -> bool {
        self.mode.0 & 0o111 != 0
    }

    /// Its path with the leading `/`; `None` if it is not UTF-8.
    fn absolute(&self) -> Option<String> {
        std::str::from_utf8(self.path.as_bytes()).ok().map(|path| format!("/{path}"))
    }

    /// Bytes of content.
    pub(crate) fn size(&self) -> u64 {
        match &self.kind {
            Kind::File { stamp, .. } => stamp.size,
            Kind::Text(text) => text.len() as u64,
            Kind::Archived(archived) => archived.size,
            Kind::Folder(_) | Kind::Link(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic as _;

    use super::*;
    use crate::layer::reconcile;
    use crate::manifest::{Package, PackageContent};
    use crate::pack::testing::{Project, folder, link, listing, path, path_to, placed, text};

    #[test]
    fn packages_of_one_layer_are_put_together() {
        let project = Project::new(&["a/x", "b/y", "b/x"]);
        let tree = project.scan(&[
            path_to("a", "/app"),
            path_to("b", "/app").excluding(&["x"]),
            text("t", "/app/data/t"),
            folder("/app").owned(3, 4),
        ]);
        let expected = [
            "/app 755 3:4 folder",
            "/app/data 755 0:0 implied",
            "/app/data/t 644 0:0 text t",
            "/app/x 644 0:0 file x",
            "/app/y 644 0:0 file y",
        ];
        assert_eq!(listing(&tree.unwrap()), expected);
        let twice = [path("a"), path("a/x").with_mode(0o600), path_to("a", "/a")];
        assert_eq!(project.listing(&twice).len(), 3);
    }

    #[test]
    fn a_path_written_twice_differently_is_an_error() {
        let project = Project::new(&["a/x", "b/x", "b/y", "a/y"]);
        for (one, other, path) in [
            (path_to("a/x", "/x"), path_to("b/x", "/x"), "/x"),
            (path_to("a/x", "/x"), path_to("a/x", "/x").with_mode(0o600), "/x"),
            (text("1", "/x"), text("2", "/x"), "/x"),
            (text("1", "/x"), link("/x", "1"), "/x"),
            (link("/x", "1"), link("/x", "2"), "/x"),
            (text("1", "/x"), text("1", "/x/y"), "/x"),
            (folder("/x"), folder("/x").owned(1, 1), "/x"),
            (path_to("a", "/x").excluding(&["*"]), path_to("b", "/x").excluding(&["*"]).owned(1, 1), "/x"),
            (path_to("a", "/"), path_to("b", "/"), "/x"),
        ] {
            let problems = project.scan(&[one.clone(), other.clone()]).unwrap_err();
            let mut trees = [project.scan(&[one]).unwrap(), project.scan(&[other]).unwrap()];
            for problems in [problems, reconcile(&mut trees.each_mut())] {
                let [problem] = &problems[..] else { panic!("{problems:?}") };
                let LayerError::Conflict { path: found, .. } = problem.error() else { panic!("{problem:?}") };
                assert_eq!((found.to_string().as_str(), problem.labels().unwrap().count()), (path, 2));
            }
        }
        let problems = project.problems(&[path_to("a", "/"), path_to("b", "/")]);
        assert_eq!(
            problems,
            ["oci::layer::conflict: two packages disagree about `/x` and one other path (`-v` names them)"]
        );
    }

    #[test]
    fn layers_of_a_build_agree_on_folders() {
        let project = Project::new(&["app/x"]);
        let scan = |package: Package| project.scan(&[package]).unwrap();
        for packages in [
            [folder("/data").owned(5, 5).with_mode(0o700), text("t", "/data/t"), path_to("app", "/data")],
            [text("t", "/data/t"), path_to("app", "/data"), folder("/data").owned(5, 5).with_mode(0o700)],
        ] {
            let mut trees = packages.map(scan);
            assert!(reconcile(&mut trees.each_mut()).is_empty());
            for tree in &trees {
                assert!(listing(tree)[0].starts_with("/data 700 5:5"), "{:?}", listing(tree));
            }
        }
        let mut trees = [scan(path_to("app", "/a")), scan(path_to("app", "/a"))];
        assert!(reconcile(&mut trees.each_mut()).is_empty());
    }

    #[test]
    fn one_executable_is_the_entrypoint() {
        let project = Project::new(&["data", "d/only"]);
        project.file("dist/server", b"", 0o755);
        for (packages, entrypoint) in [
            (vec![path("dist/server")], Some("/server")),
            (vec![path_to("dist/server", "/usr/bin/")], Some("/usr/bin/server")),
            (vec![path_to("dist/s*", "/usr/bin/")], Some("/usr/bin/server")),
            (vec![text("#!", "/run").with_mode(0o755)], Some("/run")),
            (vec![path("dist/server"), path("d")], Some("/server")),
            (vec![path("data"), path("dist/server")], None),
            (vec![path("data")], None),
            (vec![path("data").with_mode(0o755)], Some("/data")),
            (vec![path_to("dist", "/")], None),
            (vec![link("/a", "b")], None),
            (vec![folder("/a")], None),
            (vec![], None),
        ] {
            assert_eq!(project.scan(&packages).unwrap().entrypoint().as_deref(), entrypoint, "{packages:?}");
        }
        let to = placed("/{cpu}/x");
        let package =
            Package { content: PackageContent::Path { path: placed("dist/server"), to: Some(to) }, ..path("d") };
        assert_eq!(project.scan(&[package]).unwrap().entrypoint().as_deref(), Some("/x86_64/x"));
    }
}
