//! Bases whose layers are not as common tools write them: they run, they are built on, and packages take files of
//! them, as in other engines; or it is told in words what is wrong with them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::images::{self, Base};
use crate::support::ordinary::Ids;
use crate::support::snapshot::assert_outcome;
use crate::support::{Registry, TestContext};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const DOCKER_PLAIN: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// A member of a layer: kind, name, what it links to or holds.
type Part<'a> = (u8, &'a str, &'a str);

/// A layer: its plain tar, its blob and what that says it is.
struct Layer {
    tar: Vec<u8>,
    blob: Vec<u8>,
    media_type: &'static str,
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn header(kind: u8, name: &str, link: &str, content: &[u8], user: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
    header.set_uid(user);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar(parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, rest) in parts {
        bytes.extend(match kind {
            b'1' | b'2' => header(*kind, name, rest, b"", 0),
            _ => header(*kind, name, "", rest.as_bytes(), 0),
        });
    }
    [bytes, vec![0; 1024]].concat()
}

/// What a program that compresses makes of it.
fn compressed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let output = crate::support::tools::tool(program).arg("-c").arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn plain(tar: Vec<u8>) -> Layer {
    Layer { blob: tar.clone(), tar, media_type: PLAIN }
}

fn gzip(tar: Vec<u8>) -> Layer {
    Layer { blob: compressed("gzip", &tar), tar, media_type: GZIP }
}

fn store(layout: &Path, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    fs::write(layout.join("blobs/sha256").join(&digest[7..]), bytes).unwrap();
    json!({ "digest": digest, "size": bytes.len() })
}

/// A project with a layout `img`, whose image `base` has a busybox and these layers on top; `edit` changes its
/// manifest and its configuration.
fn project(manifest: &str, layers: &[Layer], edit: impl FnOnce(&mut Value, &mut Value)) -> TestContext {
    let context = TestContext::with_manifest(manifest);
    let layout = context.project().join("img");
    images::save(Base::Busybox, &format!("oci:{}:busybox", layout.display()));
    let mut image = images::read_json(&images::blob(&layout, &images::descriptor(&layout, "busybox")));
    let mut config = images::read_json(&images::blob(&layout, &image["config"]));
    for layer in layers {
        let mut descriptor = store(&layout, &layer.blob);
        descriptor["mediaType"] = layer.media_type.into();
        image["layers"].as_array_mut().unwrap().push(descriptor);
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(digest(&layer.tar).into());
    }
    edit(&mut image, &mut config);
    let stored = store(&layout, config.to_string().as_bytes());
    image["config"]["digest"] = stored["digest"].clone();
    image["config"]["size"] = stored["size"].clone();
    let mut descriptor = store(&layout, image.to_string().as_bytes());
    descriptor["mediaType"] =
        image.get("mediaType").cloned().unwrap_or_else(|| "application/vnd.oci.image.manifest.v1+json".into());
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "base" });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    context
}

fn as_it_is(_: &mut Value, _: &mut Value) {}

/// Runs of the base, a package of its `/t`, and a build whose step sees it.
const ALL: &str = r#"
[base.base]
layout = "img:base"

[build.taken]
base = "scratch"
packages = [{ image = "base", path = "/t" }]

[build.stepped]
base = "base"
steps = ["cat /t/a > /told"]
"#;

/// The names in a build's last layer.
fn taken(context: &TestContext) -> Vec<String> {
    let image = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "taken")));
    let layer = fs::read(images::blob(&context.layout(), image["layers"].as_array().unwrap().last().unwrap())).unwrap();
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&layer[..]));
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path_bytes().into_owned());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

/// All that is at `/t` in a run, a line for each file and folder.
const FIND: &str = "for x in t t/* t/*/*; do test -e $x && echo $x; done; true";

#[track_caller]
fn reads_alike(layers: &[Layer], expected: &[&str]) {
    let context = project(ALL, layers, as_it_is);
    context.run(["lock"]).success();
    context.run(["build", "taken"]).success();
    let names: Vec<String> = taken(&context).iter().map(|name| name.trim_end_matches('/').to_owned()).collect();
    assert_eq!(names, expected, "what a package takes");
    let run = context.run(["run", "-q", "base", "--entrypoint", "sh", "--", "-c", FIND]).success();
    let mut seen: Vec<String> = run.stdout().lines().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, expected, "what a run sees");
    let oci = context.as_ordinary_user(Ids::Subordinate);
    let mut command = oci();
    command.args(["run", "-q", "base", "--entrypoint", "sh", "--", "-c", FIND]);
    let mut seen: Vec<String> = context.finish(&mut command).success().stdout().lines().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, expected, "what an ordinary user's run sees");
}

