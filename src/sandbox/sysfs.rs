//! The container's `/sys`: a file system of its own if that can be had, else this machine's, without the mounts below
//! it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use crate::process::IdMap;
use crate::process::id_map::has_all_ids;
use crate::sandbox::Container;
use crate::sandbox::refusal::{Attempt as _, Refusal};

/// Where this machine's is.
const SYS: &str = "/sys";

/// What is mounted on a container's `/sys`.
pub(super) enum Sysfs {
    Own,
    /// This machine's, as it is seen here.
    Machine(PathBuf),
}

/// Decides which of the two it is. A user namespace may mount a sysfs only for a network namespace of its own.
///
/// A read-only bind of this machine's `/sys` would leave the mounts below it writable, above all cgroups. So an empty
/// folder hides every such mount. A sysfs of the container's own has no such mounts.
pub(super) fn prepare(container: &Container, bundle: &Path) -> Result<Sysfs, Refusal> {
    let is_in_namespace = container.map != IdMap::Host || !has_all_ids();
    if !(is_in_namespace && container.network_host) {
        return Ok(Sysfs::Own);
    }
    let seen = bundle.join("sys");
    std::fs::create_dir(&seen).attempt("create", &seen)?;
    rustix::mount::mount_bind_recursive(SYS, &seen).attempt("bind /sys to", &seen)?;
    let table = std::fs::read("/proc/self/mountinfo").attempt("read", "/proc/self/mountinfo")?;
    for below in outermost(&table, Path::new(SYS)) {
        let path = seen.join(below);
        // A file here means that a container around us hides the machine's `/sys`.
        if path.is_dir() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
            rustix::mount::mount(c"tmpfs", &path, c"tmpfs", flags, Some(c"size=4k,mode=0555"))
                .attempt("hide", &path)?;
        }
    }
    Ok(Sysfs::Machine(seen))
}

/// The mounts below a folder that are not below another one, relative to the folder (`proc_pid_mountinfo(5)`).
fn outermost(table: &[u8], folder: &Path) -> Vec<PathBuf> {
    let points = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let points = points.map(|point| PathBuf::from(OsString::from_vec(unescaped(point))));
    let mut below: Vec<PathBuf> =
        points.filter_map(|point| point.strip_prefix(folder).ok().map(Path::to_owned)).collect();
    below.retain(|path| !path.as_os_str().is_empty());
    below.sort();
    // A mount that is below another one comes after it.
    let mut outer: Vec<PathBuf> = Vec::new();
    for path in below {
        if !outer.iter().any(|above| path.starts_with(above)) {
            outer.push(path);
        }
    }
    outer
}

/// Undoes the kernel's escapes of spaces and the like: a backslash and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| first == b'\\') {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_is_found_once() {
        let table = b"22 1 0:20 / /sys rw,relatime - sysfs sysfs rw\n\
            23 22 0:6 / /sys/kernel/security rw - securityfs securityfs rw\n\
            24 22 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
            25 24 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            26 1 0:23 / /system rw - tmpfs tmpfs rw\n\
            27 22 0:24 / /sys/a\\040b rw - tmpfs tmpfs rw\n\
            28 24 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
        let found = outermost(table, Path::new(SYS));
        assert_eq!(found, ["a b", "fs/cgroup", "kernel/security"].map(PathBuf::from));
        assert!(outermost(b"", Path::new(SYS)).is_empty() && outermost(b"x\n\n", Path::new(SYS)).is_empty());
    }
}
