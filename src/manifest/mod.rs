//! `oci.toml`.

pub(crate) mod package;

pub(crate) use package::{Package, PackageContent};
