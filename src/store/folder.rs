//! The cache folder. `oci` makes it, marks it, and closes it to other users; a folder that is something else is
//! refused.
//!
//! ```text
//! CACHEDIR.TAG          tells backup programs that this is a cache
//! oci-cache             our mark: the version of the folder's form, and a checksum
//! ```
//!
//! A folder without the mark is adopted if it is at the default place and no symbolic link, or if it holds nothing but
//! our names. Below the cache folder only real folders are used: a symbolic link under one of our names is an error,
//! and never followed. The cache folder has mode 0700, so that everything in it was put there by its owner.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext as _, FileError, TEMPORARY_PREFIX, is_foreign, is_real_folder, parent, read_own, write_atomically,
};
use crate::store::Store;

/// The version of the folder's form. An `oci` of an earlier version refuses the folder of a later one.
const VERSION: u32 = 1;
const MARK: &str = "oci-cache";
/// The most bytes that are read of the mark, which is shorter.
const MARK_LIMIT: u64 = 256;

/// The name and the content that the cache directory tagging specification prescribes.
const TAG: (&str, &[u8]) = (
    "CACHEDIR.TAG",
    b"Signature: 8a477f597d28d172789f06886806bc55\n\
      # This file marks the cache folder of oci: backups may leave it out.\n\
      # See https://bford.info/cachedir/ for what it means.\n",
);

/// The folders that `oci` makes in the cache folder.
const FOLDERS: [&str; 9] = ["blobs", "records", "rootfs", "runs", "caches", "tool", "logs", "tmp", "locks"];

/// Folders that are never a cache.
const COMMON: [&str; 6] = ["/", "/tmp", "/var/tmp", "/dev/shm", "/root", "/home"];

/// A folder that file systems have from the start.
const NOBODYS: &str = "lost+found";

/// Why a folder cannot be the cache folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum OpenError {
    #[error("the cache folder's path, `{}`, has a colon in it", path.display())]
    #[diagnostic(
        code(oci::store::bad_path),
        help("skopeo and umoci end a path at a colon: set `[cache] dir` or `OCI_CACHE_DIR` to another folder")
    )]
    Colon { path: PathBuf },
    #[error("the cache folder's path, `{}`, is not UTF-8", path.display())]
    #[diagnostic(
        code(oci::store::bad_path),
        help("runc is told of it in JSON: set `[cache] dir` or `OCI_CACHE_DIR` to another folder")
    )]
    NotText { path: PathBuf },
    #[error("there is no folder to cache in: neither `OCI_CACHE_DIR`, `XDG_CACHE_HOME` nor `HOME` is set")]
    #[diagnostic(code(oci::store::no_folder), help("set `OCI_CACHE_DIR` to a folder that may be written"))]
    NoFolder,
    #[error("`{}` cannot be the cache folder: {reason}", path.display())]
    #[diagnostic(code(oci::store::unfit_folder))]
    Unfit {
        path: PathBuf,
        reason: String,
        #[help]
        help: String,
    },
    #[error("the cache folder `{}` was made by a newer `oci`: it is of version {version}, and this one knows version {VERSION}", path.display())]
    #[diagnostic(
        code(oci::store::newer_folder),
        help("update `oci`, or set `OCI_CACHE_DIR` to another folder for this one")
    )]
    Newer { path: PathBuf, version: u32 },
    #[error("`{}` in the cache folder was not made by `oci`: it is {kind}", path.display())]
    #[diagnostic(
        code(oci::store::foreign_name),
        help("nothing was read or written there; remove it, and `oci` makes its own")
    )]
    Foreign { path: PathBuf, kind: &'static str },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl OpenError {
    /// True if the path itself would do for a cache folder, and what lies there does not.
    pub(crate) fn is_about_what_is_there(&self) -> bool {
        matches!(self, Self::Unfit { .. } | Self::Newer { .. } | Self::Foreign { .. })
    }
}

/// What there is at the path of the cache folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    /// No cache folder yet; it may become one.
    Unmarked,
    Marked(Folders),
}

/// A cache folder; whether all our folders are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folders {
    There,
    Missing,
}

