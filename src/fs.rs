//! The one place that writes files: whole or not at all, whatever is killed at whatever moment.

use std::fs::{DirEntry, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

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
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("the disk is full: free some space, then run the command again; nothing was lost".to_owned())
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => Some(look_at(path)),
            io::ErrorKind::ReadOnlyFilesystem => Some("the file system is mounted read-only".to_owned()),
            _ => None,
        };
        Self { verb, path: path.to_owned(), source, help }
    }
}

/// The next step where a path cannot be used: also what is missing, or above it, may be the reason.
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

/// Replaces the file by `bytes`, atomically: a reader sees the old or the new content, and so does
/// whoever comes after a crash. `mode` is what it gets, whatever the umask.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    // What cannot be written is the file that was asked for, not the one that would have become it.
    let in_place = |error: FileError| FileError::new("write", path, error.source);
    let mut file = Unnamed::new(parent(path)).map_err(in_place)?;
    file.write_all(bytes).context("write", path)?;
    file.commit(path, mode)
}

/// Writes what a person wants under a name of theirs. A link to a file stays one, and what is no file, such as a
/// device or a pipe, is written to and never replaced.
pub(crate) fn write_where_asked(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    match path.metadata() {
        Ok(found) if found.is_file() => write_atomically(&path.canonicalize().context("write", path)?, bytes, 0o644),
        Ok(found) if !found.is_dir() => {
            OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes)).context("write", path)
        }
        _ => write_atomically(path, bytes, 0o644),
    }
}

/// A file on its way to its name: invisible, and removed if it is dropped, until [`Unnamed::commit`].
pub(crate) struct Unnamed {
    file: tempfile::NamedTempFile,
}

/// How a file that is not yet whole is named; what a killed process leaves is swept by this prefix.
pub(crate) const TEMPORARY_PREFIX: &str = ".oci-tmp-";

impl Unnamed {
    /// Starts a file in `folder`, which must be on the file system of the name it will get.
    pub(crate) fn new(folder: &Path) -> Result<Self, FileError> {
        loop {
            let file = tempfile::Builder::new()
                .prefix(TEMPORARY_PREFIX)
                .tempfile_in(folder)
                .map_err(without_path)
                .context("create a file in", folder)?;
            // A sweep takes only what is not locked. Where nothing can be, it takes nothing.
            let _ = flock(&file, FlockOperation::LockExclusive);
            let metadata = file.as_file().metadata().context("look at", file.path())?;
            if metadata.nlink() > 0 {
                return Ok(Self { file });
            }
            // One came between the two.
        }
    }

    /// Where it is for now, to hand to a tool that writes it.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Syncs it and gives it its name. On `Ok` the content is on disk under that name.
    pub(crate) fn commit(self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.finish(path, mode)?;
        self.name(path)?;
        sync_folder(parent(path))
    }

    /// The same, but gives the file back if something has the name already, which stays.
    pub(crate) fn commit_new(self, path: &Path, mode: u32) -> Result<Option<Self>, FileError> {
        self.finish(path, mode)?;
        match self.file.persist_noclobber(path) {
            Ok(_) => sync_folder(parent(path)).map(|()| None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(Self { file: error.file })),
            Err(error) => Err(FileError::new("write", path, error.error)),
        }
    }

    /// Gives it its name, but after a crash of the machine it may be empty or not there: for what can be
    /// done without.
    pub(crate) fn commit_unsynced(self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.set_mode(path, mode)?;
        self.name(path)
    }

    fn finish(&self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.set_mode(path, mode)?;
        self.file.as_file().sync_all().context("write", path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), FileError> {
        let permissions = std::fs::Permissions::from_mode(mode);
        self.file.as_file().set_permissions(permissions).context("set the mode of", path)
    }

    fn name(self, path: &Path) -> Result<(), FileError> {
        self.file.persist(path).map_err(|error| FileError::new("write", path, error.error))?;
        Ok(())
    }
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file without a name in `folder`, for what memory has no room for: gone when it is closed, however
/// the process ends.
pub(crate) fn nameless(folder: &Path) -> Result<File, FileError> {
    tempfile::tempfile_in(folder).context("create a file in", folder)
}

/// Removes the files that killed processes did not finish in this folder; what cannot be removed stays.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_unfinished = |entry: &DirEntry| {
        entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    for entry in entries.flatten().filter(is_unfinished) {
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes a file in a folder that is ours alone, or one of the kernel's, which takes what it is given at
/// once: there is nothing half-written that anyone could see.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    std::fs::write(path, bytes).context("write", path)
}

/// Gives a file that a tool wrote its name, once it is on disk. Both have to be on one file system.
pub(crate) fn adopt(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let file = File::open(from).context("open", from)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).context("set the mode of", from)?;
    file.sync_all().context("write", from)?;
    std::fs::rename(from, to).context("write", to)?;
    sync_folder(parent(to))
}

/// Puts the same content under a second name: a hard link, else a reflink, else a copy.
///
/// A name that exists is left alone.
pub(crate) fn link_or_copy(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    match std::fs::hard_link(from, to) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        // Another file system, or one without hard links, or a kernel that forbids one to others' files.
        Err(_) => {}
    }
    let mut source = File::open(from).context("read", from)?;
    let mut copy = Unnamed::new(parent(to))?;
    if rustix::fs::ioctl_ficlone(copy.file(), &source).is_err() {
        io::copy(&mut source, &mut copy).context("write", to)?;
    }
    copy.commit(to, mode)
}

