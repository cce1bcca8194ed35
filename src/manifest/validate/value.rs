//! Single values: platforms, digests, tags, names, globs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use globset::GlobMatcher;

use crate::manifest::read::{Table, Value};
use crate::manifest::template::Template;
use crate::manifest::validate::Checker;
use crate::model::image_name::{self, NameError};
use crate::model::reference::RepositoryError;
use crate::model::{Digest, ImageName, LayoutPath, Platform, Repository, Tag};
use crate::problem::Problem;
use crate::source::{Place, Placed};

pub(super) fn platforms(table: Table<'_>, checker: &mut Checker) -> Option<Vec<Placed<Platform>>> {
    let written = table.texts("platforms")?;
    if let Some(value) = table.get("platforms").filter(Value::is_empty_list) {
        checker.push(
            Problem::new("oci::manifest::no_platforms", "`platforms` names none", &value.place(), "")
                .help("name one, such as `linux/amd64`, or leave the key out".to_owned()),
        );
        return None;
    }
    let mut platforms: Vec<Placed<Platform>> = Vec::new();
    let mut named: BTreeMap<Platform, Place> = BTreeMap::new();
    for text in written {
        match Platform::parse(&text) {
            Ok(platform) => match named.get(&platform) {
                Some(first) => checker.push(
                    Problem::new(
                        "oci::manifest::duplicate_platform",
                        format!("the platform `{platform}` is named twice"),
                        &text.place,
                        "again here",
                    )
                    .also(first, "first here"),
                ),
                None => {
                    named.insert(platform.clone(), text.place.clone());
                    platforms.push(Placed::new(platform, text.place));
                }
            },
            Err(error) => checker.push(
                Problem::new(
                    "oci::manifest::bad_platform",
                    format!("`{}` is no platform", *text),
                    &text.place,
                    error.to_string(),
                )
                .help(near(&text).map(|near| format!("did you mean `{near}`?"))),
            ),
        }
    }
    Some(platforms)
}

/// The common platform that was likely meant, where a system and an architecture are named at all.
fn near(text: &str) -> Option<&'static str> {
    if text == "wasi" || text.starts_with("wasi/") {
        return Some("wasip1/wasm");
    }
    text.contains('/').then(|| crate::suggest::nearest(text, COMMON)).flatten()
}

const COMMON: [&str; 6] = ["linux/386", "linux/amd64", "linux/arm/v7", "linux/arm64", "linux/riscv64", "linux/s390x"];

/// Parses a digest. If `bare` is true, the text is the hex digits alone, without the algorithm.
pub(super) fn digest(text: &Placed<String>, bare: bool, checker: &mut Checker) -> Option<Digest> {
    let parsed = if bare { Digest::parse_hex(text) } else { Digest::parse(text) };
    match parsed {
        Ok(digest) => Some(digest),
        Err(error) => {
            let help = match Digest::parse(text) {
                Ok(digest) => format!("write `digest = \"{digest}\"`, or the 64 digits alone"),
                Err(_) => "a digest is `sha256:` and 64 lower case hexadecimal digits".to_owned(),
            };
            checker.push(
                Problem::new("oci::manifest::bad_digest", "this is no digest", &text.place, error.to_string())
                    .help(help),
            );
            None
        }
    }
}

pub(super) fn tag(text: &Placed<String>, checker: &mut Checker) -> Option<Tag> {
    match Tag::parse(text) {
        Ok(tag) => Some(tag),
        Err(error) => {
            let message = format!("`{}` is no tag", **text);
            checker.push(Problem::new("oci::manifest::bad_tag", message, &text.place, error.to_string()));
            None
        }
    }
}

