//! Reading files that others made: only regular files, without ever waiting, and never more than a bound.
//!
//! A checkout may hold a named pipe, or a link to `/dev/zero`, where a file should be. Opening the one waits for ever,
//! reading the other never ends. Files that a checkout names are read by [`read`] and [`open`] alone; what the user
//! names on the command line may be a pipe too ([`read_given`]), since shells make one of `<(command)`.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most bytes of a file that people or tools write as text: `oci.toml`, `oci.lock`, policies, credentials.
pub(crate) const LARGEST_TEXT: u64 = 8 << 20;
/// How long a pipe that has nothing to read is waited for, before the program looks whether it should end.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 40_000_000 };

/// Opens a regular file to be read. Anything else (a folder, a pipe, a socket, a device) is an error, also through a
/// link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a device may already have an effect, so the kind of the file is looked at before and after.
    check(path.metadata()?.file_type())?;
    let file = without_waiting(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// The whole content of a regular file, which has at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(open(path)?, limit)
}

/// The rest of an open file. More than `limit` bytes are an error of the kind [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // The file may grow meanwhile, and the kernel's own files have no size.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// Reads a file as [`read`] does, and requires UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// The content of what the user named: a regular file, or all that comes through a pipe or a terminal, for which it
/// waits. `is_interrupted` is asked meanwhile; when it says so, the error is of the kind `Interrupted`.
pub(crate) fn read_given(path: &Path, limit: u64, is_interrupted: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
    let kind = path.metadata()?.file_type();
    if !kind.is_fifo() && !kind.is_char_device() {
        return read(path, limit);
    }
    let mut file = without_waiting(path)?;
    let mut bytes = Vec::new();
    let mut part = [0; 1 << 13];
    while bytes.len() as u64 <= limit {
        if is_interrupted() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        // A pipe that nothing has opened for writing yet gives nothing to read, and no end either.
        let mut waiting = [PollFd::new(&file, PollFlags::IN)];
        match poll(&mut waiting, Some(&TICK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            result => drop(result?),
        }
        match file.read(&mut part) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(&part[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Err(too_large(limit))
}

fn without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn check(kind: FileType) -> io::Result<()> {
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, and no file")),
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and no regular file")))
}

fn too_large(limit: u64) -> io::Error {
    let limit = match limit >> 20 {
        0 => format!("{limit} bytes"),
        mebibytes => format!("{mebibytes} MiB"),
    };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType as Made, Mode, mknodat};

    use super::*;

    fn fifo(path: &Path) {
        mknodat(CWD, path, Made::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn reads_regular_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fifo(&path("fifo"));
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        std::os::unix::fs::symlink("fifo", path("link")).unwrap();
        for (name, kind, said) in [
            ("fifo", io::ErrorKind::InvalidInput, "it is a named pipe, and no regular file"),
            ("link", io::ErrorKind::InvalidInput, "it is a named pipe, and no regular file"),
            ("socket", io::ErrorKind::InvalidInput, "it is a socket, and no regular file"),
            ("zero", io::ErrorKind::InvalidInput, "it is a device, and no regular file"),
            (".", io::ErrorKind::IsADirectory, "it is a folder, and no file"),
        ] {
            let error = read(&path(name), 10).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, said), "{name}");
            assert_eq!(open(&path(name)).unwrap_err().to_string(), said);
        }
        assert_eq!(read(&path("nothing"), 10).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!read(Path::new("/proc/self/stat"), 1 << 20).unwrap().is_empty());
    }

    #[test]
    fn reads_no_more_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"0123456789");
        assert_eq!(read(&path, 9).unwrap_err().to_string(), "it is larger than 9 bytes");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // A file of a terabyte of zeros is refused before any of it is read.
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, LARGEST_TEXT).unwrap_err().to_string(), "it is larger than 8 MiB");
    }

    #[test]
    fn what_the_user_names_may_be_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        fifo(&path);
        let never = || false;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                std::fs::write(&path, "A=1\n").unwrap();
            });
            assert_eq!(read_given(&path, 10, &never).unwrap(), b"A=1\n");
        });
        let interrupted = read_given(&path, 10, &|| true).unwrap_err();
        assert_eq!(interrupted.kind(), io::ErrorKind::Interrupted);
        assert_eq!(read_given(Path::new("/dev/zero"), 10, &never).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_given(Path::new("/dev/null"), 10, &never).unwrap(), b"");
        assert!(read_given(folder.path(), 10, &never).is_err());
    }
}