#[test]
fn a_whiteout_in_a_folder_that_replaces_a_link_leaves_what_the_link_led_to() {
    let below: &[Part<'_>] =
        &[(b'5', "t/", ""), (b'5', "t/target/", ""), (b'0', "t/target/keep", "K"), (b'2', "t/link", "target")];
    let above: &[Part<'_>] = &[(b'0', "t/link/.wh..wh..opq", ""), (b'5', "t/link/", ""), (b'0', "t/link/new", "N")];
    reads_alike(&[gzip(tar(below)), gzip(tar(above))], &["t", "t/link", "t/link/new", "t/target", "t/target/keep"]);
}

#[test]
fn what_umoci_cannot_read_is_read() {
    let pax = |kind, records: &str| header(kind, "pax", "", records.as_bytes(), 0);
    let file = |name: &str| header(b'0', name, "", b"A", 0);
    let folder = header(b'5', "t/", "", b"", 0);
    let end = vec![0; 1024];
    let global = [pax(b'g', "19 comment=0123456\n"), folder.clone(), file("t/a"), end.clone()].concat();
    reads_alike(&[gzip(global)], &["t", "t/a"]);
    // An entry below what was a file, and one that an old tar marked as contiguous.
    let below = [folder.clone(), file("t/b"), end.clone()].concat();
    let above = [header(b'0', "t/b/c", "", b"C", 0), header(b'7', "t/a", "", b"A", 0), end].concat();
    reads_alike(&[plain(below), plain(above)], &["t", "t/a", "t/b", "t/b/c"]);
}

#[test]
fn every_compression_is_read_whatever_its_label_says() {
    let tar = tar(&[(b'5', "t/", ""), (b'0', "t/a", "A")]);
    for (program, media_type) in [("zstd", ZSTD), ("gzip", PLAIN), ("zstd", GZIP), ("xz", PLAIN), ("bzip2", GZIP)] {
        let context =
            project(ALL, &[Layer { tar: tar.clone(), blob: compressed(program, &tar), media_type }], as_it_is);
        context.run(["build", "taken", "stepped"]).success();
        assert_eq!(taken(&context), ["t/", "t/a"], "{program} {media_type}");
        assert_eq!(context.run(["run", "-q", "stepped", "--", "cat", "/told"]).success().stdout(), "A", "{program}");
    }
}

#[test]
fn layers_of_zstd_run_where_umoci_knows_none() {
    let manifest = r#"
[base.base]
layout = "img:base"

[stage.tool]
base = "scratch"
compression = "zstd"
packages = [{ image = "base", path = "/" }, { text = "A", to = "/t/a" }]

[build.app]
base = "tool"
compression = "zstd"
steps = ["cat /t/a > /told"]
"#;
    let context = project(manifest, &[], as_it_is);
    context.run(["build"]).success();
    assert_eq!(context.run(["run", "-q", "app", "--", "cat", "/told"]).success().stdout(), "A");
    let oci = context.as_ordinary_user(Ids::Subordinate);
    let mut command = oci();
    command.args(["run", "-q", "app", "--", "cat", "/told"]);
    assert_eq!(context.finish(&mut command).success().stdout(), "A");
}

#[test]
fn what_no_engine_unpacks_is_told() {
    for (name, parts) in [
        ("hard_link_to_nothing", &[(b'1', "t/a", "t/b")][..]),
        ("unknown_kind", &[(b'0', "t/b", "B"), (b'Q', "t/a", "")]),
        ("link_loop", &[(b'2', "t", "t"), (b'0', "t/a", "A")]),
    ] {
        let context = project(ALL, &[gzip(tar(parts))], as_it_is);
        context.run(["lock"]).success();
        let outcome = context.run(["run", "-q", "base", "--", "true"]).failure(125);
        assert!(outcome.stderr().contains("`/t"), "{name}: {outcome}");
        assert_outcome!(outcome);
    }
}

#[test]
fn an_owner_beyond_the_subordinate_ids_is_told_in_words_of_these() {
    let layer = [header(b'5', "t/", "", b"", 0), header(b'0', "t/a", "", b"A", 1_000_000), vec![0; 1024]].concat();
    let context = project(ALL, &[gzip(layer)], as_it_is);
    context.run(["lock"]).success();
    let oci = context.as_ordinary_user(Ids::Subordinate);
    let mut command = oci();
    command.args(["run", "-q", "base", "--", "true"]);
    let outcome = context.finish(&mut command).failure(125);
    assert_outcome!(outcome);
}

/// The manifest of a build, in the project's layout.
fn built(context: &TestContext, name: &str) -> Value {
    images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), name)))
}

