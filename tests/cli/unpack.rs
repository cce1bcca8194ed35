//! Other tools unpack what was built to exactly what went in: on overlay storage and on plain copies, on
//! bases whose `/bin` is a folder and whose `/bin` is a link.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::support::images::{self, Base};
use crate::support::podman::Storage;
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext, forms};

/// When everything that was packed is from.
const EPOCH: i64 = 1_700_000_000;

/// A base, and builds on it with a package of every form, one for each compression.
fn every_form(registry: &Registry, base: Base) -> TestContext {
    images::push(registry, base, "library/base", "latest");
    let context = TestContext::new();
    let tables = format!("[base.base]\nrepository = \"{}\"\ntag = \"latest\"\n", registry.repository("library/base"));
    let platform = format!("base = \"base\"\nplatforms = [\"linux/{}\"]\n", images::architecture());
    let keys = ["gzip", "zstd", "none"].map(|name| (name, format!("{platform}compression = \"{name}\"")));
    forms::write_manifest(&context, &tables, &keys.each_ref().map(|(name, keys)| (*name, keys.as_str())));
    forms::write_files(&context);
    context.run(["build", "--complete"]).success();
    context
}

/// All that is in a root filesystem, a line each, whatever the machine's architecture. What the packages put there is told in full; of the base
/// what a package could have changed.
fn listing(root: &Path) -> String {
    let mut paths = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                pending.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort_by_key(|path| path.as_os_str().as_bytes().to_vec());
    let mut names = BTreeMap::new();
    let mut text = String::new();
    for path in paths {
        let stat = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        let (mode, uid, gid) = (stat.mode() & 0o7777, stat.uid(), stat.gid());
        write!(text, "/{name} {mode:o} {uid}:{gid}").unwrap();
        if stat.is_dir() {
            text.push_str(" folder");
        } else if stat.is_symlink() {
            write!(text, " -> {}", fs::read_link(&path).unwrap().display()).unwrap();
        } else if stat.mtime() == EPOCH {
            match names.get(&stat.ino()) {
                Some(first) => write!(text, " is {first}").unwrap(),
                None => write!(text, " {}", content(&path)).unwrap(),
            }
            names.insert(stat.ino(), name);
        }
        text.push_str(if stat.mtime() == EPOCH { "\n" } else { " of the base\n" });
    }
    text.replace(images::architecture(), "[ARCH]").replace(std::env::consts::ARCH, "[CPU]")
}

/// A file's content and attributes.
fn content(path: &Path) -> String {
    let content = fs::read(path).unwrap();
    let mut text = match content.len() {
        0..=40 => format!("{:?}", String::from_utf8_lossy(&content)),
        length => format!("{length} bytes"),
    };
    for name in ["security.capability", "user.note"] {
        let mut value = [0; 64];
        if let Ok(length) = rustix::fs::lgetxattr(path, name, &mut value) {
            write!(text, " {name}={}", value[..length].escape_ascii()).unwrap();
        }
    }
    text
}

/// What umoci makes of it.
fn unpacked(context: &TestContext, name: &str) -> PathBuf {
    let bundle = context.root().join(format!("bundle-{name}"));
    let image = format!("{}:{name}", context.layout().display());
    succeed(tool("umoci").args(["unpack", "--image", &image]).arg(&bundle));
    bundle.join("rootfs")
}

/// Every tool and every compression, and the base is as it was but for what was put there.
#[track_caller]
fn all_agree(base: Base, driver: &'static str) -> String {
    let registry = Registry::start();
    let context = every_form(&registry, base);
    let expected = listing(&unpacked(&context, "gzip"));
    assert_eq!(listing(&unpacked(&context, "none")), expected, "umoci, none");
    let storage = Storage::with_driver(driver);
    // These engines make the image's name of the folder's, and older ones fail for one with a dot first.
    let layout = context.root().join("layout");
    std::os::unix::fs::symlink(context.layout(), &layout).unwrap();
    for name in ["gzip", "zstd", "none"] {
        let image = format!("oci:{}:{name}", layout.display());
        assert_eq!(listing(&storage.podman_mount(&image)), expected, "podman, {driver}, {name}");
    }
    let image = format!("oci:{}:gzip", layout.display());
    assert_eq!(listing(&storage.buildah_mount(&image)), expected, "buildah, {driver}");
    let capability = forms::CAPABILITY.escape_ascii().to_string();
    assert!(expected.contains(&format!("security.capability={capability} user.note=kept")), "{expected}");
    expected
}

#[test]
fn a_base_whose_bin_is_a_folder() {
    insta::assert_snapshot!("bin_is_a_folder", all_agree(Base::Busybox, "overlay"));
}

#[test]
fn a_base_whose_bin_is_a_folder_on_plain_copies() {
    insta::assert_snapshot!("bin_is_a_folder", all_agree(Base::Busybox, "vfs"));
}

#[test]
fn a_base_whose_bin_is_a_link() {
    insta::assert_snapshot!("bin_is_a_link", all_agree(Base::Merged, "overlay"));
}

#[test]
fn a_base_whose_bin_is_a_link_on_plain_copies() {
    insta::assert_snapshot!("bin_is_a_link", all_agree(Base::Merged, "vfs"));
}
