//! The outside of the helper: how its parent starts it.

use std::io::{self, Write};
use std::path::Path;

use crate::fs::Unnamed;
use crate::model::canonical_json;
use crate::sandbox::{SUBCOMMAND, Task};
use crate::tools::process::ProcessError;
use crate::tools::{IdMap, Invocation, Namespaces};

/// The helper, to be given a task; namespaces are the caller's choice.
pub(crate) fn invocation(task: &Path) -> Invocation {
    // Not our path: that may be another file by now.
    Invocation::new("/proc/self/exe").argument(SUBCOMMAND).argument(task)
}

/// Removes a folder and all in it. What others own because a map made them owners is removed under
/// that map; no folder is no error.
pub(crate) fn remove_tree(path: &Path, map: &IdMap) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if map.is_namespaced() => remove_mapped(path, map),
        result => result,
    }
}

fn remove_mapped(path: &Path, map: &IdMap) -> io::Result<()> {
    // Beside it, where we may write.
    let mut task = Unnamed::new(path.parent().unwrap_or(path)).map_err(io::Error::other)?;
    task.write_all(&canonical_json(&Task::Remove(path.to_owned())))?;
    let finished =
        invocation(task.path()).namespaces(Namespaces::user(map)).capture().map_err(|error| match error {
            ProcessError::Interrupted => io::ErrorKind::Interrupted.into(),
            error => io::Error::other(error),
        })?;
    // The folder itself may stand in one that root in there does not own; we do.
    match finished.status.success() || std::fs::remove_dir(path).is_ok() {
        true => Ok(()),
        false => Err(io::ErrorKind::DirectoryNotEmpty.into()),
    }
}
