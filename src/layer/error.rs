//! Why packages make no layer.

use std::io;
use std::path::Path;

use miette::Diagnostic;

use crate::compress::CompressError;
use crate::contents::ArchiveError;
use crate::contents::error::and_others;
use crate::contents::glob::GlobError;
use crate::contents::image::TakeError;
use crate::fs::FileError;
use crate::fs::host::LeavesProject;
use crate::model::LayerPath;
use crate::model::layer_path::PathError;
use crate::source::At;

/// A package that cannot be packed. Paths on this machine are shown as the manifest would write them.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum LayerError {
    #[error("there is no `{path}`")]
    #[diagnostic(code(oci::layer::not_found))]
    NotFound {
        path: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{path}` is a file, and a path that ends in `/` says a folder")]
    #[diagnostic(code(oci::layer::not_a_folder), help("to pack the file, write `{path}`"))]
    NotAFolder { path: String },
    #[error("nothing matches `{pattern}`")]
    #[diagnostic(
        code(oci::layer::no_match),
        help("`*` does not cross `/`, `**` does; set `optional = true` if nothing is fine")
    )]
    NoMatch { pattern: String },
    #[error("nothing of `{path}` goes into the image")]
    #[diagnostic(
        code(oci::layer::nothing_left),
        help("look at `include` and `exclude`, or set `optional = true` if nothing is fine")
    )]
    NothingLeft { path: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Glob(#[from] GlobError),
    #[error("`{path}` cannot say what stays out: {reason}")]
    #[diagnostic(code(oci::layer::bad_ignore_file), help("mend it, or take it out of `[project] ignore-files`"))]
    IgnoreFile { path: String, reason: String },
    #[error("could not read `{path}`")]
    #[diagnostic(code(oci::layer::unreadable), help("{}", crate::fs::look_at(Path::new(path))))]
    Unreadable { path: String, source: io::Error },
    #[error("the path of something in `{path}` is longer than the 4095 bytes that Linux takes")]
    #[diagnostic(
        code(oci::layer::too_deep),
        help("leave it out with `exclude`, whose patterns are relative to the package's folder")
    )]
    TooDeep { path: String },
    #[error("`{path}` is a {kind}, which a layer cannot hold")]
    #[diagnostic(
        code(oci::layer::special_file),
        help("leave it out with `exclude`, whose patterns are relative to the package's folder")
    )]
    SpecialFile { path: String, kind: &'static str },
    #[error("the symbolic link `{path}` leaves its package: it points to `{target}`")]
    #[diagnostic(
        code(oci::layer::link_leaves),
        help("set `follow = true` to pack what it points to, or write the link itself: `{{ link = …, target = … }}`")
    )]
    LinkLeaves { path: String, target: String },
    #[error(transparent)]
    #[diagnostic(
        code(oci::layer::link_leaves),
        help("write the path that it leads to, or set `follow = true` to pack what is there")
    )]
    PathLeaves(LeavesProject),
    #[error(transparent)]
    #[diagnostic(code(oci::layer::link_leaves), help("write the path that it leads to"))]
    ArchiveLeaves(LeavesProject),
    #[error("the symbolic link `{path}` leads back to itself")]
    #[diagnostic(code(oci::layer::link_loop), help("leave it out with `exclude`, or keep links with `follow = false`"))]
    LinkLoop { path: String },
    #[error("`{path}` has a name that layers and builds keep for themselves")]
    #[diagnostic(
        code(oci::layer::reserved_name),
        help("names that begin with `.wh.` delete files of lower layers, and `.oci` is the build's own; rename it")
    )]
    ReservedName { path: String },
    #[error("`{path}` does not say where it goes")]
    #[diagnostic(code(oci::layer::no_destination), help("add `to = \"/…\"`"))]
    NoDestination { path: String },
    #[error("`{path}` is no path in an image")]
    #[diagnostic(code(oci::layer::invalid_path))]
    InvalidPath { path: String, source: PathError },
    #[error("two packages disagree about `{path}`{}", and_named(others.len()))]
    #[diagnostic(
        code(oci::layer::conflict),
        help(
            "leave it out of one with `exclude`: out of the earlier one, and the later one wins, as it does where the \
             earlier one is in a `[stage.NAME]` that the build stands on; for a folder, say its mode and owner once: \
             `{{ folder = … }}`"
        )
    )]
    Conflict {
        path: LayerPath,
        #[related]
        others: Vec<AlsoDisputed>,
    },
    #[error("`{path}` changed while it was read")]
    #[diagnostic(code(oci::layer::changed), help("run the command again when nothing writes to it"))]
    Changed { path: String },
    #[error("`{path}` is a program for {architecture}, and the image is for {platform}")]
    #[diagnostic(
        code(oci::layer::wrong_architecture),
        help("build it for {platform}, or set `foreign = true` if it is no mistake")
    )]
    WrongArchitecture { path: String, architecture: String, platform: String },
    #[error("`{path}` stands on a link of the base that leads back to itself")]
    #[diagnostic(code(oci::layer::base_link_loop))]
    BaseLinkLoop { path: LayerPath },
    #[error("`{path}` is a link in the base, and this would replace it")]
    #[diagnostic(
        code(oci::layer::replaces_base_link),
        help("to put it where the link leads, let `to` end in `/`: `to = \"{path}/\"`")
    )]
    ReplacesBaseLink { path: LayerPath },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] TakeError),
    /// What the store should remember, or have room for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] FileError),
}

