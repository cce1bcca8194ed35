//! Files that are not whole yet, until they get their names.

use std::fs::{DirEntry, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::fs::write_back::WriteBack;
use crate::fs::{FileContext, FileError, parent, sync_folder};

/// A file that is not whole yet: other programs do not see it, and it is removed if it is dropped before
/// [`Unnamed::commit`].
pub(crate) struct Unnamed {
    file: tempfile::NamedTempFile,
    write_back: WriteBack,
}

/// How the name of such a file begins. Files that a killed process leaves are swept by this prefix.
pub(crate) const TEMPORARY_PREFIX: &str = ".oci-tmp-";

/// How many bytes are compared at once: as many as fit into a processor's cache.
const COMPARED: usize = 128 << 10;

impl Unnamed {
    /// Starts a file in `folder`, which must be on the file system of its later name.
    pub(crate) fn new(folder: &Path) -> Result<Self, FileError> {
        loop {
            let file = tempfile::Builder::new()
                .prefix(TEMPORARY_PREFIX)
                .tempfile_in(folder)
                .map_err(without_path)
                .context("create a file in", folder)?;
            // A sweep removes only files that are not locked. Where nothing can be locked, it removes none.
            let _ = flock(&file, FlockOperation::LockExclusive);
            let metadata = file.as_file().metadata().context("look at", file.path())?;
            if metadata.nlink() > 0 {
                return Ok(Self { file, write_back: WriteBack::default() });
            }
            // A sweep removed the file before it was locked.
        }
    }

    /// The file's path for now, to hand to a tool that writes it.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// True if the file of this name holds the same bytes.
    pub(crate) fn is_same_as(&self, path: &Path) -> io::Result<bool> {
        let other = crate::fs::open_own(path)?;
        let length = other.metadata()?.len();
        if self.file().metadata()?.len() != length {
            return Ok(false);
        }
        let (mut left, mut right) = (vec![0; COMPARED], vec![0; COMPARED]);
        let mut start = 0;
        while start < length {
            let part = COMPARED.min(usize::try_from(length - start).unwrap_or(COMPARED));
            self.file().read_exact_at(&mut left[..part], start)?;
            other.read_exact_at(&mut right[..part], start)?;
            if left[..part] != right[..part] {
                return Ok(false);
            }
            start += part as u64;
        }
        Ok(true)
    }

    /// Syncs the file and gives it its name. On `Ok` the content is on disk under that name.
    pub(crate) fn commit(self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.commit_whole(path, mode)?;
        sync_folder(parent(path))
    }

    /// Syncs the file and gives it its name. On `Ok` the content is on disk. After a crash of the machine the file has
    /// its name or not, until the folder [is synced](sync_folder).
    pub(crate) fn commit_whole(self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.finish(path, mode)?;
        self.name(path)
    }

    /// Gives the file its name. If something has that name already, it stays, and the file is given back.
    pub(crate) fn commit_new(self, path: &Path, mode: u32) -> Result<Option<Self>, FileError> {
        self.finish(path, mode)?;
        match self.file.persist_noclobber(path) {
            Ok(_) => Ok(None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Some(Self { file: error.file, write_back: self.write_back }))
            }
            Err(error) => Err(FileError::new("write", path, error.error)),
        }
    }

    /// Gives the file its name without syncing it. After a crash of the machine it may be empty or not there, so this
    /// is for files that can be done without.
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
        let length = self.file.write(bytes)?;
        self.write_back.wrote(self.file.as_file(), length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The error without the path of a temporary file, which tells a person nothing, if the kind of the error says enough.
fn without_path(error: io::Error) -> io::Error {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };

    match error.kind() {
        kind @ (FileTooLarge | NotADirectory | NotFound | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem
        | StorageFull) => kind.into(),
        _ => error,
    }
}

/// Removes the files in this folder that killed processes did not finish. A file that cannot be removed stays.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_unfinished = |entry: &DirEntry| {
        entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    for entry in entries.flatten().filter(is_unfinished) {
        let path = entry.path();
        if let Ok(file) = crate::fs::open_own(&path)
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::write_atomically;

    #[test]
    fn a_file_that_is_not_committed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Unnamed::new(folder.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_longer_than_a_stretch_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let content: Vec<u8> = (0..9 << 20).map(|number: u32| (number >> 7) as u8).collect();
        let mut file = Unnamed::new(folder.path()).unwrap();
        for part in content.chunks(777_777) {
            file.write_all(part).unwrap();
        }
        for (name, other, is_same) in [
            ("same", &content[..], true),
            ("shorter", &content[1..], false),
            ("empty", b"", false),
            ("end", &[&content[1..], b"x"].concat(), false),
        ] {
            std::fs::write(path(name), other).unwrap();
            assert_eq!(file.is_same_as(&path(name)).unwrap(), is_same, "{name}");
        }
        assert_eq!(file.is_same_as(&path("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
        file.commit(&path("file"), 0o644).unwrap();
        assert!(std::fs::read(path("file")).unwrap() == content);
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
}
