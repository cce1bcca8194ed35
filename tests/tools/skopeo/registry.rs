//! A real registry on a free loopback port, a proxy in front of it that breaks things, and images.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::model::document::{Descriptor, ImageManifest, Index, media_type};
use crate::model::{Digest, Repository};
use crate::tools::skopeo::tests::{Bench, tag};
use crate::tools::skopeo::{Access, Wanted};

/// Debian's docker-registry; it ends with the value.
pub(super) struct Registry {
    pub(super) address: String,
    child: Child,
    _folder: TempDir,
}

impl Registry {
    pub(super) fn start() -> Self {
        Self::with("")
    }

    /// A registry that lets in `user` with the password `secret` only.
    pub(super) fn with_password() -> Self {
        Self::with("auth: {htpasswd: {realm: test, path: FOLDER/htpasswd}}\n")
    }

    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let hashed = Command::new("htpasswd").args(["-Bbn", "user", "secret"]).output().unwrap();
        std::fs::write(folder.path().join("htpasswd"), hashed.stdout).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: FOLDER/data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n{more}"
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.replace("FOLDER", path)).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.split(['"', ' ']).next()?.to_owned()))
            .unwrap();
        // It stops when nobody reads its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address, child, _folder: folder }
    }

    pub(super) fn repository(&self, path: &str) -> Repository {
        Repository::parse(&format!("{}/{path}", self.address)).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `tests/support/faultproxy.py`; it ends with the value.
pub(super) struct Proxy {
    pub(super) address: String,
    /// The folder with the certificate's authority, which is the certificate itself.
    pub(super) authority: PathBuf,
    child: Child,
    _stdin: ChildStdin,
    _folder: TempDir,
}

impl Proxy {
    pub(super) fn start(upstream: &Registry, rules: serde_json::Value) -> Self {
        Self::with(upstream, rules, |_| Vec::new())
    }

    /// One that speaks HTTPS as `localhost`, with a certificate that nobody else signed.
    pub(super) fn with_tls(upstream: &Registry) -> Self {
        Self::with(upstream, json!([]), |folder| {
            let (authority, key) = (folder.join("authority"), folder.join("tls.key"));
            std::fs::create_dir(&authority).unwrap();
            let certificate = authority.join("ca.crt");
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"])
                .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&certificate)
                .output();
            assert!(made.unwrap().status.success());
            vec![certificate, key]
        })
    }

    fn with(upstream: &Registry, rules: serde_json::Value, tls: impl FnOnce(&Path) -> Vec<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.json");
        std::fs::write(&file, rules.to_string()).unwrap();
        let tls = tls(folder.path());
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/faultproxy.py"))
            .arg(&upstream.address)
            .arg(file)
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let stdin = child.stdin.take().unwrap();
        let authority = folder.path().join("authority");
        Self { address: format!("127.0.0.1:{}", port.trim()), authority, child, _stdin: stdin, _folder: folder }
    }

    pub(super) fn repository(&self, path: &str) -> Repository {
        Repository::parse(&format!("{}/{path}", self.address)).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_program("skopeo")
    }

    /// A new folder, with what makes tools stumble in its name.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{name}: a b"));
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Pushes the image under the tag.
    pub(super) fn publish(&self, image: &Image, repository: &Repository, name: &str) -> Digest {
        self.skopeo.push(image.layout(), &tag(repository, name), None, &Access::default()).unwrap()
    }

    /// Pushes a Docker image, which skopeo takes from a `dir:` folder only.
    pub(super) fn publish_docker(&self, image: &Image, repository: &Repository, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("version"), "Directory Transport Version: 1.1\n").unwrap();
        std::fs::copy(image.blob(&image.manifest), folder.path().join("manifest.json")).unwrap();
        for digest in [Digest::of(&image.config), image.layer] {
            std::fs::copy(image.blob(&digest), folder.path().join(digest.hex())).unwrap();
        }
        let pushed = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"])
            // Nobody's credentials, and none that may not be read.
            .env("XDG_RUNTIME_DIR", folder.path())
            .arg(format!("dir:{}", folder.path().display()))
            .arg(format!("docker://{}", tag(repository, name)))
            .status();
        assert!(pushed.unwrap().success());
    }
}

