//! The keys of images: builds, stages, what they inherit, packages and steps.

use super::{BOOLEAN, Key, Rule, Shape, State, TEXT, TEXT_OR_FALSE, TEXT_OR_TEXTS, TEXT_OR_TEXTS_OR_FALSE, TEXTS, key};
use crate::model::Compression;

const PACKAGES: &Shape = &Shape::List(&Shape::Either(&[Shape::Text, Shape::Table(PACKAGE, PACKAGE_RULES)]));

// Keys that builds, stages and `[defaults]` have in common.
const ANNOTATIONS: Key =
    key("annotations", &Shape::Map(TEXT), "Annotations of every manifest and of the index.").templated();
const ARGS: Key = key("args", TEXT_OR_TEXTS, "Arguments of the entrypoint.").templated();
const BASE: Key = key("base", TEXT, "The image to start from: `scratch`, `NAME` or `NAME#VARIANT`.");
const COMPRESSION: Key = key(
    "compression",
    &Shape::Either(&[Shape::OneOf(&Compression::NAMES), Shape::Table(COMPRESSION_KEYS, &[Rule::One(&["kind"])])]),
    "How layers are compressed; default: `gzip`.",
);
const DESCRIPTION: Key = key("description", TEXT, "What the image is for.");
const ENTRYPOINT: Key = key(
    "entrypoint",
    TEXT_OR_TEXTS_OR_FALSE,
    "The program that the image runs; default: the first package, else the base's. `false` keeps the base's.",
)
.templated();
const ENV: Key = key(
    "env",
    &Shape::Map(TEXT_OR_FALSE),
    "Variables added to the base's; `${NAME}` is the base's value, `false` removes.",
)
.templated();
const HEALTH_CHECK: Key = Key {
    name: "healthcheck",
    doc: "",
    state: State::Refused("the OCI image config has no place for a health check: give it to what runs the image"),
    templates: false,
};
const LABELS: Key =
    key("labels", &Shape::Map(TEXT_OR_FALSE), "Labels added to the base's; `false` removes.").templated();
const LAYERS: Key = key("layers", TEXTS, "Names of `[layer.NAME]`, added below the packages in this order.");
const PACKAGES_KEY: Key = key(
    "packages",
    PACKAGES,
    "What goes into the image, a layer each; the first one is the entrypoint if it is a program.",
)
.templated();
const PLATFORMS: Key = key("platforms", TEXTS, "One image for each; several are an index.");
const PORTS: Key =
    key("ports", TEXTS, "Ports added to the base's, such as `8080` or `53/udp`; `!8080` removes.").templated();
const REPOSITORY: Key =
    key("repository", TEXT_OR_TEXTS, "Where `oci publish` puts the image; templates are known.").templated();
const SQUASH: Key = key("squash-packages", BOOLEAN, "All packages become one layer.");
const STEPS: Key = key(
    "steps",
    &Shape::List(&Shape::Either(&[Shape::Text, Shape::Table(STEP, &[Rule::One(&["run"])])])),
    "Commands run in the image, a layer each.",
)
.templated();
const STOP_SIGNAL: Key = key("stop-signal", TEXT, "The signal that ends the program, such as `SIGTERM`.");
const TERMINAL: Key = key("terminal", BOOLEAN, "`oci run` gives the program a terminal.");
const USER: Key = key("user", TEXT, "Who runs the program: a name or number, with a group if need be.").templated();
const VOLUMES: Key = key("volumes", TEXTS, "Folders added to the base's volumes; `!/data` removes.").templated();
const WORKDIR: Key = key("workdir", TEXT, "The folder that the program starts in.").templated();

pub(super) const BUILD: &[Key] = &[
    ANNOTATIONS,
    ARGS,
    BASE,
    COMPRESSION,
    DESCRIPTION,
    ENTRYPOINT,
    ENV,
    HEALTH_CHECK,
    LABELS,
    LAYERS,
    PACKAGES_KEY,
    PLATFORMS,
    PORTS,
    REPOSITORY,
    SQUASH,
    STEPS,
    STOP_SIGNAL,
    key("tag", TEXT, "The tag to publish; default: `latest`.").templated(),
    key("tags", TEXTS, "The tags to publish; default: `latest`.").templated(),
    TERMINAL,
    USER,
    VOLUMES,
    WORKDIR,
];

pub(super) const BUILD_RULES: &[Rule] = &[Rule::One(&["base"]), Rule::AtMostOne(&["tag", "tags"])];

pub(super) const DEFAULTS: &[Key] = &[
    ANNOTATIONS,
    ARGS,
    COMPRESSION,
    DESCRIPTION,
    ENV,
    HEALTH_CHECK,
    LABELS,
    PLATFORMS,
    PORTS,
    REPOSITORY,
    SQUASH,
    STOP_SIGNAL,
    TERMINAL,
    USER,
    VOLUMES,
    WORKDIR,
];