fn folders(root: &Path) -> impl Iterator<Item = PathBuf> {
    FOLDERS.iter().map(|name| root.join(name)).chain([root.join("blobs/sha256")])
}

/// Looks whether the folder is, or may become, a cache folder. Changes nothing.
pub(super) fn check(root: &Path) -> Result<(), OpenError> {
    judge(root).map(drop)
}

/// Makes the folder, marks it, closes it to other users, and makes the folders in it that are missing.
pub(super) fn prepare(root: &Path) -> Result<(), OpenError> {
    let mut state = judge(root)?;
    if state == State::Absent {
        crate::fs::create_folder(parent(root))?;
        make(root)?;
        // Another process may have made the folder meanwhile, or something else under its name.
        state = judge(root)?;
    }
    if narrow(root)? == Narrowed::Now {
        // The folder is now closed to others. What they put into it until now is checked, too.
        judge(root)?;
    }
    if let State::Unmarked | State::Marked(Folders::Missing) = state {
        for folder in folders(root) {
            make(&folder)?;
        }
    }
    if state == State::Unmarked {
        write_atomically(&root.join(TAG.0), TAG.1, 0o600)?;
        write_atomically(&root.join(MARK), mark(VERSION).as_bytes(), 0o600)?;
    }
    Ok(())
}

fn judge(root: &Path) -> Result<State, OpenError> {
    let unfit = |reason: String, help: String| Err(OpenError::Unfit { path: root.to_owned(), reason, help });
    let elsewhere = || "set `[cache] dir` or `OCI_CACHE_DIR` to another folder".to_owned();
    let found = match root.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
        found => found.context("look at", root)?,
    };
    if !found.is_dir() {
        return unfit("it is not a folder".to_owned(), elsewhere());
    }
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        let reason = format!("it belongs to the user with ID {}, and this `oci` runs with ID {user}", found.uid());
        return unfit(reason, "set `OCI_CACHE_DIR` to a folder of your own, or remove this one".to_owned());
    }
    if found.mode() & 0o002 != 0 && !is_fresh(root)? {
        let help = format!(
            "other users may have put things into it: remove it, or, to trust it, `chmod 700 {}`",
            quoted(root)
        );
        return unfit("every user can write to it".to_owned(), help);
    }
    let above = parent(root);
    if above.metadata().is_ok_and(|above| is_open(&above)) {
        let reason = format!("other users can write to `{}`, and so put another in its place", above.display());
        return unfit(reason, format!("run `chmod o-w {}`, or {}", quoted(above), elsewhere()));
    }
    match marked(root)? {
        Some(VERSION) => Ok(State::Marked(no_links(root)?)),
        Some(version) if version > VERSION => Err(OpenError::Newer { path: root.to_owned(), version }),
        _ => match stranger(root)? {
            Some(name) => {
                let reason = format!("it holds `{name}`, which `oci` did not make");
                let own = root.join("oci-cache");
                let own = own.display();
                unfit(reason, format!("let `[cache] dir` or `OCI_CACHE_DIR` name a folder of its own, such as `{own}`"))
            }
            None => no_links(root).map(|_| State::Unmarked),
        },
    }
}

/// True if the folder is empty, as a volume is that a container mounts for the cache.
fn is_fresh(root: &Path) -> Result<bool, FileError> {
    Ok(super::names_in(root)?.iter().all(|name| name == NOBODYS))
}

/// True if users other than the folder's owner can rename what is in it.
fn is_open(folder: &Metadata) -> bool {
    let is_of_another_group = folder.gid() != rustix::process::getegid().as_raw();
    let writable = folder.mode() & 0o002 != 0 || (folder.mode() & 0o020 != 0 && is_of_another_group);
    writable && folder.mode() & 0o1000 == 0
}

