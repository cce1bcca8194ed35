//! Real base images, made once by umoci and pushed by skopeo.
//!
//! They are kept as one OCI layout below cargo's folder for tests, under a name that changes with the
//! recipe and with the machine's busybox. It is written beside its name and renamed, so that test
//! processes running at once do not meet, and only read afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::registry::{Registry, skopeo_copy};
use super::tools::{kept_folder, static_busybox, succeed, tool};

const CREATED: &str = "2024-01-01T00:00:00Z";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const APPLETS: &[&str] = &[
    "cat", "chmod", "echo", "env", "false", "httpd", "id", "kill", "ls", "mkdir", "mount", "ps", "rm", "sh", "sleep",
    "stat", "touch", "true", "wc",
];

/// A base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// One manifest: a busybox in a real `/bin`.
    Busybox,
    /// One manifest, as today's distributions are: `/bin -> usr/bin`, `/tmp` 1777, a user `app` (1234).
    Merged,
    /// One manifest, for an architecture that no machine of ours has: s390x.
    Foreign,
    /// [`Base::Busybox`] for this machine and for another architecture, and an attestation, in an index.
    Index,
}

impl Base {
    fn tag(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Merged => "merged",
            Self::Foreign => "foreign",
            Self::Index => "index",
        }
    }
}

/// This machine's architecture, in the words of images.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// An architecture that this machine does not have.
pub(crate) fn other_architecture() -> &'static str {
    if architecture() == "arm64" { "amd64" } else { "arm64" }
}

/// Pushes a base and gives the digest of what the tag then names.
pub(crate) fn push(registry: &Registry, base: Base, repository: &str, tag: &str) -> String {
    copy(registry, base, repository, tag, &["--all", "--preserve-digests"])
}

/// Pushes a base as Docker schema 2, which has another digest than the OCI image it is made from.
pub(crate) fn push_schema2(registry: &Registry, base: Base, repository: &str, tag: &str) -> String {
    copy(registry, base, repository, tag, &["--format", "v2s2"])
}

/// Pushes a base for this machine's platform to a registry with accounts, by the credentials in a file.
pub(crate) fn push_with_credentials(registry: &Registry, base: Base, repository: &str, tag: &str, credentials: &Path) {
    let source = format!("oci:{}:{}", layout().display(), base.tag());
    let destination = format!("docker://{}:{tag}", registry.repository(repository));
    succeed(skopeo_copy().arg("--dest-authfile").arg(credentials).args([source, destination]));
}

/// Copies a base to a path, such as `oci:FOLDER:NAME` or `docker-archive:FILE`, as skopeo names it.
pub(crate) fn save(base: Base, destination: &str) {
    let options: &[&str] =
        if destination.starts_with("docker-archive:") { &[] } else { &["--all", "--preserve-digests"] };
    let source = format!("oci:{}:{}", layout().display(), base.tag());
    succeed(skopeo_copy().args(options).args([&source, destination]));
}

fn copy(registry: &Registry, base: Base, repository: &str, tag: &str, options: &[&str]) -> String {
    let source = format!("oci:{}:{}", layout().display(), base.tag());
    succeed(skopeo_copy().args(options).arg(source).arg(format!("docker://{}:{tag}", registry.repository(repository))));
    registry.digest(repository, tag)
}

/// The manifest of a base for one platform, and the digest of that manifest.
pub(crate) fn manifest(base: Base, architecture: &str) -> (String, Value) {
    let descriptor = match base {
        Base::Index => {
            let index = read_json(&blob(layout(), &descriptor(layout(), base.tag())));
            let manifests = index["manifests"].as_array().unwrap().clone();
            manifests.into_iter().find(|entry| entry["platform"]["architecture"] == architecture).unwrap()
        }
        Base::Busybox | Base::Merged | Base::Foreign => descriptor(layout(), base.tag()),
    };
    (descriptor["digest"].as_str().unwrap().to_owned(), read_json(&blob(layout(), &descriptor)))
}

/// The digests of a base's layers on this machine.
pub(crate) fn layers(base: Base) -> Vec<String> {
    let (_, manifest) = manifest(base, architecture());
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

fn layout() -> &'static Path {
    static LAYOUT: OnceLock<PathBuf> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let mut recipe = Sha256::new();
        recipe.update(include_str!("images.rs"));
        recipe.update(fs::read(static_busybox()).unwrap());
        let kept = kept_folder();
        let path = kept.join(format!("bases-{}", &hex(&recipe.finalize())[..16]));
        if !path.is_dir() {
            fs::create_dir_all(&kept).unwrap();
            let folder = tempfile::tempdir_in(&kept).unwrap();
            let made = make_layout(folder.path());
            // Another test process may have been quicker; then ours is thrown away.
            if let Err(error) = fs::rename(&made, &path) {
                assert!(path.is_dir(), "could not keep the base images: {error}");
            }
        }
        path
    })
}

