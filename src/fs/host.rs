//! Finds a path of the manifest on this machine, and refuses links that lead out of the project.
//!
//! A path may lead out by its own text: `../shared` and `/opt/tool` are plain to see in the manifest. A symbolic link
//! on the way is not, and a checkout may hold any link. So a link in the project has to lead to something in the
//! project, unless the caller allows links that leave.
//!
//! The path is walked by descriptor, one name after the other. So the file that is found is the one that was checked,
//! even if a folder is swapped for a link meanwhile.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::sanitize;

/// How many links are followed one after the other: as many as the kernel follows.
pub(crate) const MOST_LINKS: usize = 40;

/// Where symbolic links may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// A link in the project leads to something in the project, or is refused.
    StayInside,
    /// A link may lead anywhere.
    MayLeave,
}

/// What is done with a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastLink {
    Follow,
    /// The link itself is found.
    Keep,
}

/// A file, a folder or anything else on this machine.
#[derive(Debug)]
pub(crate) struct HostEntry {
    /// The folder itself, or for anything else the folder that it is in. Opened with `O_PATH`: it cannot be read,
    /// but further paths can start there.
    pub(crate) folder: OwnedFd,
    pub(crate) stat: Stat,
    /// Where it points to, if it is a link.
    pub(crate) target: Option<Vec<u8>>,
    /// Where it is in the project's folder, without any link; `None` outside.
    pub(crate) inside: Option<PathBuf>,
}

/// Why a path leads to nothing.
#[derive(Debug)]
pub(crate) enum Lost {
    /// `link` is in the project, and leads out of it.
    Leaves(LeavesProject),
    /// The kernel's reason.
    Refused(Errno),
}

