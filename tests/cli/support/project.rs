//! Projects that many tests build.

use super::{Base, Registry, TestContext, images};

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
    images::push(registry, Base::Busybox, "library/busybox", "latest");
    let context = TestContext::with_manifest(&format!(
        r#"
[base.busybox]
repository = "{}"
tag = "latest"

[build.app]
base = "busybox"
packages = ["app"]
repository = "{}"
"#,
        registry.repository("library/busybox"),
        registry.repository("acme/app"),
    ));
    context.write_program("app", text);
    context
}

/// An image for two platforms with a file for each.
pub(crate) fn two_platforms(registry: &Registry) -> TestContext {
    images::push(registry, Base::Index, "library/busybox", "latest");
    let context = TestContext::with_manifest(&format!(
        r#"
[base.busybox]
repository = "{}"
tag = "latest"

[build.both]
base = "busybox"
platforms = ["linux/amd64", "linux/arm64"]
packages = [{{ path = "message-{{arch}}", to = "/etc/message" }}, {{ path = "data", to = "/data" }}]
entrypoint = ["/bin/cat", "/etc/message"]
repository = "{}"
tags = ["1", "latest"]
"#,
        registry.repository("library/busybox"),
        registry.repository("acme/both"),
    ));
    context.write("message-amd64", "for amd64\n");
    context.write("message-arm64", "for arm64\n");
    for name in ["b", "a", "sub/c"] {
        context.write(&format!("data/{name}"), format!("content of {name}\n"));
    }
    context
}
