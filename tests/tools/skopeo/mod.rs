//! Against the real skopeo and a real registry.

mod causes;
mod registry;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use super::{Access, Version};
use crate::model::{Digest, Reference};
use crate::tools::Cause;
use crate::tools::skopeo::QUESTION_LIMIT;
use crate::tools::skopeo::tests::{Bench, tag};
use registry::{Image, Proxy, Registry};
use serde_json::json;

#[test]
fn asks_for_exact_bytes() {
    let (bench, registry, image) = (Bench::new(), Registry::start(), Image::new(b"layer"));
    let repository = registry.repository("lab/app");
    assert_eq!(bench.publish(&image, &repository, "v1"), image.manifest);
    let bytes = bench.skopeo.inspect_raw(&tag(&repository, "v1"), &Access::default()).unwrap();
    assert_eq!(Digest::of(&bytes), image.manifest);
    let by_digest = Reference::Digest(repository.clone(), image.manifest);
    assert_eq!(bench.skopeo.inspect_raw(&by_digest, &Access::default()).unwrap(), bytes);
    let config = bench
        .skopeo
        .inspect_config(&repository, &image.manifest, &Digest::of(&image.config), &Access::default())
        .unwrap();
    assert_eq!(config, image.config);
    assert_eq!(bench.skopeo.list_tags(&repository, &Access::default(), QUESTION_LIMIT).unwrap(), ["v1"]);
    assert!(bench.skopeo.version().unwrap() >= Version(1, 6, 0));
}

#[test]
fn never_believes_wrong_bytes() {
    let (bench, registry, image) = (Bench::new(), Registry::start(), Image::new(b"layer"));
    bench.publish(&image, &registry.repository("app"), "v1");
    let proxy = Proxy::start(&registry, json!([{"match": "GET .*/manifests/", "do": "corrupt", "argument": 40}]));
    let reference = Reference::Digest(proxy.repository("app"), image.manifest);
    let error = bench.skopeo.inspect_raw(&reference, &Access::default()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::DigestMismatch));
    let wrong = Digest::of(b"another config");
    let error = bench
        .skopeo
        .inspect_config(&registry.repository("app"), &image.manifest, &wrong, &Access::default())
        .unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::DigestMismatch));
}

/// OCI, Docker schema 2, layers that are not compressed: the bytes are what they were.
#[test]
fn fetches_every_kind_of_image_bit_by_bit() {
    let (bench, registry) = (Bench::new(), Registry::start());
    let (oci, docker) = (Image::new(b"plain tar"), Image::docker(b"docker"));
    bench.publish(&oci, &registry.repository("oci"), "v1");
    bench.publish_docker(&docker, &registry.repository("docker"), "v1");
    for (name, image) in [("oci", oci), ("docker", docker)] {
        let repository = registry.repository(name);
        let scratch = bench.scratch(name);
        let fetched = bench.skopeo.fetch(image.wanted(&repository), &[], &scratch, &Access::default()).unwrap();
        for (digest, path) in &fetched {
            assert_eq!(Digest::of(&std::fs::read(path).unwrap()), *digest, "{name}");
        }
        let digests: BTreeSet<Digest> = fetched.into_iter().map(|(digest, _)| digest).collect();
        assert_eq!(digests, BTreeSet::from([image.manifest, Digest::of(&image.config), image.layer]), "{name}");
    }
}

/// The registry would refuse to give the layer, and the linked file is not written to.
#[test]
fn does_not_download_what_is_present() {
    let (bench, registry, image) = (Bench::new(), Registry::start(), Image::new(b"a layer"));
    bench.publish(&image, &registry.repository("app"), "v1");
    let layer = image.layer;
    let rule = json!([{"match": format!("GET .*/blobs/{layer}"), "do": "status", "argument": 500}]);
    let proxy = Proxy::start(&registry, rule);
    let kept = bench.folder.path().join("kept");
    std::fs::copy(image.blob(&layer), &kept).unwrap();
    let before = std::fs::metadata(&kept).unwrap();
    let present = [(layer, kept.clone())];
    let repository = proxy.repository("app");
    let fetched =
        bench.skopeo.fetch(image.wanted(&repository), &present, &bench.scratch("with"), &Access::default()).unwrap();
    assert_eq!(fetched.len(), 2);
    assert!(fetched.iter().all(|(digest, _)| *digest != layer));
    let after = std::fs::metadata(&kept).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec(), before.mode()), (after.ino(), after.mtime_nsec(), after.mode()));
    // What cannot be linked is asked for.
    let gone = [(layer, bench.folder.path().join("gone"))];
    let error = bench
        .skopeo
        .fetch(image.wanted(&repository), &gone, &bench.scratch("without"), &Access::default())
        .unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::ServerError { status: 500 }));
}

