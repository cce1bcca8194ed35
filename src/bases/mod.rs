//! Images from elsewhere, brought in: manifests, configs and layers of bases, from registries and from layouts.
//!
//! A [`BaseImage`] is loaded by its digest ([`base`]). If `[policy] signatures` is set, the image is used only if the
//! policy ([`trust`]) accepts it: skopeo is asked ([`judge`]). Where the media type of a layer is doubtful, the first
//! bytes of the layer decide ([`label`]).

mod base;
mod judge;
mod label;
pub(crate) mod trust;

pub(crate) use base::{BaseError, BaseImage, Bases};
