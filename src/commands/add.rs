//! `oci add NAME IMAGE` adds a base to `oci.toml`, leaves the rest of the file as it is, and pins the base.
//!
//! The new text is checked as any manifest is, and the image is resolved, before anything is written.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use toml_edit::{DocumentMut, Item, Table, value};

use super::Session;
use super::overrides;
use super::project::{self, Project};
use crate::cli::{AddArguments, Global};
use crate::diagnostic::Failure;
use crate::fs::{self, FileContext};
use crate::manifest::{self, Base, Manifest};
use crate::model::digest::DigestError;
use crate::model::reference::{RepositoryError, TagError};
use crate::model::{Digest, Repository, Tag};
use crate::resolve::Pins;
use crate::sanitize;
use crate::source::{At, Source};

/// The tag that is added if neither a tag nor a digest is named. Other programs have this default, too.
const DEFAULT_TAG: &str = "latest";

/// Why a base cannot be added.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum AddError {
    #[error("there is a base `{name}` already")]
    #[diagnostic(
        code(oci::add::name_taken),
        help("choose another name, `oci add NAME {image}`, or change the base in `oci.toml`")
    )]
    NameTaken { name: String, image: String },
    #[error("`{image}` is no image")]
    #[diagnostic(code(oci::add::bad_image), help("write it as `python:3.12-slim` or `ghcr.io/acme/app@sha256:…`"))]
    Repository { image: String, source: RepositoryError },
    #[error("`{image}` has no proper tag")]
    #[diagnostic(code(oci::add::bad_image))]
    Tag { image: String, source: TagError },
    #[error("`{image}` has no proper digest")]
    #[diagnostic(code(oci::add::bad_image))]
    Digest { image: String, source: DigestError },
    #[error("`oci.toml` is written in a way that cannot be added to")]
    #[diagnostic(code(oci::add::unknown_shape), help("add the base by hand: `[base.{name}]`"))]
    Shape { name: String },
}

pub(super) fn run(global: &Global, arguments: &AddArguments) -> Result<(), Failure> {
    let mut project = Project::open(global)?;
    let image = Image::parse(&arguments.image).map_err(super::invalid)?;
    let name = &arguments.name;
    if let Some(base) = project.manifest.bases.get(name) {
        return Err(super::invalid(taken(name, base, &arguments.image)));
    }
    let text = with_base(project.manifest.source.text(), name, &image).map_err(super::invalid)?;
    let path = project.manifest_path.clone();
    project.manifest = checked(&project.manifest, &text, global)?;
    let mut session = Session::with(project, global)?;
    session.may_ask("oci add", &Pins::new())?;
    let old = session.lock_as_read();
    session.resolve_needed(&BTreeSet::from([name.clone()]))?;
    let mode = path.metadata().context("read", &path)?.permissions().mode() & 0o7777;
    fs::write_project_file(&path, &session.manifest.folder, text.as_bytes(), mode)?;
    super::lock::finish(&session, &old, false, None)
}

fn taken(name: &str, base: &Base, image: &str) -> At<AddError> {
    let error = AddError::NameTaken { name: name.to_owned(), image: sanitize::name(image) };
    At::new(error, &base.origin.place, format!("`{name}`"))
}

/// The manifest as it would be. It is free of problems.
fn checked(manifest: &Manifest, text: &str, global: &Global) -> Result<Manifest, Failure> {
    let source = Source::new(format!("{}, as it would be", manifest.source.name()), text);
    manifest::parse_with(&source, &manifest.folder, &overrides::read(global)?).map_err(project::all_invalid)
}

/// The image as a person writes it.
#[derive(Debug, PartialEq, Eq)]
struct Image {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Image {
    /// `REPOSITORY[:TAG][@DIGEST]`; a short name is Docker Hub's.
    fn parse(written: &str) -> Result<Self, AddError> {
        let image = sanitize::name(written);
        let (rest, digest) = match written.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (written, None),
        };
        let name = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match rest[name..].find(':') {
            Some(colon) => (&rest[..name + colon], Some(&rest[name + colon + 1..])),
            None => (rest, None),
        };
        let repository = match Repository::parse(repository) {
            Err(RepositoryError::Short { long, .. }) => Repository::parse(&long),
            parsed => parsed,
        };
        let repository = repository.map_err(|source| AddError::Repository { image: image.clone(), source })?;
        let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG)).map(Tag::parse).transpose();
        let tag = tag.map_err(|source| AddError::Tag { image: image.clone(), source })?;
        let digest = digest.map(Digest::parse).transpose().map_err(|source| AddError::Digest { image, source })?;
        Ok(Self { repository, tag, digest })
    }
}

