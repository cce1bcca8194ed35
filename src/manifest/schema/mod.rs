//! The shape of `oci.toml`: every table and key there is, as data.
//!
//! One description has two uses: the check for unknown keys and wrong types
//! ([`shape`](super::shape)), and the JSON Schema ([`json`]).

mod image;
mod json;

pub(crate) use json::json_schema;

use crate::manifest::package::IgnoreFile;
use image::{BUILD, BUILD_RULES, DEFAULTS, LAYER, SECRETS, STAGE, STAGE_RULES};

/// What a value may look like.
#[derive(Debug)]
pub(crate) enum Shape {
    Text,
    Boolean,
    /// `false`, which takes away what the base has.
    False,
    Integer,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list, each element of this shape.
    List(&'static Shape),
    /// A table whose keys a person chooses.
    Map(&'static Shape),
    /// A table whose keys are names by which the manifest or the command line calls things.
    Named(&'static Shape),
    /// A table with these keys, about which the rules hold.
    Table(&'static [Key], &'static [Rule]),
    /// One of these shapes; their TOML types tell which.
    Either(&'static [Shape]),
}

/// How keys of one table depend on each other. The JSON Schema gets these rules for editors; validation reports a
/// broken rule in better words and with places.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Exactly one of these keys is there.
    One(&'static [&'static str]),
    /// At most one of these keys is there.
    AtMostOne(&'static [&'static str]),
    /// The first key needs the second.
    With(&'static str, &'static str),
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// A sentence for editors.
    pub(crate) doc: &'static str,
    pub(crate) state: State,
    /// True if templates are known in the texts of this key. Each key of a table below it has a flag of its own.
    pub(crate) templates: bool,
}

impl Key {
    /// The key, in whose texts templates are known.
    const fn templated(self) -> Self {
        Self { templates: true, ..self }
    }
}

/// Whether a key can be used.
#[derive(Debug)]
pub(crate) enum State {
    Known(&'static Shape),
    /// Part of the format, but not yet supported: this release refuses the key instead of silently ignoring it.
    Later(&'static Shape),
    /// A key that people expect and that does not exist, with the reason.
    Refused(&'static str),
}

const fn key(name: &'static str, shape: &'static Shape, doc: &'static str) -> Key {
    Key { name, doc, state: State::Known(shape), templates: false }
}

const fn later(name: &'static str, shape: &'static Shape, doc: &'static str) -> Key {
    Key { name, doc, state: State::Later(shape), templates: false }
}

const TEXT: &Shape = &Shape::Text;
const TEXTS: &Shape = &Shape::List(TEXT);
const TEXT_OR_TEXTS: &Shape = &Shape::Either(&[Shape::Text, Shape::List(TEXT)]);
const TEXT_OR_TEXTS_OR_FALSE: &Shape = &Shape::Either(&[Shape::Text, Shape::List(TEXT), Shape::False]);
const TEXT_OR_FALSE: &Shape = &Shape::Either(&[Shape::Text, Shape::False]);
const BOOLEAN: &Shape = &Shape::Boolean;

/// The whole file.
pub(crate) const MANIFEST: &[Key] = &[
    key("base", &Shape::Named(&Shape::Table(BASE, BASE_RULES)), "Images from elsewhere, pinned by `oci.lock`."),
    key("build", &Shape::Named(&Shape::Table(BUILD, BUILD_RULES)), "Images to build."),
    key("cache", &Shape::Table(CACHE, &[]), "Where what was built is kept."),
    key("defaults", &Shape::Table(DEFAULTS, &[]), "What every build inherits that does not say otherwise."),
    key("layer", &Shape::Named(&Shape::Table(LAYER, &[])), "Layers that builds share, each with packages of its own."),
    key("mirror", &Shape::Named(&Shape::Table(MIRROR, MIRROR_RULES)), "Copies of images in other repositories."),
    key(
        "package",
        &Shape::Named(&Shape::Table(TARGET, TARGET_RULES)),
        "Packaged targets: what a command makes, for each platform.",
    ),
    key("policy", &Shape::Table(POLICY, &[]), "What bases have to be like."),
    key("project", &Shape::Table(PROJECT, &[]), "What all images of the project have in common."),
    key(
        "registry",
        &Shape::Map(&Shape::Table(REGISTRY, &[])),
        "How registries are talked to, by `host` or `host:port`.",
    ),
    key("stage", &Shape::Named(&Shape::Table(STAGE, STAGE_RULES)), "Images to build from, never published."),
    key("tools", &Shape::Table(PROJECT_TOOLS, &[]), "The programs that do the work, of those on `PATH`."),
    key(
        "vars",
        &Shape::Map(TEXT),
        "Values for `{var.NAME}`; `--var NAME=VALUE` and `OCI_VAR_NAME` change one for a run.",
    ),
];

/// The user's own settings.
pub(crate) const USER: &[Key] = &[
    key("cache", &Shape::Table(CACHE, &[]), "Where what was built is kept."),
    key(
        "registry",
        &Shape::Map(&Shape::Table(REGISTRY, &[])),
        "How registries are talked to, by `host` or `host:port`.",
    ),
    key("tools", &Shape::Table(TOOLS, &[]), "The programs that do the work."),
];

const PROJECT: &[Key] = &[
    key("description", TEXT, "What the project is."),
    key("exclude", TEXTS, "Globs of what no folder package ever packs."),
    key(
        "ignore-files",
        &Shape::List(&Shape::OneOf(&IgnoreFile::NAMES)),
        "Files whose patterns leave out what folder packages hold: `.dockerignore` of the project's folder, `.gitignore` of any.",
    ),
    key("name", TEXT, "What the project is called."),
    key("platforms", TEXTS, "What images are built for; default: Linux on this machine's architecture."),
    key(
        "source-date-epoch",
        &Shape::Integer,
        "Seconds since 1970 that every file and history entry carries; default: 0.",
    ),
    key("version", TEXT, "The project's version, `{version}` in templates."),
];

const BASE: &[Key] = &[
    key("anonymous", BOOLEAN, "Never send credentials."),
    key("description", TEXT, "What the image is for."),
    key("digest", TEXT, "Pins the image: `sha256:` and 64 hexadecimal digits.").templated(),
    key(
        "layout",
        TEXT,
        "Instead of a registry, a path: an OCI layout folder, a tar of one, or what `docker save` wrote. `PATH:NAME` \
         says which image, if there are several.",
    ),
    key("repository", TEXT, "Where the image is: `host/path`."),
    key("sha", TEXT, "The digest, without `sha256:`.").templated(),
    key("tag", TEXT, "Pinned to a digest by `oci lock`.").templated(),
    key(
        "variants",
        &Shape::Named(&Shape::Either(&[Shape::Text, Shape::Table(VARIANT, DIGEST_RULES)])),
        "Several images of one repository by name: a tag, a digest, or a table.",
    )
    .templated(),
];

const BASE_RULES: &[Rule] = &[Rule::One(&["repository", "layout"]), Rule::AtMostOne(&["digest", "sha", "variants"])];
const DIGEST_RULES: &[Rule] = &[Rule::AtMostOne(&["digest", "sha"])];

const VARIANT: &[Key] = &[
    key("description", TEXT, "What the variant is for."),
    key("digest", TEXT, "Pins the image: `sha256:` and 64 hexadecimal digits.").templated(),
    key("sha", TEXT, "The digest, without `sha256:`.").templated(),
    key("tag", TEXT, "Pinned to a digest by `oci lock`.").templated(),
];

const REGISTRY: &[Key] = &[
    key("auth-file", TEXT, "The file with the credentials; default: where skopeo looks."),
    key("cert-dir", TEXT, "A folder with the registry's `ca.crt`."),
    key("insecure", BOOLEAN, "Plain HTTP or an unchecked certificate will do."),
    key("mirrors", TEXTS, "Asked first, in this order: `host[:port][/path]`."),
];

const MIRROR: &[Key] = &[
    key("platforms", TEXTS, "Default: all that the source has."),
    key("repository", TEXT, "Where the copy is.").templated(),
    key("source", TEXT, "A base or a build."),
    key("tags", TEXTS, "The tags of the copy.").templated(),
];

const MIRROR_RULES: &[Rule] = &[Rule::One(&["source"]), Rule::One(&["repository"])];

const GO: &[Key] = &[
    key("cgo", BOOLEAN, "The program has C code; it is compiled for this machine's platform alone."),
    key("data", TEXT, "A folder that goes beside the program, as a layer of its own.").templated(),
    key("ldflags", TEXT, "Further flags of the linker, such as `-X main.version={version}`.").templated(),
    key("main", TEXT, "The folder of the program: `.`, `./cmd/gate`.").templated(),
    key("tags", TEXTS, "Build tags."),
];

const JAVA: &[Key] = &[
    key("build", TEXT, "A line for the shell that makes the jar; it needs `inputs`.").templated(),
    key("jar", TEXT, "The jar, whose manifest says what is run.").templated(),
    key("jvm-flags", TEXTS, "Flags of Java, such as `-XX:MaxRAMPercentage=75`."),
];

const NODE: &[Key] = &[
    key("build", TEXT, "A line for the shell, such as `npm run build`; it has what development needs.").templated(),
    key("libc", &Shape::OneOf(&["gnu", "musl"]), "The C library of the base; default: `gnu`."),
    key("output", TEXTS, "The files and folders that `build` makes; default: `dist`."),
    key("project", TEXT, "The folder of the project; default: that of oci.toml.").templated(),
    key("scripts", BOOLEAN, "`false`: no script of a package runs; for other platforms than this machine's none does."),
];

const PYTHON: &[Key] = &[
    key("extras", TEXTS, "Extras of the project to install."),
    key("groups", TEXTS, "Dependency groups to install besides the project's own dependencies."),
    key("libc", &Shape::OneOf(&["gnu", "musl"]), "The C library of the base; default: `gnu`."),
    key("project", TEXT, "The folder of the project; default: that of oci.toml.").templated(),
    key("script", TEXT, "The script that the image runs; default: the only one that the project has."),
    key("version", TEXT, "The Python of the base, such as `3.12`; default: what `.python-version` says."),
];

const RUST: &[Key] = &[
    key("bin", TEXT, "The program; default: the only one that the package has."),
    key("features", TEXTS, "Features to turn on."),
    key("libc", &Shape::OneOf(&["gnu", "musl"]), "Default: `musl` where it is installed, else `gnu`."),
    key("package", TEXT, "The package of the workspace, where `bin` alone does not tell."),
    key("profile", TEXT, "Cargo's profile; default: `release`."),
    key("project", TEXT, "The folder of the package; default: that of oci.toml.").templated(),
];

const TARGET: &[Key] = &[
    key("command", TEXT_OR_TEXTS, "What makes it: a list, or a text for the shell.").templated(),
    key("cwd", TEXT, "The folder that the command starts in; default: that of oci.toml.").templated(),
    key("env", &Shape::Map(TEXT_OR_FALSE), "Variables of the command.").templated(),
    key("exclude", TEXTS, "Globs of what decides nothing, although `inputs` match it.").templated(),
    key("go", &Shape::Table(GO, &[Rule::One(&["main"])]), "A program of a Go module."),
    key("in", TEXT, "An image to run the command in: `NAME` or `NAME#VARIANT`; default: this machine."),
    key("inputs", TEXTS, "Globs of what decides the result; the command runs again when one of the files changes.")
        .templated(),
    key("java", &Shape::Table(JAVA, &[Rule::One(&["jar"])]), "A jar, taken apart into layers."),
    key("layer-budget", &Shape::Integer, "A target of a language has at most so many layers; default: 8."),
    key("network", &Shape::OneOf(&["host", "none"]), "With `in`: the network of the command; default: `none`."),
    key("node", &Shape::Table(NODE, &[]), "A Node project, with the packages that its lockfile names."),
    key("output", TEXT, "The file or folder that it makes.").templated(),
    key("outputs", &Shape::Either(&[Shape::List(TEXT), Shape::Map(TEXT)]), "The files or folders that it makes.")
        .templated(),
    key("python", &Shape::Table(PYTHON, &[]), "A Python project, with the wheels that its lockfile names."),
    key("rust", &Shape::Table(RUST, &[]), "A program of a Cargo package."),
    key("secrets", SECRETS, "Secrets of the command, by name; they do not decide the result."),
    key("to", TEXT, "Where it goes in the image, unless a package says otherwise.").templated(),
];

const TARGET_RULES: &[Rule] = &[
    Rule::One(&["command", "go", "java", "node", "python", "rust"]),
    Rule::AtMostOne(&["output", "outputs"]),
    Rule::With("network", "in"),
];

const POLICY: &[Key] = &[
    key("allow", TEXTS, "Patterns of repositories that a base may come from."),
    key("max-age-days", &Shape::Integer, "How many days old a base may be, for `oci outdated`."),
    key(
        "signatures",
        TEXT,
        "A containers `policy.json` that every base from a registry has to satisfy, asked of the registry itself \
         and not of its mirrors; layouts are not judged. Paths of keys in it are relative to its folder.",
    ),
];

const CACHE: &[Key] = &[
    key("dir", TEXT, "The folder; default: `oci` under the user's cache folder."),
    key("max-size", TEXT, "How large it may grow, such as `20GB`; default: without limit."),
    later("registry", TEXT, "A repository that keeps layers for other machines."),
];

const PROJECT_TOOLS: &[Key] = &[
    key("runc", TEXT, "What runs containers: `runc` or `crun`."),
    key("skopeo", TEXT, "What talks to registries: `skopeo`."),
    key("umoci", TEXT, "What unpacks images: `umoci`."),
];
/// The keys of `[tools]` in the user's own settings.
const TOOLS: &[Key] = &[
    key("runc", TEXT, "What runs containers: runc or crun, by name or path."),
    key("skopeo", TEXT, "What talks to registries, by name or path."),
    key("umoci", TEXT, "What unpacks images, by name or path."),
];

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::json::tests::objections;
    use super::*;

    fn check(keys: &[Key]) {
        assert!(keys.windows(2).all(|pair| pair[0].name < pair[1].name), "{keys:?}");
        for key in keys {
            if let State::Known(shape) = key.state {
                descend(shape);
            }
        }
    }

    fn descend(shape: &Shape) {
        match shape {
            Shape::Table(keys, rules) => {
                check(keys);
                let named = rules.iter().flat_map(|rule| match rule {
                    Rule::One(names) | Rule::AtMostOne(names) => names.to_vec(),
                    Rule::With(name, needed) => vec![*name, *needed],
                });
                for name in named {
                    assert!(keys.iter().any(|key| key.name == name), "{name}");
                }
            }
            Shape::List(inner) | Shape::Map(inner) | Shape::Named(inner) => descend(inner),
            Shape::Either(shapes) => shapes.iter().for_each(descend),
            Shape::Text | Shape::Boolean | Shape::False | Shape::Integer | Shape::OneOf(_) => {}
        }
    }

    #[test]
    fn keys_are_sorted_and_stand_once() {
        check(MANIFEST);
        check(USER);
    }
}
