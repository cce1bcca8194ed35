//! The one place that writes files: each is whole or not there, whatever is killed at whatever moment.
//!
//! A file begins as an [`Unnamed`] one, `.oci-tmp-XXXX` in the folder of its later name, and gets its name once it is
//! on disk. Files that a killed process leaves unnamed are [swept](sweep). A [`FileLock`] is a lock between processes.

pub(crate) mod host;
mod lock;
mod named;
mod own;
mod read;
mod room;
pub(crate) mod stamp;
mod unnamed;
mod write_back;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) use lock::FileLock;
pub(crate) use named::{write_project_file, write_where_asked};
pub(crate) use own::{create_own_folder, is_foreign, is_real_folder, lies_in, open_own, read_own, refuse_links};
pub(crate) use read::{LARGEST_TEXT, open, read, read_bounded, read_given, read_text};
pub(crate) use room::{Room, WithinRoom};
pub(crate) use stamp::Stamp;
pub(crate) use unnamed::{TEMPORARY_PREFIX, Unnamed, sweep};

/// The modes of files and folders that only their owner may see.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// A file that could not be read, written or locked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("could not {verb} `{}`", path.display())]
#[diagnostic(code(oci::fs::failed))]
pub(crate) struct FileError {
    pub(crate) verb: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
    #[help]
    pub(crate) help: Option<String>,
}

impl FileError {
    pub(crate) fn new(verb: &'static str, path: &Path, source: io::Error) -> Self {
        let help = match source.kind() {
            io::ErrorKind::StorageFull => {
                Some("the disk is full: free some space, then run the command again; nothing was lost".to_owned())
            }
            io::ErrorKind::QuotaExceeded => Some(
                "this user's share of the disk is used up (`quota` shows it): free some space, then run the command again; \
                 nothing was lost"
                    .to_owned(),
            ),
            io::ErrorKind::FileTooLarge => Some(
                "files may not become that large here: `ulimit -f` shows the limit of this shell, and \
                 `ulimit -f unlimited` lifts it; without one, the file system has one; nothing was lost"
                    .to_owned(),
            ),
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => Some(look_at(path)),
            io::ErrorKind::ReadOnlyFilesystem => Some("the file system is mounted read-only".to_owned()),
            _ => None,
        };
        Self { verb, path: path.to_owned(), source, help }
    }
}

/// The help where a path cannot be used. The reason may also be a folder above it.
pub(crate) fn look_at(path: &Path) -> String {
    format!("look at owners and modes: `namei -l {}`", shell_words::quote(&path.display().to_string()))
}

/// Attaches what was tried, and with which file, to an I/O result.
pub(crate) trait FileContext<T> {
    fn context(self, verb: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn context(self, verb: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|error| FileError::new(verb, path, error))
    }
}

impl<T> FileContext<T> for Result<T, rustix::io::Errno> {
    fn context(self, verb: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|error| FileError::new(verb, path, error.into()))
    }
}

/// Creates a folder and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).context("create the folder", path)
}

/// Creates a folder that only its owner may look into, if it is missing. One that is there is closed to others, if it
/// is ours.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    create_folder(parent(path))?;
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.context("create the folder", path),
    }
    let found = std::fs::metadata(path).context("look at", path)?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    match is_ours && found.mode() & 0o077 != 0 {
        true => std::fs::set_permissions(path, std::fs::Permissions::from_mode(PRIVATE_FOLDER))
            .context("set the mode of", path),
        false => Ok(()),
    }
}

/// How many random letters and digits [`create_unique_folder`] puts behind the prefix.
pub(crate) const UNIQUE_CHARACTERS: usize = 12;

/// Creates a folder of an unused name in a folder: its name begins with `prefix`, and only its owner may look
/// into it. It stays until someone removes it.
pub(crate) fn create_unique_folder(folder: &Path, prefix: &str) -> Result<PathBuf, FileError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(UNIQUE_CHARACTERS).permissions(std::fs::Permissions::from_mode(PRIVATE_FOLDER));
    Ok(builder.tempdir_in(folder).context("create a folder in", folder)?.keep())
}

