//! Why an image on the disk cannot be used.

use std::io;
use std::path::Path;

use crate::fs::FileError;
use crate::fs::host::LeavesProject;
use crate::image::ImageError;
use crate::model::Digest;
use crate::model::origin::LayoutKind;
use crate::{sanitize, suggest};

/// An image on the disk that cannot be used. Paths are shown as the manifest has them.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum LayoutError {
    #[error("there is no `{path}`")]
    #[diagnostic(code(oci::layout::not_found))]
    NotFound {
        path: String,
        #[help]
        help: String,
    },
    #[error(transparent)]
    #[diagnostic(code(oci::layout::link_leaves), help("write the path that it leads to"))]
    Leaves(LeavesProject),
    #[error("`{path}` is neither an OCI layout nor an archive of images")]
    #[diagnostic(
        code(oci::layout::not_a_layout),
        help("a layout has `oci-layout` and `index.json` in it; `skopeo copy docker://IMAGE oci:PATH:NAME` makes one")
    )]
    Unrecognised { path: String },
    #[error("`{path}` is compressed with {by}")]
    #[diagnostic(code(oci::layout::compressed), help("unpack it first: `{by} -d {path}`"))]
    Compressed { path: String, by: &'static str },
    #[error("`{path}` is {found}")]
    #[diagnostic(code(oci::layout::other_kind), help("leave `{prefix}` out, or name another file"))]
    OtherKind { path: String, found: LayoutKind, prefix: &'static str },
    #[error("there is no {what} in `{path}`")]
    #[diagnostic(code(oci::layout::no_such_image))]
    NoSuchImage {
        path: String,
        what: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{path}` has {count} images, and one of them has to be named")]
    #[diagnostic(code(oci::layout::several_images))]
    Several {
        path: String,
        count: usize,
        #[help]
        help: String,
    },
    #[error("`{path}` lacks `{digest}`, which belongs to the image")]
    #[diagnostic(
        code(oci::layout::missing_blob),
        help("copy the image anew, with all its platforms: `skopeo copy --all docker://IMAGE oci:PATH:NAME`")
    )]
    MissingBlob { path: String, digest: Digest },
    #[error("`{path}` lacks `{member}`, which belongs to the image")]
    #[diagnostic(code(oci::layout::missing_member), help("save the image anew"))]
    MissingMember { path: String, member: String },
    #[error("what should be `{digest}` in `{path}` is something else")]
    #[diagnostic(code(oci::layout::damaged), help("it was not used; copy or save the image anew"))]
    Damaged { path: String, digest: Digest },
    #[error("`{path}` is damaged: nothing can be read behind member {members} of the archive")]
    #[diagnostic(code(oci::layout::damaged), help("copy or save the image anew"))]
    DamagedArchive { path: String, members: usize },
    #[error("could not read {what}")]
    #[diagnostic(code(oci::layout::unreadable))]
    Unreadable { what: String, source: io::Error },
    #[error("the image in `{path}` cannot be built on")]
    #[diagnostic(code(oci::layout::bad_image))]
    Image {
        path: String,
        #[source]
        #[diagnostic_source]
        source: ImageError,
    },
    #[error("the image in `{path}` names no platform that it is for")]
    #[diagnostic(code(oci::layout::no_platform), help("take one whose index or configuration does"))]
    NoPlatform { path: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl LayoutError {
    /// There is no file at the path, which is written as in the manifest.
    pub(super) fn not_found(written: &str, folder: &Path) -> Self {
        let full = folder.join(written);
        let beside = full.parent().and_then(|parent| std::fs::read_dir(parent).ok()).into_iter().flatten().flatten();
        let names: Vec<String> = beside.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let name = full.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let help = match suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => {
                let above = written.strip_suffix(name).unwrap_or_default();
                format!("did you mean `{}`?", sanitize::name(&format!("{above}{near}")))
            }
            None => "paths are relative to the folder of `oci.toml`".to_owned(),
        };
        Self::NotFound { path: sanitize::name(written), help }
    }

    /// There is no image of this name. The error lists the names that exist.
    pub(super) fn no_such_name(path: &str, name: &str, known: &[String]) -> Self {
        let names: Vec<String> = known.iter().map(|name| sanitize::name(name)).collect();
        let name = sanitize::name(name);
        let help = suggest::help("its images are", &name, names.iter().map(String::as_str));
        Self::NoSuchImage { path: path.to_owned(), what: format!("image `{name}`"), help }
    }

    pub(super) fn unreadable(member: &str, path: &str, source: impl Into<io::Error>) -> Self {
        Self::Unreadable { what: format!("`{}` in `{path}`", sanitize::name(member)), source: source.into() }
    }
}
