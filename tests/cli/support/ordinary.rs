//! An ordinary user, with and without subordinate IDs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::TestContext;
use super::tools::{find, search_path, succeed, tool};

/// The user that root's tests become. `scripts/test` makes this user.
pub(crate) const NAME: &str = "oci-tester";

/// What the system lets the user map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// A range of IDs in `/etc/subuid` and `/etc/subgid`.
    Subordinate,
    /// No entry there: `newuidmap` refuses.
    NoEntry,
    /// No `newuidmap` at all.
    NoTool,
}

impl TestContext {
    /// Hands everything of the context to the ordinary user, and gives a function for its `oci`.
    pub(crate) fn as_ordinary_user(&self, ids: Ids) -> impl Fn() -> Command {
        // The binary and its tools where anyone may look: the checkout may be in a private folder.
        let bin = self.root().join("bin");
        let program = bin.join("oci");
        if !bin.is_dir() {
            fs::create_dir(&bin).unwrap();
            // By a process of its own: what another thread starts meanwhile would have a program open that this one
            // writes, and nobody could start it.
            succeed(tool("cp").args([Path::new(env!("CARGO_BIN_EXE_oci")), &program]));
            for name in ["skopeo", "umoci", "runc"] {
                symlink(find(name), bin.join(name)).unwrap();
            }
        }
        for path in [self.root(), &bin] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut environment = self.environment();
        if ids == Ids::NoTool {
            environment.retain(|(name, _)| *name != "PATH");
            environment.push(("PATH", bin.display().to_string()));
        }
        let project = self.project();
        let root = is_root();
        if root {
            let there = tool("id").arg(NAME).stderr(Stdio::null()).output().unwrap().status.success();
            assert!(there, "there is no user `{NAME}`; run `useradd --create-home {NAME}`, or `scripts/test`");
            succeed(tool("chown").arg("-R").arg(format!("{NAME}:")).arg(self.root()));
        }
        move || {
            let mut command = match (root, ids) {
                (false, Ids::Subordinate | Ids::NoTool) => Command::new(&program),
                (_, Ids::NoEntry) => {
                    let mut command = Command::new(find("unshare"));
                    if !root {
                        // A user who may not mount may do so in a namespace, and is without privileges again
                        // afterwards.
                        command.args(["--user", "--map-current-user", "--keep-caps"]);
                    }
                    let hide =
                        "mount --bind /dev/null /etc/subuid && mount --bind /dev/null /etc/subgid && exec \"$@\"";
                    command.args(["--mount", "/bin/sh", "-c", hide, "sh"]).arg(find("setpriv"));
                    command
                }
                (true, Ids::Subordinate | Ids::NoTool) => Command::new(find("setpriv")),
            };
            match (root, ids) {
                (true, _) => {
                    command.args([format!("--reuid={NAME}"), format!("--regid={NAME}"), "--init-groups".to_owned()]);
                    command.arg("--").arg(&program);
                }
                (false, Ids::NoEntry) => {
                    command.args(["--inh-caps=-all", "--ambient-caps=-all", "--"]).arg(&program);
                }
                (false, Ids::Subordinate | Ids::NoTool) => {}
            }
            command.env_clear().envs(environment.iter().cloned()).current_dir(&project).stdin(Stdio::null());
            // The shell that hides the entries needs its own tools.
            if ids == Ids::NoEntry {
                command.env("PATH", search_path());
            }
            command
        }
    }
}

/// True where this process is root. Anyone else runs the test of this name again as the root of a user
/// namespace, with mounts of its own, where it must pass: then there is nothing left to do.
#[track_caller]
pub(crate) fn is_root_or_was(test: &str) -> bool {
    if is_root() {
        return true;
    }
    let mut again = tool("unshare");
    again.args(["--user", "--map-root-user", "--map-auto", "--mount"]).arg(std::env::current_exe().unwrap());
    let told = succeed(again.args(["--exact", test, "--nocapture"]));
    assert!(told.contains(" 1 passed"), "{told}");
    false
}

/// Begins each test of what no ordinary user can do, whatever the namespace. The test's name begins with `only_root_`,
/// by which `scripts/test` finds it to run it through sudo.
#[track_caller]
pub(crate) fn needs_root() {
    assert!(is_root(), "what this test looks at, only root can make: run it by `scripts/test`, as root or with sudo");
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