impl From<At<GlobError>> for At<LayerError> {
    fn from(error: At<GlobError>) -> Self {
        error.map(LayerError::Glob)
    }
}

/// Why a layer was not written.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum WriteError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Package(#[from] At<LayerError>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Blob(#[from] CompressError),
}

/// Another path about which the two packages disagree.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("`{0}`")]
pub(crate) struct AlsoDisputed(pub(crate) LayerPath);

/// How many others there are, for a message whose others `-v` names.
fn and_named(count: usize) -> String {
    let hint = if count == 0 { "" } else { " (`-v` names them)" };
    and_others(count, "path", "paths") + hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn a_conflict_shows_both_packages() {
        let text = "packages = [\n  { path = \"a\", to = \"/app\" },\n  { path = \"b\", to = \"/app\" },\n]\n";
        let source = Source::new("oci.toml", text);
        let place = |entry: &str| {
            let start = text.find(entry).unwrap();
            source.place(start..start + entry.len())
        };
        let path = LayerPath::parse(b"/app/x").unwrap();
        let others = ["/app/y", "/app/z"].map(|path| AlsoDisputed(LayerPath::parse(path.as_bytes()).unwrap()));
        let others = others.into();
        let error =
            At::new(LayerError::Conflict { path, others }, &place("{ path = \"a\", to = \"/app\" }"), "written here")
                .also(&place("{ path = \"b\", to = \"/app\" }"), "and here");
        insta::assert_snapshot!(crate::diagnostic::rendered(&error), @r#"
        oci::layer::conflict

          × two packages disagree about `/app/x` and 2 other paths (`-v` names them)
           ╭─[oci.toml:2:3]
         1 │ packages = [
         2 │   { path = "a", to = "/app" },
           ·   ─────────────┬─────────────
           ·                ╰── written here
         3 │   { path = "b", to = "/app" },
           ·   ─────────────┬─────────────
           ·                ╰── and here
         4 │ ]
           ╰────
          help: leave it out of one with `exclude`: out of the earlier one, and the later one wins, as it
                does where the earlier one is in a `[stage.NAME]` that the build stands on; for a folder,
                say its mode and owner once: `{ folder = … }`
        "#);
    }

    #[test]
    fn what_only_happens_in_between() {
        let path = || "dist/app".to_owned();
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let loops = LayerPath::parse(b"/lib64/x").unwrap();
        let invalid = LayerPath::parse(b"/a\0b").unwrap_err();
        let glob = GlobError { pattern: "[".to_owned(), reason: "it does not end".to_owned() };
        let replaced = LayerPath::parse(b"/bin").unwrap();
        let leaves = || LeavesProject { link: "vendor".to_owned(), target: "/opt/vendor".to_owned() };
        let errors: [&dyn Diagnostic; 14] = [
            &glob,
            &LayerError::IgnoreFile { path: ".dockerignore".to_owned(), reason: "line 3 is no pattern".to_owned() },
            &LayerError::PathLeaves(leaves()),
            &LayerError::ArchiveLeaves(leaves()),
            &LayerError::TooDeep { path: path() },
            &LayerError::NothingLeft { path: path() },
            &LayerError::ReplacesBaseLink { path: replaced },
            &LayerError::NoDestination { path: path() },
            &LayerError::Unreadable { path: path(), source: denied() },
            &LayerError::Changed { path: path() },
            &LayerError::BaseLinkLoop { path: loops },
            &LayerError::InvalidPath { path: path(), source: invalid },
            &WriteError::from(CompressError::Output(denied())),
            &WriteError::from(CompressError::Interrupted { signal: 15 }),
        ];
        let text: String = errors.iter().map(|error| format!("{}\n", crate::diagnostic::rendered(*error))).collect();
        insta::assert_snapshot!(text);
    }
}