/// Replaces the file by `bytes`, atomically: a reader sees the old or the new content, also after a crash. The file
/// gets `mode`, whatever the umask is.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    // An error names the file that was asked for, not the temporary one.
    let in_place = |error: FileError| FileError::new("write", path, error.source);
    let mut file = Unnamed::new(parent(path)).map_err(in_place)?;
    file.write_all(bytes).context("write", path)?;
    file.commit(path, mode)
}

/// A file without a name in `folder`, for data that does not fit into memory. It is gone when it is closed, however the
/// process ends.
pub(crate) fn nameless(folder: &Path) -> Result<File, FileError> {
    tempfile::tempfile_in(folder).context("create a file in", folder)
}

/// Creates a file in a folder that is private to this process, open for writing; the path must not exist.
pub(crate) fn create_private(path: &Path) -> Result<File, FileError> {
    File::create_new(path).context("create", path)
}

/// Writes a file in a folder that is ours alone, or a file of the kernel's, which takes its content at once. No other
/// process can see it half-written. A new file is readable and writable by its owner only.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    use std::os::unix::fs::OpenOptionsExt;

    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).context("write", path)
}

/// Gives a file that a tool wrote its name, once it is on disk. Both paths have to be on one file system.
pub(crate) fn adopt(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let file = File::open(from).context("open", from)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).context("set the mode of", from)?;
    file.sync_all().context("write", from)?;
    std::fs::rename(from, to).context("write", to)?;
    sync_folder(parent(to))
}

/// How a file got a second name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// As a hard link: both names are one file.
    Linked,
    /// As a copy or a reflink: the second name is a file of its own.
    Copied,
}

/// Puts the content of a file under a second name: as a hard link, else a reflink, else a copy.
///
/// A name that exists is left alone.
pub(crate) fn link_or_copy(from: &Path, to: &Path, mode: u32) -> Result<Linked, FileError> {
    match std::fs::hard_link(from, to) {
        Ok(()) => return Ok(Linked::Linked),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Linked::Linked),
        // The second name is on another file system, or on one without hard links, or the kernel forbids links to files
        // of other users.
        Err(_) => {}
    }
    let mut source = open_own(from).context("read", from)?;
    let mut copy = Unnamed::new(parent(to))?;
    if rustix::fs::ioctl_ficlone(copy.file(), &source).is_err() {
        io::copy(&mut source, &mut copy).context("write", to)?;
    }
    copy.commit(to, mode)?;
    Ok(Linked::Copied)
}

/// Notes, as the file's modification time, that it is used now. Its content stays as it is, and so does what its
/// readers see.
pub(crate) fn mark_used(path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};

    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes a rename in this folder survive a crash.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|folder| folder.sync_all()).context("sync", path)
}

/// The folder that a file is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"one", 0o600).unwrap();
        write_atomically(&path, b"two", 0o444).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_private_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let private = folder.path().join("a/b");
        create_private_folder(&private).unwrap();
        let first = mode(&private);
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o755)).unwrap();
        create_private_folder(&private).unwrap();
        let unique = create_unique_folder(&private, "x-").unwrap();
        write_private(&private.join("file"), b"1").unwrap();
        assert_eq!([first, mode(&private), mode(&unique), mode(&private.join("file"))], [0o700, 0o700, 0o700, 0o600]);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(create_private_folder(&folder.path().join("file/x")).is_err());
    }

    #[test]
    fn what_cannot_be_written_is_named_and_so_is_where_to_look() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's a file");
        std::fs::write(&file, "").unwrap();
        let error = write_atomically(&file.join("oci.lock"), b"", 0o644).unwrap_err();
        assert_eq!(error.to_string(), format!("could not write `{}/oci.lock`", file.display()));
        assert_eq!(error.source.to_string(), "not a directory");
        let help = error.help.unwrap();
        let command = help.split('`').nth(1).unwrap();
        assert_eq!(shell_words::split(command).unwrap()[2], file.join("oci.lock").display().to_string());
    }
}
