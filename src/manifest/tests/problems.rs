//! Every problem, rendered: a snapshot for each part of the file.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use miette::Diagnostic;

use super::{codes, read};
use crate::diagnostic::{codes_of, rendered};
use crate::manifest::{NotYetError, UserSettings, discover};
use crate::source::{At, Source};

/// Title and manifest.
type Case = (&'static str, &'static str);

const SHAPE: &[Case] = &[
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

const PROJECT: &[Case] = &[
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
    ("empty paths", "[tools]\nskopeo = \"\"\n[cache]\ndir = \"\"\n"),
];

const BASES: &[Case] = &[
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

const NAMES: &[Case] = &[
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

const TEMPLATES: &[Case] = &[
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

const LATER: &[Case] = &[
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

const BUILDS: &[Case] = &[
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

const PACKAGES: &[Case] = &[
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

const PARTS: [(&str, &[Case]); 8] = [
    ("shape", SHAPE),
    ("project", PROJECT),
    ("bases", BASES),
    ("names", NAMES),
    ("templates", TEMPLATES),
    ("later", LATER),
    ("builds", BUILDS),
    ("packages", PACKAGES),
];

#[test]
fn every_problem_is_shown_with_its_place() {
    for (part, cases) in PARTS {
        let mut text = String::new();
        for (title, manifest) in cases {
            writeln!(text, "# {title}").unwrap();
            for problem in read(manifest).expect_err(title) {
                writeln!(text, "{}\n", rendered(&problem)).unwrap();
            }
        }
        insta::assert_snapshot!(part, text);
    }
}

fn not_found() -> [Box<dyn Diagnostic>; 2] {
    let folder = Path::new("/nonexistent/project");
    [None, Some(Path::new("other/oci.toml"))].map(|named| Box::new(discover(named, folder).unwrap_err()) as _)
}

#[test]
fn a_manifest_that_is_not_there() {
    insta::assert_snapshot!(
        "not_found",
        not_found().iter().map(|error| rendered(&**error)).collect::<Vec<_>>().join("\n\n")
    );
}

#[test]
fn settings_of_a_user() {
    let text =
        "[project]\nname = \"a\"\n[tools]\nrunc = \"\"\n[registry.x]\ninsecure = 1\n[cache]\nmax-size = \"1 ZB\"\n";
    let problems = UserSettings::parse(&Source::new("config.toml", text), Path::new("/home")).unwrap_err();
    insta::assert_snapshot!("user", problems.iter().map(|error| rendered(error)).collect::<Vec<_>>().join("\n\n"));
    assert_eq!(UserSettings::parse(&Source::new("config.toml", "[x"), Path::new("/home")).unwrap_err().len(), 1);
}

fn not_yet() -> Vec<At<NotYetError>> {
    let manifest = super::good(
        r#"[package.server]
command = "make"
output = "server"
[build.app]
base = "scratch"
packages = [":server"]
"#,
    );
    manifest.not_yet(&manifest.builds["app"])
}

#[test]
fn what_this_release_cannot_build() {
    let errors = not_yet();
    insta::assert_snapshot!("not_yet", errors.iter().map(|error| rendered(error)).collect::<Vec<_>>().join("\n\n"));
}

#[test]
fn no_code_is_without_a_snapshot() {
    let cases = PARTS.iter().flat_map(|(_, cases)| *cases);
    let mut shown: BTreeSet<String> = cases.flat_map(|(_, manifest)| codes(&read(manifest).unwrap_err())).collect();
    shown.extend(not_found().iter().map(|error| error.code().unwrap().to_string()));
    shown.extend(not_yet().iter().map(|error| error.code().unwrap().to_string()));
    assert_eq!(shown, codes_of("manifest"));
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    let text =
        "[build.b]\nbase = \"none\"\nquux = 1\nworkdir = \"srv\"\n[base.a]\nrepository = \"python\"\ntag = \"?\"\n";
    let problems = read(text).unwrap_err();
    let starts: Vec<usize> =
        problems.iter().map(|problem| problem.labels().unwrap().next().unwrap().offset()).collect();
    assert_eq!(starts.len(), 5);
    assert!(starts.is_sorted(), "{starts:?}");
}
