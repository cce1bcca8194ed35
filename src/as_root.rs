//! Lets every user run tests that need root: an ordinary user runs them as root of a user namespace.

use std::process::Command;

/// Returns true if this process is root. Otherwise runs the test of this name again as root of a user namespace with
/// its own mounts, panics if it fails there, and returns false: the caller has nothing left to do.
#[track_caller]
pub(crate) fn is_root_or_was(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let again = Command::new("unshare")
        .args(["--user", "--map-root-user", "--map-auto", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .output()
        .unwrap();
    let passed = again.status.success() && String::from_utf8_lossy(&again.stdout).contains(" 1 passed");
    assert!(
        passed,
        "as the root of a user namespace: {again:?}\n\
         it needs subordinate IDs: `usermod --add-subuids 400000-465535 --add-subgids 400000-465535 USER`"
    );
    false
}
