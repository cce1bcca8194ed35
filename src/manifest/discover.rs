//! Finding `oci.toml`.

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
}

/// The manifest that was named, or the nearest one at or above `folder`.
pub(crate) fn discover(named: Option<&Path>, folder: &Path) -> Result<PathBuf, DiscoverError> {
    match named {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(path) if path.join(MANIFEST_NAME).is_file() => Ok(path.join(MANIFEST_NAME)),
        Some(path) => Err(DiscoverError::NoFile { path: path.to_owned() }),
        None => folder
            .ancestors()
            .map(|folder| folder.join(MANIFEST_NAME))
            .find(|path| path.is_file())
            .ok_or_else(|| DiscoverError::NotFound { folder: folder.to_owned() }),
    }
}