fn make_layout(folder: &Path) -> PathBuf {
    let layout = folder.join("layout");
    succeed(tool("umoci").args(["init", "--layout"]).arg(&layout));
    let busybox = make_tar(folder, "busybox", false);
    let merged = make_tar(folder, "merged", true);
    make_image(&layout, Base::Busybox.tag(), &busybox, ("linux", architecture()));
    make_image(&layout, Base::Merged.tag(), &merged, ("linux", architecture()));
    make_image(&layout, "other", &busybox, ("linux", other_architecture()));
    make_image(&layout, Base::Foreign.tag(), &busybox, ("linux", "s390x"));
    make_image(&layout, "attestation", &busybox, ("unknown", "unknown"));
    add_index(&layout);
    layout
}

/// A root filesystem of busybox and what every system has, with times and owners that never change.
fn make_tar(folder: &Path, name: &str, merged: bool) -> PathBuf {
    let root = folder.join(name);
    let programs = root.join(if merged { "usr/bin" } else { "bin" });
    for part in ["etc", "dev", "proc", "sys", "root", "tmp", "var/tmp", "usr/share"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    fs::create_dir_all(&programs).unwrap();
    if merged {
        symlink("usr/bin", root.join("bin")).unwrap();
    }
    fs::copy(static_busybox(), programs.join("busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", programs.join(applet)).unwrap();
    }
    let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1234:1234:app:/home/app:/bin/sh\n");
    write("etc/group", "root:x:0:\napp:x:1234:\n");
    write("usr/share/base", &format!("{name}\n"));
    let mode = |path: &str, mode: u32| fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    mode("tmp", 0o1777);
    mode("var/tmp", 0o1777);
    mode("root", 0o700);
    let tar = folder.join(format!("{name}.tar"));
    succeed(
        tool("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1704067200"])
            .arg("--mode=go-w")
            .arg("--exclude=./tmp")
            .arg("--exclude=./var/tmp")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&tar)
            .arg("."),
    );
    // The mode above, which makes the rest independent of the umask, would change these two.
    succeed(
        tool("tar")
            .args(["--owner=0", "--group=0", "--numeric-owner", "--mtime=@1704067200", "-C"])
            .arg(&root)
            .arg("-rf")
            .arg(&tar)
            .args(["./tmp", "./var/tmp"]),
    );
    tar
}

fn make_image(layout: &Path, tag: &str, tar: &Path, (os, architecture): (&str, &str)) {
    let image = format!("{}:{tag}", layout.display());
    let umoci = |arguments: &[&str]| succeed(tool("umoci").args(arguments));
    umoci(&["new", "--image", &image]);
    let history = ["--history.created", CREATED, "--history.created_by", "base"];
    succeed(tool("umoci").args(["raw", "add-layer", "--image", &image]).args(history).arg(tar));
    umoci(&[
        "config",
        "--image",
        &image,
        "--os",
        os,
        "--architecture",
        architecture,
        "--created",
        CREATED,
        "--no-history",
        "--config.env",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "--config.cmd",
        "/bin/sh",
        "--config.label",
        "base=yes",
    ]);
}

/// Adds an index of images that the layout has: umoci makes none.
fn add_index(layout: &Path) {
    let entry = |tag: &str, os: &str, architecture: &str| {
        let found = descriptor(layout, tag);
        json!({
            "mediaType": MANIFEST_TYPE, "digest": found["digest"], "size": found["size"],
            "platform": { "architecture": architecture, "os": os },
        })
    };
    let mut attestation = entry("attestation", "unknown", "unknown");
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX_TYPE,
        "manifests": [
            entry(Base::Busybox.tag(), "linux", architecture()),
            entry("other", "linux", other_architecture()),
            attestation,
        ],
    });
    let bytes = serde_json::to_vec(&index).unwrap();
    let digest = hex(&Sha256::digest(&bytes));
    fs::write(layout.join("blobs/sha256").join(&digest), &bytes).unwrap();
    let mut names = read_json(&layout.join("index.json"));
    names["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": INDEX_TYPE, "digest": format!("sha256:{digest}"), "size": bytes.len(),
        "annotations": { "org.opencontainers.image.ref.name": Base::Index.tag() },
    }));
    fs::write(layout.join("index.json"), serde_json::to_vec(&names).unwrap()).unwrap();
}

/// What a layout says about a tag.
pub(crate) fn descriptor(layout: &Path, tag: &str) -> Value {
    let names = read_json(&layout.join("index.json"));
    let mut entries = names["manifests"].as_array().unwrap().iter();
    let found = entries.find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
    found.unwrap_or_else(|| panic!("no `{tag}` in {names:#}")).clone()
}

/// Where a layout keeps what a descriptor names.
pub(crate) fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    layout.join("blobs").join(digest.replace(':', "/"))
}

pub(crate) fn read_json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
