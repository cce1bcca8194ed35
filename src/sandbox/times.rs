//! Reads and sets the times of files in a tree. For files of mapped IDs that is possible only in the user namespace
//! that maps them.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::model::{RawPath, canonical_json};
use crate::sandbox::Container;
use crate::sandbox::root::Root;

/// A modification time: seconds since 1970, and nanoseconds.
pub(crate) type Moment = (i64, i64);

/// What to do about the times in a tree. The tree's root folder counts, unless it says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Dating {
    /// Find the newest time below a folder; the folder itself does not count.
    Newest(PathBuf),
    /// Correct impossible times in a base's tree.
    Base(BaseDating),
    /// Give everything in a tree one time, in seconds since 1970.
    Layer(PathBuf, i64),
    /// Give these paths of a tree these times, in seconds since 1970.
    Paths(PathBuf, Vec<(RawPath, i64)>),
}

/// A base's tree, and what is known of its times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BaseDating {
    pub(crate) tree: PathBuf,
    /// When its unpacking began, by the clock of its file system.
    pub(crate) since: Moment,
    /// When the base says that it was made.
    pub(crate) created: Option<Moment>,
    /// The newest time in it, if that is known already.
    pub(crate) newest: Option<Moment>,
}

/// Performs the task. Returns the newest time that was found; `None` if the tree is empty or the task sets times.
pub(super) fn perform(dating: &Dating) -> io::Result<Option<Moment>> {
    match dating {
        Dating::Newest(folder) => {
            let mut newest = None;
            each(folder, &mut |path, moment, _| {
                newest = newest.max((path != folder).then_some(moment));
                Ok(())
            })?;
            Ok(newest)
        }
        Dating::Base(base) => date_base(base),
        Dating::Layer(tree, time) => {
            each(tree, &mut |path, moment, _| match moment == (*time, 0) {
                true => Ok(()),
                false => set(path, (*time, 0)),
            })?;
            Ok(None)
        }
        Dating::Paths(tree, paths) => {
            set_within(tree, paths.iter().map(|(path, time)| (path, (*time, 0)))).map(|()| None)
        }
    }
}

/// Performs the task, and writes the result as JSON to standard output, which the parent reads.
pub(super) fn answer(dating: &Dating) -> io::Result<()> {
    let found = perform(dating)?;
    io::stdout().write_all(&canonical_json(&found))
}

/// Files of a base keep the times that its layers record. A time after the base was made becomes the time at which it
/// was made. If that is not known, a time after the unpacking becomes the newest time before it. So does the time of a
/// folder that no layer has, which was made by unpacking.
fn date_base(base: &BaseDating) -> io::Result<Option<Moment>> {
    // A date in the future says nothing.
    let created = base.created.filter(|created| *created <= base.since);
    let (mut newest, mut later, mut unknown) = (None, Vec::new(), Vec::new());
    each(&base.tree, &mut |path, moment, is_folder| {
        match created {
            _ if is_folder && moment >= base.since => unknown.push(path.to_owned()),
            Some(created) if moment > created => {
                later.push(path.to_owned());
                newest = newest.max(Some(created));
            }
            None if moment >= base.since => later.push(path.to_owned()),
            _ => newest = newest.max(Some(moment)),
        }
        Ok(())
    })?;
    let newest = base.newest.or(newest).unwrap_or((0, 0));
    for path in later {
        set(&path, created.unwrap_or(newest))?;
    }
    for path in unknown {
        set(&path, newest)?;
    }
    Ok(Some(newest))
}

/// Shows `visit` a folder and everything in it, with its time and whether it is a folder. Files that vanish meanwhile
/// are left out.
fn each(top: &Path, show: &mut dyn FnMut(&Path, Moment, bool) -> io::Result<()>) -> io::Result<()> {
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
        show(&path, (metadata.mtime(), metadata.mtime_nsec()), metadata.is_dir())?;
    }
    Ok(())
}

/// Sets the times that the task asks for on paths of a container's root. A folder in which a place to mount on was made
/// gets its former time back.
pub(super) fn settle(container: &Container, made: &[PathBuf], root: &Path) -> io::Result<()> {
    let given: BTreeMap<RawPath, Moment> =
        container.times.iter().map(|(path, time)| (path.clone(), (*time, 0))).collect();
    let mut touched = BTreeMap::from([(RawPath::from(Path::new("")), (container.time, 0))]);
    touched.extend(made.iter().map(|path| (RawPath::from(&**path), (container.time, 0))));
    for folder in made.iter().filter_map(|path| path.parent()) {
        let path = RawPath::from(folder);
        if !touched.contains_key(&path) && !given.contains_key(&path) {
            // A folder of an overlay has the time that it has in the topmost tree with that folder.
            let mut below = container.lowers.iter().filter_map(|tree| tree.join(folder).symlink_metadata().ok());
            let below = below.find(Metadata::is_dir).map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
            touched.insert(path, below.unwrap_or((container.time, 0)));
        }
    }
    // Paths whose time was set already keep it.
    set_within(root, touched.iter().map(|(path, moment)| (path, *moment)))?;
    set_within(root, given.iter().map(|(path, moment)| (path, *moment)))
}

