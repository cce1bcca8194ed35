//! Parts of the format that a manifest may use, and that this release cannot build yet.

use crate::model::ImageName;
use crate::source::{At, Placed};

/// A build needs something of a later release.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what} are not in this release yet")]
#[diagnostic(
    code(oci::manifest::not_yet),
    help("build without it until a release of `oci` newer than {} has it", env!("CARGO_PKG_VERSION"))
)]
pub(crate) struct NotYetError {
    what: Later,
}

/// What a build or a shared layer takes from elsewhere in the manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Images, besides its base.
    pub(crate) images: Vec<Placed<ImageName>>,
    /// Packaged targets.
    pub(crate) targets: Vec<Placed<String>>,
    pub(crate) later: Vec<Placed<Later>>,
}

/// A part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Later {
    #[error("packaged targets")]
    Target,
}

impl NotYetError {
    /// The error, at the place where it is needed.
    pub(crate) fn at(later: &Placed<Later>) -> At<Self> {
        At::new(Self { what: later.value }, &later.place, "part of the format, but not of this program")
    }
}
