//! Bases on the disk: OCI layouts and archives, from the manifest to what runs and is published.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::images::{self, Base};
use crate::support::ordinary::Ids;
use crate::support::podman::Storage;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext};

/// A project with a base at this path, and a build on it.
fn on_layout(path: &str) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[base.local]\nlayout = {path:?}\n\n[build.app]\nbase = \"local\"\npackages = [\"app\"]\n"
    ));
    context.write_program("app", "#!/bin/sh\ncat /usr/share/base\n");
    fs::create_dir(context.project().join("vendor")).unwrap();
    context
}

/// Puts a base where skopeo's name of it says, in the project.
fn save(context: &TestContext, base: Base, kind: &str, path: &str) {
    images::save(base, &format!("{kind}:{}", context.project().join(path).display()));
}

fn lock_line(context: &TestContext, key: &str) -> String {
    let lock = context.read("oci.lock");
    lock.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {lock}")).to_owned()
}

/// The manifest of a build.
fn built(context: &TestContext, name: &str) -> Value {
    images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), name)))
}

#[test]
fn every_form_is_locked_built_and_run_without_a_registry() {
    let mut digests = Vec::new();
    for (written, kind, saved) in [
        ("vendor/base:1.0", "oci", "vendor/base:1.0"),
        ("./vendor//base", "oci", "vendor/base:1.0"),
        ("oci-archive:vendor/base.tar", "oci-archive", "vendor/base.tar:1.0"),
        ("vendor/base.tar:x/base:1", "docker-archive", "vendor/base.tar:x/base:1"),
    ] {
        let context = on_layout(written);
        save(&context, Base::Busybox, kind, saved);
        // Nobody is asked: there is no skopeo, and being offline does not matter.
        let quiet = |arguments: &[&str]| {
            let outcome = context.finish(context.oci().env("OCI_SKOPEO", "/nowhere/skopeo").args(arguments));
            outcome.success().stdout()
        };
        let told = quiet(&["lock", "--offline"]);
        let normal = written.replace("./vendor//", "vendor/");
        assert!(told.starts_with(&format!("local  {normal}  none -> sha256:")), "{told}");
        assert_eq!(lock_line(&context, "layout"), format!("layout = \"{normal}\""));
        assert_eq!(quiet(&["lock", "--check"]), "");
        quiet(&["build", "--frozen"]);
        let manifest = built(&context, "app");
        let locked = lock_line(&context, "digest");
        assert_eq!(
            manifest["annotations"],
            json!({ "org.opencontainers.image.base.digest": locked[10..locked.len() - 1] }),
            "a path means nothing elsewhere"
        );
        digests.push(context.built("app"));
        assert_eq!(quiet(&["run", "-q", "--frozen", "app"]), "busybox\n", "{written}");
        assert_eq!(quiet(&["run", "-q", "local", "--", "cat", "/usr/share/base"]), "busybox\n");
        assert_eq!(context.leftovers(), Vec::<String>::new());
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2], "an archive of a layout is the layout");
    assert_ne!(digests[0], digests[3], "the layers of a Docker archive are not compressed");
}

#[test]
fn what_is_built_is_read_by_other_tools() {
    let context = on_layout("vendor/base.tar");
    save(&context, Base::Merged, "docker-archive", "vendor/base.tar");
    let shallow = context.run(["build"]).success();
    assert!(shallow.stderr().contains("`oci fetch app` brings them"), "{shallow}");
    context.run(["fetch", "--offline"]).success();
    let complete = on_layout("vendor/base.tar");
    save(&complete, Base::Merged, "docker-archive", "vendor/base.tar");
    complete.run(["build", "--complete"]).success();
    assert_eq!(complete.built("app"), context.built("app"));
    for context in [context, complete] {
        let bundle = context.root().join("bundle");
        let image = format!("{}:app", context.layout().display());
        succeed(tool("umoci").args(["unpack", "--rootless", "--image", &image]).arg(&bundle));
        assert_eq!(fs::read_to_string(bundle.join("rootfs/usr/share/base")).unwrap(), "merged\n");
    }
}

#[test]
fn what_is_published_has_the_layers_too() {
    let registry = Registry::start();
    let context = TestContext::with_manifest(&format!(
        r#"
[base.index]
layout = "vendor/both"
[base.archive]
layout = "vendor/saved.tar"

[build.both]
base = "index"
platforms = ["linux/amd64", "linux/arm64"]
packages = [{{ text = "x", to = "/x" }}]
repository = "{registry}/acme/both"

[build.saved]
base = "archive"
packages = [{{ text = "x", to = "/x" }}]
repository = "{registry}/acme/saved"
"#,
        registry = registry.host()
    ));
    fs::create_dir(context.project().join("vendor")).unwrap();
    save(&context, Base::Index, "oci", "vendor/both:latest");
    save(&context, Base::Busybox, "docker-archive", "vendor/saved.tar");
    context.run(["publish"]).success();
    for name in ["both", "saved"] {
        assert_eq!(registry.digest(&format!("acme/{name}"), "latest"), context.built(name));
        let image = format!("docker://{}:latest", registry.repository(&format!("acme/{name}")));
        let told = Storage::new().podman_run(&[], &image, &["cat", "/usr/share/base"]);
        assert_eq!(told, "busybox");
    }
    let lock = context.read("oci.lock");
    assert!(
        lock.contains("\"linux/amd64\"") && lock.contains("\"linux/arm64\"") && !lock.contains("unknown"),
        "{lock}"
    );
}

