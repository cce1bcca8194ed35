//! Reads a package's folder: names, kinds and stats, nothing else.
//!
//! Folders are opened by their names in the folder above, which is open, and never through a link unless the
//! package follows links. So a folder that is swapped for a link meanwhile is an error, and what is outside
//! of the package never gets in.

mod listed;
mod pending;

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::fs::{FileType, RawDir, readlinkat};
use rustix::io::Errno;

use crate::{parallel, sanitize};

use crate::fs::Stamp;
use crate::layer::LayerError;
use crate::layer::tree::{Claim, HostFile, Kind};
use crate::model::LayerPath;
use crate::pack::filter::Filter;
use crate::pack::host::kind_of_special;
use crate::pack::ignore::{Ignores, InFolder, Verdict};
use crate::pack::package::refuse_reserved;
use crate::pack::walk::listed::{Listed, leaves};
use crate::pack::walk::pending::{Loop, Opener, Pending};
use crate::source::{At, Place};

/// A file or folder to pack.
pub(crate) struct ToPack {
    pub(crate) path: LayerPath,
    pub(crate) kind: Kind,
    /// The mode from the stat; for files only.
    pub(crate) mode: u32,
}

/// From this many folders on, several threads read them.
const MANY: usize = 16;

/// The most threads. More threads wait for each other's locks in the kernel.
const THREADS: usize = 4;

/// The longest path that Linux takes, in bytes.
const LONGEST: usize = 4095;

/// How many characters are shown of a path that is too long.
const SHOWN: usize = 60;

/// One pass over a folder and what is in it.
pub(crate) struct Walk<'a> {
    pub(crate) filter: Filter<'a>,
    pub(crate) ignores: &'a Ignores,
    /// Where the folder is in the project; empty for the project's own, or outside.
    pub(crate) inside: Vec<u8>,
    pub(crate) follow: bool,
    /// Links are kept wherever they lead.
    pub(crate) any_links: bool,
    /// Where the folder's content goes.
    pub(crate) root: LayerPath,
    /// The manifest's folder, for messages.
    pub(crate) folder: &'a Path,
    pub(crate) place: &'a Place,
}

/// The part of a walk that one thread does.
struct Reader<'w, 'a> {
    walk: &'w Walk<'a>,
    found: Vec<ToPack>,
    problems: Vec<At<LayerError>>,
    /// A buffer for the names of the folder that is read.
    buffer: Vec<u8>,
}

impl Walk<'_> {
    /// Returns everything to pack of the folder `host`, sorted, and all problems.
    ///
    /// `folder` is the package's folder, which may be open for its path alone; `ignored` is what ignore files
    /// above it say.
    pub(crate) fn run(
        &self,
        folder: OwnedFd,
        host: &Path,
        ignored: InFolder,
    ) -> (impl Iterator<Item = ToPack>, Vec<At<LayerError>>) {
        let selection = self.filter.selection;
        let mut root = Pending {
            host: host.into(),
            opener: Opener::of_root(folder),
            relative: Vec::new(),
            path: selection.is_none_or(|selection| selection.is_deep).then(|| self.root.clone()),
            is_selected: selection.is_none(),
            is_included: self.filter.include.is_empty(),
            is_packed: false,
            ignored,
            trail: None,
        };
        let mut first = Reader::new(self);
        if root.is_selected && root.is_included {
            first.pack(&mut root);
        }
        let mut pending = vec![root];
        while pending.len() < MANY
            && let Some(folder) = pending.pop()
        {
            first.read(folder, &mut pending);
        }
        let mut readers = vec![first.sorted()];
        if !pending.is_empty() {
            let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
            readers.extend(parallel::exhaust(pending, threads, || Reader::new(self), Reader::read, Reader::sorted));
        }
        let (found, problems): (Vec<_>, Vec<_>) =
            readers.into_iter().map(|reader| (reader.found, reader.problems)).unzip();
        let mut problems: Vec<_> = problems.into_iter().flatten().collect();
        // Threads read folders in any order.
        problems.sort_by_cached_key(ToString::to_string);
        // One error is enough for all that is too deep in one folder.
        problems.dedup_by(|one, other| {
            matches!(one.error(), LayerError::TooDeep { .. }) && one.to_string() == other.to_string()
        });
        (merged(found), problems)
    }
}

impl Walk<'_> {
    /// The path, from the project's folder, of a file in the package's folder.
    fn path_in_project(&self, relative: &[u8]) -> Vec<u8> {
        let slash: &[u8] = if self.inside.is_empty() || relative.is_empty() { b"" } else { b"/" };
        [&self.inside, slash, relative].concat()
    }
}

