//! How the parent starts the helper.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::fs::Unnamed;
use crate::model::canonical_json;
use crate::process::{Finished, IdMap, Invocation, Namespaces, ProcessError};
use crate::sandbox::times::{self, Dating, Moment};
use crate::sandbox::{Census, Depth, HelperTask, SUBCOMMAND, whiteout};

/// In place of a task's file: the task is on standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// The helper, to be given a task; namespaces are the caller's choice.
pub(crate) fn invocation(task: &Path) -> Invocation {
    // The path of this program may lead to another file by now.
    Invocation::new("/proc/self/exe").argument(SUBCOMMAND).argument(task)
}

/// Removes a folder and all that is in it. Files of mapped IDs are removed under that map. A missing folder is no
/// error.
pub(crate) fn remove_tree(path: &Path, map: &IdMap) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if map.is_namespaced() => remove_mapped(path, map),
        result => result,
    }
}

fn remove_mapped(path: &Path, map: &IdMap) -> io::Result<()> {
    // The namespace's root may not own the folder above; this process does.
    let helper = |task: &Path| invocation(task).despite_interrupts();
    let finished = do_mapped(&HelperTask::Remove(path.to_owned()), path, map, helper)?;
    match finished.status.success() || std::fs::remove_dir(path).is_ok() {
        true => Ok(()),
        false => Err(io::ErrorKind::DirectoryNotEmpty.into()),
    }
}

/// Lets crun remove what is left of a container whose processes are dead. Returns true if it did. As in the run itself,
/// crun is shown cgroups of one version only.
pub(crate) fn delete_of_crun(crun: &Path, folder: &Path, identifier: &str) -> bool {
    let (crun, identifier) = (crun.to_owned(), identifier.to_owned());
    let task = HelperTask::Delete { crun, folder: folder.to_owned(), identifier };
    let Ok(mut file) = Unnamed::new(folder) else { return false };
    let helper = invocation(file.path()).namespaces(Namespaces::sandbox(&IdMap::Host)).despite_interrupts();
    file.write_all(&canonical_json(&task)).is_ok() && helper.capture().is_ok_and(|ended| ended.status.success())
}

/// Marks in an unpacked layer what the layer deletes, by the paths of its whiteouts, so that an overlay hides it.
pub(crate) fn apply_whiteouts(tree: &Path, whiteouts: Vec<PathBuf>, map: &IdMap) -> io::Result<()> {
    if !map.is_namespaced() {
        return whiteout::apply(tree, &whiteouts, false);
    }
    match do_mapped(&HelperTask::Hide(tree.to_owned(), whiteouts), tree, map, invocation)?.status.success() {
        true => Ok(()),
        false => Err(io::Error::other("what the layer deletes could not be marked")),
    }
}

/// Looks through a whole unpacked tree. Files of mapped owners are reached, too.
pub(crate) fn take_census(tree: &Path, depth: Depth, map: &IdMap) -> io::Result<Census> {
    if !map.is_namespaced() {
        return Census::take(tree, depth);
    }
    // The task's file is beside the tree's folder, where a sweep removes it if it is left behind.
    let folder = tree.parent().unwrap_or(tree);
    let finished = do_mapped(&HelperTask::Look(tree.to_owned(), depth), folder, map, invocation)?;
    match finished.status.success() {
        true => Ok(serde_json::from_slice(&finished.stdout)?),
        false => Err(io::Error::other("not all of it could be read")),
    }
}

/// What the helper does for [`take_census`].
pub(super) fn print_census(tree: &Path, depth: Depth) -> io::Result<()> {
    io::stdout().write_all(&canonical_json(&Census::take(tree, depth)?))
}

/// Reads or sets times in a tree under a map; the newest time that was found, if one was looked for.
pub(crate) fn date(dating: Dating, map: &IdMap) -> io::Result<Option<Moment>> {
    if !map.is_namespaced() {
        return times::perform(&dating);
    }
    let tree = match &dating {
        Dating::Newest(tree) | Dating::Layer(tree, _) | Dating::Paths(tree, _) => tree.clone(),
        Dating::Base(base) => base.tree.clone(),
    };
    let finished = do_mapped(&HelperTask::Date(dating), &tree, map, invocation)?;
    match finished.status.success() {
        true => Ok(serde_json::from_slice(&finished.stdout)?),
        false => Err(io::Error::other("its times could not be read or set")),
    }
}

/// Does a task on a folder under a map. Returns the helper's exit status.
fn do_mapped(task: &HelperTask, folder: &Path, map: &IdMap, helper: fn(&Path) -> Invocation) -> io::Result<Finished> {
    // Beside it, where we may write.
    let mut file = Unnamed::new(folder.parent().unwrap_or(folder)).map_err(io::Error::other)?;
    file.write_all(&canonical_json(task))?;
    helper(file.path()).namespaces(Namespaces::user(map)).capture().map_err(|error| match error {
        ProcessError::Interrupted => io::ErrorKind::Interrupted.into(),
        error => io::Error::other(error),
    })
}
