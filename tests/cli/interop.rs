//! Other tools read what was built, from the layout and from the registry.

use std::fs;

use crate::support::images::{self, Base};
use crate::support::ordinary::needs_root;
use crate::support::podman::{self, Storage};
use crate::support::tools::{succeed, tool};
use crate::support::{Registry, TestContext, project};

/// A base whose `/bin` is a link and whose `/tmp` is everyone's, and packages below both.
fn merged(registry: &Registry) -> TestContext {
    let build = format!(
        r#"
[build.tool]
base = "merged"
packages = [{{ path = "x", to = "/bin/x" }}, {{ text = "y", to = "/tmp/y" }}]
entrypoint = ["/bin/x"]
repository = "{}"
"#,
        registry.repository("acme/tool"),
    );
    let context = project::on_base(registry, Base::Merged, "merged", &build);
    context.write_program("x", "#!/bin/sh\nstat -c '%n %a %F' /bin /bin/x /usr/bin/x /tmp /tmp/y\n");
    context
}

const TOLD: &str = "/bin 777 symbolic link\n/bin/x 755 regular file\n/usr/bin/x 755 regular file\n\
                    /tmp 1777 directory\n/tmp/y 644 regular file";

#[test]
fn the_layout_is_read_by_skopeo_and_umoci() {
    let registry = Registry::start();
    let context = merged(&registry);
    context.run(["build"]).success();
    context.run(["fetch"]).success();
    let inspected = succeed(
        tool("skopeo").args(["inspect", "--format", "{{.Digest}}", "oci:.oci:tool"]).current_dir(context.project()),
    );
    assert_eq!(inspected, context.built("tool"));
    let bundle = context.root().join("bundle");
    let image = format!("{}:tool", context.layout().display());
    succeed(tool("umoci").args(["unpack", "--rootless", "--image", &image]).arg(&bundle));
    let root = bundle.join("rootfs");
    assert_eq!(fs::read_link(root.join("bin")).unwrap().to_str(), Some("usr/bin"));
    assert!(root.join("usr/bin/x").is_file() && root.join("tmp/y").is_file());
}

#[test]
fn only_root_engines_run_it_from_the_layout_with_the_bases_link_and_modes() {
    needs_root();
    let registry = Registry::start();
    let context = merged(&registry);
    context.run(["build", "--complete"]).success();
    let storage = Storage::new();
    let image = podman::image(&context, "tool");
    assert_eq!(storage.podman_run(&[], &image, &[]), TOLD);
    succeed(storage.buildah("from").args(["--name", "made", &image]));
    let root = succeed(storage.buildah("mount").arg("made"));
    assert_eq!(fs::read_link(format!("{root}/bin")).unwrap().to_str(), Some("usr/bin"));
}

#[test]
fn engines_run_it_from_the_registry_and_so_do_we() {
    let registry = Registry::start();
    let context = merged(&registry);
    context.run(["publish"]).success();
    let storage = Storage::new();
    let image = format!("docker://{}:latest", registry.repository("acme/tool"));
    assert_eq!(storage.podman_run(&[], &image, &[]), TOLD);
    let container = succeed(storage.buildah("from").args(["--tls-verify=false", "--name", "made", &image]));
    assert_eq!(container, "made");
    assert_eq!(context.run(["run", "-q", "tool"]).success().stdout().trim_end(), TOLD);
}

#[test]
fn a_second_platform_is_chosen_by_them() {
    let registry = Registry::start();
    let context = project::two_platforms(&registry);
    context.run(["publish"]).success();
    let image = format!("docker://{}:latest", registry.repository("acme/both"));
    let here = images::architecture();
    assert_eq!(Storage::new().podman_run(&[], &image, &[]), format!("for {here}"));
    for architecture in ["amd64", "arm64"] {
        let configuration = succeed(tool("skopeo").args([
            "--override-arch",
            architecture,
            "inspect",
            "--tls-verify=false",
            "--config",
            &image,
        ]));
        let configuration: serde_json::Value = serde_json::from_str(&configuration).unwrap();
        assert_eq!(configuration["architecture"], architecture);
    }
}
