//! Whether what a step sees of the machine is what it was.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// A digest of a file's content, or of everything in a folder: names, kinds, modes, links and content.
pub(super) fn digest(path: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    put(&std::fs::canonicalize(path)?, &mut hasher)?;
    Ok(Digest::finish(hasher))
}

fn put(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let metadata = path.symlink_metadata()?;
    hasher.update(metadata.permissions().mode().to_le_bytes());
    if metadata.is_file() {
        put_bytes(Digest::read(std::fs::File::open(path)?)?.to_string().as_bytes(), hasher);
    } else if metadata.is_symlink() {
        put_bytes(std::fs::read_link(path)?.as_os_str().as_bytes(), hasher);
    } else if metadata.is_dir() {
        let mut names: Vec<_> =
            std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        names.sort();
        hasher.update((names.len() as u64).to_le_bytes());
        for name in names {
            put_bytes(name.as_bytes(), hasher);
            put(&path.join(name), hasher)?;
        }
    }
    Ok(())
}

fn put_bytes(bytes: &[u8], hasher: &mut Sha256) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_changes_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join("top").join(name);
        std::fs::create_dir_all(path("a")).unwrap();
        std::fs::write(path("a/file"), "1").unwrap();
        symlink("file", path("a/link")).unwrap();
        let top = folder.path().join("top");
        let changes: [&dyn Fn(); 6] = [
            &|| std::fs::write(path("a/file"), "2").unwrap(),
            &|| std::fs::set_permissions(path("a/file"), PermissionsExt::from_mode(0o600)).unwrap(),
            &|| std::fs::rename(path("a/file"), path("a/other")).unwrap(),
            &|| std::fs::create_dir(path("a/other-folder")).unwrap(),
            &|| std::fs::remove_file(path("a/link")).unwrap(),
            &|| symlink("other", path("a/link")).unwrap(),
        ];
        let mut seen = vec![digest(&top).unwrap()];
        for change in changes {
            change();
            let now = digest(&top).unwrap();
            assert!(!seen.contains(&now));
            assert_eq!(digest(&top).unwrap(), now);
            seen.push(now);
        }
        assert!(digest(&path("none")).is_err());
        std::fs::write(path("one"), "1").unwrap();
        assert_ne!(digest(&path("one")).unwrap(), digest(&path("a/other")).unwrap());
    }
}
