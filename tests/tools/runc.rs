//! The real runc and crun: which it is, and what they say of containers that are not there.

use super::*;

#[test]
fn knows_which_it_is() {
    assert_eq!(Runtime::ask(Path::new("crun")), Runtime::Crun);
    assert_eq!(Runtime::ask(Path::new("runc")), Runtime::Runc);
    assert_eq!(Runtime::ask(Path::new("/nowhere/crun")), Runtime::Runc);
}

#[test]
fn deleting_nothing_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let runc = Runc::new("runc", folder.path());
    assert!(!runc.has_state("none"));
    assert!(runc.delete("none").unwrap().status.success());
}
