//! `oci publish`: the digest that was built is the digest that is there, and only what is lacking is sent.

use crate::support::images::{self, Base};
use crate::support::registry::skopeo_copy;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::succeed;
use crate::support::{Registry, TestContext, project};

/// The program's image, published to `repository`.
fn publish_to(context: &TestContext, old: &str, repository: &str) -> String {
    let manifest = context.read("oci.toml");
    context.write("oci.toml", manifest.replace(&format!("\"{old}\""), &format!("\"{repository}\"")));
    let told = context.run(["publish"]).success();
    let digest = context.built("app");
    assert_eq!(told.stdout().trim_end(), format!("{repository}@{digest}"));
    digest
}

#[test]
fn to_the_bases_own_repository_no_base_layer_moves() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let manifest = context.read("oci.toml").replace("packages", "tag = \"app\"\npackages");
    context.write("oci.toml", manifest);
    let digest = publish_to(&context, &registry.repository("acme/app"), &registry.repository("library/busybox"));
    assert_eq!(registry.digest("library/busybox", "app"), digest);
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 0);
}

#[test]
fn to_another_repository_of_the_registry_the_base_is_mounted() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let target = registry.repository("acme/app");
    let before = registry.requests().len();
    let digest = publish_to(&context, &target, &target);
    assert_eq!(registry.digest("acme/app", "latest"), digest);
    let requests = registry.requests().split_off(before);
    let names_base = |request: &&String| request.contains(&images::layers(Base::Busybox)[0].replace(':', "%3A"));
    let base: Vec<&String> = requests.iter().filter(names_base).collect();
    assert!(base.iter().any(|request| request.contains("mount=") && request.ends_with(" 201")), "{requests:#?}");
    assert!(!base.iter().any(|request| request.starts_with("PUT")), "the base was sent: {requests:#?}");
    assert!(registry.blob_downloads(&images::layers(Base::Busybox)[0]) <= 1, "{requests:#?}");
}

#[test]
fn to_another_registry_all_of_it_goes() {
    let registry = Registry::start();
    let other = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let digest = publish_to(&context, &registry.repository("acme/app"), &other.repository("acme/app"));
    assert_eq!(other.digest("acme/app", "latest"), digest);
    // It is whole there: another tool copies it.
    let copy = context.root().join("copy");
    succeed(
        skopeo_copy()
            .arg(format!("docker://{}@{digest}", other.repository("acme/app")))
            .arg(format!("oci:{}:copy", copy.display())),
    );
    assert_eq!(images::descriptor(&copy, "copy")["digest"], digest.as_str());
}

#[test]
fn an_index_goes_whole_under_every_tag() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    let told = context.run(["publish"]).success();
    let digest = context.built("both");
    assert_eq!(told.stdout().trim_end(), format!("{}@{digest}", registry.repository("acme/both")));
    for tag in ["1", "latest"] {
        assert_eq!(registry.digest("acme/both", tag), digest);
    }
    let copy = context.root().join("copy");
    let (source, target) = (registry.repository("acme/both"), copy.display());
    succeed(skopeo_copy().arg("--all").arg(format!("docker://{source}:1")).arg(format!("oci:{target}:copy")));
    assert_eq!(images::descriptor(&copy, "copy")["digest"], digest.as_str());
}

#[test]
fn again_nothing_is_sent() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    let first = context.run(["publish"]).success().stdout();
    let asked = registry.requests().len();
    assert_eq!(context.run(["publish"]).success().stdout(), first);
    let requests = registry.requests().split_off(asked);
    let sent = |request: &&String| request.starts_with("POST") || request.starts_with("PATCH");
    assert_eq!(requests.iter().filter(sent).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn credentials_are_found_where_other_tools_keep_them() {
    let registry = Registry::start();
    let private = Registry::start_with_accounts();
    let context = project::script(&registry, "#!/bin/sh\n");
    let manifest = context.read("oci.toml").replace(&registry.repository("acme/app"), &private.repository("acme/app"));
    context.write("oci.toml", manifest);
    context.run(["publish"]).failure(1);
    let docker = context.root().join("home/.docker");
    std::fs::create_dir_all(&docker).unwrap();
    private.write_credentials(&docker.join("config.json"));
    let told = context.run(["publish"]).success();
    assert!(told.stdout().contains(&context.built("app")), "{told}");
}

#[test]
fn offline_nothing_is_published_and_nobody_is_asked() {
    let registry = Registry::start();
    let context = TestContext::with_manifest(&format!(
        "[build.app]\nbase = \"scratch\"\npackages = [{{ text = \"x\", to = \"/x\" }}]\nrepository = \"{}\"\n",
        registry.repository("acme/app")
    ));
    context.run(["build"]).success();
    assert_outcome!(context.run(["publish", "--offline"]).failure(2));
    context.run(["publish", "--frozen"]).failure(2);
    for name in ["OCI_OFFLINE", "OCI_FROZEN"] {
        context.finish(context.oci().arg("publish").env(name, "1")).failure(2);
    }
    assert_eq!(registry.requests(), Vec::<String>::new());
    context.run(["publish"]).success();
}
