//! What the real umoci says when it fails.

use super::*;
use crate::tools::Cause;

#[test]
fn says_what_umoci_said_last() {
    let folder = tempfile::tempdir().unwrap();
    let umoci = Umoci::new("umoci", folder.path().join("logs"));
    let error = umoci.unpack(folder.path(), ("layout", "image"), "tree", &IdMap::Host, "app").unwrap_err();
    let ToolError::Tool(failure) = &error else { panic!("{error}") };
    assert_eq!((&failure.cause, error.to_string().as_str()), (&Cause::Failed, "could not unpack `app`"));
    assert!(failure.said.as_ref().unwrap().contains("oci-layout"), "{:?}", failure.said);
    let umoci = Umoci::new("/nowhere/umoci", folder.path());
    let missing = umoci.unpack(folder.path(), ("layout", "image"), "tree", &IdMap::Host, "app").unwrap_err();
    assert_eq!(missing.cause(), Some(&Cause::Missing));
}