#[test]
fn an_archive_is_pinned_the_same_whoever_saved_it() {
    let context = on_layout("vendor/base.tar");
    save(&context, Base::Busybox, "docker-archive", "vendor/base.tar:docker.io/library/base:1");
    context.run(["lock"]).success();
    let by_skopeo = lock_line(&context, "digest");
    let path = context.project().join("vendor/base.tar");
    fs::remove_file(&path).unwrap();
    let storage = Storage::new();
    save(&context, Base::Busybox, "oci", "vendor/base:1");
    let source = format!("oci:{}:1", context.project().join("vendor/base").display());
    let container = succeed(storage.buildah("from").arg(&source));
    let image = succeed(storage.buildah("inspect").args(["--format", "{{.FromImageID}}", &container]));
    let destination = format!("docker-archive:{}:x.io/other:2", path.display());
    succeed(storage.buildah("push").args([&image, &destination]));
    context.run(["update"]).success();
    assert_eq!(lock_line(&context, "digest"), by_skopeo);
}

#[test]
fn a_layout_that_changed_is_told_and_never_used_until_it_is_pinned() {
    let context = on_layout("vendor/base:latest");
    save(&context, Base::Busybox, "oci", "vendor/base:latest");
    context.run(["build"]).success();
    let before = (context.read("oci.lock"), context.built("app"));
    assert_eq!(context.run(["outdated", "--exit-code"]).success().stdout(), "");
    // The old image's blobs are still there, and in the cache.
    save(&context, Base::Merged, "oci", "vendor/base:latest");
    context.run(["lock", "--check"]).success();
    context.run(["check"]).success();
    let refused = context.run(["build", "-q", "--frozen"]).failure(1);
    assert_outcome!(refused);
    for arguments in [["run", "app"], ["run", "local"]] {
        assert!(context.run(arguments).failure(125).stderr().contains("oci::fetch::layout_changed"));
    }
    assert_eq!((context.read("oci.lock"), context.built("app")), before);
    let told = context.run(["outdated", "--exit-code"]).failure(1).stdout();
    assert!(told.starts_with("local  vendor/base:latest  sha256:"), "{told}");
    let as_json = context.run(["outdated", "--json"]).success().stdout();
    let outdated: Value = serde_json::from_str(&as_json).unwrap();
    assert_eq!(outdated["outdated"][0]["layout"], "vendor/base:latest");
    context.run(["update", "local"]).success();
    context.run(["build", "--frozen"]).success();
    assert_ne!(context.built("app"), before.1);
    assert_eq!(context.run(["run", "-q", "app"]).success().stdout(), "merged\n");
}

#[test]
fn offline_only_registries_cannot_be_asked() {
    let context = TestContext::with_manifest(
        "[base.local]\nlayout = \"local\"\n[base.remote]\nrepository = \"registry.invalid/remote\"\ntag = \"1\"\n",
    );
    save(&context, Base::Busybox, "oci", "local:1");
    let refused = context.run(["lock", "--offline"]).failure(1).stderr();
    assert!(refused.contains("`remote`") && !refused.contains("`local`"), "{refused}");
    context.run(["update", "--offline"]).failure(2);
    context.write("oci.toml", "[base.local]\nlayout = \"local\"\n");
    context.run(["update", "--locked"]).failure(2);
    assert!(!context.project().join("oci.lock").exists());
    context.run(["update", "--offline"]).success();
    assert_eq!(context.run(["outdated", "--offline", "--exit-code"]).success().stdout(), "");
    assert!(context.run(["build", "--frozen"]).failure(2).stderr().contains("oci::plan::nothing_to_build"));
}

#[test]
fn a_link_in_the_base_is_followed() {
    for kind in ["oci", "docker-archive"] {
        let context = TestContext::with_manifest(
            "[base.local]\nlayout = \"base:x/base:1\"\n\n[build.app]\nbase = \"local\"\n\
             packages = [{ path = \"app\", to = \"/bin/app\" }]\n",
        );
        context.write_program("app", "#!/bin/sh\nls -d /bin/app /usr/bin/app\nstat -c %F /bin\n");
        save(&context, Base::Merged, kind, "base:x/base:1");
        let told = context.run(["run", "-q", "app"]).success().stdout();
        assert_eq!(told, "/bin/app\n/usr/bin/app\nsymbolic link\n", "{kind}");
    }
}

