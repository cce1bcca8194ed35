//! A real registry on a loopback port, gone with the value that stands for it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};

use super::eventually;
use super::tools::{find, succeed, tool};

/// What a registry with accounts knows.
pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "s3cret-pass";

/// A docker-registry process with storage of its own.
pub(crate) struct Registry {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Registry {
    /// Starts one that serves everyone.
    pub(crate) fn start() -> Self {
        Self::launch(tempfile::tempdir().unwrap(), "")
    }

    /// Starts one that serves [`USER`] alone.
    pub(crate) fn start_with_accounts() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("htpasswd");
        std::fs::write(&accounts, succeed(tool("htpasswd").args(["-Bbn", USER, PASSWORD]))).unwrap();
        let settings = format!("auth: {{htpasswd: {{realm: test, path: {accounts:?}}}}}\n");
        Self::launch(folder, &settings)
    }

    fn launch(folder: tempfile::TempDir, settings: &str) -> Self {
        let storage = folder.path().join("storage");
        let configuration = folder.path().join("configuration.yml");
        let text = format!(
            "version: 0.1\n\
             log: {{level: info, accesslog: {{disabled: false}}}}\n\
             storage: {{filesystem: {{rootdirectory: {storage:?}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0', secret: test}}\n\
             {settings}"
        );
        std::fs::write(&configuration, text).unwrap();
        let create = |name: &str| File::create(folder.path().join(name)).unwrap();
        // The kernel ends it if the test's process is killed and drops nothing.
        let process = tool("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(find("docker-registry"))
            .arg("serve")
            .arg(&configuration)
            .stdout(create("access.log"))
            .stderr(create("registry.log"))
            .spawn()
            .unwrap();
        let mut registry = Self { folder, process, port: 0 };
        registry.port = registry.wait_for_port();
        registry
    }

    /// It listens on a port that the kernel picks and says which: no two tests can meet.
    fn wait_for_port(&mut self) -> u16 {
        const SAYS: &str = "listening on 127.0.0.1:";
        let mut port = None;
        eventually("the registry listens", || {
            let ended = self.process.try_wait().unwrap();
            let log = std::fs::read_to_string(self.folder.path().join("registry.log")).unwrap();
            port = log.split_once(SAYS).and_then(|(_, rest)| {
                // The line may not be whole yet.
                let (digits, _) = rest.split_once(|letter: char| !letter.is_ascii_digit())?;
                digits.parse().ok()
            });
            assert!(port.is_some() || ended.is_none(), "the registry does not start ({ended:?}):\n{log}");
            port.is_some()
        });
        port.unwrap()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT/NAME`.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// The digest that the registry itself says a tag has.
    pub(crate) fn digest(&self, repository: &str, tag: &str) -> String {
        const HEADER: &str = "docker-content-digest:";
        let answer = succeed(
            tool("curl")
                .args(["-sS", "--fail", "--head"])
                .args(["-H", "Accept: application/vnd.oci.image.index.v1+json"])
                .args(["-H", "Accept: application/vnd.oci.image.manifest.v1+json"])
                .args(["-H", "Accept: application/vnd.docker.distribution.manifest.v2+json"])
                .args(["-H", "Accept: application/vnd.docker.distribution.manifest.list.v2+json"])
                .arg(format!("http://{}/v2/{repository}/manifests/{tag}", self.host())),
        );
        let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with(HEADER));
        line.unwrap_or_else(|| panic!("no digest in {answer}"))[HEADER.len()..].trim().to_owned()
    }

    /// Gives what has a digest these tags too.
    pub(crate) fn tag(&self, repository: &str, digest: &str, tags: &[String]) {
        let base = format!("http://{}/v2/{repository}/manifests", self.host());
        let manifest = self.folder.path().join("manifest.json");
        let accept = "Accept: application/vnd.oci.image.index.v1+json";
        succeed(
            tool("curl").args(["-sS", "--fail", "-H", accept, "-o"]).arg(&manifest).arg(format!("{base}/{digest}")),
        );
        // One process for all of them: curl puts one file under many addresses.
        let tags = tags.join(",");
        let kind = "Content-Type: application/vnd.oci.image.index.v1+json";
        succeed(
            tool("curl").args(["-sS", "--fail", "-H", kind, "-T"]).arg(&manifest).arg(format!("{base}/{{{tags}}}")),
        );
    }

    /// Every request so far, as `GET /v2/… 200`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        log.lines()
            .filter_map(|line| {
                let mut parts = line.split('"').skip(1);
                let request = parts.next()?.rsplit_once(' ')?.0;
                let status = parts.next()?.trim().split(' ').next()?;
                Some(format!("{request} {status}"))
            })
            .collect()
    }

    /// How many connections its answered requests came on.
    pub(crate) fn connections(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("registry.log")).unwrap();
        let answered = log.lines().filter(|line| line.contains("response completed"));
        let peers = answered.filter_map(|line| line.split("remoteaddr=").nth(1)?.split(' ').next());
        peers.collect::<BTreeSet<_>>().len()
    }

    /// How often the bytes of a blob were sent to anyone.
    pub(crate) fn blob_downloads(&self, digest: &str) -> usize {
        let end = format!("/blobs/{digest} 200");
        self.requests().iter().filter(|request| request.starts_with("GET ") && request.ends_with(&end)).count()
    }

    /// A file of credentials for this registry, as `skopeo login` writes it.
    pub(crate) fn write_credentials(&self, path: &Path) {
        succeed(
            tool("skopeo")
                .args(["login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, "--authfile"])
                .arg(path)
                .arg(self.host()),
        );
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// skopeo, for a registry without TLS on either side of a copy.
pub(crate) fn skopeo_copy() -> Command {
    let mut command = tool("skopeo");
    command.args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    command
}
