//! `oci` builds, runs and publishes container images from a manifest, `oci.toml`, and a lockfile,
//! `oci.lock`, without a daemon and without a Dockerfile.
//!
//! The modules stand on floors, and use only what is below them: see `docs/architecture.md`.

mod diagnostic;
mod fs;
mod manifest;
mod model;
mod sandbox;
mod sanitize;
mod source;
mod stage;
mod suggest;
mod tools;
