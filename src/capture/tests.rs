//! Tests with upper folders that are made by hand, as the kernel makes them in a user namespace. No privileges are
//! needed for that.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::*;
use crate::as_root::is_root_or_was;

const EPOCH: i64 = 1_000_000_000;
/// The time of the layer below the next step.
const SHOWN: i64 = 1_000_000_003;

/// Two lower trees, an upper folder, and the fields of the request for them.
struct Lab {
    folder: tempfile::TempDir,
    made: Vec<PathBuf>,
    secrets: Vec<(String, Vec<u8>)>,
    times: Vec<(RawPath, i64)>,
    has_noted_owners: bool,
    copied: Option<(i64, i64)>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["upper", "high", "low"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        Self { folder, made: Vec::new(), secrets: Vec::new(), times: Vec::new(), has_noted_owners: false, copied: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, and its folders. All of them get one time.
    fn file(&self, path: &str, content: &str, seconds: i64) {
        let whole = self.path(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(&whole, content).unwrap();
        std::fs::set_permissions(&whole, PermissionsExt::from_mode(0o644)).unwrap();
        self.time(path, seconds);
    }

    fn time(&self, path: &str, seconds: i64) {
        let time = Timespec { tv_sec: seconds, tv_nsec: 7 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, self.path(path), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn time_of(&self, path: &str) -> (i64, i64) {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.path(path).symlink_metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    }

    fn folder(&self, path: &str) {
        std::fs::create_dir_all(self.path(path)).unwrap();
        std::fs::set_permissions(self.path(path), PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn delete(&self, path: &str) {
        rustix::fs::mknodat(CWD, self.path(path), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }

    fn attribute(&self, path: &str, name: &str, value: &[u8]) {
        rustix::fs::lsetxattr(self.path(path), name, value, XattrFlags::empty()).unwrap();
    }

    fn capture(&self) -> Result<Option<Vec<u8>>, CaptureError> {
        let upper = self.path("upper");
        let metadata = upper.metadata().unwrap();
        use std::os::unix::fs::MetadataExt;
        let request = CaptureRequest {
            upper: &upper,
            copied: self.copied,
            lowers: &[self.path("high"), self.path("low")],
            root: (0o755, metadata.uid(), metadata.gid()),
            made: &self.made,
            epoch: EPOCH,
            shown: SHOWN,
            times: &self.times,
            is_namespaced: true,
            has_noted_owners: self.has_noted_owners,
            secrets: &self.secrets,
        };
        let mut tar = Vec::new();
        Ok(capture(&request, &mut tar)?.then_some(tar))
    }

    /// The entries of the layer.
    fn listing(&self) -> Vec<String> {
        let tar = self.capture().unwrap().unwrap_or_default();
        let mut archive = tar::Archive::new(&tar[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let attributes: Vec<String> = entry
                .pax_extensions()
                .unwrap()
                .into_iter()
                .flatten()
                .map(|record| {
                    let record = record.unwrap();
                    format!(" {}={}", record.key().unwrap(), record.value().unwrap())
                })
                .collect();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let link = header.link_name().unwrap().map(|link| format!(" to {}", link.display()));
            format!(
                "{} {:?} {:o} {}{}{}{}",
                entry.path().unwrap().display(),
                header.entry_type(),
                header.mode().unwrap(),
                header.mtime().unwrap(),
                link.unwrap_or_default(),
                if content.is_empty() { content } else { format!(" {content}") },
                attributes.concat(),
            )
        });
        entries.collect()
    }

    /// Makes the upper folder a copy of the low tree.
    fn copy(&mut self) {
        use std::os::unix::fs::MetadataExt;
        let mut copy = std::process::Command::new("cp");
        assert!(copy.arg("-a").arg(self.path("low/.")).arg(self.path("upper")).status().unwrap().success());
        // Wait until the file system's clock has gone on.
        let now = || {
            std::fs::set_permissions(self.path("upper"), PermissionsExt::from_mode(0o755)).unwrap();
            let metadata = self.path("upper").metadata().unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        let wait_from = |start| {
            while now() == start {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        };
        wait_from(now());
        let whole = now();
        wait_from(whole);
        self.copied = Some(whole);
    }

    fn error(&self) -> String {
        self.capture().unwrap_err().to_string()
    }

    fn upper(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path("upper"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn changes_are_entries() {
    let lab = Lab::new();
    lab.file("low/d/gone", "x", 5);
    lab.file("low/hidden/x", "x", 5);
    lab.file("high/other", "x", 5);
    lab.file("upper/d/new", "n", 2_000_000_000);
    lab.file("upper/a-b", "old", 999);
    lab.file("upper/a/b", "1", 5);
    lab.file("upper/hidden/y", "y", 5);
    lab.attribute("upper/hidden", "user.overlay.opaque", b"y");
    lab.attribute("upper/a", "user.overlay.opaque", b"y");
    lab.delete("upper/d/gone");
    lab.delete("upper/other");
    std::fs::hard_link(lab.path("upper/d/new"), lab.path("upper/a/new")).unwrap();
    symlink("a/b", lab.path("upper/link")).unwrap();
    lab.time("upper/link", 6);
    rustix::fs::mknodat(CWD, lab.path("upper/fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    std::fs::set_permissions(lab.path("upper/a-b"), PermissionsExt::from_mode(0o6755)).unwrap();
    lab.attribute("upper/a-b", "user.note", b"1");
    lab.attribute("upper/a-b", "user.overlay.impure", b"y");
    let _socket = UnixListener::bind(lab.path("upper/socket")).unwrap();
    for folder in ["upper/a", "upper/d", "upper/hidden"] {
        std::fs::set_permissions(lab.path(folder), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let expected = [
        ".wh.other Regular 0 1000000000",
        "a/ Directory 755 1000000000",
        "a/b Regular 644 5 1",
        "a/new Regular 644 1000000000 n",
        "a-b Regular 6755 999 old SCHILY.xattr.user.note=1",
        "d/ Directory 755 1000000000",
        "d/.wh.gone Regular 0 1000000000",
        "d/new Link 644 1000000000 to a/new",
        "fifo Fifo 600 1000000000",
        "hidden/ Directory 755 1000000000",
        "hidden/.wh..wh..opq Regular 0 1000000000",
        "hidden/y Regular 644 5 y",
        "link Symlink 777 6 to a/b",
    ];
    assert_eq!(lab.listing(), expected);
    // The folder is now the layer, and everything in it has the time of the layer.
    assert_eq!(lab.upper(), ["a", "a-b", "d", "fifo", "hidden", "link", "other"]);
    for path in ["upper/a", "upper/a-b", "upper/d", "upper/fifo", "upper/hidden", "upper/hidden/y", "upper/link"] {
        assert_eq!(lab.time_of(path), (SHOWN, 0), "{path}");
    }
}

#[test]
fn what_is_as_it_was_is_no_entry() {
    if !is_root_or_was("capture::tests::what_is_as_it_was_is_no_entry") {
        return;
    }
    let mut lab = Lab::new();
    lab.file("low/d/same", "same", 5);
    lab.file("high/d/x", "x", 5);
    symlink("x", lab.path("high/d/link")).unwrap();
    lab.time("high/d/link", 5);
    lab.file("upper/d/same", "same", 5);
    symlink("x", lab.path("upper/d/link")).unwrap();
    lab.time("upper/d/link", 5);
    lab.delete("upper/never");
    lab.folder("upper/made/below");
    lab.file("upper/made/file", "", 9);
    lab.made = ["made", "made/below", "made/file"].map(PathBuf::from).to_vec();
    for folder in ["high/d", "low/d", "upper/d", "upper/made"] {
        std::fs::set_permissions(lab.path(folder), PermissionsExt::from_mode(0o755)).unwrap();
    }
    assert_eq!(lab.capture().unwrap(), None);
    assert_eq!(lab.upper(), Vec::<String>::new());
}

#[test]
fn what_was_made_is_an_entry_once_it_is_changed() {
    let mut lab = Lab::new();
    lab.folder("upper/made");
    lab.file("upper/start/result", "r", 5);
    lab.folder("upper/start");
    std::fs::set_permissions(lab.path("upper/made"), PermissionsExt::from_mode(0o700)).unwrap();
    lab.made = ["made", "start"].map(PathBuf::from).to_vec();
    let expected =
        ["made/ Directory 700 1000000000", "start/ Directory 755 1000000000", "start/result Regular 644 5 r"];
    assert_eq!(lab.listing(), expected);
}

#[test]
fn a_time_alone_is_no_change() {
    let mut lab = Lab::new();
    lab.file("low/d/f", "content", 5);
    symlink("f", lab.path("low/d/link")).unwrap();
    lab.time("low/d/link", 5);
    lab.file("upper/d/f", "content", 6);
    symlink("f", lab.path("upper/d/link")).unwrap();
    lab.file("low/d/other", "content", 5);
    lab.file("upper/d/other", "CONTENT", 7);
    // A path whose time was set before the step is no older in the layer because of that.
    lab.times = vec![(RawPath(b"d/other".into()), 7)];
    let listing = lab.listing();
    assert_eq!(listing.len(), 2, "{listing:?}");
    assert!(listing[0].starts_with("d/ ") && listing[1] == "d/other Regular 644 1000000000 CONTENT", "{listing:?}");
    let mut lab = Lab::new();
    for path in ["low/d/f", "low/d/g"] {
        lab.file(path, "content", 5);
    }
    lab.copy();
    lab.time("upper/d/f", 6);
    lab.time("upper/d", 6);
    assert_eq!(lab.listing(), Vec::<String>::new());
    // The copy is the tree below the next step, where these paths keep their times.
    for path in ["d/f", "d/g", "d"] {
        assert_eq!(lab.time_of(&format!("upper/{path}")), lab.time_of(&format!("low/{path}")), "{path}");
    }
}

#[test]
fn a_change_of_anything_is_a_change() {
    let changes: [&dyn Fn(&Lab); 5] = [
        &|lab| lab.file("upper/f", "CONTENT", 5),
        &|lab| std::fs::set_permissions(lab.path("upper/f"), PermissionsExt::from_mode(0o600)).unwrap(),
        &|lab| lab.attribute("upper/f", "user.a", b"1"),
        &|lab| {
            std::fs::remove_file(lab.path("upper/f")).unwrap();
            symlink("f", lab.path("upper/f")).unwrap();
        },
        // A whiteout in between hides the file of the low tree.
        &|lab| lab.delete("high/f"),
    ];
    for (number, change) in changes.iter().enumerate() {
        let lab = Lab::new();
        lab.file("low/f", "content", 5);
        lab.file("upper/f", "content", 5);
        change(&lab);
        assert_eq!(lab.listing().len(), 1, "{number}");
    }
    let lab = Lab::new();
    std::fs::set_permissions(lab.path("upper"), PermissionsExt::from_mode(0o711)).unwrap();
    assert_eq!(lab.listing(), ["./ Directory 711 1000000000"]);
}

#[test]
fn what_no_layer_may_hold() {
    let lab = Lab::new();
    lab.file("upper/d/.wh.x", "", 5);
    assert_eq!(lab.error(), "the step left `/d/.wh.x`, a name that in a layer stands for a deletion");

    let secret = "s3cret-value";
    let holders: [&dyn Fn(&Lab); 4] = [
        &|lab| lab.file("upper/f", &format!("{}{secret}", "x".repeat(CHUNK - 3)), 5),
        &|lab| lab.file("upper/f", secret, 5),
        &|lab| symlink(format!("to-{secret}"), lab.path("upper/f")).unwrap(),
        &|lab| {
            lab.file("upper/f", "", 5);
            lab.attribute("upper/f", "user.a", secret.as_bytes());
        },
    ];
    for holds in holders {
        let mut lab = Lab::new();
        lab.secrets = vec![("OTHER".to_owned(), b"other".to_vec()), ("TOKEN".to_owned(), secret.into())];
        holds(&lab);
        assert_eq!(lab.error(), "the step left the secret `TOKEN` in `/f`");
    }
    let mut lab = Lab::new();
    lab.secrets = vec![("TOKEN".to_owned(), secret.into())];
    lab.file(&format!("upper/{secret}"), "", 5);
    let error = lab.error();
    assert!(error.contains("TOKEN") && !error.contains(secret), "{error}");
}

#[test]
fn a_noted_owner_is_the_owner_or_an_error() {
    let mut lab = Lab::new();
    lab.has_noted_owners = true;
    lab.file("low/f", "1", 5);
    lab.attribute("low/f", "user.rootlesscontainers", &[0x08, 42, 0x10, 43]);
    lab.file("upper/f", "2", 5);
    assert_eq!(lab.error(), "the step wrote `/f` anew, and its owner 42:43 stands for no ID of this machine");
    lab.attribute("upper/f", "user.rootlesscontainers", &[0x08, 42, 0x10, 43]);
    let tar = lab.capture().unwrap().unwrap();
    let mut archive = tar::Archive::new(&tar[..]);
    let mut entries = archive.entries().unwrap();
    let header = entries.next().unwrap().unwrap().header().clone();
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (42, 43));

    lab.folder("upper/group");
    lab.attribute("upper/group", "user.rootlesscontainers", &[0x10, 50]);
    lab.file("upper/group/new", "", 5);
    assert!(lab.capture().is_ok());
    std::fs::set_permissions(lab.path("upper/group"), PermissionsExt::from_mode(0o2755)).unwrap();
    assert!(lab.error().contains("0:50"), "{}", lab.error());
}

#[test]
fn a_copy_is_compared() {
    if !is_root_or_was("capture::tests::a_copy_is_compared") {
        return;
    }
    let mut lab = Lab::new();
    for path in ["same", "gone", "changed", "folder/same", "folder/gone", "moved/a", "moved/b", "hidden/a", "place/a"] {
        lab.file(&format!("low/{path}"), path, 5);
    }
    lab.copy();
    assert_eq!(lab.listing(), Vec::<String>::new());
    for path in ["upper/gone", "upper/folder/gone"] {
        std::fs::remove_file(lab.path(path)).unwrap();
    }
    lab.file("upper/changed", "CHANGED", 5);
    std::fs::remove_dir_all(lab.path("upper/hidden")).unwrap();
    lab.file("upper/hidden/a", "hidden/a", 5);
    // The new `place/a` has the name, size and time of the file that was there before.
    std::fs::remove_dir_all(lab.path("upper/place")).unwrap();
    std::fs::rename(lab.path("upper/moved"), lab.path("upper/place")).unwrap();
    lab.folder("upper/made");
    lab.made = vec!["made".into()];
    let _socket = UnixListener::bind(lab.path("upper/socket")).unwrap();
    for path in ["upper/folder", "upper/hidden", "upper/place", "upper/made"] {
        lab.time(path, 6);
    }
    let listing = lab.listing();
    assert_eq!(
        listing,
        [
            ".wh.gone Regular 0 1000000000",
            ".wh.moved Regular 0 1000000000",
            "changed Regular 644 5 CHANGED",
            "folder/ Directory 755 6",
            "folder/.wh.gone Regular 0 1000000000",
            "hidden/ Directory 755 6",
            "hidden/.wh..wh..opq Regular 0 1000000000",
            "hidden/a Regular 644 5 hidden/a",
            "place/ Directory 755 6",
            "place/a Regular 644 5 moved/a",
            "place/b Regular 644 5 moved/b",
        ]
    );
    // What is left is the whole image.
    assert_eq!(lab.upper(), ["changed", "folder", "hidden", "place", "same"]);
}

#[test]
fn how_it_is_told() {
    let path = || "/x".to_owned();
    let errors = [
        CaptureError::ReservedName { path: path() },
        CaptureError::Secret { secret: "TOKEN".to_owned(), path: path() },
        CaptureError::LostOwner { path: path(), user: 42, group: 43 },
        CaptureError::Failed { verb: "read".to_owned(), path: path(), reason: "too long".to_owned() },
    ];
    let text: Vec<String> = errors.iter().map(|error| crate::diagnostic::rendered(error)).collect();
    insta::assert_snapshot!(text.join("\n\n"));
}