/// A layout of one image, named `made`, written here.
pub(super) struct Image {
    pub(super) manifest: Digest,
    /// What the manifest says; for an index, the first one in it.
    pub(super) document: ImageManifest,
    pub(super) config: Vec<u8>,
    pub(super) layer: Digest,
    folder: TempDir,
}

impl Image {
    /// An OCI image of one layer with these bytes; what is in a layer does not matter here.
    pub(super) fn new(layer: &[u8]) -> Self {
        Self::of_types(layer, [media_type::MANIFEST, media_type::CONFIG, media_type::LAYER])
    }

    pub(super) fn docker(layer: &[u8]) -> Self {
        let config = "application/vnd.docker.container.image.v1+json";
        Self::of_types(layer, [media_type::DOCKER_MANIFEST, config, media_type::DOCKER_LAYER_GZIP])
    }

    fn of_types(layer: &[u8], [manifest_type, config_type, layer_type]: [&str; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer)]},
        });
        let config = serde_json::to_vec(&config).unwrap();
        let mut manifest = ImageManifest::new(
            Descriptor::of(config_type, &config),
            vec![Descriptor::of(layer_type, layer)],
            Default::default(),
        );
        manifest.media_type = Some(manifest_type.to_owned());
        let document = manifest.clone();
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let mut descriptor = Descriptor::of(manifest_type, &manifest);
        descriptor.annotations.insert("org.opencontainers.image.ref.name".to_owned(), "made".to_owned());
        let image = Self { manifest: Digest::of(&manifest), document, config, layer: Digest::of(layer), folder };
        for bytes in [layer, &image.config, &manifest] {
            image.write(bytes);
        }
        image.finish(vec![descriptor]);
        image
    }

    /// A layout whose `made` is an index of these images.
    pub(super) fn index(images: &[(&str, &Image)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifests = images
            .iter()
            .map(|(architecture, image)| {
                let size = std::fs::metadata(image.blob(&image.manifest)).unwrap().len();
                let mut descriptor =
                    serde_json::to_value(Descriptor::new(media_type::MANIFEST, image.manifest, size)).unwrap();
                descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
                serde_json::from_value(descriptor).unwrap()
            })
            .collect();
        let index = serde_json::to_vec(&Index::new(manifests, Default::default())).unwrap();
        let mut descriptor = Descriptor::of(media_type::INDEX, &index);
        descriptor.annotations.insert("org.opencontainers.image.ref.name".to_owned(), "made".to_owned());
        let document = images[0].1.document.clone();
        let whole = Self { manifest: Digest::of(&index), document, config: Vec::new(), layer: Digest::of(b""), folder };
        for (_, image) in images {
            for file in std::fs::read_dir(image.folder.path().join("blobs/sha256")).unwrap() {
                whole.write(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
        whole.write(&index);
        whole.finish(vec![descriptor]);
        whole
    }

    fn finish(&self, manifests: Vec<Descriptor>) {
        let index = serde_json::to_vec(&Index::new(manifests, Default::default())).unwrap();
        std::fs::write(self.folder.path().join("index.json"), index).unwrap();
        std::fs::write(self.folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    fn write(&self, bytes: &[u8]) {
        let path = self.blob(&Digest::of(bytes));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.path().join("blobs/sha256").join(digest.hex())
    }

    /// The image in this repository.
    pub(super) fn wanted<'a>(&'a self, repository: &'a Repository) -> Wanted<'a> {
        Wanted { repository, digest: &self.manifest, manifest: &self.document }
    }

    pub(super) fn layout(&self) -> crate::tools::skopeo::LayoutImage<'_> {
        crate::tools::skopeo::LayoutImage { folder: self.folder.path(), name: "made", blobs: None }
    }
}
