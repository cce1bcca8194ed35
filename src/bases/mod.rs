//! Images from elsewhere, brought in: manifests, configs and layers of bases, from registries and from layouts.
//!
//! A [`BaseImage`] is loaded by its digest ([`base`]). Where `[policy] signatures` says so, it is used only if the
//! policy ([`trust`]) accepts it, of which skopeo is the [`judge`]. What a layer's label leaves in doubt, its first
//! bytes tell ([`label`]).

mod base;
mod judge;
mod label;
pub(crate) mod trust;

pub(crate) use base::{BaseError, BaseImage, Bases};
