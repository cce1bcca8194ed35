//! Finds out before a container starts what it will see at a path: its root, what is mounted on the root, and the
//! folders that only the runtime fills.
//!
//! A link of the image is followed as the container will follow it, never out of the root. A path below `/proc` or
//! `/dev` is not followed at all: it may be a magic link, such as `/proc/self/fd/7`, and while a container starts such
//! links can lead to files that the runtime has open on this machine.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use crate::fs::host::MOST_LINKS;
use crate::sandbox::own_folders::OWN_FOLDERS;
use crate::sandbox::root::{Root, names};

/// Opens a file without waiting for a pipe's other end, and without a terminal becoming ours.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A root, and what is mounted on it.
pub(super) struct View<'a> {
    root: &'a Root,
    mounted: Vec<Mounted>,
}

struct Mounted {
    /// Relative to the root, and without links.
    target: PathBuf,
    content: Content,
}

/// What is mounted.
pub(super) enum Content {
    /// A file or a folder of this machine.
    Machine(PathBuf),
    /// Content that is made later, or that holds no programs.
    Unknown,
}

/// Where a path leads to.
pub(super) struct Place {
    /// The path relative to the root. As far as it exists, it has no links.
    pub(super) path: PathBuf,
    pub(super) holder: Holder,
    /// The stat of what is there; `None` if nothing is there, or if the runtime makes it.
    pub(super) stat: Option<Stat>,
}

/// What holds the content of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The image.
    Image,
    /// A mount, by its number.
    Mount(usize),
    /// One of the folders that a container has of its own.
    Runtime,
}

