//! Files of the cache that are not what was written: no image is made of them, `oci cache verify` finds each, and a
//! build makes them again.
//!
//! `OCI_DAMAGES` says how many files are damaged; `scripts/damage` damages more than the tests do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::images::{Base, hex};
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, project};

/// Enough for each kind of file and each kind of damage to come up.
const DAMAGES: usize = 40;

const TABLES: &str = r#"
[policy]
signatures = "policy.json"

[stage.tools]
base = "busybox"
steps = ["mkdir /tools && echo tool > /tools/tool"]

[build.app]
base = "busybox"
packages = [
  { path = "app", to = "/bin/app" },
  { archive = "files.tar", to = "/srv" },
  { image = "tools", path = "/tools" },
]
steps = ["echo one > /one", "true"]

[build.zstd]
base = ":app"
compression = "zstd"
packages = ["large"]
"#;

/// Random numbers that are equal in every run.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % limit
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Everything that is kept under a checksum, kind by kind: what one is drawn from first, and a file of it then.
fn kinds(cache: &Path) -> Vec<Vec<PathBuf>> {
    let records = fs::read_dir(cache.join("records")).unwrap().map(|entry| files_below(&entry.unwrap().path()));
    let mut kinds: Vec<Vec<PathBuf>> = records.collect();
    kinds.push(files_below(&cache.join("blobs")));
    kinds.push(files_below(&cache.join("blobs")));
    kinds.retain(|files| !files.is_empty());
    kinds.sort();
    kinds
}

/// How many kinds of damage there are.
const KINDS: usize = 7;

/// Damages a file, in place, so that what is linked to it is damaged too. Says what was done.
fn damage(random: &mut Random, path: &Path, other: &Path) -> &'static str {
    let kind = random.below(KINDS);
    damage_by(kind, random, path, other)
}

fn damage_by(kind: usize, random: &mut Random, path: &Path, other: &Path) -> &'static str {
    let bytes = fs::read(path).unwrap();
    let overwrite = |bytes: &[u8]| {
        let mode = fs::metadata(path).unwrap().permissions();
        // An ordinary user may not write to what is read-only.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = fs::File::options().write(true).truncate(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        fs::set_permissions(path, mode).unwrap();
    };
    match kind {
        0 | 1 => {
            let mut flipped = bytes.clone();
            flipped[random.below(bytes.len())] ^= 1 << random.below(8);
            overwrite(&flipped);
            "a flipped bit"
        }
        2 => {
            overwrite(&bytes[..random.below(bytes.len())]);
            "a lost end"
        }
        3 => {
            overwrite(b"");
            "nothing left"
        }
        4 => {
            overwrite(&[&bytes[..], &bytes[..bytes.len().min(3)]].concat());
            "more at the end"
        }
        5 => {
            overwrite(&vec![0; bytes.len()]);
            "zeros"
        }
        _ => {
            overwrite(&fs::read(other).unwrap());
            "another's content"
        }
    }
}

/// Whether every blob of the layout is what its name says.
#[track_caller]
fn is_whole(layout: &Path, told: &str) {
    for path in files_below(&layout.join("blobs/sha256")) {
        let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(fs::read(&path).unwrap()));
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), digest, "{told}");
    }
}

#[test]
fn a_damaged_file_makes_no_image_and_is_found_and_made_again() {
    let rounds = std::env::var("OCI_DAMAGES").map_or(DAMAGES, |rounds| rounds.parse().unwrap());
    let registry = Registry::start();
    let context = project::on_base(&registry, Base::Busybox, "busybox", TABLES);
    context.write("policy.json", r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#);
    context.write("app", "app");
    context.write_large("large", 9 << 20, 7);
    context.write("files/deep/file", "file");
    succeed(tool("tar").args(["-cf", "files.tar", "-C", "files", "."]).current_dir(context.project()));
    // What has just been written is not believed to stay as it is, and not recorded.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in ["app", "large", "files.tar"] {
        fs::File::options().append(true).open(context.project().join(name)).unwrap().set_modified(hour_ago).unwrap();
    }
    context.run(["build", "--complete"]).success();
    let cache = context.root().join("cache/oci");
    let names = kinds(&cache)
        .iter()
        .map(|files| files[0].parent().unwrap().file_name().unwrap().to_owned())
        .collect::<Vec<_>>();
    let expected = [
        "archive",
        "blocks",
        "inputs",
        "last",
        "layer",
        "folders",
        "overlays",
        "sha256",
        "step",
        "step-layer",
        "trust",
    ];
    for kind in expected {
        assert!(names.iter().any(|name| name == kind), "{kind} is not among {names:?}");
    }
    let digests = || (context.built("app"), context.built("zstd"));
    let expected = digests();
    let mut random = Random(20_261_126);
    let mut found = 0;
    for round in 0..rounds {
        let kinds = kinds(&cache);
        let files = &kinds[random.below(kinds.len())];
        let (path, other) = (&files[random.below(files.len())], &files[random.below(files.len())]);
        let before = fs::read(path).unwrap();
        let what = damage(&mut random, path, other);
        let is_damaged = fs::read(path).unwrap() != before;
        let told = format!("round {round}: {what} in {}", path.strip_prefix(&cache).unwrap().display());
        let finds = || {
            let found = context.run(["cache", "verify"]);
            let name = path.file_name().unwrap().to_str().unwrap();
            if is_damaged {
                assert!(found.failure(1).stdout().contains(name), "{told}");
            } else {
                found.success();
            }
        };
        if round % 2 == 0 {
            finds();
            found += 1;
        } else {
            context.run(["build"]).success();
            assert_eq!(digests(), expected, "{told}");
            context.run(["cache", "verify"]);
        }
        context.run(["build", "--complete"]).success();
        assert_eq!(digests(), expected, "{told}");
        is_whole(&context.layout(), &told);
        context.run(["cache", "verify"]).success();
    }
    assert!(found >= rounds / 2);
}

/// A file that is not under a checksum of the store: it is small, and made again from what is.
#[test]
fn what_marks_and_names_is_made_again() {
    let registry = Registry::start();
    let context = project::on_base(&registry, Base::Busybox, "busybox", "[build.app]\nbase = \"busybox\"\n");
    context.run(["build"]).success();
    let cache = context.root().join("cache/oci");
    let mut random = Random(20_261_127);
    let layout = context.layout();
    for path in [cache.join("oci-cache"), layout.join("index.json"), layout.join("oci-layout")] {
        let (whole, mode) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions());
        for kind in 0..4 * KINDS {
            let what = damage_by(kind % KINDS, &mut random, &path, &context.project().join("oci.lock"));
            let told = format!("{what} in {}", path.display());
            context.run(["build"]).success();
            assert_eq!(fs::read(&path).unwrap(), whole, "{told}");
            assert_eq!(fs::metadata(&path).unwrap().permissions(), mode, "{told}");
            is_whole(&layout, &told);
        }
    }
    context.run(["cache", "verify"]).success();
}
