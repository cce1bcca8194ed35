//! Why a package takes nothing of an image.

use std::error::Error;

use miette::Diagnostic;

use crate::contents::ArchiveError;
use crate::contents::error::and_others;
use crate::fs::FileError;
use crate::model::Digest;

/// Files that cannot be taken of an image. Images are named as in the manifest, paths are those in them.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum TakeError {
    #[error("there is no `{path}` in `{image}`")]
    #[diagnostic(code(oci::layer::not_in_image))]
    Missing {
        image: String,
        path: String,
        #[help]
        help: Option<String>,
    },
    #[error("nothing in `{image}` matches `{pattern}`")]
    #[diagnostic(
        code(oci::layer::no_match_in_image),
        help("`*` does not cross `/`, `**` does; set `optional = true` if nothing is fine")
    )]
    NoMatch { image: String, pattern: String },
    #[error("nothing of `{path}` in `{image}` goes into the layer")]
    #[diagnostic(
        code(oci::layer::nothing_of_image),
        help("look at `include` and `exclude`, or set `optional = true` if nothing is fine")
    )]
    Nothing { image: String, path: String },
    #[error("the symbolic links on the way to `{path}` in `{image}` lead back to themselves")]
    #[diagnostic(code(oci::layer::image_link_loop), help("name the path that they were meant to lead to"))]
    Loop { image: String, path: String },
    #[error("`{path}` in `{image}` is {what}{}, which cannot be taken", and_others(*more, "path", "paths"))]
    #[diagnostic(
        code(oci::layer::image_entry),
        help(
            "leave it out with `exclude`, whose patterns are relative to the package's folder, or take a folder without it"
        )
    )]
    Entry {
        image: String,
        path: String,
        what: String,
        /// How many other paths of the package have this fault.
        more: usize,
    },
    #[error("could not read a layer of `{image}`")]
    #[diagnostic(
        code(oci::layer::image_unreadable),
        help("if it was made elsewhere, pin another image; else build it anew with `oci build --no-cache`")
    )]
    Unreadable { image: String, source: Box<dyn Error + Send + Sync> },
    #[error("the layer `{digest}`, which files are taken from, is not in the cache, or was damaged there")]
    #[diagnostic(code(oci::layer::image_damaged), help("run the command again: it fetches or builds the layer anew"))]
    Damaged { digest: Digest },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(FileError),
}

impl TakeError {
    /// The error of a layer whose blob has the digest of its name, and is no tar.
    pub(crate) fn unreadable(image: &str, error: ArchiveError) -> Self {
        let source = match error {
            ArchiveError::Damaged { source, .. } | ArchiveError::Unreadable { source, .. } => source.into(),
            ArchiveError::Store(error) => return Self::Store(error),
            _ => "it is no tar".into(),
        };
        Self::Unreadable { image: image.to_owned(), source }
    }
}