/// The text with `[base.NAME]` behind the other bases.
fn with_base(text: &str, name: &str, image: &Image) -> Result<String, AddError> {
    let shape = || AddError::Shape { name: name.to_owned() };
    let mut document: DocumentMut = text.parse().map_err(|_| shape())?;
    let mut base = Table::new();
    base.insert("repository", value(image.repository.to_string()));
    if let Some(tag) = &image.tag {
        base.insert("tag", value(tag.as_str()));
    }
    if let Some(digest) = &image.digest {
        base.insert("digest", value(digest.to_string()));
    }
    if document.is_empty() {
        // The file has comments alone. The new table would be put in front of them.
        let comments = document.trailing().as_str().unwrap_or_default().to_owned();
        let gap = if comments.is_empty() { "" } else { "\n" };
        document.set_trailing("");
        base.decor_mut().set_prefix(format!("{comments}{gap}"));
    }
    let mut bases = Table::new();
    bases.set_implicit(true);
    let bases = document.entry("base").or_insert(Item::Table(bases)).as_table_like_mut().ok_or_else(shape)?;
    bases.insert(name, Item::Table(base));
    Ok(inserted(text, &document.to_string()))
}

/// Inserts into `old` what was inserted in `new`. `new` is `old` with an insertion, but lacks the byte order mark and
/// the line ends of `old`.
fn inserted(old: &str, new: &str) -> String {
    let bare = old.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let same = bare.chars().zip(new.chars()).take_while(|(old, new)| old == new);
    let common: usize = same.map(|(character, _)| character.len_utf8()).sum();
    let Some(added) = new[common..].strip_suffix(&bare[common..]).filter(|_| bare.len() != old.len()) else {
        return new.to_owned();
    };
    let added = if old.contains("\r\n") { added.replace('\n', "\r\n") } else { added.to_owned() };
    let is_kept = |(at, character): &(usize, char)| match character {
        '\u{feff}' => *at > 0,
        '\r' => !old[*at..].starts_with("\r\n"),
        _ => true,
    };
    let mut kept = 0;
    let behind = old.char_indices().filter(is_kept).find(|(_, character)| {
        kept += character.len_utf8();
        kept > common
    });
    // A line's end is before both its characters.
    let at = behind.map_or(old.len(), |(at, _)| at - usize::from(old[..at].ends_with('\r')));
    format!("{}{added}{}", &old[..at], &old[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(written: &str) -> Image {
        Image::parse(written).unwrap()
    }

    #[test]
    fn reads_images_as_people_write_them() {
        let digest = Digest::of(b"");
        for (written, repository, tag, pinned) in [
            ("python", "docker.io/library/python", Some("latest"), false),
            ("python:3.12-slim", "docker.io/library/python", Some("3.12-slim"), false),
            ("grafana/grafana:11", "docker.io/grafana/grafana", Some("11"), false),
            ("localhost:5000/a/b", "localhost:5000/a/b", Some("latest"), false),
            ("localhost:5000/a/b:c@", "localhost:5000/a/b", Some("c"), true),
            ("ghcr.io/a/b@", "ghcr.io/a/b", None, true),
        ] {
            let written = if pinned { format!("{written}{digest}") } else { written.to_owned() };
            let expected = Image {
                repository: Repository::parse(repository).unwrap(),
                tag: tag.map(|tag| Tag::parse(tag).unwrap()),
                digest: pinned.then_some(digest),
            };
            assert_eq!(image(&written), expected, "{written}");
        }
    }

    #[test]
    fn every_error_is_shown() {
        let base = "[base.python]\nrepository = \"docker.io/library/python\"\ntag = \"3\"\n";
        let manifest = manifest::parse(&Source::new("oci.toml", base), std::path::Path::new("/")).unwrap();
        let mut text = crate::diagnostic::rendered(&taken("python", &manifest.bases["python"], "python:4"));
        for written in ["Python", "https://ghcr.io/a/b", "a:-", "a@sha256:12", ""] {
            text += &format!("\n\n{}", crate::diagnostic::rendered(&Image::parse(written).unwrap_err()));
        }
        text += &format!("\n\n{}", crate::diagnostic::rendered(&with_base("base = 1", "a", &image("a")).unwrap_err()));
        insta::assert_snapshot!("add_errors", text);
    }

    /// The rest of the file stays, byte by byte. The base stands behind the other bases.
    #[test]
    fn adds_to_manifests_of_every_shape() {
        const NEW: &str = "[base.new]\nrepository = \"docker.io/library/new\"\ntag = \"latest\"\n";
        const INLINE: &str = "new = { repository = \"docker.io/library/new\", tag = \"latest\" }";
        for (before, expected) in [
            ("", NEW.to_owned()),
            ("# only a comment\n", format!("# only a comment\n\n{NEW}")),
            (
                "# top\n[base.a]   # why\nrepository = 'x'\n\n[base.a.variants]\nb = 'c'\n\n# the app\n[build.z]\nbase = 'a'\n",
                format!(
                    "# top\n[base.a]   # why\nrepository = 'x'\n\n[base.a.variants]\nb = 'c'\n\n{NEW}\n# the app\n[build.z]\nbase = 'a'\n"
                ),
            ),
            ("[build.z]\nbase = 'a'\n", format!("[build.z]\nbase = 'a'\n\n{NEW}")),
            ("base = { a = { repository = 'x' } }\n", format!("base = {{ a = {{ repository = 'x' }} , {INLINE} }}\n")),
        ] {
            assert_eq!(with_base(before, "new", &image("new")).unwrap(), expected, "{before}");
            let lines = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
            if !before.is_empty() {
                assert_eq!(with_base(&lines(before), "new", &image("new")).unwrap(), lines(&expected), "{before}");
            }
        }
    }
}
