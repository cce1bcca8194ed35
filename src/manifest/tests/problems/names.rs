//! Problems of bases, names and templates.

use super::Case;

pub(super) const BASES: &[Case] = &[
    (
        "repositories that are none",
        r#"[base.a]
repository = "python"
tag = "3"
[base.b]
repository = "docker.io/library/python:3.12"
tag = "3"
[base.c]
repository = "docker.io/library/python@sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2"
tag = "3"
[base.d]
repository = "https://ghcr.io/acme/app"
tag = "3"
[base.e]
repository = "ghcr.io/Acme/app"
tag = "3"
[base.f]
repository = "-ghcr.io/acme/app"
tag = "3"
[base.g]
repository = ""
tag = "3"
"#,
    ),
    (
        "what is missing",
        r#"[base.a]
tag = "3"
[base.b]
repository = "ghcr.io/acme/b"
[base.c]
repository = "ghcr.io/acme/c"
variants = {}
[base.d]
repository = "ghcr.io/acme/d"
variants = { slim = { description = "small" } }
"#,
    ),
    (
        "what says it twice",
        r#"[base.a]
repository = "ghcr.io/acme/a"
tag = "3"
variants = { slim = "3-slim" }
[base.b]
repository = "ghcr.io/acme/b"
digest = "sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2"
sha = "97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2"
"#,
    ),
    (
        "tags and digests that are none",
        r#"[base.a]
repository = "ghcr.io/acme/a"
tag = "3 slim"
[base.b]
repository = "ghcr.io/acme/b"
digest = "sha256:97c1"
[base.c]
repository = "ghcr.io/acme/c"
sha = "sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2"
[base.d]
repository = "ghcr.io/acme/d"
[base.d.variants]
short = "sha256:97"
upper = "97C123C899C8C9CA46248F4002EC4173322E0A1086B386EFEFAC163C64967BA2"
"#,
    ),
    (
        "layouts",
        r#"[base.a]
layout = ""
repository = "ghcr.io/acme/a"
tag = "1"
[base.b]
layout = "dir:tag"
digest = "sha256:97"
[base.c]
layout = "oci:"
variants = { slim = "1" }
[base.d]
layout = "dir:"
anonymous = true
[base.e]
layout = "a\u001Bb"
"#,
    ),
    (
        "names that are none",
        r#"[base."My Base"]
repository = "ghcr.io/acme/a"
tag = "1"
[base.scratch]
repository = "ghcr.io/acme/a"
tag = "1"
[base.a]
repository = "ghcr.io/acme/a"
variants = { "Slim Buster" = "1", "--" = "2" }
"#,
    ),
];

pub(super) const NAMES: &[Case] = &[
    (
        "one name for two images",
        r#"[build.python]
base = "scratch"
[base.python]
repository = "docker.io/library/python"
tag = "3.12"
"#,
    ),
    (
        "bases that are none",
        r#"[base.python]
repository = "docker.io/library/python"
variants = { slim = "3.12-slim", buster = "3.7-buster" }
[base.debian]
repository = "docker.io/library/debian"
tag = "12"
[build.a]
base = "pyton#slim"
[build.b]
base = "python"
[build.c]
base = "python#slmi"
[build.d]
base = "debian#slim"
[build.e]
base = "a#slim"
[build.f]
base = "scratch#slim"
[build.g]
base = "docker.io/library/python:3.12"
[build.h]
base = ":Debian"
[build.i]
base = "python#"
"#,
    ),
    (
        "a base for another platform",
        r#"[stage.tools]
base = "scratch"
platform = "host"
[stage.more]
base = "tools"
platform = "host"
[build.app]
base = "more"
"#,
    ),
    (
        "nothing to take",
        r#"[build.a]
base = "scratch"
packages = [{ image = "scratch", path = "/etc" }]
"#,
    ),
    (
        "layers",
        r#"[layer."My Layer"]
packages = ["a"]
[layer.tools]
[build.a]
base = "scratch"
layers = ["tool", "tools", "tools", "zzz"]
[build.b]
base = "scratch"
squash-packages = "yes"
"#,
    ),
    ("a layer where there is none", "[build.a]\nbase = \"scratch\"\nlayers = [\"tools\"]\n"),
    ("a build on itself", "[build.a]\nbase = \"a\"\n"),
    (
        "builds on each other",
        r#"[build.web]
base = "app"
[build.app]
base = "tool"
[build.tool]
base = "web"
[build.other]
base = "web"
"#,
    ),
];

pub(super) const TEMPLATES: &[Case] = &[
    (
        "names where none is known, and a value that is wrong",
        r#"[vars]
signal = "SIGTERM"
user = "a b"
[build."{var.user}"]
base = "{version}"
stop-signal = "{var.signal}"
compression = "{env.COMPRESSION}"
user = "{var.user}"
packages = [{ path = "dist", exclude = ["**/{arch}"] }]
"#,
    ),
    (
        "names that are not known, where they stand",
        r#"[vars]
channel = "stable"
[base.a]
repository = "ghcr.io/acme/a"
tag = "{var.chanel}"
[build.app]
base = "scratch"
repository = "registry.example.com/{biuld}/{arch}"
tags = ["latest", "{git.commit}", '{env.}', "\u0031{git.ref}", "{}x}"]
labels = { revision = "{{a}} {git.sha} b", other = """
  {build}""" }
env = { VERSION = "v{version}", OTHER = "{x}" }
packages = [{ path = "dist-{version}", to = "/app" }, { text = "{ {version} {x} {var.a} }", to = "/v" }]
"#,
    ),
    ("variables that are none", "[vars]\n\"a b\" = \"1\"\nc = 1\n[build.app]\nbase = \"scratch\"\ntag = \"{var.d}\"\n"),
    ("no variables at all", "[build.app]\nbase = \"scratch\"\ntag = \"{var.d}\"\n"),
    (
        "what becomes wrong by a value",
        r#"[vars]
host = "ghcr"
empty = ""
[build.app]
base = "scratch"
repository = "{var.host}/acme"
tag = "{var.empty}"
"#,
    ),
    (
        "defaults",
        r#"[defaults]
base = "scratch"
tags = ["1"]
user = "a b"
labels = { a = "{x}" }
repository = "acme"
[build.a]
base = "scratch"
[build.b]
base = "scratch"
user = "0"
"#,
    ),
];
