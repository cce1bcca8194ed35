//! podman and buildah with storage of their own: on overlay, which keeps every layer apart, or on vfs,
//! which copies each onto the next.

use std::path::PathBuf;
use std::process::Command;

use super::TestContext;
use super::tools::{succeed, tool};

/// A build in the project's layout, as these engines want it named: they make the image's name of the
/// folder's, and older ones fail for one with a dot first.
pub(crate) fn image(context: &TestContext, name: &str) -> String {
    let folder = context.root().join("layout");
    if !folder.is_symlink() {
        std::os::unix::fs::symlink(context.layout(), &folder).unwrap();
    }
    format!("oci:{}:{name}", folder.display())
}

/// A container storage that is gone with the value that stands for it.
pub(crate) struct Storage {
    folder: tempfile::TempDir,
    driver: &'static str,
}

impl Storage {
    pub(crate) fn new() -> Self {
        Self::with_driver("overlay")
    }

    pub(crate) fn with_driver(driver: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), driver }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn engine(&self, name: &str) -> Command {
        let mut command = tool(name);
        command.arg("--root").arg(self.root()).arg("--runroot").arg(self.folder.path().join("run"));
        command.args(["--storage-driver", self.driver]);
        command
    }

    /// What a container prints, started with what a machine without systemd needs. It is read from the
    /// container's log: a client that is attached to a container that ends at once can miss its output.
    pub(crate) fn podman_run(&self, options: &[&str], image: &str, arguments: &[&str]) -> String {
        let mut command = self.engine("podman");
        command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs", "run", "--detach", "--network=host"]);
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--tls-verify=false"]);
        let id = succeed(command.arg("--log-driver=k8s-file").args(options).arg(image).args(arguments));
        let status = succeed(self.engine("podman").args(["wait", &id]));
        let told = succeed(self.engine("podman").args(["logs", &id]));
        assert_eq!(status, "0", "{told}");
        told
    }

    /// The root filesystem of an image, as podman puts it together.
    pub(crate) fn podman_mount(&self, image: &str) -> PathBuf {
        let id = succeed(self.engine("podman").args(["pull", "--quiet", "--tls-verify=false", image]));
        PathBuf::from(succeed(self.engine("podman").args(["image", "mount", &id])))
    }

    /// The root filesystem of a container of an image, as buildah puts it together.
    pub(crate) fn buildah_mount(&self, image: &str) -> PathBuf {
        let container = succeed(self.buildah("from").args(["--tls-verify=false", image]));
        PathBuf::from(succeed(self.buildah("mount").arg(container)))
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
