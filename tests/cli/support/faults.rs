//! A registry behind a proxy that breaks what it is told to break: `tests/support/faultproxy.py`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::Registry;
use super::tools::{succeed, tool};

pub(crate) struct FaultyRegistry {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl FaultyRegistry {
    /// One that breaks nothing yet.
    pub(crate) fn in_front_of(registry: &Registry) -> Self {
        Self::start(registry, tempfile::tempdir().unwrap(), &[])
    }

    /// One that speaks HTTPS, with a certificate that nobody else signed.
    pub(crate) fn with_tls(registry: &Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("ca.crt"), folder.path().join("tls.key"));
        succeed(
            tool("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test"])
                .args([
                    "-addext",
                    "subjectAltName=IP:0.0.0.0",
                    "-addext",
                    "basicConstraints=critical,CA:FALSE",
                    "-keyout",
                ])
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
        Self::start(registry, folder, &[certificate, key])
    }

    /// The authority of the certificate, which is the certificate itself.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    fn start(registry: &Registry, folder: tempfile::TempDir, tls: &[PathBuf]) -> Self {
        let rules = folder.path().join("rules.json");
        std::fs::write(&rules, "[]").unwrap();
        let mut process = tool("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/faultproxy.py"))
            .arg(registry.host())
            .arg(&rules)
            .args(tls)
            // It ends with its standard input, and so with us.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap_or_else(|_| panic!("the proxy does not start: {port:?}"));
        Self { folder, process, port }
    }

    pub(crate) fn repository(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The address of this server that is no loopback address: certificates count there.
    pub(crate) fn strict_repository(&self, name: &str) -> String {
        format!("0.0.0.0:{}/{name}", self.port)
    }

    /// From now on breaks this, and nothing else.
    pub(crate) fn set_faults(&self, rules: &Value) {
        let next = self.folder.path().join("next.json");
        std::fs::write(&next, rules.to_string()).unwrap();
        std::fs::rename(next, self.folder.path().join("rules.json")).unwrap();
    }
}

impl Drop for FaultyRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
