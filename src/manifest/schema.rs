//! The shape of `oci.toml`: every table and key there is, as data.
//!
//! One description serves all who need it: the check for unknown keys and wrong types
//! ([`shape`](super::shape)), and the documentation of each key.

/// What a value may look like.
#[derive(Debug)]
pub(crate) enum Shape {
    Text,
    Boolean,
    /// `false`, which takes away what the base has.
    False,
    Integer,
    /// A list, each element of this shape.
    List(&'static Shape),
    /// A table whose keys a person chooses.
    Map(&'static Shape),
    /// A table with these keys.
    Table(&'static [Key]),
    /// Any of these, told apart by their TOML types.
    Either(&'static [Shape]),
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) state: State,
}

/// Whether a key can be used.
#[derive(Debug)]
pub(crate) enum State {
    Known(&'static Shape),
    /// Part of the format, but not of this release.
    Later,
    /// Something people expect that cannot be; the reason.
    Refused(&'static str),
}

const fn key(name: &'static str, shape: &'static Shape) -> Key {
    Key { name, state: State::Known(shape) }
}

const fn later(name: &'static str) -> Key {
    Key { name, state: State::Later }
}

const TEXT: &Shape = &Shape::Text;
const TEXTS: &Shape = &Shape::List(TEXT);
const TEXT_OR_TEXTS: &Shape = &Shape::Either(&[Shape::Text, Shape::List(TEXT)]);
const TEXT_OR_FALSE: &Shape = &Shape::Either(&[Shape::Text, Shape::False]);
const BOOLEAN: &Shape = &Shape::Boolean;

/// The whole file.
pub(crate) const MANIFEST: &[Key] = &[
    key("base", &Shape::Map(&Shape::Table(BASE))),
    key("build", &Shape::Map(&Shape::Table(BUILD))),
    key("cache", &Shape::Table(CACHE)),
    later("defaults"),
    later("layer"),
    later("mirror"),
    later("package"),
    later("policy"),
    key("project", &Shape::Table(PROJECT)),
    later("registry"),
    later("stage"),
    key("tools", &Shape::Table(TOOLS)),
    later("vars"),
];

const PROJECT: &[Key] = &[
    key("description", TEXT),
    key("exclude", TEXTS),
    key("name", TEXT),
    key("platforms", TEXTS),
    key("source-date-epoch", &Shape::Integer),
    key("version", TEXT),
];

const BASE: &[Key] = &[
    key("anonymous", BOOLEAN),
    key("description", TEXT),
    key("digest", TEXT),
    later("layout"),
    key("repository", TEXT),
    key("sha", TEXT),
    key("tag", TEXT),
    key("variants", &Shape::Map(&Shape::Either(&[Shape::Text, Shape::Table(VARIANT)]))),
];

const VARIANT: &[Key] = &[key("description", TEXT), key("digest", TEXT), key("sha", TEXT), key("tag", TEXT)];

const BUILD: &[Key] = &[
    key("annotations", &Shape::Map(TEXT)),
    key("args", TEXT_OR_TEXTS),
    key("base", TEXT),
    later("compression"),
    key("description", TEXT),
    key("entrypoint", TEXT_OR_TEXTS),
    key("env", &Shape::Map(TEXT_OR_FALSE)),
    Key {
        name: "healthcheck",
        state: State::Refused("the OCI image config has no place for a health check: give it to what runs the image"),
    },
    key("labels", &Shape::Map(TEXT_OR_FALSE)),
    later("layers"),
    key("packages", &Shape::List(&Shape::Either(&[Shape::Text, Shape::Table(PACKAGE)]))),
    key("platforms", TEXTS),
    key("ports", TEXTS),
    key("repository", TEXT_OR_TEXTS),
    later("squash-packages"),
    later("steps"),
    key("stop-signal", TEXT),
    key("tag", TEXT),
    key("tags", TEXTS),
    key("terminal", BOOLEAN),
    key("user", TEXT),
    key("volumes", TEXTS),
    key("workdir", TEXT),
];

const PACKAGE: &[Key] = &[
    later("archive"),
    key("exclude", TEXTS),
    key("folder", TEXT),
    key("folder-mode", TEXT),
    key("follow", BOOLEAN),
    key("foreign", BOOLEAN),
    later("image"),
    key("include", TEXTS),
    key("link", TEXT),
    key("mode", TEXT),
    key("optional", BOOLEAN),
    key("owner", TEXT),
    key("path", TEXT),
    later("strip"),
    key("target", TEXT),
    key("text", TEXT),
    key("to", TEXT),
];

const CACHE: &[Key] = &[key("dir", TEXT), later("max-size"), later("registry")];

const TOOLS: &[Key] = &[key("runc", TEXT), key("skopeo", TEXT), key("umoci", TEXT)];

#[cfg(test)]
mod tests {
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
            Shape::Table(keys) => check(keys),
            Shape::List(inner) | Shape::Map(inner) => descend(inner),
            Shape::Either(shapes) => shapes.iter().for_each(descend),
            Shape::Text | Shape::Boolean | Shape::False | Shape::Integer => {}
        }
    }

    #[test]
    fn keys_are_sorted_and_stand_once() {
        check(MANIFEST);
    }
}
