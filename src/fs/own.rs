//! Files and folders that `oci` made itself, in the cache and in `.oci/`. Under one of their names only a regular file
//! or a real folder is accepted, and never a symbolic link.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::fs::{FileContext as _, FileError, create_folder, read_bounded};

/// Opens a regular file to be read. The last name is not followed if it is a symbolic link, and a pipe or a device
/// is not waited for: both are errors, as [`is_foreign`] says.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// Reads a regular file of at most `limit` bytes, as [`open_own`] opens it. A longer one is an error of the
/// kind [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_own(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(open_own(path)?, limit)
}

/// True if an error of [`open_own`] means that the name belongs to something other than a regular file.
pub(crate) fn is_foreign(error: &io::Error) -> bool {
    let link_or_socket = [libc::ELOOP, libc::ENXIO].map(Some).contains(&error.raw_os_error());
    link_or_socket || error.kind() == io::ErrorKind::IsADirectory || error.to_string() == NOT_A_FILE
}

/// True if this name itself is a folder, and no link to one.
pub(crate) fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Creates a folder of ours and those above it. One that is there, and is a link to another, is an error.
pub(crate) fn create_own_folder(path: &Path) -> Result<(), FileError> {
    create_folder(path)?;
    if is_real_folder(path) { Ok(()) } else { Err(link(path)) }
}

/// On `Ok` nothing in the folder is a symbolic link, at any depth. It is for a folder that a program which would follow
/// links is given. A folder that does not exist has none.
pub(crate) fn refuse_links(folder: &Path) -> Result<(), FileError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.context("read the folder", folder)?,
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => return Err(link(&entry.path())),
            Ok(kind) if kind.is_dir() => refuse_links(&entry.path())?,
            // A name that is gone by now leads nowhere.
            _ => {}
        }
    }
    Ok(())
}

fn link(path: &Path) -> FileError {
    let mut error = FileError::new("use", path, io::Error::other("it is a symbolic link, and was not made by `oci`"));
    error.help = Some("remove it, and `oci` makes its own".to_owned());
    error
}

/// True if a path leads to a place in `folder`, whatever links and `..` are in it. Names that do not exist yet count as
/// they are written. A link whose target does not exist leads to no place.
pub(crate) fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    resolved(path).is_some_and(|path| path.starts_with(folder))
}

/// Where a path leads. Its last names need not exist.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path).ok()?.components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
        if resolved.is_symlink() {
            resolved = resolved.canonicalize().ok()?;
        }
    }
    Some(resolved)
}

const NOT_A_FILE: &str = "it is not a regular file";

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, NOT_A_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_only_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "12345").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        std::os::unix::fs::symlink("nothing", path("dangling")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert_eq!(read_own(&path("file"), 5).unwrap(), b"12345");
        assert_eq!(read_own(&path("file"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_own(&path("nothing"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["folder", "link", "dangling", "pipe", "socket"] {
            let error = read_own(&path(name), 5).unwrap_err();
            assert!(is_foreign(&error), "{name}: {error:?}");
        }
        assert!(is_real_folder(&path("folder")) && !is_real_folder(&path("link")));
        std::os::unix::fs::symlink("folder", path("folder-link")).unwrap();
        assert!(!is_real_folder(&path("folder-link")));
        create_own_folder(&path("folder/new/folder")).unwrap();
        create_own_folder(&path("folder-link")).unwrap_err();
        refuse_links(&path("folder")).unwrap();
        refuse_links(&path("nothing")).unwrap();
        std::os::unix::fs::symlink("/", path("folder/new/link")).unwrap();
        let refused = refuse_links(&path("folder")).unwrap_err();
        assert_eq!((refused.path.clone(), refused.help.is_some()), (path("folder/new/link"), true));
    }

    #[test]
    fn links_and_dots_are_followed_to_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        std::fs::create_dir_all(project.join("a/b")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        for (target, link) in
            [("../outside", "out"), ("a", "in"), ("../../outside", "a/out"), ("nothing", "dangling"), ("loop", "loop")]
        {
            std::os::unix::fs::symlink(target, project.join(link)).unwrap();
        }
        for (path, lies) in [
            ("a", true),
            ("new", true),
            ("new/deep/../er", true),
            ("in/b/new", true),
            ("a/b/../..", true),
            ("", true),
            ("..", false),
            ("../outside", false),
            ("../project2", false),
            ("out", false),
            ("out/new", false),
            ("in/out/new", false),
            ("in/../../outside", false),
            ("dangling/new", false),
            ("loop", false),
            ("/tmp", false),
        ] {
            assert_eq!(lies_in(&project.join(path), &project), lies, "{path}");
        }
        std::os::unix::fs::symlink("project", folder.path().join("by-link")).unwrap();
        assert!(lies_in(&folder.path().join("by-link/new"), &folder.path().join("by-link")));
    }
}
