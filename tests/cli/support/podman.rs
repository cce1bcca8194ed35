//! podman and buildah with storage of their own, on overlay, which keeps every layer apart.

use std::path::PathBuf;
use std::process::Command;

use super::tools::{succeed, tool};

/// A container storage that is gone with the value that stands for it.
pub(crate) struct Storage {
    folder: tempfile::TempDir,
}

impl Storage {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn engine(&self, name: &str) -> Command {
        let mut command = tool(name);
        command.arg("--root").arg(self.root()).arg("--runroot").arg(self.folder.path().join("run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }

    /// What a container prints: `podman run --rm` with what a machine without systemd needs.
    pub(crate) fn podman_run(&self, options: &[&str], image: &str, arguments: &[&str]) -> String {
        let mut command = self.engine("podman");
        command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs", "run", "--rm", "--network=host"]);
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--tls-verify=false"]);
        succeed(command.args(options).arg(image).args(arguments))
    }

    pub(crate) fn buildah(&self, subcommand: &str) -> Command {
        let mut command = self.engine("buildah");
        command.arg(subcommand);
        command
    }
}

impl Drop for Storage {
    /// Both bind the storage onto itself; a folder that is a mount cannot be removed.
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let folder = self.folder.path().display().to_string();
        let inside = mounts.lines().filter_map(|line| line.split(' ').nth(4)).filter(|path| path.starts_with(&folder));
        for path in inside.collect::<Vec<_>>().into_iter().rev() {
            let _ = tool("umount").args(["-l", path]).status();
        }
    }
}