#[test]
fn pushes_an_index_with_all_its_images() {
    let (bench, registry) = (Bench::new(), Registry::start());
    let (amd64, arm64) = (Image::new(b"for amd64"), Image::new(b"for arm64"));
    let index = Image::index(&[("amd64", &amd64), ("arm64", &arm64)]);
    let repository = registry.repository("multi");
    let pushed = bench.skopeo.push(index.layout(), &tag(&repository, "v1"), Some(b""), &Access::default()).unwrap();
    assert_eq!(pushed, index.manifest);
    for image in [&index, &amd64, &arm64] {
        let reference = Reference::Digest(repository.clone(), image.manifest);
        bench.skopeo.inspect_raw(&reference, &Access::default()).unwrap();
    }
    // Without `--all` it is this machine's image that goes.
    let one = bench.skopeo.push(index.layout(), &tag(&repository, "one"), None, &Access::default()).unwrap();
    assert!([amd64.manifest, arm64.manifest].contains(&one));
}

#[test]
fn pushes_by_digest_and_from_shared_blobs() {
    let (bench, registry, image) = (Bench::new(), Registry::start(), Image::new(b"layer"));
    let repository = registry.repository("app");
    let layout = image.layout();
    let shared = bench.folder.path().join("shared");
    std::fs::rename(layout.folder.join("blobs"), &shared).unwrap();
    let layout = crate::tools::skopeo::LayoutImage { blobs: Some(&shared), ..layout };
    let by_digest = |digest| Reference::Digest(repository.clone(), digest);
    assert_eq!(
        bench.skopeo.push(layout, &by_digest(image.manifest), None, &Access::default()).unwrap(),
        image.manifest
    );
    assert!(bench.skopeo.list_tags(&repository, &Access::default(), QUESTION_LIMIT).unwrap_or_default().is_empty());
    let error = bench.skopeo.push(layout, &by_digest(Digest::of(b"")), None, &Access::default()).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::DigestMismatch));
}

/// A base's layers need not be here if the destination has them, or has seen them in another repository.
#[test]
fn pushes_without_layers_that_the_registry_has() {
    let (bench, registry, image) = (Bench::new(), Registry::start(), Image::new(b"base layer"));
    let base = registry.repository("base");
    bench.publish(&image, &base, "v1");
    std::fs::remove_file(image.blob(&image.layer)).unwrap();
    assert_eq!(bench.publish(&image, &base, "again"), image.manifest);
    // The private cache knows from the first push where the layer is, so it is mounted.
    assert_eq!(bench.publish(&image, &registry.repository("app"), "v1"), image.manifest);
    let error = Bench::new()
        .skopeo
        .push(image.layout(), &tag(&registry.repository("other"), "v1"), None, &Access::default())
        .unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::BlobAbsent { digest: Some(image.layer) }));
}

#[test]
fn copies_between_registries() {
    let (bench, from, to) = (Bench::new(), Registry::start(), Registry::start());
    let image = Image::docker(b"layer");
    bench.publish_docker(&image, &from.repository("app"), "v1");
    let (access, target) = (Access::default(), tag(&to.repository("mirror/app"), "v1"));
    let source = Reference::Digest(from.repository("app"), image.manifest);
    let mirrored = bench.skopeo.mirror((&source, &access), (&target, &access), true).unwrap();
    assert_eq!(mirrored, image.manifest);
    let absent = tag(&from.repository("app"), "absent");
    let error = bench.skopeo.mirror((&absent, &access), (&target, &access), true).unwrap_err();
    assert_eq!(error.to_string(), format!("`{}/app` has no tag `absent`", from.address));
}

/// Pushes, pulls and questions of several threads at once.
#[test]
fn works_from_many_threads() {
    let (bench, registry) = (Bench::new(), Registry::start());
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (bench, registry) = (&bench, &registry);
            scope.spawn(move || {
                let image = Image::new(format!("layer {}", number / 2).as_bytes());
                let repository = registry.repository(&format!("app{number}"));
                assert_eq!(bench.publish(&image, &repository, "v1"), image.manifest);
                let scratch = bench.scratch(&number.to_string());
                let fetched = bench.skopeo.fetch(image.wanted(&repository), &[], &scratch, &Access::default());
                assert_eq!(fetched.unwrap().len(), 3);
            });
        }
    });
}

/// Credentials come from a file, `anonymous` sends none.
#[test]
fn logs_in_with_a_file() {
    let (bench, registry, image) = (Bench::new(), Registry::with_password(), Image::new(b"layer"));
    let repository = registry.repository("private");
    let file = bench.folder.path().join("auth.json");
    // `user:secret`
    let auths = json!({"auths": {registry.address.clone(): {"auth": "dXNlcjpzZWNyZXQ="}}});
    std::fs::write(&file, auths.to_string()).unwrap();
    let known = Access { credentials: Some(file), ..Access::default() };
    let reference = tag(&repository, "v1");
    assert_eq!(bench.skopeo.push(image.layout(), &reference, None, &known).unwrap(), image.manifest);
    assert!(bench.skopeo.inspect_raw(&reference, &known).is_ok());
    let anonymous = Access { anonymous: true, ..known };
    let error = bench.skopeo.inspect_raw(&reference, &anonymous).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::Unauthorised));
}
