//! Writing files that people name: those of a project, and those that a command line asks for.
//!
//! A checkout may hold a link under such a name. One that leads to a file of the project stays a link, and its file is
//! written; one that leads out of the project is an error, since a checkout may change nothing outside itself.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::fs::{FileContext as _, FileError, lies_in, write_atomically};

/// Writes a file of the project in `project`, whole or not at all. If the name belongs to something other than a file,
/// or a link to a file in the project, that is an error.
pub(crate) fn write_project_file(path: &Path, project: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let refused = |reason: &'static str| Err(FileError::new("write", path, io::Error::other(reason)));
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => match path.canonicalize() {
            Err(_) => refused("it is a symbolic link that leads nowhere"),
            Ok(target) if !lies_in(&target, project) => refused("it is a symbolic link that leads out of the project"),
            Ok(target) if !target.is_file() => refused("it is a symbolic link to what is no file"),
            Ok(target) => write_atomically(&target, bytes, mode),
        },
        Ok(found) if !found.is_file() && !found.is_dir() => refused("it is not a regular file"),
        _ => write_atomically(path, bytes, mode),
    }
}

/// Writes a file under a name that a person gave. A link to a file stays a link. A device or a pipe is written to, and
/// never replaced. A name in the project in `project` that a link takes out of it is an error.
pub(crate) fn write_where_asked(path: &Path, project: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let absolute = std::path::absolute(path).context("find", path)?;
    // A link whose target does not exist resolves to nothing, and is no place in the project.
    if absolute.starts_with(project) && !lies_in(&absolute, project) {
        return Err(FileError::new("write", path, io::Error::other("a symbolic link leads it out of the project")));
    }
    match path.metadata() {
        Ok(found) if found.is_file() => write_atomically(&path.canonicalize().context("write", path)?, bytes, 0o644),
        Ok(found) if found.is_dir() => Err(FileError::new("write", path, io::ErrorKind::IsADirectory.into())),
        Ok(_) => {
            OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes)).context("write", path)
        }
        Err(_) => write_atomically(path, bytes, 0o644),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_person_names_is_written_to_and_stays_what_it_is() {
        use std::io::Read;

        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("file", name("link")).unwrap();
        std::fs::write(name("file"), "old").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, name("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        // The file is opened for reading and writing, so that opening a pipe does not wait for its other end.
        let mut pipe = OpenOptions::new().read(true).write(true).open(name("pipe")).unwrap();
        for asked in ["link", "pipe", "new"] {
            write_where_asked(&name(asked), folder.path(), b"data").unwrap();
        }
        assert!(name("link").is_symlink() && !name("pipe").is_file());
        assert_eq!(
            (std::fs::read(name("file")).unwrap(), std::fs::read(name("new")).unwrap()),
            (b"data".into(), b"data".into())
        );
        let mut piped = [0; 4];
        pipe.read_exact(&mut piped).unwrap();
        assert_eq!(piped, *b"data");
        assert_eq!(
            write_where_asked(folder.path(), folder.path(), b"").unwrap_err().source.kind(),
            io::ErrorKind::IsADirectory
        );
    }
    #[test]
    fn a_link_is_followed_within_the_project_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        std::fs::create_dir_all(project.join("shared")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        let outside = folder.path().join("outside/precious");
        std::fs::write(&outside, "precious").unwrap();
        symlink("../outside", project.join("out")).unwrap();
        for (target, is_inside) in [
            ("shared/file", true),
            ("../project/shared/file", true),
            ("../outside/precious", false),
            ("out/precious", false),
            ("nowhere", false),
            ("../outside/new", false),
            ("shared", false),
        ] {
            std::fs::write(project.join("shared/file"), "old").unwrap();
            let link = project.join("oci.lock");
            let _ = std::fs::remove_file(&link);
            symlink(target, &link).unwrap();
            for asked in [false, true] {
                let written = match asked {
                    false => write_project_file(&link, &project, b"new", 0o644),
                    true => write_where_asked(&link, &project, b"new"),
                };
                assert_eq!(written.is_ok(), is_inside, "{target}");
                assert!(link.is_symlink(), "{target}");
            }
            assert_eq!(std::fs::read(project.join("shared/file")).unwrap() == b"new", is_inside, "{target}");
            assert_eq!(std::fs::read(&outside).unwrap(), b"precious", "{target}");
            assert_eq!(std::fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
        }
        write_where_asked(&project.join("out/new"), &project, b"new").unwrap_err();
        // A file outside the project is the person's own affair.
        symlink("precious", folder.path().join("outside/link")).unwrap();
        write_where_asked(&folder.path().join("outside/link"), &project, b"new").unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"new");
        rustix::fs::mknodat(rustix::fs::CWD, project.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert!(
            write_project_file(&project.join("pipe"), &project, b"", 0o644).is_err() && project.join("pipe").exists()
        );
    }
}