impl<'w, 'a> Reader<'w, 'a> {
    fn new(walk: &'w Walk<'a>) -> Self {
        Self { walk, found: Vec::new(), problems: Vec::new(), buffer: Vec::with_capacity(64 << 10) }
    }

    /// Sorts what was found, on the thread that found it.
    fn sorted(mut self) -> Self {
        // Two entries of one path are equal: a folder that several matches of a glob are in.
        self.found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        self
    }

    /// Gives the folder, and those above it that belong to the package, their entries.
    fn pack(&mut self, folder: &mut Pending) {
        if std::mem::replace(&mut folder.is_packed, true) {
            return;
        }
        // The folder that a glob's matches go into is no part of the package. The place of a packed folder is.
        let above = match self.walk.filter.selection {
            Some(_) => Some(self.walk.root.clone()),
            None => self.walk.root.parent(),
        };
        let folders = std::iter::successors(folder.path.clone(), LayerPath::parent);
        let folders = folders.take_while(|path| !path.is_root() && Some(path) != above.as_ref());
        self.found.extend(folders.map(|path| ToPack { path, kind: Kind::Folder(Claim::Packed), mode: 0 }));
    }

    fn problem(&mut self, error: LayerError) {
        self.problems.push(At::new(error, self.walk.place, ""));
    }

    /// Finds what is in a folder; the folders in it are added to `pending`.
    fn read(&mut self, mut folder: Pending, pending: &mut Vec<Pending>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Err(errno) = self.names(&mut folder, pending, buffer.spare_capacity_mut()) {
            let path = sanitize::path(&folder.host, self.walk.folder);
            self.problem(match errno {
                // The name was a folder when it was listed.
                Errno::NOTDIR | Errno::LOOP | Errno::NOENT => LayerError::Changed { path },
                errno => LayerError::Unreadable { path, source: errno.into() },
            });
        }
        self.buffer = buffer;
    }

