//! Problems of the whole file: its shape, the project, and what cannot be built yet.

use super::Case;

pub(super) const SHAPE: &[Case] = &[
    ("not TOML", "[build.app]\nbase = scratch\n[build.tool\nbase = \"scratch\"\n"),
    (
        "a table twice",
        "[build.app]\nbase = \"scratch\"\n\n[project]\nname = \"acme\"\n\n[build.app]\nbase = \"scratch\"\n",
    ),
    ("a key twice", "[project]\nname = \"acme\"\nversion = \"1\"\nname = \"again\"\n"),
    ("a key twice on one line", "[build.app]\nbase = \"scratch\"\nenv = { A = \"1\", A = \"2\" }\n"),
    ("a key of another kind twice", "[project]\nname = \"acme\"\n[project.name]\nx = 1\n"),
    ("an unknown table", "[biuld.app]\nbase = \"scratch\"\n[quux]\n"),
    ("an unknown key outside a table", "repository = \"x\"\n"),
    (
        "words of Dockerfiles",
        "[build.app]\nfrom = \"a\"\ncopy = [\"a\"]\nrun = \"make\"\ncmd = [\"a\"]\nexpose = [\"80\"]\n\
         working_dir = \"/\"\nenvironment = { A = \"1\" }\nvolume = [\"/a\"]\nlabel = { a = \"1\" }\narg = \"A\"\n\
         [project]\nrun = \"a\"\n",
    ),
    ("an unknown key", "[build.app]\nbase = \"scratch\"\nentrypiont = [\"/app\"]\nquux = 1\n"),
    (
        "an unknown key of a package",
        "[build.app]\nbase = \"scratch\"\npackages = [\"a\", { pth = \"dist\", to = \"/\" }]\n",
    ),
    ("a key that cannot be", "[build.app]\nbase = \"scratch\"\nhealthcheck = \"curl localhost\"\n"),
    (
        "another type",
        r#"[project]
name = 7
source-date-epoch = "0"
platforms = "linux/amd64"
[base.debian]
repository = ["docker.io/library/debian"]
tag = 12
anonymous = "yes"
[build]
web = "debian"
[build.app]
base = "scratch"
entrypoint = { program = "/app" }
env = { PORT = 8080, DEBUG = true }
ports = ["8080", 53]
packages = [
    7,
    { path = "dist", optional = 1, to = [
        "/app",
    ] },
]
"#,
    ),
];

pub(super) const PROJECT: &[Case] = &[
    (
        "values of the project",
        r#"[project]
platforms = ["linux/amd64", "linux/arm46", "linux/x86_64", "linux"]
exclude = ["**/[a-z"]
source-date-epoch = -1
"#,
    ),
    ("an epoch beyond a tar header", "[project]\nsource-date-epoch = 8589934592\n"),
    (
        "registries",
        r#"[registry."https://ghcr.io"]
[registry.ghcr]
[registry."ghcr.io/acme"]
[registry."docker.io"]
auth-file = ""
mirrors = ["mirror.example.com/hub", "mirror", "https://mirror.example.com", "mirror.example.com/hub:1", "docker.io"]
[registry."index.docker.io"]
"#,
    ),
    ("no platform", "[project]\nplatforms = []\n"),
    ("empty paths", "[cache]\ndir = \"\"\n"),
    ("tools of a checkout", "[tools]\nskopeo = \"./evil\"\nrunc = \"youki\"\n"),
];

pub(super) const LATER: &[Case] = &[
    (
        "stages and what they are named by",
        r#"[stage.a]
base = "b"
terminal = true
platform = "target"
[stage.b]
packages = [":server", { path = ":sevrer", to = "/x" }, { image = "c", path = "/x" }]
[build.b]
base = "a#slim"
[base.a]
repository = "ghcr.io/acme/a"
tag = "1"
[package.server]
command = []
[package.both]
command = "make {x}"
inputs = ["src/[x"]
output = "a"
outputs = ["b"]
[mirror.m]
source = "b"
repository = "m"
tags = ["{build}", "{git.sha}"]
[mirror.n]
"#,
    ),
    (
        "circles through files and mounts",
        r#"[stage.a]
base = "scratch"
packages = [{ image = "b", path = "/x" }]
[stage.b]
base = "scratch"
steps = [{ run = "true", mounts = [{ image = "c", path = "/x", to = "/x" }] }]
[layer.l]
packages = [{ image = "a", path = "/x" }]
[build.c]
base = "scratch"
layers = ["l"]
"#,
    ),
    (
        "forms of packages",
        r#"[build.app]
base = "scratch"
packages = [
    { image = "", path = "x" },
    { image = "scratch", strip = 1 },
    { archive = "a.tar", strip = -1 },
    { archive = "", to = "/", text = "x" },
]
"#,
    ),
    (
        "steps",
        r#"[build.app]
base = "scratch"
steps = [
    "",
    { user = "a b" },
    { run = [], network = "bridge", workdir = "../x", shell = [], cache = ["x"], env = { "=" = "1" } },
    { run = "echo {version} {x}", secrets = [{}, { env = "" }, { env = "A", to = "/x" }, { file = "x" }] },
    { run = "true", cache = ["/", "/dev/"], mounts = [{ path = "x", to = "/proc/x" }, { tmpfs = "/sys" }] },
    { run = "true", mounts = [{}, { path = "x" }, { image = "x", path = "y" }, { tmpfs = "x", to = "/" }] },
]
"#,
    ),
    (
        "policy and cache",
        r#"[policy]
allow = ["docker.io/library/*"]
signatures = ""
max-age-days = 0
[base.a]
repository = "ghcr.io/acme/a"
tag = "1"
[cache]
max-size = "much"
registry = "cache"
"#,
    ),
];
