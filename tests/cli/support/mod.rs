//! What the end-to-end tests stand on: the binary in surroundings of its own, real registries, real
//! base images.
//!
//! A [`TestContext`] is a project folder with its own home, cache and environment. A [`Registry`] is
//! Debian's docker-registry on a free loopback port. [`images`] makes base images once and pushes them.
//! Nothing is faked: a tool that is missing fails the test, with the package to install.

pub(crate) mod context;
pub(crate) mod faults;
pub(crate) mod forms;
pub(crate) mod images;
pub(crate) mod kills;
pub(crate) mod odd;
pub(crate) mod ordinary;
pub(crate) mod podman;
pub(crate) mod project;
pub(crate) mod registry;
pub(crate) mod snapshot;
pub(crate) mod stacked;
pub(crate) mod story;
pub(crate) mod tools;
pub(crate) mod tree;

pub(crate) use context::{Outcome, Running, TestContext, eventually, eventually_none};
pub(crate) use images::Base;
pub(crate) use registry::Registry;
