//! Stages: each turns things in the store, or elsewhere, into other things.
//!
//! [`base`] brings images in from registries, once they are judged by what is in [`trust`], [`rootfs`] unpacks
//! their layers, and [`run`] starts containers of them; [`step`] makes layers of what containers change;
//! [`overlays`] knows whether the system can stack trees, and [`runtime`] which program starts containers;
//! `limits` whether what a run is limited to can be had;
//! [`unstarted`] says why there is none; [`runs`] and [`trees`] clear up behind those that were killed, and
//! [`prune`] makes room.

pub(crate) mod base;
mod judge;
mod label;
mod limits;
pub(crate) mod overlays;
pub(crate) mod prune;
pub(crate) mod rootfs;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod runtime;
pub(crate) mod step;
pub(crate) mod trees;
pub(crate) mod trust;
pub(crate) mod unstarted;

#[cfg(test)]
mod tests;