    fn names(
        &mut self,
        folder: &mut Pending,
        pending: &mut Vec<Pending>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), Errno> {
        let fd = Arc::new(folder.open(self.walk.follow)?);
        if self.walk.follow && folder.note_trail(&fd)? == Loop::Found {
            self.problem(LayerError::LinkLoop { path: sanitize::path(&folder.host, self.walk.folder) });
            return Ok(());
        }
        if !self.walk.ignores.is_empty() {
            match self.walk.ignores.entered(&folder.ignored, &*fd, &self.walk.path_in_project(&folder.relative)) {
                Ok(ignored) => folder.ignored = ignored,
                Err(error) => self.problem(error),
            }
        }
        let mut relative = folder.relative.clone();
        if !relative.is_empty() {
            relative.push(b'/');
        }
        let start = relative.len();
        let mut names = RawDir::new(&*fd, buffer);
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                relative.truncate(start);
                relative.extend_from_slice(name);
                let listed = Listed { fd: &fd, name, relative: &relative, kind: entry.file_type() };
                self.entry(folder, &listed, pending)?;
            }
        }
        Ok(())
    }

    /// Refuses a name whose path is longer than Linux takes, on this machine or in the image.
    fn is_too_deep(&mut self, folder: &Pending, name: &OsStr, path: Option<&LayerPath>) -> bool {
        let host = folder.host.as_os_str().len() + 1 + name.len();
        let is_too_deep = host > LONGEST || path.is_some_and(|path| path.as_bytes().len() + 1 > LONGEST);
        if is_too_deep {
            let mut path = sanitize::path(&folder.host, self.walk.folder);
            if let Some((cut, _)) = path.char_indices().nth(SHOWN) {
                path.truncate(cut);
                path.push('…');
            }
            self.problem(LayerError::TooDeep { path });
        }
        is_too_deep
    }

    fn entry(&mut self, folder: &mut Pending, listed: &Listed<'_>, pending: &mut Vec<Pending>) -> Result<(), Errno> {
        let Listed { fd, name, relative, .. } = *listed;
        let Some((kind, stat)) = self.kind(folder, listed) else { return Ok(()) };
        if self.walk.filter.excludes(relative, name, kind) {
            return Ok(());
        }
        let verdict = match self.walk.ignores.is_empty() {
            true => Verdict::GoesIn,
            false => self.walk.ignores.judge(&folder.ignored, &self.walk.path_in_project(relative), kind),
        };
        if verdict == Verdict::IsLeftOut {
            return Ok(());
        }
        let is_selected = folder.is_selected || self.walk.filter.selection.is_some_and(|glob| glob.matches(relative));
        let is_included = folder.is_included || self.walk.filter.include.matches(relative);
        let path = match &folder.path {
            Some(path) => Some(path.join(name)),
            None => is_selected.then(|| self.walk.root.join(name)),
        };
        let name = OsStr::from_bytes(name);
        let host = || folder.host.join(name);
        if kind == FileType::Directory {
            if is_selected || self.walk.filter.selection.is_some_and(|glob| glob.may_match_within(relative)) {
                if self.is_too_deep(folder, name, path.as_ref()) {
                    return Ok(());
                }
                let mut within = Pending {
                    host: host().into(),
                    opener: folder.opener_of(fd, name.as_bytes(), relative),
                    relative: relative.to_vec(),
                    path,
                    is_selected,
                    is_included,
                    is_packed: false,
                    ignored: match self.walk.ignores.is_empty() {
                        true => InFolder::default(),
                        false => self.walk.ignores.below(&folder.ignored, &self.walk.path_in_project(relative)),
                    },
                    trail: folder.trail.clone(),
                };
                let goes_in = is_selected && is_included && verdict == Verdict::GoesIn;
                if let Some(path) = within.path.clone().filter(|_| goes_in) {
                    if let Err(error) = refuse_reserved(&path) {
                        self.problem(error);
                    }
                    self.pack(folder);
                    self.found.push(ToPack { path, kind: Kind::Folder(Claim::Packed), mode: 0 });
                    within.is_packed = true;
                }
                pending.push(within);
            }
            return Ok(());
        }
        let Some(path) = path.filter(|_| is_selected && is_included) else { return Ok(()) };
        if self.is_too_deep(folder, name, Some(&path)) {
            return Ok(());
        }
        let (kind, mode) = match (kind, stat) {
            (FileType::RegularFile, Some(stat)) => {
                let host = HostFile::new(Arc::clone(&folder.host), name, &path);
                (Kind::File { host, stamp: Stamp::of(&stat) }, stat.st_mode)
            }
            (FileType::Symlink, _) => {
                let target = readlinkat(fd, name, Vec::new())?.into_bytes();
                if !self.walk.any_links && leaves(&folder.relative, &target) {
                    let target = sanitize::name(&String::from_utf8_lossy(&target));
                    self.problem(LayerError::LinkLeaves { path: sanitize::path(&host(), self.walk.folder), target });
                }
                (Kind::Link(target.into()), 0)
            }
            (other, _) => {
                let path = sanitize::path(&host(), self.walk.folder);
                self.problem(LayerError::SpecialFile { path, kind: kind_of_special(other) });
                return Ok(());
            }
        };
        if let Err(error) = refuse_reserved(&path) {
            self.problem(error);
        }
        self.pack(folder);
        self.found.push(ToPack { path, kind, mode });
        Ok(())
    }
}

