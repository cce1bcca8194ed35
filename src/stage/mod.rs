//! Stages: each turns things in the store, or elsewhere, into other things.
//!
//! [`base`] brings images in from registries, [`rootfs`] unpacks their layers, and [`run`] starts
//! containers of them; [`runs`] clears up behind those that were killed.

pub(crate) mod base;
pub(crate) mod rootfs;
pub(crate) mod run;
pub(crate) mod runs;

#[cfg(test)]
mod tests;
