//! Copies folders, for programs that work in a copy.

use std::io;
use std::path::Path;

use crate::fs::{FileContext, FileError, create_folder};

/// Copies a folder with everything in it, but for entries of some names. Links stay links; anything but folders, files
/// and links is left out. The copy is private to this process, and what is there already is replaced.
pub(crate) fn copy_folder(from: &Path, to: &Path, without: &[&str]) -> Result<(), FileError> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = pending.pop() {
        create_folder(&to)?;
        for entry in std::fs::read_dir(&from).context("read", &from)? {
            let entry = entry.context("read", &from)?;
            if without.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().context("look at", &from)?;
            let copied = if kind.is_dir() {
                pending.push((from.clone(), to));
                Ok(())
            } else if kind.is_symlink() {
                std::fs::read_link(&from).and_then(|target| std::os::unix::fs::symlink(target, &to))
            } else if kind.is_file() {
                std::fs::copy(&from, &to).map(drop)
            } else {
                Ok(())
            };
            match copied {
                // One that is gone meanwhile was not there.
                Err(error) if error.kind() == io::ErrorKind::NotFound && from.symlink_metadata().is_err() => {}
                copied => copied.context("copy", &from)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_left_out_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a/b/skip", "a/skip", "a/keep"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("b/file", path("a/link")).unwrap();
        copy_folder(&path("a"), &path("copy/of"), &["skip"]).unwrap();
        let read = std::fs::read_to_string(path("copy/of/link")).unwrap();
        assert_eq!((read.as_str(), path("copy/of/keep").is_dir()), ("x", true));
        assert!(path("copy/of/link").is_symlink() && !path("copy/of/b/skip").exists());
    }
}
