//! Namespaces that newuidmap, newgidmap and mount set up.

use super::tests::shell;
use super::*;
use crate::as_root::is_root_or_was;

#[test]
fn maps_ranges() {
    let range = IdRange { start: 100_000, count: 65536 };
    let map = IdMap::Ranges { user: 0, group: 0, users: range, groups: range };
    let script = "awk '{print $1, $2, $3}' /proc/self/uid_map /proc/self/gid_map";
    let finished = shell(script).namespaces(Namespaces::user(&map)).capture();
    match finished {
        Ok(finished) => {
            assert_eq!(String::from_utf8(finished.stdout).unwrap(), "0 0 1\n1 100000 65536\n0 0 1\n1 100000 65536\n")
        }
        // The machine's administrator need not have given root any.
        Err(ProcessError::Namespace(NamespaceError::Map { stderr, .. })) => {
            assert!(stderr.contains("not allowed"), "{stderr}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn isolates_mounts_and_processes() {
    if !is_root_or_was("process::namespace::tools_tests::isolates_mounts_and_processes") {
        return;
    }
    let script = "(mount --make-rprivate / && mount -t tmpfs none /mnt && exec sh -c 'echo $$') && exit 3";
    let invocation = shell(script).namespaces(Namespaces::sandbox(&IdMap::Host));
    let finished = invocation.capture().unwrap();
    assert_eq!((finished.stdout.as_slice(), finished.status.code()), (&b"1\n"[..], Some(3)));
}

#[test]
fn a_refused_map_says_so() {
    let range = IdRange { start: 4_000_000_000, count: 65536 };
    let map = IdMap::Ranges { user: 0, group: 0, users: range, groups: range };
    let result = shell("true").namespaces(Namespaces::sandbox(&map)).capture();
    assert!(
        matches!(&result, Err(ProcessError::Namespace(NamespaceError::Map { stderr, .. })) if stderr.contains("not allowed")),
        "{result:?}"
    );
}