/// Notes, as its modification time, that a file is used now. Its content and what reads it do not change.
pub(crate) fn mark_used(path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};

    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes a rename in this folder last.
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

/// A lock between processes, held until it is dropped. The file stays, empty, and means nothing.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; `waiting` is called once, before the wait, if another process holds it.
    pub(crate) fn exclusive(path: &Path, waiting: impl FnOnce()) -> Result<Self, FileError> {
        if let Some(lock) = Self::try_exclusive(path)? {
            return Ok(lock);
        }
        waiting();
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockExclusive)).context("lock", path)?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if nobody holds it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, FileError> {
        Self::attempt(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock together with others that share it; waits for one that holds it alone.
    pub(crate) fn shared(path: &Path) -> Result<Self, FileError> {
        let file = open_lock(path)?;
        retry(|| flock(&file, FlockOperation::LockShared)).context("lock", path)?;
        Ok(Self { _file: file })
    }

    /// True if someone holds it, alone or with others. Makes no file where there is none.
    pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match retry(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            free => Ok(free.map(|()| false)?),
        }
    }

    fn attempt(path: &Path, operation: FlockOperation) -> Result<Option<Self>, FileError> {
        let file = open_lock(path)?;
        match retry(|| flock(&file, operation)) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(FileError::new("lock", path, error.into())),
        }
    }
}

/// The error without the path of a temporary file, which says nothing to anybody, where its kind says it all.
fn without_path(error: io::Error) -> io::Error {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};

    match error.kind() {
        kind @ (NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem | StorageFull) => kind.into(),
        _ => error,
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o644).open(path).context("open the lock", path)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(&mut call)
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

    #[test]
    fn what_a_person_names_is_written_to_and_stays_what_it_is() {
        use std::io::Read;

        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("file", name("link")).unwrap();
        std::fs::write(name("file"), "old").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, name("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        // Open for both, so that nobody waits for another.
        let mut pipe = OpenOptions::new().read(true).write(true).open(name("pipe")).unwrap();
        for asked in ["link", "pipe", "new"] {
            write_where_asked(&name(asked), b"data").unwrap();
        }
        assert!(name("link").is_symlink() && !name("pipe").is_file());
        assert_eq!(
            (std::fs::read(name("file")).unwrap(), std::fs::read(name("new")).unwrap()),
            (b"data".into(), b"data".into())
        );
        let mut piped = [0; 4];
        pipe.read_exact(&mut piped).unwrap();
        assert_eq!(piped, *b"data");
        assert_eq!(write_where_asked(folder.path(), b"").unwrap_err().source.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_that_is_not_committed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Unnamed::new(folder.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_sweep_takes_what_nobody_is_at_work_on() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name);
        std::fs::write(name(".oci-tmp-dead"), "half").unwrap();
        std::fs::create_dir(name(".oci-tmp-folder")).unwrap();
        std::fs::write(name("oci.lock"), "").unwrap();
        let alive = Unnamed::new(folder.path()).unwrap();
        sweep(folder.path());
        assert!(!name(".oci-tmp-dead").exists() && name(".oci-tmp-folder").exists() && name("oci.lock").exists());
        alive.commit(&name("alive"), 0o644).unwrap();
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| (0..200).try_for_each(|_| write_atomically(&name("written"), b"x", 0o644)));
            while !writing.is_finished() {
                sweep(folder.path());
            }
            writing.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_lock_excludes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!Lock::is_held(&path).unwrap() && !path.exists());
        let held = Lock::exclusive(&path, || panic!("nobody holds it")).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none() && Lock::is_held(&path).unwrap());
        drop(held);
        assert!(!Lock::is_held(&path).unwrap());
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }
}