#[test]
fn descriptors_of_a_base_are_kept_and_foreign_layers_stay_where_they_are() {
    let registry = Registry::start();
    let repository = registry.repository("acme/app");
    let manifest = format!(
        "[base.base]\nlayout = \"img:base\"\n[build.app]\nbase = \"base\"\nrepository = \"{repository}\"\npackages = [{{ text = \"x\", to = \"/usr/x\" }}]\n"
    );
    let annotations = json!({ "containerd.io/snapshot/stargz/toc.digest": digest(b"toc") });
    let layer = gzip(tar(&[(b'5', "t/", "")]));
    let context = project(&manifest, &[layer], |image, config| {
        image["layers"][0]["annotations"] = annotations.clone();
        image["layers"][0]["data"] = "eA==".into();
        image["layers"].as_array_mut().unwrap().push(json!({
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": digest(b"foreign"), "size": 7, "urls": ["https://example.com/layer"],
        }));
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(digest(b"plain").into());
    });
    context.run(["build"]).success();
    let layers = built(&context, "app")["layers"].clone();
    assert_eq!((&layers[0]["annotations"], &layers[0]["data"]), (&annotations, &json!("eA==")));
    assert_eq!(layers[2]["urls"], json!(["https://example.com/layer"]));
    let outcome = context.run(["run", "-q", "app", "--", "true"]).failure(125);
    assert_outcome!(outcome);
}

#[test]
fn the_rare_label_of_docker_is_looked_at() {
    let layer = tar(&[(b'5', "t/", ""), (b'0', "t/a", "A")]);
    let layers = [
        Layer { blob: compressed("gzip", &layer), tar: layer.clone(), media_type: DOCKER_PLAIN },
        Layer { blob: layer.clone(), tar: layer.clone(), media_type: DOCKER_PLAIN },
    ];
    let context = project(ALL, &layers, |image, _| {
        image["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
        image["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
        image["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    });
    context.run(["build", "stepped"]).success();
    let image = built(&context, "stepped");
    let kinds: Vec<&str> = (0..3).map(|number| image["layers"][number]["mediaType"].as_str().unwrap()).collect();
    assert_eq!(kinds, [GZIP, GZIP, PLAIN]);
    // What is built does not depend on what is in the cache.
    let digest = context.built("stepped");
    fs::remove_dir_all(context.root().join("cache")).unwrap();
    context.run(["build", "stepped"]).success();
    assert_eq!(context.built("stepped"), digest);
}

#[test]
fn the_base_from_elsewhere_is_named_however_far_down_it_is() {
    let registry = Registry::start();
    let pushed = images::push(&registry, Base::Index, "bases/index", "1");
    let name = registry.repository("bases/index");
    let platforms =
        format!("platforms = [\"linux/{}\", \"linux/{}\"]", images::architecture(), images::other_architecture());
    let context = TestContext::with_manifest(&format!(
        r#"
[base.index]
repository = "{name}"
tag = "1"

[build.direct]
base = "index"
{platforms}

[stage.one]
base = "direct"
packages = [{{ text = "1", to = "/one" }}]

[stage.two]
base = "one"

[build.far]
base = "two"
{platforms}

[build.none]
base = "scratch"
packages = [{{ image = "direct", path = "/bin" }}]
"#
    ));
    context.run(["build"]).success();
    let expected = json!({
        "org.opencontainers.image.base.name": format!("{name}:1"),
        "org.opencontainers.image.base.digest": pushed,
    });
    for name in ["direct", "far"] {
        let index = built(&context, name);
        assert_eq!(index["annotations"], expected, "{name}");
        for platform in index["manifests"].as_array().unwrap() {
            let image = images::read_json(&images::blob(&context.layout(), platform));
            assert_eq!(image["annotations"], expected, "{name}");
        }
    }
    assert_eq!(built(&context, "none")["annotations"], Value::Null);
}

#[test]
fn configurations_mean_what_they_mean_to_engines() {
    let context = project(ALL, &[], |_, config| {
        config["config"] = json!({
            "Entrypoint": [""], "Cmd": ["/bin/echo", "from cmd"], "User": "0:",
            "Env": ["PATH=/bin", "NOTHING", "=x"],
        });
    });
    assert_eq!(context.run(["run", "-q", "base"]).success().stdout(), "from cmd\n");
    let given = context.run(["run", "-q", "base", "--", "env"]).success();
    assert!(!given.stdout().contains("NOTHING"), "{given}");
}

#[test]
fn more_layers_than_docker_takes_are_told() {
    let packages: Vec<String> =
        (0..128).map(|number| format!("{{ text = \"{number}\", to = \"/d/{number}\" }}")).collect();
    let manifest = |more: &str| {
        let list = packages.join(", ");
        format!("[build.app]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\n{more}packages = [{list}]\n")
    };
    let context = TestContext::with_manifest(&manifest(""));
    let told = context.run(["build"]).success();
    let warning = "`app` has 128 layers, and Docker takes no image of more than 127: \
                   `squash-packages = true` makes one layer of its packages";
    assert!(told.stderr().contains(warning), "{told}");
    context.write("oci.toml", manifest("squash-packages = true\n"));
    let told = context.run(["build"]).success();
    assert!(!told.stderr().contains("layers, and Docker"), "{told}");
}