pub(super) const STAGE: &[Key] = &[
    ANNOTATIONS,
    ARGS,
    BASE,
    COMPRESSION,
    DESCRIPTION,
    ENTRYPOINT,
    ENV,
    HEALTH_CHECK,
    LABELS,
    LAYERS,
    PACKAGES_KEY,
    key("per-target", BOOLEAN, "`false`, with `platform = \"host\"`: it runs once, and its steps see no target."),
    key("platform", &Shape::OneOf(&["host"]), "`host`: it runs on this machine's platform for every target."),
    PLATFORMS,
    PORTS,
    SQUASH,
    STEPS,
    STOP_SIGNAL,
    USER,
    VOLUMES,
    WORKDIR,
];

pub(super) const STAGE_RULES: &[Rule] = &[Rule::One(&["base"])];

const STEP: &[Key] = &[
    key("cache", TEXTS, "Folders kept between builds, never in the image.").templated(),
    key("env", &Shape::Map(TEXT_OR_FALSE), "Variables of this step; `false` removes.").templated(),
    key("mounts", &Shape::List(&Shape::Table(MOUNT, MOUNT_RULES)), "What is there while the step runs."),
    key("network", &Shape::OneOf(&["host", "none"]), "This machine's network; default: `none`."),
    key("run", TEXT_OR_TEXTS, "A text for the shell, or a list that is run without one.").templated(),
    key("secrets", SECRETS, "What only the step sees, and nothing keeps."),
    key("shell", TEXTS, "What runs a text; default: `/bin/sh -ec`."),
    key("user", TEXT, "Who runs it; default: the user of the image that it starts from.").templated(),
    key("workdir", TEXT, "The folder that it starts in.").templated(),
];

/// Secrets of a step, or of a packaged target.
pub(super) const SECRETS: &Shape = &Shape::List(&Shape::Table(SECRET, SECRET_RULES));

const MOUNT: &[Key] = &[
    key("image", TEXT, "The image that `path` is in."),
    key("path", TEXT, "A file or folder, read only.").templated(),
    key("tmpfs", TEXT, "A folder in memory.").templated(),
    key("to", TEXT, "Where it is seen.").templated(),
];

const MOUNT_RULES: &[Rule] =
    &[Rule::One(&["path", "tmpfs"]), Rule::With("image", "path"), Rule::With("path", "to"), Rule::With("to", "path")];

const SECRET: &[Key] = &[
    key("env", TEXT, "A variable of the environment."),
    key("file", TEXT, "A file.").templated(),
    key("optional", BOOLEAN, "The step runs without it where there is none."),
    key("to", TEXT, "Where the file is seen.").templated(),
];

const SECRET_RULES: &[Rule] = &[Rule::One(&["env", "file"]), Rule::With("file", "to"), Rule::With("to", "file")];

pub(super) const LAYER: &[Key] = &[key("packages", PACKAGES, "What is in the layer.").templated()];

const COMPRESSION_KEYS: &[Key] = &[
    key("kind", &Shape::OneOf(&Compression::NAMES), "What compresses."),
    key("level", &Shape::Integer, "How hard zstd tries, from 1 to 22; default: 3."),
];

const PACKAGE: &[Key] = &[
    key("archive", TEXT, "A tar whose entries go in, plain or compressed by gzip, zstd, xz or bzip2.").templated(),
    key("exclude", TEXTS, "Globs of what stays out; wins over `include`."),
    key("folder", TEXT, "An empty folder in the image, or the mode and owner of one that others fill.").templated(),
    key("folder-mode", TEXT, "Mode of folders, in octal."),
    key("follow", BOOLEAN, "Follow symbolic links instead of keeping them."),
    key("foreign", BOOLEAN, "Programs for another architecture are fine."),
    key("image", TEXT, "Another image that files are taken from."),
    key("include", TEXTS, "Globs of what goes in; default: everything."),
    key("link", TEXT, "Where a symbolic link is in the image.").templated(),
    key("mode", TEXT, "Mode of files, in octal."),
    key("optional", BOOLEAN, "Nothing there is no error."),
    key("owner", TEXT, "Owner of every entry: `UID:GID`.").templated(),
    key(
        "path",
        TEXT,
        "A file, folder or glob, relative to `oci.toml` or in the root of `image`, or `:NAME` of a packaged target.",
    )
    .templated(),
    key(
        "strip",
        &Shape::Integer,
        "How many leading folders of an archive are dropped; patterns are relative to what is left.",
    ),
    key("target", TEXT, "What the link leads to.").templated(),
    key("text", TEXT, "The content of a small file.").templated(),
    key("to", TEXT, "Where it goes in the image.").templated(),
];

const PACKAGE_RULES: &[Rule] = &[
    Rule::One(&["archive", "folder", "link", "path", "text"]),
    Rule::With("image", "path"),
    Rule::With("link", "target"),
    Rule::With("target", "link"),
    Rule::With("text", "to"),
    Rule::With("archive", "to"),
    Rule::With("strip", "archive"),
];
