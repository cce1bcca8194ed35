//! What a manifest says of tools, the cache, the policy and registries. The user's own settings say most of it too.

use std::path::{Path, PathBuf};

use crate::model::{ByteSize, RegistryMirror};
use crate::source::Placed;

/// `[tools]`: names on `PATH`; from the user's own settings also paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    pub(crate) skopeo: Option<PathBuf>,
    pub(crate) umoci: Option<PathBuf>,
    pub(crate) runc: Option<PathBuf>,
}

impl Tools {
    /// Takes each program that is not set here from `others`.
    pub(super) fn or(self, others: &Self) -> Self {
        Self {
            skopeo: self.skopeo.or_else(|| others.skopeo.clone()),
            umoci: self.umoci.or_else(|| others.umoci.clone()),
            runc: self.runc.or_else(|| others.runc.clone()),
        }
    }
}

/// `[cache]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cache {
    /// `dir`.
    pub(crate) folder: Option<CacheFolder>,
    pub(crate) max_size: Option<ByteSize>,
}

/// A folder that is named for the cache.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheFolder {
    pub(crate) path: Placed<PathBuf>,
    /// The folder of the project whose manifest names it; `None` if the user's own settings do.
    pub(crate) project: Option<PathBuf>,
}

impl Cache {
    /// Takes what is not set here from `other`.
    pub(super) fn or(self, other: &Self) -> Self {
        Self { folder: self.folder.or_else(|| other.folder.clone()), max_size: self.max_size.or(other.max_size) }
    }
}

/// `[policy]`: what bases have to be like, besides what was checked with the manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    /// The greatest age of a base, in days.
    pub(crate) max_age_days: Option<i64>,
    /// A containers `policy.json` that bases from registries have to satisfy.
    pub(crate) signatures: Option<Placed<PathBuf>>,
}

/// `[registry."host[:port]"]`: how a registry is talked to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RegistrySettings {
    pub(crate) insecure: Insecure,
    /// A folder with the registry's `ca.crt`.
    pub(crate) cert_dir: Option<HostPath>,
    /// The file with the credentials, instead of the places where skopeo looks.
    pub(crate) auth_file: Option<HostPath>,
    /// Mirrors that are asked before the registry, in this order.
    pub(crate) mirrors: Vec<RegistryMirror>,
}

/// Whether plain HTTP, or a certificate that is not checked, is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Insecure {
    #[default]
    No,
    /// The project allows it, and the user's settings do not: no credentials are sent.
    ForProject,
    /// The user's own settings allow it.
    ForUser,
}

/// A path on this machine, and whether the user or a project named it. The user may name any path, a project may not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HostPath {
    OfUser(PathBuf),
    OfProject(Placed<PathBuf>),
}

impl HostPath {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::OfUser(path) => path,
            Self::OfProject(path) => path,
        }
    }
}
