//! Finding `oci.toml`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::manifest::MANIFEST_NAME;

/// No manifest was found.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum DiscoverError {
    #[error("there is no `{MANIFEST_NAME}` in `{}` or a folder above it", folder.display())]
    #[diagnostic(
        code(oci::manifest::not_found),
        help("go to your project's folder, or name the file: `oci --manifest-path PATH …`")
    )]
    NotFound { folder: PathBuf },
    #[error("there is no file `{}`", path.display())]
    #[diagnostic(code(oci::manifest::not_found), help("`--manifest-path` names the `{MANIFEST_NAME}` itself"))]
    NoFile { path: PathBuf },
    #[error("`{}` {problem}", path.display())]
    #[diagnostic(
        code(oci::manifest::not_a_file),
        help("remove or rename it, or name another file: `oci --manifest-path PATH …`")
    )]
    NotAFile { path: PathBuf, problem: &'static str },
}

/// The manifest that was named, or the nearest one at or above `folder`. Something else that has the manifest's name is
/// an error: if it were passed over, the manifest of a folder above would count.
pub(crate) fn discover(named: Option<&Path>, folder: &Path) -> Result<PathBuf, DiscoverError> {
    let found = match named {
        Some(path) if path.is_dir() => Some(path.join(MANIFEST_NAME)).filter(|path| is_there(path)),
        Some(path) => Some(path.to_owned()).filter(|path| is_there(path)),
        None => folder.ancestors().map(|folder| folder.join(MANIFEST_NAME)).find(|path| is_there(path)),
    };
    let path = match (found, named) {
        (Some(path), _) => path,
        (None, Some(path)) => return Err(DiscoverError::NoFile { path: path.to_owned() }),
        (None, None) => return Err(DiscoverError::NotFound { folder: folder.to_owned() }),
    };
    let problem = match path.metadata() {
        Ok(metadata) if metadata.is_file() => return Ok(path),
        Ok(metadata) if metadata.is_dir() => "is a folder, and should be a file",
        Ok(_) => "is a pipe, a socket or a device, and should be a regular file",
        // Only a symbolic link without a target exists and still gives `NotFound`. Any other error is reported when
        // the manifest is read.
        Err(error) if error.kind() == ErrorKind::NotFound => "is a link that leads nowhere",
        Err(_) => return Ok(path),
    };
    Err(DiscoverError::NotAFile { path, problem })
}

/// True if something has this name, also a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_told_and_not_passed_over() {
        let above = tempfile::tempdir().unwrap();
        std::fs::write(above.path().join(MANIFEST_NAME), "").unwrap();
        let folder = above.path().join("project");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(discover(None, &folder).unwrap(), above.path().join(MANIFEST_NAME));
        let path = folder.join(MANIFEST_NAME);
        let told = |named: Option<&Path>| match discover(named, &folder) {
            Err(DiscoverError::NotAFile { problem, .. }) => problem,
            other => panic!("{other:?}"),
        };
        std::fs::create_dir(&path).unwrap();
        assert_eq!(told(None), "is a folder, and should be a file");
        assert_eq!(told(Some(&folder)), "is a folder, and should be a file");
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(told(None), "is a pipe, a socket or a device, and should be a regular file");
        assert_eq!(told(Some(&path)), "is a pipe, a socket or a device, and should be a regular file");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert_eq!(told(None), "is a link that leads nowhere");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("../oci.toml", &path).unwrap();
        assert_eq!(discover(None, &folder).unwrap(), path);
    }
}
