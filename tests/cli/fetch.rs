//! `oci fetch`: what it brings is all that a build, a run or another tool needs.

use crate::support::images::{self, Base};
use crate::support::{Registry, project};

#[test]
fn all_that_an_offline_run_needs_is_there() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho offline\n");
    context.run(["fetch"]).success();
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 1);
    drop(registry);
    context.run(["build", "--frozen"]).success();
    let told = context.run(["run", "-q", "--frozen", "app"]).success();
    assert_eq!(told.stdout(), "offline\n");
    context.run(["fetch", "--offline"]).success();
}

#[test]
fn the_layout_has_every_blob_afterwards() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["build"]).success();
    let index = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "both")));
    let layers = || {
        let manifests = index["manifests"].as_array().unwrap().iter();
        let manifests = manifests.map(|entry| images::read_json(&images::blob(&context.layout(), entry)));
        let layers = manifests.flat_map(|manifest| manifest["layers"].as_array().unwrap().clone());
        layers.map(|layer| images::blob(&context.layout(), &layer)).collect::<Vec<_>>()
    };
    assert!(layers().iter().any(|path| !path.exists()), "the base was shallow");
    context.run(["fetch"]).success();
    assert!(layers().iter().all(|path| path.is_file()), "{:#?}", layers());
}

#[test]
fn a_complete_build_does_the_same() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["build", "--complete"]).success();
    assert_eq!(registry.blob_downloads(&images::layers(Base::Busybox)[0]), 1);
    let layer = context.layout().join("blobs").join(images::layers(Base::Busybox)[0].replace(':', "/"));
    assert!(layer.is_file());
}