/// Merges sorted runs into one sorted iterator.
fn merged(runs: Vec<Vec<ToPack>>) -> impl Iterator<Item = ToPack> {
    let mut runs: Vec<_> = runs.into_iter().map(|run| run.into_iter().peekable()).collect();
    std::iter::from_fn(move || {
        let heads = runs.iter_mut().enumerate().filter_map(|(number, run)| Some((&run.peek()?.path, number)));
        let (_, least) = heads.min()?;
        runs[least].next()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{CWD, RenameFlags, renameat_with};

    use crate::compress::Compressors;
    use crate::layer::{LayerError, WriteError, WriteOptions};
    use crate::manifest::Package;
    use crate::model::Compression;
    use crate::pack::testing::{Project, archive, path, path_to};

    /// Exchanges two names of a folder again and again while `work` runs.
    fn while_exchanged(one: &Path, other: &Path, work: impl FnOnce()) {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let exchanger = scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    // The names are exchanged twice, so that in the end they are as they were.
                    for _ in 0..2 {
                        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
                    }
                }
            });
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            is_done.store(true, Ordering::Relaxed);
            exchanger.join().unwrap();
            worked.unwrap();
        });
    }

    #[test]
    fn what_is_swapped_for_a_link_never_gets_in() {
        let outside = tempfile::tempdir().unwrap();
        for name in ["inner", "secret"] {
            std::fs::write(outside.path().join(name), "SECRET").unwrap();
        }
        let project = Project::new(&["p/top", "p/d/inner", "p/d/e/deep"]);
        symlink(outside.path(), project.path("away")).unwrap();
        symlink(outside.path().join("secret"), project.path("file-away")).unwrap();
        let compressors = Compressors::new(1);
        let packed = |packages: &[Package]| -> Result<Vec<u8>, Vec<String>> {
            let texts = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<String>>();
            let tree = project.scan(packages).map_err(texts)?;
            let options =
                WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
            let mut out = Vec::new();
            match tree.write(&options, &mut out) {
                Ok(_) => Ok(out),
                Err(WriteError::Package(problem)) => match problem.error() {
                    LayerError::Changed { .. } => Err(vec![problem.to_string()]),
                    _ => panic!("{problem:?}"),
                },
                Err(error) => panic!("{error:?}"),
            }
        };
        let contains = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        for (inside, link) in [("p/d", "away"), ("p", "away"), ("p/d/inner", "file-away")] {
            let packages = [path_to("p", "/app"), path_to("p/d/inner", "/inner"), path_to("p/d/*", "/all/")];
            let mut outcomes = [0, 0];
            while_exchanged(&project.path(inside), &project.path(link), || {
                for package in packages.iter().cycle().take(300) {
                    match packed(std::slice::from_ref(package)) {
                        Ok(tar) => {
                            assert!(!contains(&tar, "SECRET") && !contains(&tar, "secret\0"), "{inside}");
                            outcomes[0] += 1;
                        }
                        Err(_) => outcomes[1] += 1,
                    }
                }
            });
            assert!(outcomes[1] > 0, "{inside}: {outcomes:?}");
        }
    }

    #[test]
    fn a_link_on_the_way_is_judged_as_one_at_the_end() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "SECRET").unwrap();
        let project = Project::new(&["real/d/file"]);
        symlink(outside.path(), project.path("out")).unwrap();
        project.link("in", "real/d");
        let target = outside.path().display();
        for package in [
            path("out/file"),
            path_to("out/file", "/x"),
            path_to("out/.", "/x"),
            path("out/*"),
            path("out/**/file"),
            archive("out/file", "/x"),
        ] {
            // `out/.` is the link itself, which a package never is.
            let leaves = format!(
                "oci::layer::link_leaves: the symbolic link `out` leads out of the project: it points to `{target}`"
            );
            let is_alone =
                format!("oci::layer::link_leaves: the symbolic link `out` leaves its package: it points to `{target}`");
            for package in [package.clone(), Package { optional: true, ..package }] {
                let problems = project.problems(std::slice::from_ref(&package));
                assert!(problems == [leaves.clone()] || problems == [is_alone.clone()], "{problems:?}");
            }
        }
        for package in [path("in/file"), path("in/*"), path_to("in/**", "/")] {
            assert_eq!(project.listing(&[package]), ["/file 644 0:0 file file"]);
        }
        let followed = Package { follow: true, ..path("out/file") };
        assert_eq!(project.listing(&[followed]), ["/file 644 0:0 file file"]);
        // A path that says by itself where it goes is no surprise.
        let absolute = path_to(outside.path().join("file").to_str().unwrap(), "/x");
        assert_eq!(project.listing(&[absolute]), ["/x 644 0:0 file file"]);
    }

    #[test]
    fn the_build_s_own_folder_is_not_packed_by_a_link_either() {
        let project = Project::new(&[".oci/index.json"]);
        project.link("own", ".oci");
        for package in [path("own/index.json"), path("own/*"), Package { follow: true, ..path("own") }] {
            let problems = project.problems(std::slice::from_ref(&package));
            assert!(problems[0].starts_with("oci::layer::reserved_name"), "{problems:?}");
        }
    }

    #[test]
    fn very_deep_folders() {
        let project = Project::new(&["p/"]);
        let mut folder: std::os::fd::OwnedFd = std::fs::File::open(project.path("p")).unwrap().into();
        for _ in 0..1100 {
            for name in ["d", "beside"] {
                rustix::fs::mkdirat(&folder, name, 0o755.into()).unwrap();
            }
            let flags = rustix::fs::OFlags::RDONLY;
            folder = rustix::fs::openat(&folder, "d", flags, rustix::fs::Mode::empty()).unwrap();
        }
        // There are more folders than may be open at once, and all of them are read.
        assert_eq!(project.scan(&[path("p")]).unwrap().entries.len(), 2201);
        let long = "d".repeat(200);
        for _ in 0..10 {
            rustix::fs::mkdirat(&folder, &*long, 0o755.into()).unwrap();
            folder =
                rustix::fs::openat(&folder, &*long, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        }
        let problems = project.problems(&[path("p")]);
        let shown = format!("p/{}…", "d/".repeat(29));
        let expected = format!(
            "oci::layer::too_deep: the path of something in `{shown}` is longer than the 4095 bytes that Linux takes"
        );
        assert_eq!(problems, [expected]);
    }
}