/// The version in a folder's mark; `None` if there is no mark, or a damaged one.
fn marked(root: &Path) -> Result<Option<u32>, OpenError> {
    let path = root.join(MARK);
    match read_own(&path, MARK_LIMIT) {
        Ok(bytes) => {
            let version = std::str::from_utf8(&bytes).ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
            Ok(version.filter(|version| mark(*version).as_bytes() == bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(None)
        }
        Err(error) if is_foreign(&error) => Err(foreign(path)),
        Err(error) => Err(FileError::new("read", &path, error).into()),
    }
}

fn mark(version: u32) -> String {
    let line = format!("{MARK} {version}");
    format!("{line} {}\n", blake3::hash(line.as_bytes()).to_hex())
}

/// The first name for which a folder without a mark cannot be adopted. `None` for the folder at the default place,
/// unless that is a link. A folder that others expect to be there, such as the home or `/tmp`, does not become a cache
/// folder, even if it is empty.
fn stranger(root: &Path) -> Result<Option<String>, FileError> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let places = COMMON.iter().map(PathBuf::from).chain([std::env::temp_dir()]).chain(home);
    if places.into_iter().any(|place| is_same(&place, root)) {
        return Ok(Some("your files".to_owned()));
    }
    if is_real_folder(root) && Store::usual_root().is_some_and(|usual| usual == root) {
        return Ok(None);
    }
    let is_ours = |name: &str| {
        FOLDERS.contains(&name) || [TAG.0, MARK, NOBODYS].contains(&name) || name.starts_with(TEMPORARY_PREFIX)
    };
    let mut names = super::names_in(root)?;
    names.sort_unstable();
    Ok(names.into_iter().find(|name| !is_ours(name)))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino()));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// On `Ok` every one of our names that is there is a real folder of ours.
fn no_links(root: &Path) -> Result<Folders, OpenError> {
    let user = rustix::process::geteuid().as_raw();
    let mut found = Folders::There;
    for path in folders(root) {
        match path.symlink_metadata() {
            Ok(metadata) if !metadata.is_dir() || metadata.uid() != user => return Err(foreign(path)),
            Ok(_) => {}
            Err(_) => found = Folders::Missing,
        }
    }
    let records = root.join("records");
    for kind in super::names_in(&records)? {
        let path = records.join(kind);
        if path.is_symlink() {
            return Err(foreign(path));
        }
    }
    Ok(found)
}

fn foreign(path: PathBuf) -> OpenError {
    let kind = match path.symlink_metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_symlink() => "a symbolic link",
        Ok(kind) if kind.is_dir() => "a folder of another user, or one in place of a file",
        Ok(kind) if kind.is_file() => "a file",
        _ => "neither a file nor a folder",
    };
    OpenError::Foreign { path, kind }
}

/// Makes a folder that only we may look into. One that is there already stays as it is.
fn make(folder: &Path) -> Result<(), FileError> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.context("create the folder", folder),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrowed {
    Before,
    Now,
}

/// Closes the folder to others. Where nothing can be written, it stays as it is.
fn narrow(root: &Path) -> Result<Narrowed, FileError> {
    let mode = root.metadata().context("look at", root)?.mode();
    if mode & 0o077 == 0 {
        return Ok(Narrowed::Before);
    }
    match std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700)) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(Narrowed::Before),
        narrowed => narrowed.map(|()| Narrowed::Now).context("close to other users", root),
    }
}

