//! Finds what a package names on this machine.

use rustix::fs::FileType;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::fs::host::{self, HostEntry, LastLink, Links, Lost};
use crate::layer::LayerError;
use crate::manifest::PackageContent;
use crate::pack::package::{PackProblem, PackageScan};
use crate::source::{At, Placed};
use crate::{sanitize, suggest};

/// A file or folder that a package names, and the path that messages and entries are named by.
pub(crate) struct Named {
    pub(crate) host: PathBuf,
    pub(crate) found: HostEntry,
}

impl PackageScan<'_> {
    /// Finds `path`, which is `written` or the folder of its glob. Returns `None` if it is missing and may be missing.
    ///
    /// A link on the way may lead out of the project only if the package follows links.
    pub(crate) fn find(
        &self,
        written: &Placed<String>,
        path: &str,
        last: LastLink,
    ) -> Result<Option<Named>, PackProblem> {
        let path = normal(Path::new(path));
        let reserved = || At::new(LayerError::ReservedName { path: sanitize::name(written) }, &written.place, "");
        if path.starts_with(".oci") {
            return Err(reserved());
        }
        let folder = self.request.folder;
        let host = folder.join(&path);
        let links = if self.package.follow { Links::MayLeave } else { Links::StayInside };
        let error = match host::find(folder, &path, last, links) {
            Ok(found) if found.inside.as_ref().is_some_and(|inside| inside.starts_with(".oci")) => {
                return Err(reserved());
            }
            Ok(found) => return Ok(Some(Named { host, found })),
            Err(Lost::Refused(Errno::NOENT | Errno::NOTDIR)) if self.package.optional => return Ok(None),
            Err(Lost::Refused(Errno::NOENT | Errno::NOTDIR)) => return Err(self.not_found(written, &host)),
            Err(Lost::Refused(Errno::LOOP)) => LayerError::LinkLoop { path: self.shown(&host) },
            Err(Lost::Refused(errno)) => LayerError::Unreadable { path: self.shown(&host), source: errno.into() },
            Err(Lost::Leaves(source)) => match self.package.content {
                PackageContent::Path { .. } => LayerError::PathLeaves(source),
                _ => LayerError::ArchiveLeaves(source),
            },
        };
        Err(At::new(error, &written.place, ""))
    }

    /// Refuses a file whose path says by its end that it is a folder.
    pub(crate) fn refuse_slash(&self, written: &Placed<String>, host: &Path) -> Result<(), PackProblem> {
        match written.ends_with('/') || written.ends_with("/.") {
            true => Err(At::new(LayerError::NotAFolder { path: self.shown(host) }, &written.place, "")),
            false => Ok(()),
        }
    }

    pub(crate) fn shown(&self, host: &Path) -> String {
        sanitize::path(host, self.request.folder)
    }

    /// The error for a path that is not there, with the nearest name that is.
    fn not_found(&self, written: &Placed<String>, host: &Path) -> PackProblem {
        let missing = host.ancestors().take_while(|path| std::fs::symlink_metadata(path).is_err()).last();
        let help = missing.and_then(|missing| {
            let parent = missing.parent()?;
            let names = std::fs::read_dir(parent).ok()?.flatten();
            let names: Vec<String> = names.map(|entry| sanitize::name(&entry.file_name().to_string_lossy())).collect();
            let near = suggest::nearest(&missing.file_name()?.to_string_lossy(), names.iter().map(String::as_str))?;
            Some(format!("did you mean `{}`?", self.shown(&parent.join(near))))
        });
        let help = help.or_else(|| Some("make it first, or set `optional = true` if it may be missing".to_owned()));
        At::new(LayerError::NotFound { path: sanitize::name(written), help }, &written.place, "")
    }
}

/// The path without `.` and doubled `/`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

/// The name, for messages, of a kind of file that no layer can hold.
pub(crate) fn kind_of_special(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "socket",
        FileType::Fifo => "FIFO",
        FileType::BlockDevice => "block device",
        FileType::CharacterDevice => "character device",
        _ => "special file",
    }
}