pub(super) fn repository(text: &Placed<String>, checker: &mut Checker) -> Option<Placed<Repository>> {
    match Repository::parse(text) {
        Ok(repository) => Some(Placed::new(repository, text.place.clone())),
        Err(error) => {
            let (code, help) = match &error {
                RepositoryError::Short { long, .. } => {
                    let long = long.to_lowercase();
                    match Repository::parse(&long) {
                        Ok(_) => ("oci::manifest::short_name", Some(format!("on Docker Hub it is `{long}`"))),
                        Err(_) => ("oci::manifest::bad_repository", None),
                    }
                }
                RepositoryError::TagOrDigest { repository, rest } => {
                    let key = if rest.starts_with('@') { "digest" } else { "tag" };
                    let help = format!("write `repository = \"{repository}\"` and `{key} = \"{}\"`", &rest[1..]);
                    ("oci::manifest::bad_repository", Some(help))
                }
                RepositoryError::Scheme { rest, .. } => {
                    ("oci::manifest::bad_repository", Some(format!("write `repository = \"{rest}\"`")))
                }
                RepositoryError::Path(path) if path.chars().any(char::is_uppercase) => {
                    ("oci::manifest::bad_repository", Some(format!("write `{}`", text.to_lowercase())))
                }
                _ => ("oci::manifest::bad_repository", None),
            };
            let message = format!("`{}` is no repository", **text);
            checker.push(Problem::new(code, message, &text.place, error.to_string()).help(help));
            None
        }
    }
}

/// An image on this machine's disk.
pub(super) fn layout(text: &Placed<String>, checker: &mut Checker) -> Option<Placed<LayoutPath>> {
    match LayoutPath::parse(text) {
        Ok(path) => Some(Placed::new(path, text.place.clone())),
        Err(error) => {
            let message = "this is no path of an image layout";
            checker.push(
                Problem::new("oci::manifest::bad_path", message, &text.place, error.to_string())
                    .help("write `layout = \"vendor/base:latest\"`, or the path of an archive".to_owned()),
            );
            None
        }
    }
}

/// Checks the name of a variant.
pub(super) fn variant_name(name: &Placed<String>, checker: &mut Checker) {
    if let Err(error) = image_name::check(name) {
        bad_name(name, &error, checker);
    }
}

/// Checks the name of a table that is an image.
pub(super) fn table_name(name: &Placed<String>, checker: &mut Checker) {
    variant_name(name, checker);
    if **name == "scratch" {
        checker.push(Problem::new(
            "oci::manifest::bad_name",
            "`scratch` is the empty image",
            &name.place,
            "this name is taken",
        ));
    }
}

/// Parses the name of an image.
pub(super) fn image(text: &Placed<String>, checker: &mut Checker) -> Option<Placed<ImageName>> {
    match ImageName::parse(text) {
        Ok(name) => Some(Placed::new(name, text.place.clone())),
        Err(_) if text.trim_start_matches(':').contains(['/', ':']) => {
            checker.push(
                Problem::new(
                    "oci::manifest::bad_name",
                    format!("`{}` names no image of this project", **text),
                    &text.place,
                    "",
                )
                .help("an image from elsewhere is a `[base.NAME]`; write `base = \"NAME\"`".to_owned()),
            );
            None
        }
        Err(error) => {
            bad_name(text, &error, checker);
            None
        }
    }
}

fn bad_name(name: &Placed<String>, error: &NameError, checker: &mut Checker) {
    let lower = name.trim_start_matches(':').to_lowercase().replace([' ', '/'], "-");
    let help = (image_name::check(&lower).is_ok()).then(|| format!("`{lower}` would do"));
    let message = format!("`{}` is no name", **name);
    checker.push(Problem::new("oci::manifest::bad_name", message, &name.place, error.to_string()).help(help));
}

/// Checks a glob, and returns its matcher.
pub(super) fn check_glob(pattern: &Placed<String>, checker: &mut Checker) -> Option<GlobMatcher> {
    // As in `contents::glob`, braces and backslashes are ordinary characters.
    let braceless = pattern.replace(['{', '}'], "x");
    let glob = globset::GlobBuilder::new(&braceless).literal_separator(true).backslash_escape(false).build();
    match glob {
        Ok(glob) => Some(glob.compile_matcher()),
        Err(error) => {
            let message = format!("`{}` is no glob", **pattern);
            checker.push(
                Problem::new("oci::manifest::bad_glob", message, &pattern.place, error.kind().to_string())
                    .help("`[[]` stands for a bracket".to_owned()),
            );
            None
        }
    }
}

