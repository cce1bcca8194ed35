//! `oci add`: a base more in `oci.toml` and in `oci.lock`, or neither touched.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext};

const MANIFEST: &str = "# our images\n[base.a]   # the first\nrepository = 'registry.invalid/a'\ntag = '1'\n\n\
                        # what we ship\n[build.app]\nbase = 'scratch'\n\n[build.b]\nbase = 'b'\n";

#[test]
fn adds_and_pins_and_leaves_the_rest_alone() {
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, "library/python", "3.12-slim");
    let manifest = MANIFEST.split("\n[build.b]").next().unwrap();
    let context = TestContext::with_manifest(manifest);
    let real = context.write("real/oci.toml", manifest);
    let path = context.project().join("oci.toml");
    std::fs::remove_file(&path).unwrap();
    symlink(&real, &path).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    let repository = registry.repository("library/python");
    let outcome = context.run(["add", "python", &format!("{repository}:3.12-slim")]).success();
    assert_eq!(outcome.stdout(), format!("python  3.12-slim  none -> {}…\n", &digest[..19]));
    let added = format!("\n[base.python]\nrepository = \"{repository}\"\ntag = \"3.12-slim\"\n");
    let expected = manifest.replace("\n# what we ship", &format!("{added}\n# what we ship"));
    assert_eq!(context.read("oci.toml"), expected);
    assert!(path.is_symlink() && real.metadata().unwrap().permissions().mode() & 0o7777 == 0o640);
    let lock = context.read("oci.lock");
    assert!(lock.contains("[image.\"python\"]") && lock.contains(&digest) && !lock.contains("image.\"a\""), "{lock}");
    // By tag and digest.
    context.run(["add", "pinned", &format!("{repository}:3.12-slim@{digest}")]).success();
    let text = context.read("oci.toml");
    assert!(text.contains(&format!("tag = \"3.12-slim\"\ndigest = \"{digest}\"\n\n# what we ship")), "{text}");
}

/// Nothing is written.
fn refused(arguments: [&str; 3], code: i32) -> String {
    let context = TestContext::with_manifest(MANIFEST.replace("base = 'b'", "base = 'a'").as_str());
    let before = context.read("oci.toml");
    let outcome = context.run(arguments).failure(code);
    assert_eq!(context.read("oci.toml"), before);
    assert!(!context.project().join("oci.lock").exists());
    outcome.to_string()
}

#[test]
fn a_name_that_a_base_has() {
    assert_outcome!(refused(["add", "a", "python"], 2));
}

#[test]
fn a_name_that_a_build_has() {
    assert_outcome!(refused(["add", "app", "python"], 2));
}

#[test]
fn a_name_that_is_none() {
    assert_outcome!(refused(["add", "Python_", "python"], 2));
}

#[test]
fn an_image_that_does_not_exist() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/python", "3.12-slim");
    let image = format!("{}:3.12-slm", registry.repository("library/python"));
    assert_outcome!(refused(["add", "python", &image], 1));
}

/// What is added is checked as the rest was.
#[test]
fn with_the_variables_of_the_run() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/busybox", "1");
    let repository = registry.repository("library/busybox");
    let manifest = format!("[vars]\nof = \"\"\n\n[base.a]\nrepository = \"{repository}\"\ntag = \"{{var.of}}\"\n");
    let context = TestContext::with_manifest(&manifest);
    context.run(["add", "b", &format!("{repository}:1")]).failure(2);
    context.run(["add", "--var", "of=1", "b", &format!("{repository}:1")]).success();
    assert!(context.read("oci.toml").ends_with("tag = \"1\"\n"));
}
