//! Containers: root filesystems, and what runs on them.
//!
//! [`rootfs`] unpacks the layers of an image, [`run`] starts a container of it, and [`step`] makes a layer of what a
//! container changes. A [`machine`] is what the system can do for them: [`overlays`] knows whether the system can stack
//! trees, [`runtime`] which program starts containers, and [`limits`] whether what a run is limited to can be had;
//! [`unstarted`] says why there is no container. [`runs`] and [`trees`] clear up behind processes that were killed.

mod limits;
pub(crate) mod machine;
pub(crate) mod overlays;
pub(crate) mod rootfs;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod runtime;
pub(crate) mod step;
pub(crate) mod trees;
pub(crate) mod unstarted;

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/containers/mod.rs"]
mod tools_tests;