/// A symbolic link of the project that leads out of it. Both paths are safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the symbolic link `{link}` leads out of the project: it points to `{target}`")]
pub(crate) struct LeavesProject {
    pub(crate) link: String,
    pub(crate) target: String,
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl HostEntry {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Finds `path`, relative to the folder `project`, or absolute.
///
/// The project's folder itself may be reached by links.
pub(crate) fn find(project: &Path, path: &Path, last: LastLink, links: Links) -> Result<HostEntry, Lost> {
    let root = open(project, FOLDER, Mode::empty())?;
    let id = identity(&fstat(&root)?);
    let mut walk =
        Walk { root: id, inside: vec![(Vec::new(), root)], outside: None, rest: Vec::new(), open_links: Vec::new() };
    walk.push(path.as_os_str().as_bytes())?;
    let mut followed = 0;
    loop {
        walk.close_links(links)?;
        let Some(name) = walk.rest.pop() else { break };
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                walk.up()?;
                continue;
            }
            _ => {}
        }
        // Only folders are opened: a file can be looked at without opening it.
        let stat = statat(walk.here(), &name[..], AtFlags::SYMLINK_NOFOLLOW)?;
        let is_last = walk.rest.iter().all(|name| matches!(&name[..], b"" | b"."));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink if !is_last || last == LastLink::Follow => {
                followed += 1;
                if followed > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = readlinkat(walk.here(), &name[..], Vec::new())?.into_bytes();
                walk.open_link(&name, &target);
                walk.push(&target)?;
            }
            FileType::Directory => {
                let folder = openat(walk.here(), &name[..], FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
                walk.enter(name, folder)?;
            }
            kind if is_last => {
                walk.rest.clear();
                walk.close_links(links)?;
                let target = match kind {
                    FileType::Symlink => Some(readlinkat(walk.here(), &name[..], Vec::new())?.into_bytes()),
                    _ => None,
                };
                let inside = walk.path(Some(&name));
                let folder = walk.into_here().ok_or(Errno::NOENT)?;
                return Ok(HostEntry { folder, stat, target, inside });
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    let inside = walk.path(None);
    let folder = walk.into_here().ok_or(Errno::NOENT)?;
    let stat = fstat(&folder)?;
    Ok(HostEntry { folder, stat, target: None, inside })
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A path that is being walked.
struct Walk {
    /// Device and inode of the project's folder, to notice when the path comes back to it.
    root: (u64, u64),
    /// The folders from the project's folder, whose name is empty here, to the one that was reached; none while the
    /// path is outside the project.
    inside: Vec<(Vec<u8>, OwnedFd)>,
    /// The folder that was reached, while the path is outside the project.
    outside: Option<OwnedFd>,
    /// The names that are left, last first.
    rest: Vec<Vec<u8>>,
    /// Links in the project whose targets are not walked to their end yet: how many names will be left when they are.
    open_links: Vec<(usize, LeavesProject)>,
}

impl Walk {
    /// The folder that was reached.
    fn here(&self) -> BorrowedFd<'_> {
        let inside = self.inside.last().map(|(_, folder)| folder.as_fd());
        inside.or(self.outside.as_ref().map(AsFd::as_fd)).unwrap_or(CWD)
    }

    fn into_here(mut self) -> Option<OwnedFd> {
        self.inside.pop().map(|(_, folder)| folder).or(self.outside)
    }

    /// The path of the folder that was reached, or of a name in it, if that is in the project.
    fn path(&self, name: Option<&[u8]>) -> Option<PathBuf> {
        let folders = self.inside.iter().map(|(name, _)| &name[..]);
        let path = folders.chain(name).map(OsStr::from_bytes).collect();
        (!self.inside.is_empty()).then_some(path)
    }

    /// Puts the names of a path before those that are left.
    fn push(&mut self, path: &[u8]) -> Result<(), Errno> {
        if path.starts_with(b"/") {
            let top = open("/", FOLDER, Mode::empty())?;
            self.leave(top)?;
        }
        self.rest.extend(path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
        Ok(())
    }

    fn up(&mut self) -> Result<(), Errno> {
        if self.inside.len() > 1 {
            self.inside.pop();
            return Ok(());
        }
        let above = openat(self.here(), c"..", FOLDER, Mode::empty())?;
        self.leave(above)
    }

    fn enter(&mut self, name: Vec<u8>, folder: OwnedFd) -> Result<(), Errno> {
        if self.inside.is_empty() {
            return self.leave(folder);
        }
        self.inside.push((name, folder));
        Ok(())
    }

    /// Goes to a folder outside, which may turn out to be the project's own folder.
    fn leave(&mut self, folder: OwnedFd) -> Result<(), Errno> {
        self.inside.clear();
        if identity(&fstat(&folder)?) == self.root {
            self.inside.push((Vec::new(), folder));
        } else {
            self.outside = Some(folder);
        }
        Ok(())
    }

    /// Remembers a link that is about to be followed, if it is in the project.
    fn open_link(&mut self, name: &[u8], target: &[u8]) {
        if let Some(path) = self.path(Some(name)) {
            let shown = |bytes: &[u8]| sanitize::name(&String::from_utf8_lossy(bytes));
            let link = LeavesProject { link: shown(path.as_os_str().as_bytes()), target: shown(target) };
            self.open_links.push((self.rest.len(), link));
        }
    }

    /// Judges the links whose targets were reached.
    fn close_links(&mut self, links: Links) -> Result<(), Lost> {
        while let Some((_, link)) = self.open_links.pop_if(|(length, _)| self.rest.len() <= *length) {
            if self.inside.is_empty() && links == Links::StayInside {
                return Err(Lost::Leaves(link));
            }
        }
        Ok(())
    }
}

#[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between architectures")]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// A folder with a project in it, and files outside the project.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["project/a/b", "outside/c"] {
            std::fs::create_dir_all(at(path)).unwrap();
            std::fs::write(at(path).join("file"), path).unwrap();
        }
        symlink(at("project"), at("alias")).unwrap();
        for (link, target) in [
            ("b", "a/b"),
            ("a/up", ".."),
            ("a/b/round", "../../../project/a"),
            ("aliased", "../alias/a/b"),
            ("out", "../outside"),
            ("etc", "/etc"),
            ("second", "out"),
            ("a/far", "../../outside/c/file"),
            ("loop", "loop/x"),
            ("gone", "../nothing"),
        ] {
            symlink(target, at("project").join(link)).unwrap();
        }
        symlink(at("project/a"), at("project/absolute")).unwrap();
        folder
    }

    #[test]
    fn links_may_lead_anywhere_in_the_project() {
        let folder = folder();
        for project in ["project", "alias"] {
            let project = folder.path().join(project);
            for path in [
                "a/b/file",
                "./a//b/../b/file",
                "b/file",
                "b/round/up/b/file",
                "aliased/file",
                "absolute/b/file",
                "a/up/absolute/b/file",
                "../project/b/file",
                "../alias/b/file",
                "a/b",
                "b",
                "",
                ".",
                "../outside/c/file",
            ] {
                let found = find(&project, Path::new(path), LastLink::Follow, Links::StayInside).unwrap();
                let expected = project.join(path).metadata().unwrap();
                assert_eq!(identity(&found.stat), (expected.dev(), expected.ino()), "{path}");
                let real = std::fs::canonicalize(project.join(path)).unwrap();
                let inside = real.strip_prefix(folder.path().canonicalize().unwrap().join("project"));
                assert_eq!(found.inside.as_deref(), inside.ok(), "{path}");
            }
            let absolute = project.join("b/file");
            assert!(find(&project, &absolute, LastLink::Keep, Links::StayInside).is_ok());
        }
    }

    #[test]
    fn no_link_leads_out() {
        let folder = folder();
        let project = folder.path().join("project");
        let absolute = project.join("second/c");
        for (path, link) in [
            ("out/c/file", "out"),
            ("out", "out"),
            ("etc/passwd", "etc"),
            ("second/c/file", "out"),
            ("a/up/out/c", "out"),
            ("a/b/../far", "a/far"),
            ("out/../project/a", "out"),
            ("../project/out/c", "out"),
            (absolute.to_str().unwrap(), "out"),
        ] {
            let lost = find(&project, Path::new(path), LastLink::Follow, Links::StayInside).unwrap_err();
            let Lost::Leaves(leaves) = lost else { panic!("{path}: {lost:?}") };
            assert_eq!(leaves.link, link, "{path}");
            assert!(find(&project, Path::new(path), LastLink::Follow, Links::MayLeave).is_ok(), "{path}");
        }
        // Only the link is in the project.
        let kept = find(&project, Path::new("out"), LastLink::Keep, Links::StayInside).unwrap();
        assert_eq!(kept.kind(), FileType::Symlink);
        assert!(find(&project, Path::new("out/c"), LastLink::Keep, Links::StayInside).is_err());
    }

    #[test]
    fn the_kernel_s_reasons_stay() {
        let folder = folder();
        let project = folder.path().join("project");
        for (path, expected) in
            [("nothing", Errno::NOENT), ("gone", Errno::NOENT), ("a/b/file/x", Errno::NOTDIR), ("loop", Errno::LOOP)]
        {
            let lost = find(&project, Path::new(path), LastLink::Follow, Links::StayInside).unwrap_err();
            assert!(matches!(lost, Lost::Refused(errno) if errno == expected), "{path}: {lost:?}");
        }
    }
}
