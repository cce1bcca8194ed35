//! The container's root, looked into from outside: no link in it leads out of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::fs::host::MOST_LINKS;

/// The most bytes of an account file.
const LIMIT: u64 = 4 << 20;

/// An open root folder.
pub(super) struct Root {
    folder: OwnedFd,
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { folder: rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())? })
    }

    pub(super) fn open_inside(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let open = || rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        // AGAIN: something was renamed meanwhile, so that the kernel cannot be sure where it is.
        rustix::io::retry_on_intr(|| match open() {
            Err(Errno::AGAIN) => Err(Errno::INTR),
            result => result,
        })
    }

    /// The stat of what is at a path; links are followed.
    fn look(&self, path: &Path) -> rustix::io::Result<Stat> {
        rustix::fs::fstat(self.open_inside(path, OFlags::PATH)?)
    }

    /// The file type of a name in the root folder. A link is not followed. `None` if there is no such name.
    pub(super) fn kind_of_entry(&self, name: &str) -> rustix::io::Result<Option<FileType>> {
        match self.open_inside(Path::new(name), OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file's content, at most `limit` bytes of it; `None` where nothing is, or no file.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_inside(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A text file's content; empty if nothing is there. Anything but a file of moderate length is an error: the
    /// runtime reads all of it, too, and would wait for a pipe's other end.
    pub(super) fn read_text(&self, path: &str) -> io::Result<String> {
        let path = Path::new(path);
        match self.read(path, LIMIT + 1)? {
            Some(bytes) if bytes.len() as u64 > LIMIT => {
                Err(io::Error::other(format!("it is longer than {} MiB", LIMIT >> 20)))
            }
            Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            None if self.look(path).is_ok() => Err(io::Error::other("it is there, and is no file")),
            None => Ok(String::new()),
        }
    }

    /// Creates the missing folders of a path, and at its end a folder or an empty file. Returns what was made, relative
    /// to the root and without links.
    pub(super) fn create(&self, path: &Path, last: FileType) -> io::Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        let mut reached = PathBuf::new();
        let mut rest = names(path);
        let mut followed = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                reached.pop();
                continue;
            }
            let wanted = if rest.is_empty() { last } else { FileType::Directory };
            let next = reached.join(&name);
            match self.open_inside(&next, OFlags::PATH | OFlags::NOFOLLOW) {
                Ok(found) => match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
                    FileType::Symlink if followed == MOST_LINKS => return Err(Errno::LOOP.into()),
                    FileType::Symlink => {
                        followed += 1;
                        let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                        let target = Path::new(OsStr::from_bytes(target.to_bytes()));
                        if target.is_absolute() {
                            reached.clear();
                        }
                        rest.extend(names(target));
                        continue;
                    }
                    found if wanted == FileType::Directory && found != wanted => return Err(Errno::NOTDIR.into()),
                    FileType::Directory if wanted != FileType::Directory => return Err(Errno::ISDIR.into()),
                    _ => {}
                },
                Err(Errno::NOENT) => {
                    let above = if reached.as_os_str().is_empty() { Path::new(".") } else { &reached };
                    let above = self.open_inside(above, OFlags::PATH | OFlags::DIRECTORY)?;
                    match wanted {
                        FileType::Directory => rustix::fs::mkdirat(&above, &name, Mode::from_raw_mode(0o755))?,
                        _ => rustix::fs::mknodat(&above, &name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0)?,
                    }
                    made.push(next.clone());
                }
                Err(error) => return Err(error.into()),
            }
            reached = next;
        }
        Ok(made)
    }
}

/// A path from the root without `..`. Steps up are taken before links are followed, as runtimes do with the targets of
/// mounts.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => _ = clean.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// The names in a path, the last one first.
pub(super) fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("absolute")).unwrap();
        symlink("../../../../../../..", inside.path().join("up")).unwrap();
        std::fs::write(inside.path().join("file"), "in").unwrap();
        let root = Root::open(inside.path()).unwrap();
        assert_eq!(root.read(Path::new("/absolute/secret"), 10).unwrap(), None);
        assert_eq!(root.read(Path::new("/up/file"), 10).unwrap().unwrap(), b"in");
        assert_eq!(root.read(Path::new("/file/x"), 10).unwrap(), None);
        assert_eq!(root.read_text("/file").unwrap(), "in");
        assert_eq!(root.read_text("/absolute").unwrap(), "");
        std::fs::File::create(inside.path().join("long")).unwrap().set_len(LIMIT + 1).unwrap();
        assert_eq!(root.read_text("/long").unwrap_err().to_string(), "it is longer than 4 MiB");
        rustix::fs::mknodat(&root.folder, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(root.read_text("/pipe").is_err() && root.read_text("/up").is_err());
        root.create(Path::new("/up/a/b"), FileType::Directory).unwrap();
        assert!(inside.path().join("a/b").is_dir());
        let error = root.create(Path::new("/file/b"), FileType::Directory).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn what_is_made_is_told_without_links() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        std::fs::create_dir_all(inside.join("run")).unwrap();
        symlink("/run", inside.join("var-run")).unwrap();
        symlink("../run/resolve/file", inside.join("run/dangling")).unwrap();
        symlink("loop", inside.join("loop")).unwrap();
        let root = Root::open(&inside).unwrap();
        let create = |path: &str, last| root.create(Path::new(path), last).map_err(|error| error.kind());
        let paths = |paths: &[&str]| Ok(paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(create("/var-run/a/b", FileType::Directory), paths(&["run/a", "run/a/b"]));
        assert_eq!(create("/var-run/a/b", FileType::Directory), paths(&[]));
        assert_eq!(create("/run/dangling", FileType::RegularFile), paths(&["run/resolve", "run/resolve/file"]));
        assert_eq!(create("/../../x", FileType::Directory), paths(&["x"]));
        assert_eq!(create("/", FileType::Directory), paths(&[]));
        assert!(create("/loop/x", FileType::Directory).is_err());
        assert_eq!(create("/run", FileType::RegularFile), Err(io::ErrorKind::IsADirectory));
        assert!(inside.join("x").is_dir() && !folder.path().join("x").exists());
        assert_eq!(std::fs::read(inside.join("run/resolve/file")).unwrap(), b"");
    }
}