/// Checks a glob for paths within a folder. If a pattern that can match no such path were accepted, nobody would
/// notice, and files that it should exclude would be included.
pub(super) fn check_glob_within(pattern: &Placed<String>, checker: &mut Checker) {
    if check_glob(pattern, checker).is_none() {
        return;
    }
    let mut parts = pattern.split('/');
    let reason = match parts.clone().next_back() {
        _ if pattern.is_empty() => "this is empty",
        _ if pattern.starts_with('/') => "it begins with `/`",
        _ if parts.clone().any(|part| part == "..") => "it leaves the folder",
        Some("") => "it ends with `/`",
        _ if parts.any(|part| matches!(part, "" | ".")) => "it is no path as they are in the folder",
        _ => return,
    };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let help = match parts[..] {
        [] => "globs are relative to the folder; `**` matches all that is in it".to_owned(),
        _ if parts.contains(&"..") => {
            "globs are relative to the folder, and what is not in it does not go in".to_owned()
        }
        _ => format!("globs are relative to the folder: write `{}`", parts.join("/")),
    };
    let message = format!("`{}` matches nothing", **pattern);
    checker.push(Problem::new("oci::manifest::bad_glob", message, &pattern.place, reason).help(help));
}

/// Where `build`, if it is about one, is published.
pub(super) fn repository_template(
    text: &Placed<String>,
    build: Option<&str>,
    checker: &mut Checker,
) -> Option<Placed<Template>> {
    let template = checker.template(text, build, false)?;
    if let Some(written) = template.text() {
        repository(&Placed::new(written, text.place.clone()), checker)?;
    }
    Some(template)
}

/// The tag under which `build`, if it is about one, is published.
pub(super) fn tag_template(
    text: &Placed<String>,
    build: Option<&str>,
    checker: &mut Checker,
) -> Option<Placed<Template>> {
    let template = checker.template(text, build, true)?;
    if let Some(written) = template.text() {
        tag(&Placed::new(written, text.place.clone()), checker)?;
    }
    Some(template)
}

/// A path on this machine: any text that is not empty and holds no NUL.
pub(super) fn host_path<'a>(text: &'a Placed<String>, checker: &mut Checker) -> Option<&'a str> {
    if text.is_empty() || text.contains('\0') {
        let reason = if text.is_empty() { "this is empty" } else { "it holds a NUL" };
        checker.push(Problem::new("oci::manifest::bad_path", "this is no path", &text.place, reason));
        return None;
    }
    Some(text)
}

/// A path on this machine, relative to `folder`; `~/` is the home folder.
pub(super) fn path_from(folder: &Path, text: &Placed<String>, checker: &mut Checker) -> Option<PathBuf> {
    let written = host_path(text, checker)?;
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    match written.strip_prefix("~/").or_else(|| (written == "~").then_some("")) {
        Some(rest) => match home() {
            Some(home) => Some(home.join(rest)),
            None => {
                let reason = "there is no home folder: `HOME` is not set";
                checker.push(Problem::new("oci::manifest::bad_path", "`~` leads nowhere", &text.place, reason));
                None
            }
        },
        None => Some(folder.join(written)),
    }
}

/// Reports a NUL in a text. Arguments, variables and paths of a process cannot hold one.
pub(super) fn refuse_nul(text: &Placed<String>, checker: &mut Checker) {
    if text.contains('\0') {
        checker.push(Problem::new("oci::manifest::bad_text", "a NUL cannot stand here", &text.place, ""));
    }
}

/// A number written in digits alone. The standard library would accept a sign, too.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
