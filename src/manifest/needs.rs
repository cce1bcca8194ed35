//! What a build or a shared layer takes from elsewhere in the manifest.

use crate::model::ImageName;
use crate::source::Placed;

/// What a build or a shared layer takes from elsewhere in the manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Images, besides its base.
    pub(crate) images: Vec<Placed<ImageName>>,
    /// Packaged targets, also those that are made in an image.
    pub(crate) targets: Vec<Placed<String>>,
}