#[test]
fn a_digest_in_the_manifest_pins_one_of_several() {
    let (digest, _) = images::manifest(Base::Merged, images::architecture());
    let context = TestContext::with_manifest(&format!("[base.local]\nlayout = \"base\"\ndigest = \"{digest}\"\n"));
    for base in [Base::Busybox, Base::Merged] {
        save(&context, base, "oci", &format!("base:{}", if base == Base::Merged { "b" } else { "a" }));
    }
    context.run(["lock"]).success();
    assert_eq!(lock_line(&context, "digest"), format!("digest = \"{digest}\""));
    assert_eq!(context.run(["run", "-q", "local", "--", "cat", "/usr/share/base"]).success().stdout(), "merged\n");
    fs::remove_dir_all(context.project().join("base")).unwrap();
    save(&context, Base::Busybox, "oci", "base:a");
    assert!(context.run(["run", "local"]).failure(125).stderr().contains("oci::layout::no_such_image"));
}

#[test]
fn what_is_wrong_with_it_is_shown_at_its_line() {
    let context = TestContext::new();
    fs::create_dir(context.project().join("vendor")).unwrap();
    save(&context, Base::Busybox, "oci", "vendor/base:1.0");
    save(&context, Base::Busybox, "oci", "vendor/damaged:1.0");
    save(&context, Base::Foreign, "oci", "vendor/foreign:1.0");
    save(&context, Base::Busybox, "docker-archive", "vendor/saved.tar:x.io/base:1");
    succeed(tool("gzip").arg("--keep").arg(context.project().join("vendor/saved.tar")));
    let layer = images::layers(Base::Busybox)[0].replace("sha256:", "vendor/damaged/blobs/sha256/");
    fs::remove_file(context.project().join(&layer)).unwrap();
    context.write(&layer, "something else");
    let mut text = String::new();
    for path in [
        "vendor/bsae:1.0",
        "vendor/base:1",
        "vendor/saved.tar:y.io/base:1",
        "vendor/saved.tar.gz",
        "vendor",
        "oci-archive:vendor/base:1.0",
        "vendor/damaged:1.0",
        "vendor/foreign:1.0",
    ] {
        context.write(
            "oci.toml",
            format!(
                "[base.local]\nlayout = \"{path}\"\n\n[build.app]\nbase = \"local\"\npackages = [{{ text = \"\", to = \"/x\" }}]\n"
            ),
        );
        writeln!(text, "===== {path}\n{}", context.run(["build", "-q", "--complete"]).failure(1)).unwrap();
    }
    assert_outcome!(text.replace(images::architecture(), "[ARCHITECTURE]"));
}

#[test]
fn any_path_and_any_name_within_will_do() {
    let context = on_layout("vendor/a b:c/ü:1.0");
    fs::create_dir(context.project().join("vendor/a b:c")).unwrap();
    // skopeo and umoci end a path at its first colon.
    save(&context, Base::Busybox, "oci", "vendor/plain:1.0");
    fs::rename(context.project().join("vendor/plain"), context.project().join("vendor/a b:c/ü")).unwrap();
    // It is seen from the manifest, wherever one is.
    context.finish(context.oci().arg("build").current_dir(context.project().join("vendor"))).success();
    assert_eq!(context.run(["run", "-q", "app"]).success().stdout(), "busybox\n");
    // A layer with a name that is no text, in an archive with one beside it.
    let strange = context.root().join("strange");
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join(OsStr::from_bytes(b"caf\xe9")), "latin\n").unwrap();
    let tar = context.root().join("layer.tar");
    succeed(tool("tar").args(["-C"]).arg(&strange).arg("-cf").arg(&tar).arg("."));
    let image = format!("{}:1.0", context.project().join("vendor/strange").display());
    save(&context, Base::Busybox, "oci", "vendor/strange:1.0");
    succeed(tool("umoci").args(["raw", "add-layer", "--image", &image]).arg(&tar));
    let archive = context.project().join("vendor/strange.tar");
    fs::write(context.project().join("vendor/strange").join(OsStr::from_bytes(b"x\xff")), "").unwrap();
    succeed(tool("tar").arg("-C").arg(context.project().join("vendor/strange")).arg("-cf").arg(&archive).arg("."));
    context.write("oci.toml", "[base.local]\nlayout = \"vendor/strange.tar:1.0\"\n");
    let shell = "cat /caf*";
    assert_eq!(context.run(["run", "-q", "local", "--", "sh", "-c", shell]).success().stdout(), "latin\n");
}

#[test]
fn an_ordinary_user_needs_no_more() {
    let context = on_layout("vendor/base.tar");
    save(&context, Base::Merged, "docker-archive", "vendor/base.tar");
    let oci = context.as_ordinary_user(Ids::Subordinate);
    for arguments in [&["lock"][..], &["build", "--complete"]] {
        context.finish(oci().args(arguments)).success();
    }
    assert_eq!(context.finish(oci().args(["run", "-q", "app"])).success().stdout(), "merged\n");
    fs::set_permissions(context.project().join("vendor/base.tar"), fs::Permissions::from_mode(0o000)).unwrap();
    let refused = context.finish(oci().args(["build"])).failure(1);
    assert!(refused.stderr().contains("oci::fs::failed") && refused.stderr().contains("layout ="), "{refused}");
}
