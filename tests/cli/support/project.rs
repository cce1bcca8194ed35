//! Projects that many tests build.

use super::{Base, Registry, TestContext, images};

/// A base with this name in `oci.toml`: `library/NAME` of the registry, by the tag `latest`.
pub(crate) fn base(registry: &Registry, base: Base, name: &str) -> String {
    let repository = format!("library/{name}");
    images::push(registry, base, &repository, "latest");
    format!("\n[base.{name}]\nrepository = \"{}\"\ntag = \"latest\"\n", registry.repository(&repository))
}

/// A project with a base of this name, and these tables.
pub(crate) fn on_base(registry: &Registry, kind: Base, name: &str, tables: &str) -> TestContext {
    TestContext::with_manifest(&(base(registry, kind, name) + tables))
}

/// A server that says when it is ready, and ends with 9 when it is asked to end.
pub(crate) const SERVER: &str = "#!/bin/sh\ntrap 'echo stopping; exit 9' TERM\necho ready\n\
                                 while true; do sleep 0.1; done\n";

/// The predecessor's example: `python` with two variants pinned by digest, and a server on one of them.
pub(crate) fn my_server(registry: &Registry) -> TestContext {
    let slim = images::push(registry, Base::Merged, "library/python", "slim");
    let buster = images::push(registry, Base::Busybox, "library/python", "buster");
    let context = TestContext::with_manifest(&format!(
        r#"
[base.python]
repository = "{python}"
[base.python.variants]
slim = "{slim}"
buster = "{buster}"

[build.my-server]
base = ":python#slim"
packages = ["my-server"]
repository = "{published}"
tag = "1.0"
"#,
        python = registry.repository("library/python"),
        published = registry.repository("acme/my-server"),
    ));
    context.write_program("my-server", SERVER);
    context
}

/// A program on a busybox base, run through a shell of it.
pub(crate) fn script(registry: &Registry, text: &str) -> TestContext {
    let published = registry.repository("acme/app");
    let build = format!("\n[build.app]\nbase = \"busybox\"\npackages = [\"app\"]\nrepository = \"{published}\"\n");
    let context = on_base(registry, Base::Busybox, "busybox", &build);
    context.write_program("app", text);
    context
}

/// An image for two platforms with a file for each.
pub(crate) fn two_platforms(registry: &Registry) -> TestContext {
    let build = format!(
        r#"
[build.both]
base = "busybox"
platforms = ["linux/amd64", "linux/arm64"]
packages = [{{ path = "message-{{arch}}", to = "/etc/message" }}, {{ path = "data", to = "/data" }}]
entrypoint = ["/bin/cat", "/etc/message"]
repository = "{}"
tags = ["1", "latest"]
"#,
        registry.repository("acme/both"),
    );
    let context = on_base(registry, Base::Index, "busybox", &build);
    context.write("message-amd64", "for amd64\n");
    context.write("message-arm64", "for arm64\n");
    for name in ["b", "a", "sub/c"] {
        context.write(&format!("data/{name}"), format!("content of {name}\n"));
    }
    context
}
