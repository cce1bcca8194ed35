//! What a package names on this machine: where it is, and whether it is there.

use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Stat, statat};
use rustix::io::Errno;

use crate::layer::scan::{PackageScan, Problem};
use crate::layer::{LayerError, error};
use crate::sanitize;
use crate::source::{At, Placed};
use crate::suggest;

impl PackageScan<'_> {
    /// Where `path`, which is `written` or the folder of its glob, is on this machine.
    pub(super) fn host(&self, written: &Placed<String>, path: &str) -> Result<PathBuf, Problem> {
        let path = normal(Path::new(path));
        if path.starts_with(".oci") {
            return Err(At::new(LayerError::ReservedName { path: sanitize::name(written) }, &written.place, ""));
        }
        Ok(self.request.folder.join(path))
    }

    /// The stat of what has to be there; nothing if it is not, and may be missing.
    pub(super) fn stat(&self, written: &Placed<String>, host: &Path, flags: AtFlags) -> Result<Option<Stat>, Problem> {
        let error = match statat(CWD, host, flags) {
            Ok(stat) => return Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) if self.package.optional => return Ok(None),
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(self.not_found(written, host)),
            Err(Errno::LOOP) => LayerError::LinkLoop { path: self.shown(host) },
            Err(errno) => LayerError::Unreadable { path: self.shown(host), source: errno.into() },
        };
        Err(At::new(error, &written.place, ""))
    }

    /// Refuses a file whose path says by its end that it is a folder.
    pub(super) fn refuse_slash(&self, written: &Placed<String>, host: &Path) -> Result<(), Problem> {
        match written.ends_with('/') || written.ends_with("/.") {
            true => Err(At::new(LayerError::NotAFolder { path: self.shown(host) }, &written.place, "")),
            false => Ok(()),
        }
    }

    pub(super) fn shown(&self, host: &Path) -> String {
        error::shown(host, self.request.folder)
    }

    /// The error for a path that is not there, with the nearest name that is.
    fn not_found(&self, written: &Placed<String>, host: &Path) -> Problem {
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
pub(super) fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
