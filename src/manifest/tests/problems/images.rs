//! Problems of builds and packages.

use super::Case;

pub(super) const BUILDS: &[Case] = &[
    (
        "packaged targets",
        r#"[base.tools]
repository = "ghcr.io/acme/tools"
tag = "1"
[package.empty]
command = ""
inputs = []
outputs = []
[package.here]
command = "make"
inputs = ["src"]
outputs = { one = "out/one", two = "../two" }
env = { A = false }
network = "host"
secrets = [{ file = "~/token", to = "/token" }]
[package.there]
in = "tools"
command = "echo {git.sha} {arch}"
inputs = ["../shared", "src/{arch}/*/{os}"]
output = "."
cwd = "/opt"
[package.nothing]
inputs = ["a"]
[package.two]
command = "make"
go = { main = "." }
inputs = ["a"]
output = "a"
[package.go]
go = { tags = ["a b"] }
output = "gate"
in = "tools"
[package.rust]
rust = { bin = "--version", libc = "uclibc" }
[build.app]
base = "tools"
packages = [":here/thre", { path = ":here", to = "/file", follow = true }, ":here/", { path = ":there", to = "/x" }]
"#,
    ),
    (
        "platforms that nobody looks at, and one that does not exist",
        "[stage.a]\nbase = \"scratch\"\nplatform = \"host\"\nplatforms = [\"linux/amd64\"]\n\
         [build.app]\nbase = \"scratch\"\nplatforms = [\"wasi/wasm\"]\n",
    ),
    (
        "a stage for each platform that is to run once",
        "[stage.a]\nbase = \"scratch\"\nper-target = false\n\
         [stage.b]\nbase = \"scratch\"\nplatform = \"host\"\nper-target = false\n\
         [build.app]\nbase = \"scratch\"\nper-target = false\n",
    ),
    ("no base", "[build.app]\npackages = [\"dist/app\"]\n"),
    (
        "commands",
        r#"[build.app]
base = "scratch"
entrypoint = "/bin/sh -c 'echo hello'"
args = "serve --port 80"
[build.empty]
base = "scratch"
entrypoint = ""
[build.nul]
base = "scratch"
args = ["a\u0000b"]
"#,
    ),
    (
        "variables",
        r#"[build.app]
base = "scratch"
env = { "A=B" = "1", "" = false, OPEN = "${PATH", SHELL = "x ${PATH:-/bin} y" }
"#,
    ),
    (
        "users, folders, signals",
        r#"[build.app]
base = "scratch"
user = "1000:1000:1000"
workdir = "./srv"
stop-signal = "TERM"
[build.web]
base = "scratch"
user = "web server"
stop-signal = "SIGRTMIN+x"
"#,
    ),
    (
        "ports and volumes",
        r#"[build.app]
base = "scratch"
ports = ["0", "8080/tpc", "!http"]
volumes = ["data"]
"#,
    ),
    (
        "compression",
        r#"[build.app]
base = "scratch"
compression = "zst"
[build.b]
base = "scratch"
compression = { level = 3 }
[build.c]
base = "scratch"
compression = { kind = "zstd", level = 23 }
[build.d]
base = "scratch"
compression = { kind = "gzip", level = 9 }
"#,
    ),
    (
        "platforms and tags",
        r#"[build.app]
base = "scratch"
platforms = ["linux/arm64", "linux/aarch64"]
tag = "a"
tags = ["b"]
[build.web]
base = "scratch"
platforms = []
tags = []
repository = ["ghcr.io/acme/web", "web"]
"#,
    ),
];

pub(super) const PACKAGES: &[Case] = &[
    ("archives by a glob", "[build.app]\nbase = \"scratch\"\npackages = [{ archive = \"dist/*.tar\", to = \"/\" }]\n"),
    (
        "packages that are no one thing",
        r#"[build.app]
base = "scratch"
packages = [
    { owner = "0:0" },
    { text = "hello", link = "/hello", to = "/x" },
    { path = "dist", target = "/x" },
    { folder = "/data", to = "/x" },
    { text = "hello" },
    { link = "/hello" },
]
"#,
    ),
    (
        "paths that are none",
        r#"[build.app]
base = "scratch"
packages = [
    "",
    { path = "dist", to = "app" },
    { path = "dist", to = "/../app" },
    { text = "hello", to = "/etc/" },
    { text = "hello", to = "/" },
    { text = "hello", to = "/etc/.wh.motd" },
    { text = "hello", to = "/etc/a\u0000b" },
    { link = "/hello", target = "" },
    { link = "/hello", target = "a\u0000" },
    { folder = "/" },
    ":",
    { archive = "a.tar", to = "/", strip = -1 },
]
"#,
    ),
    ("paths without a name", "[build.app]\nbase = \"scratch\"\npackages = [\".\", \"../shared\", \"/etc/hosts\"]\n"),
    (
        "placeholders",
        r#"[build.app]
base = "scratch"
packages = [
    "dist/{architecture}/app",
    "dist/{app",
    { path = "dist/{os}", to = "/{quux}/{arch}" },
    { link = "/lib/ld.so", target = "/lib/{cpuu}" },
]
"#,
    ),
    (
        "owners, modes, globs",
        r#"[build.app]
base = "scratch"
packages = [
    { path = "dist", owner = "web:web", mode = "u=rw", folder-mode = "75" },
    { path = "dist", owner = "4294967295:0", mode = "10000" },
    { path = "dist", include = ["[z-a]"], exclude = ["{a,b", "[x"] },
    "dist/[a",
]
"#,
    ),
    (
        "globs that would match nothing, without a word",
        r#"[project]
exclude = ["/target"]
[build.app]
base = "scratch"
packages = [
    { path = "dist", exclude = ["secrets/", "./a", "../b", "a//b", "", "./"], include = ["/a/", "**/x"] },
]
"#,
    ),
];
