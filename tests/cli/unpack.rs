//! Other tools unpack what was built to exactly what went in: on overlay storage and on plain copies, on
//! bases whose `/bin` is a folder and whose `/bin` is a link.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::support::images::{self, Base};
use crate::support::ordinary::needs_root;
use crate::support::podman::{self, Storage};
use crate::support::tools::{succeed, tool};
use crate::support::tree::entries;
use crate::support::{Registry, TestContext, forms, project};

/// When everything that was packed is from.
const EPOCH: i64 = 1_700_000_000;

/// A base, and builds on it with a package of every form, one for each compression.
fn every_form(registry: &Registry, base: Base) -> TestContext {
    let context = TestContext::new();
    let tables = project::base(registry, base, "base");
    let platform = format!("base = \"base\"\nplatforms = [\"linux/{}\"]\n", images::architecture());
    let keys = ["gzip", "zstd", "none"].map(|name| (name, format!("{platform}compression = \"{name}\"")));
    forms::write_manifest(&context, &tables, &keys.each_ref().map(|(name, keys)| (*name, keys.as_str())));
    forms::write_files(&context);
    context.run(["build", "--complete"]).success();
    context
}

/// All that is in a root filesystem, a line each, whatever the machine's architecture. What the packages put
/// there is told in full; of the base what a package could have changed.
fn listing(root: &Path) -> String {
    let mut names = BTreeMap::new();
    let mut text = String::new();
    for entry in entries(root) {
        let is_ours = entry.stat.mtime() == EPOCH;
        text += &format!("/{} {:o} {}", entry.name, entry.stat.mode() & 0o7777, entry.owner());
        if entry.stat.is_dir() {
            text += " folder";
        } else if entry.stat.is_symlink() {
            text += &format!(" -> {}", entry.target());
        } else if is_ours {
            match names.get(&entry.stat.ino()) {
                Some(first) => text += &format!(" is {first}"),
                None => text += &format!(" {}{}", content(&entry.path), entry.attributes()),
            }
            names.insert(entry.stat.ino(), entry.name);
        }
        text += if is_ours { "\n" } else { " of the base\n" };
    }
    text.replace(images::architecture(), "[ARCH]").replace(std::env::consts::ARCH, "[CPU]")
}

/// A file's content, or how long it is.
fn content(path: &Path) -> String {
    let content = fs::read(path).unwrap();
    match content.len() {
        0..=40 => format!("{:?}", String::from_utf8_lossy(&content)),
        length => format!("{length} bytes"),
    }
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
    for name in ["gzip", "zstd", "none"] {
        let mounted = storage.podman_mount(&podman::image(&context, name));
        assert_eq!(listing(&mounted), expected, "podman, {driver}, {name}");
    }
    let mounted = storage.buildah_mount(&podman::image(&context, "gzip"));
    assert_eq!(listing(&mounted), expected, "buildah, {driver}");
    let capability = forms::CAPABILITY.escape_ascii().to_string();
    assert!(expected.contains(&format!("security.capability={capability} user.note=kept")), "{expected}");
    expected
}

#[test]
fn only_root_a_base_whose_bin_is_a_folder() {
    needs_root();
    insta::assert_snapshot!("bin_is_a_folder", all_agree(Base::Busybox, "overlay"));
}

#[test]
fn only_root_a_base_whose_bin_is_a_folder_on_plain_copies() {
    needs_root();
    insta::assert_snapshot!("bin_is_a_folder", all_agree(Base::Busybox, "vfs"));
}

#[test]
fn only_root_a_base_whose_bin_is_a_link() {
    needs_root();
    insta::assert_snapshot!("bin_is_a_link", all_agree(Base::Merged, "overlay"));
}

#[test]
fn only_root_a_base_whose_bin_is_a_link_on_plain_copies() {
    needs_root();
    insta::assert_snapshot!("bin_is_a_link", all_agree(Base::Merged, "vfs"));
}
