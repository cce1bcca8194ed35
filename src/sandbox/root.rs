//! The container's root, looked into from outside: no link in it leads out of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// No account file or program header that is read is longer.
const LIMIT: u64 = 16 << 20;

/// An open root folder.
pub(super) struct Root {
    folder: OwnedFd,
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { folder: rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())? })
    }

    fn open_inside(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let open = || rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        // AGAIN: something was renamed meanwhile, so that the kernel cannot be sure where it is.
        rustix::io::retry_on_intr(|| match open() {
            Err(Errno::AGAIN) => Err(Errno::INTR),
            result => result,
        })
    }

    /// What is at a path, links followed.
    pub(super) fn look(&self, path: &Path) -> rustix::io::Result<Stat> {
        rustix::fs::fstat(self.open_inside(path, OFlags::PATH)?)
    }

    /// A file's content, at most `limit` bytes of it; nothing for no file.
    pub(super) fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
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

    /// A text file's content; empty for no file.
    pub(super) fn read_text(&self, path: &str) -> io::Result<String> {
        let bytes = self.read(Path::new(path), LIMIT)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Creates a folder and those above it, mode 0755, as far as they are not there.
    pub(super) fn create_folder(&self, path: &Path) -> rustix::io::Result<()> {
        let mut done = PathBuf::from("/");
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let above = self.open_inside(&done, OFlags::PATH | OFlags::DIRECTORY)?;
            done.push(name);
            match self.look(&done) {
                Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {}
                Ok(_) => return Err(Errno::NOTDIR),
                Err(Errno::NOENT) => rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755))?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
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
        assert!(root.create_folder(Path::new("/absolute/new")).is_err());
        root.create_folder(Path::new("/up/a/b")).unwrap();
        assert!(inside.path().join("a/b").is_dir());
        assert_eq!(root.create_folder(Path::new("/file/b")), Err(Errno::NOTDIR));
    }
}