/// Sets the times of paths within a root, links on the way followed in there. What is not there has none.
fn set_within<'a>(root: &Path, paths: impl Iterator<Item = (&'a RawPath, Moment)>) -> io::Result<()> {
    let root = Root::open(root)?;
    let mut open: Option<(&Path, OwnedFd)> = None;
    for (path, moment) in paths {
        let path = path.as_path();
        let (Some(name), Some(folder)) = (path.file_name(), path.parent()) else {
            let top = root.open_inside(Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
            rustix::fs::utimensat(top, ".", &timestamps(moment), AtFlags::empty())?;
            continue;
        };
        if open.as_ref().is_none_or(|(known, _)| *known != folder) {
            let name = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            match root.open_inside(name, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(file) => open = Some((folder, file)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        let Some((_, folder)) = &open else { continue };
        match rustix::fs::utimensat(folder, name, &timestamps(moment), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {}
            set => set?,
        }
    }
    Ok(())
}

fn set(path: &Path, moment: Moment) -> io::Result<()> {
    Ok(rustix::fs::utimensat(CWD, path, &timestamps(moment), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn timestamps((seconds, nanoseconds): Moment) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(path: &Path) -> Moment {
        let metadata = path.symlink_metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    }

    /// A tree with files of these times, and one of now.
    fn tree(times: &[(&str, Moment)]) -> (tempfile::TempDir, BaseDating) {
        let folder = tempfile::tempdir().unwrap();
        let since = moment(folder.path());
        let tree = folder.path().join("fs");
        std::fs::create_dir_all(tree.join("implied")).unwrap();
        for (name, time) in times {
            std::fs::write(tree.join(name), "").unwrap();
            set(&tree.join(name), *time).unwrap();
        }
        (folder, BaseDating { tree, since, created: None, newest: None })
    }

    #[test]
    fn a_base_keeps_its_times_up_to_the_one_at_which_it_was_made() {
        let far = 4_000_000_000;
        let times =
            [("old", (-5, 0)), ("a", (1000, 7)), ("b", (2000, 500)), ("later", (3000, 0)), ("future", (far, 0))];
        let dated = |created| {
            let (folder, base) = tree(&times);
            let newest = date_base(&BaseDating { created, ..base.clone() }).unwrap().unwrap();
            let seen = |name: &str| moment(&base.tree.join(name));
            let shown = (newest, ["a", "b", "later", "future", "implied", ""].map(seen));
            assert_eq!(seen("old"), (-5, 0));
            drop(folder);
            shown
        };
        let created = (2000, 600);
        assert_eq!(dated(Some(created)), (created, [(1000, 7), (2000, 500), created, created, created, created]));
        let newest = (3000, 0);
        for unknown in [None, Some((far, 0))] {
            assert_eq!(dated(unknown), (newest, [(1000, 7), (2000, 500), newest, newest, newest, newest]));
        }
    }

    #[test]
    fn one_time_for_all_or_for_paths() {
        let (_folder, base) = tree(&[("a", (1, 2))]);
        std::os::unix::fs::symlink("nowhere", base.tree.join("implied/link")).unwrap();
        perform(&Dating::Layer(base.tree.clone(), 77)).unwrap();
        for name in ["", "a", "implied", "implied/link"] {
            assert_eq!(moment(&base.tree.join(name)), (77, 0), "{name}");
        }
        let path = |name: &str| RawPath(name.into());
        let paths = [("", 1), ("a", 2), ("implied/link", 3), ("none", 4), ("a/none", 5), ("none/none", 6)];
        let paths = paths.map(|(name, time)| (path(name), time)).to_vec();
        perform(&Dating::Paths(base.tree.clone(), paths)).unwrap();
        for (name, time) in [("", 1), ("a", 2), ("implied", 77), ("implied/link", 3)] {
            assert_eq!(moment(&base.tree.join(name)), (time, 0), "{name}");
        }
        assert_eq!(perform(&Dating::Newest(base.tree.join("implied"))).unwrap(), Some((3, 0)));
        assert_eq!(perform(&Dating::Newest(base.tree)).unwrap(), Some((77, 0)));
        assert_eq!(perform(&Dating::Newest(tempfile::tempdir().unwrap().path().into())).unwrap(), None);
    }
}