impl<'a> View<'a> {
    /// A root that nothing is mounted on, but the container's own folders.
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, mounted: Vec::new() }
    }

    /// Adds a mount; `target` is a [`Place`]'s path.
    pub(super) fn mount(&mut self, target: PathBuf, content: Content) {
        self.mounted.push(Mounted { target, content });
    }

    /// Follows a path from the root.
    ///
    /// Names after the first one that is missing are taken as they stand. It is an error if something on the way is no
    /// folder, or if links lead to links without an end.
    pub(super) fn find(&self, path: &Path) -> io::Result<Place> {
        let mut reached = PathBuf::new();
        let mut rest = names(path);
        let mut followed = 0;
        let mut stat = None;
        let mut is_missing = false;
        while let Some(name) = rest.pop() {
            if name == ".." {
                reached.pop();
                stat = None;
                continue;
            }
            reached.push(&name);
            if let [own] = components(&reached)[..]
                && OWN_FOLDERS.iter().any(|folder| OsStr::new(folder) == own)
                && rest.last().is_none_or(|next| next != "..")
            {
                reached.extend(rest.into_iter().rev());
                return Ok(Place { path: reached, holder: Holder::Runtime, stat: None });
            }
            if is_missing {
                continue;
            }
            let found = match self.open(&reached, OFlags::PATH | OFlags::NOFOLLOW) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // The runtime makes the folders above a mount.
                    is_missing = !self.mounted.iter().any(|mounted| mounted.target.starts_with(&reached));
                    stat = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let there = rustix::fs::fstat(&found)?;
            match FileType::from_raw_mode(there.st_mode) {
                FileType::Symlink if followed == MOST_LINKS => return Err(Errno::LOOP.into()),
                FileType::Symlink => {
                    followed += 1;
                    let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                    let target = Path::new(OsStr::from_bytes(target.to_bytes()));
                    reached.pop();
                    if target.is_absolute() {
                        reached.clear();
                    }
                    rest.extend(names(target));
                }
                FileType::Directory => stat = Some(there),
                _ if rest.is_empty() => stat = Some(there),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        let holder = self.holder(&reached).map_or(Holder::Image, |(number, _)| Holder::Mount(number));
        if stat.is_none() && !is_missing {
            // The path ended with a step up.
            stat = self.open(&reached, OFlags::PATH).ok().and_then(|found| rustix::fs::fstat(&found).ok());
        }
        Ok(Place { path: reached, holder, stat })
    }

    /// The first bytes of a file, at most `limit`; empty where there is no file.
    pub(super) fn read(&self, place: &Place, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let is_file = place.stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if place.holder != Holder::Runtime && is_file {
            File::from(self.open(&place.path, READING)?).take(limit).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// The last mount that a path is in, and the rest of the path in it.
    fn holder<'p>(&self, path: &'p Path) -> Option<(usize, &'p Path)> {
        let mounts = self.mounted.iter().enumerate().rev();
        mounts.filter_map(|(number, mounted)| Some((number, path.strip_prefix(&mounted.target).ok()?))).next()
    }

    /// Opens a path that has no links but, perhaps, its last name.
    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let Some((number, rest)) = self.holder(path) else {
            return Ok(self.root.open_inside(here(path), flags)?);
        };
        match (self.mounted.get(number).map(|mounted| &mounted.content), rest.as_os_str().is_empty()) {
            (Some(Content::Machine(source)), true) => {
                // What is mounted is what a link leads to, and the mount's own path has none.
                let flags = flags.difference(OFlags::NOFOLLOW).difference(OFlags::RDONLY);
                let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
                Ok(OpenOptions::new().read(true).custom_flags(flags).open(source)?.into())
            }
            (Some(Content::Machine(source)), false) => Ok(Root::open(source)?.open_inside(rest, flags)?),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Place {
    /// True if it is below a folder of the container's own in which magic links may be. Such a folder itself does not
    /// count, nor does anything below `/sys`, or below the folders of `/dev` that are memory.
    pub(super) fn is_beyond(&self) -> bool {
        let names = components(&self.path);
        if self.holder != Holder::Runtime || names.len() < 2 {
            return false;
        }
        let is_plain = match (names[0].to_str(), names[1].to_str()) {
            (Some("sys"), _) | (Some("dev"), Some("shm" | "mqueue")) => true,
            (Some("dev"), Some("pts")) => names.len() == 2,
            _ => false,
        };
        !is_plain || names.iter().any(|name| *name == "..")
    }

    /// The path as the container says it.
    pub(super) fn absolute(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }
}

fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn components(path: &Path) -> Vec<&OsStr> {
    path.components().filter(|component| *component != Component::RootDir).map(Component::as_os_str).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_leads_where_the_container_will_be_led() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        for path in [inside.join("a/b"), inside.join("dev"), inside.join("proc/self/fd/7"), outside.join("sub")] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(inside.join("file"), "in").unwrap();
        std::fs::write(outside.join("file"), "out").unwrap();
        for (link, target) in [
            ("to-a", "/a"),
            ("to-outside", outside.to_str().unwrap()),
            ("to-proc", "a/../proc/self/fd/7"),
            ("to-fd", "/dev/fd/7"),
            ("to-sys", "/sys/../../etc"),
            ("to-deep-sys", "/sys/kernel/../../proc/1/root"),
            ("to-shm", "/dev/shm/x"),
            ("loop", "loop"),
            ("to-mount", "/mnt/link"),
        ] {
            symlink(target, inside.join(link)).unwrap();
        }
        symlink("/proc/self/fd/7", outside.join("link")).unwrap();
        let root = Root::open(&inside).unwrap();
        let mut view = View::new(&root);
        view.mount("mnt".into(), Content::Machine(outside.clone()));
        view.mount("one".into(), Content::Machine(outside.join("file")));
        view.mount("empty".into(), Content::Unknown);
        let find = |path: &str| {
            view.find(Path::new(path)).map_or_else(
                |error| format!("{:?}", error.kind()),
                |place| {
                    let there = if place.stat.is_some() { " there" } else { "" };
                    let beyond = if place.is_beyond() { " beyond" } else { "" };
                    format!("{} {:?}{there}{beyond}", place.path.display(), place.holder)
                },
            )
        };
        for (path, expected) in [
            ("/", " Image there"),
            ("/a/b", "a/b Image there"),
            ("/to-a/b/..", "a Image there"),
            ("/to-a/c/d", "a/c/d Image"),
            ("/file", "file Image there"),
            ("/file/x", "NotADirectory"),
            ("/loop/x", "FilesystemLoop"),
            ("/proc", "proc Runtime"),
            ("/proc/..", " Image there"),
            ("/proc/self/fd/7", "proc/self/fd/7 Runtime beyond"),
            ("/to-proc/etc", "proc/self/fd/7/etc Runtime beyond"),
            ("/to-fd", "dev/fd/7 Runtime beyond"),
            ("/to-sys", "etc Image"),
            ("/to-deep-sys", "sys/kernel/../../proc/1/root Runtime beyond"),
            ("/to-shm", "dev/shm/x Runtime"),
            ("/sys/kernel", "sys/kernel Runtime"),
            ("/mnt/sub", "mnt/sub Mount(0) there"),
            ("/mnt/file", "mnt/file Mount(0) there"),
            ("/mnt/none", "mnt/none Mount(0)"),
            ("/to-mount", "proc/self/fd/7 Runtime beyond"),
            ("/one", "one Mount(1) there"),
            ("/one/x", "NotADirectory"),
            ("/empty/x", "empty/x Mount(2)"),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
        let outside = outside.strip_prefix("/").unwrap().display();
        assert_eq!(find("/to-outside/sub"), format!("{outside}/sub Image"));
        let read = |path: &str| view.read(&view.find(Path::new(path)).unwrap(), 10).unwrap();
        assert_eq!(
            [read("/file"), read("/mnt/file"), read("/one"), read("/a")],
            [b"in".to_vec(), b"out".to_vec(), b"out".to_vec(), vec![]]
        );
    }
}