fn quoted(path: &Path) -> String {
    shell_words::quote(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn refused(root: &Path) -> String {
        let looked = Store::look(root).err().map(|error| error.to_string());
        let error = Store::open(root).unwrap_err().to_string();
        assert_eq!(looked.as_ref(), Some(&error), "looking refuses what working refuses");
        error.replace(&root.display().to_string(), "ROOT")
    }

    #[test]
    fn it_is_made_marked_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/b/cache");
        Store::look(&root).unwrap();
        assert!(!root.exists(), "looking makes nothing");
        Store::open(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
        assert!(
            std::fs::read(root.join("CACHEDIR.TAG"))
                .unwrap()
                .starts_with(b"Signature: 8a477f597d28d172789f06886806bc55")
        );
        assert_eq!(judge(&root).unwrap(), State::Marked(Folders::There));
        std::fs::remove_dir_all(root.join("logs")).unwrap();
        Store::open(&root).unwrap();
        assert!(root.join("logs").is_dir());
        // In a folder that is marked, files beside our names are left alone.
        std::fs::write(root.join("tmp/thesis"), "").unwrap();
        std::fs::write(root.join("note"), "").unwrap();
        Store::open(&root).unwrap();
        assert!(root.join("tmp/thesis").exists() && root.join("note").exists());
    }

    #[test]
    fn one_of_before_is_adopted_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        for name in ["blobs/sha256", "tmp", "records/layer", "lost+found"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        Store::open(&root).unwrap();
        assert_eq!((judge(&root).unwrap(), mode(&root)), (State::Marked(Folders::There), 0o700));
        // A damaged mark is made again.
        for damage in ["", "oci-cache 3", "oci-cache 3 0000\n", &"x".repeat(1000)] {
            std::fs::write(root.join(MARK), damage).unwrap();
            Store::open(&root).unwrap();
            assert_eq!(std::fs::read_to_string(root.join(MARK)).unwrap(), mark(VERSION));
        }
    }

    #[test]
    fn what_holds_anything_else_is_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        std::fs::create_dir_all(root.join("tmp/thesis")).unwrap();
        std::fs::write(root.join("oci.toml"), "").unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(refused(&root), "`ROOT` cannot be the cache folder: it holds `oci.toml`, which `oci` did not make");
        assert!(root.join("tmp/thesis").exists() && mode(&root) == 0o755);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 2);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(refused(&folder.path().join("file")), "`ROOT` cannot be the cache folder: it is not a folder");
        assert!(refused(Path::new("/")).contains("cannot be the cache folder"));
        assert!(refused(&std::env::temp_dir()).contains("cannot be the cache folder"));
    }

    #[test]
    fn what_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        Store::open(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refused(&root), "`ROOT` cannot be the cache folder: every user can write to it");
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o700)).unwrap();
        // An empty folder was mounted for us, as a volume or a tmpfs is.
        let fresh = folder.path().join("fresh");
        std::fs::create_dir_all(fresh.join("lost+found")).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o1777)).unwrap();
        Store::open(&fresh).unwrap();
        assert_eq!(mode(&fresh), 0o700);
        for (mode, is_fit) in [(0o777, false), (0o1777, true), (0o775, true), (0o702, false), (0o755, true)] {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Store::open(&root).is_ok(), is_fit, "{mode:o}");
        }
    }

    #[test]
    fn that_of_another_user_is_refused_for_root_too() {
        let name = "store::folder::tests::that_of_another_user_is_refused_for_root_too";
        if !crate::as_root::is_root_or_was(name) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::chown(&root, Some(12345), None).unwrap();
        assert!(refused(&root).contains("it belongs to the user with ID 12345"));
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn a_newer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        Store::open(&root).unwrap();
        std::fs::write(root.join(MARK), mark(2)).unwrap();
        assert!(refused(&root).contains("it is of version 2, and this one knows version 1"));
    }

    #[test]
    fn no_name_is_reached_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        for name in FOLDERS.into_iter().chain(["blobs/sha256", "records/layer", MARK]) {
            let root = folder.path().join("cache");
            Store::open(&root).unwrap();
            std::fs::create_dir_all(precious.join(".oci-tmp-x")).unwrap();
            let path = root.join(name);
            match path.is_file() {
                true => std::fs::remove_file(&path).unwrap(),
                false if path.exists() => std::fs::remove_dir_all(&path).unwrap(),
                false => {}
            }
            symlink(&precious, &path).unwrap();
            assert_eq!(
                refused(&root),
                format!("`ROOT/{name}` in the cache folder was not made by `oci`: it is a symbolic link")
            );
            assert_eq!(std::fs::read_dir(&precious).unwrap().count(), 1);
            std::fs::remove_dir_all(&root).unwrap();
        }
        // The cache folder itself may lie behind a link, which its owner made.
        std::fs::create_dir(folder.path().join("large-disk")).unwrap();
        symlink("large-disk", folder.path().join("cache")).unwrap();
        Store::open(&folder.path().join("cache")).unwrap();
    }

    #[test]
    fn many_make_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let root = folder.path().join(format!("{round}/cache"));
            std::thread::scope(|scope| {
                let opened: Vec<_> = (0..10).map(|_| scope.spawn(|| Store::open(&root).map(drop))).collect();
                for opened in opened {
                    opened.join().unwrap().unwrap();
                }
            });
            assert_eq!(std::fs::read_dir(&root).unwrap().count(), FOLDERS.len() + 2);
        }
    }
}
