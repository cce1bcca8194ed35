//! Single values: platforms, digests, tags, names, globs.

use crate::manifest::read::Table;
use crate::model::image_name::{self, NameError};
use crate::model::reference::RepositoryError;
use crate::model::{Digest, ImageName, Platform, Repository, Tag};
use crate::problem::{Problem, Problems};
use crate::source::Placed;

pub(super) fn platforms(table: Table<'_>, problems: &mut Problems) -> Option<Vec<Placed<Platform>>> {
    let written = table.texts("platforms")?;
    if written.is_empty()
        && let Some(value) = table.get("platforms")
    {
        problems.push(
            Problem::new("oci::manifest::no_platforms", "`platforms` names none", &value.place(), "")
                .help("name one, such as `linux/amd64`, or leave the key out".to_owned()),
        );
        return None;
    }
    let mut platforms: Vec<Placed<Platform>> = Vec::new();
    for text in written {
        match Platform::parse(&text) {
            Ok(platform) => match platforms.iter().find(|known| known.value == platform) {
                Some(first) => problems.push(
                    Problem::new(
                        "oci::manifest::duplicate_platform",
                        format!("the platform `{platform}` is named twice"),
                        &text.place,
                        "again here",
                    )
                    .also(&first.place, "first here"),
                ),
                None => platforms.push(Placed::new(platform, text.place)),
            },
            Err(error) => problems.push(
                Problem::new(
                    "oci::manifest::bad_platform",
                    format!("`{}` is no platform", *text),
                    &text.place,
                    error.to_string(),
                )
                .help(crate::suggest::nearest(&text, COMMON).map(|near| format!("did you mean `{near}`?"))),
            ),
        }
    }
    Some(platforms)
}

const COMMON: [&str; 6] = ["linux/386", "linux/amd64", "linux/arm/v7", "linux/arm64", "linux/riscv64", "linux/s390x"];

/// A digest, with or without its algorithm as `bare` says.
pub(super) fn digest(text: &Placed<String>, bare: bool, problems: &mut Problems) -> Option<Digest> {
    let parsed = if bare { Digest::parse_hex(text) } else { Digest::parse(text) };
    match parsed {
        Ok(digest) => Some(digest),
        Err(error) => {
            problems.push(
                Problem::new("oci::manifest::bad_digest", "this is no digest", &text.place, error.to_string())
                    .help("a digest is `sha256:` and 64 lower case hexadecimal digits".to_owned()),
            );
            None
        }
    }
}

pub(super) fn tag(text: &Placed<String>, problems: &mut Problems) -> Option<Tag> {
    if refuse_templates(text, problems) {
        return None;
    }
    match Tag::parse(text) {
        Ok(tag) => Some(tag),
        Err(error) => {
            let message = format!("`{}` is no tag", **text);
            problems.push(Problem::new("oci::manifest::bad_tag", message, &text.place, error.to_string()));
            None
        }
    }
}

pub(super) fn repository(text: &Placed<String>, problems: &mut Problems) -> Option<Placed<Repository>> {
    if refuse_templates(text, problems) {
        return None;
    }
    match Repository::parse(text) {
        Ok(repository) => Some(Placed::new(repository, text.place.clone())),
        Err(error) => {
            let (code, help) = match &error {
                RepositoryError::Short { long, .. } => {
                    ("oci::manifest::short_name", Some(format!("on Docker Hub it is `{long}`")))
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
                    ("oci::manifest::bad_repository", Some(format!("write `{}`", path.to_lowercase())))
                }
                _ => ("oci::manifest::bad_repository", None),
            };
            let message = format!("`{}` is no repository", **text);
            problems.push(Problem::new(code, message, &text.place, error.to_string()).help(help));
            None
        }
    }
}

/// Checks the name of a table or variant.
pub(super) fn name(name: &Placed<String>, problems: &mut Problems) {
    if let Err(error) = image_name::check(name) {
        bad_name(name, &error, problems);
    } else if **name == "scratch" {
        problems.push(Problem::new(
            "oci::manifest::bad_name",
            "`scratch` is the empty image",
            &name.place,
            "this name is taken",
        ));
    }
}

/// Parses the name of an image.
pub(super) fn image(text: &Placed<String>, problems: &mut Problems) -> Option<Placed<ImageName>> {
    match ImageName::parse(text) {
        Ok(name) => Some(Placed::new(name, text.place.clone())),
        Err(_) if text.contains(['/', ':']) => {
            problems.push(
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
            bad_name(text, &error, problems);
            None
        }
    }
}

fn bad_name(name: &Placed<String>, error: &NameError, problems: &mut Problems) {
    let lower = name.to_lowercase().replace([' ', '/'], "-");
    let help = (image_name::check(&lower).is_ok()).then(|| format!("`{lower}` would do"));
    let message = format!("`{}` is no name", **name);
    problems.push(Problem::new("oci::manifest::bad_name", message, &name.place, error.to_string()).help(help));
}

pub(super) fn check_glob(pattern: &Placed<String>, problems: &mut Problems) {
    if let Err(error) = globset::GlobBuilder::new(pattern).literal_separator(true).build() {
        let message = format!("`{}` is no glob", **pattern);
        problems.push(
            Problem::new("oci::manifest::bad_glob", message, &pattern.place, error.kind().to_string())
                .help("`[[]` stands for a bracket, `[{]` for a brace".to_owned()),
        );
    }
}

/// Templates are part of the format, but not of this release: true if there is one.
pub(super) fn refuse_templates(text: &Placed<String>, problems: &mut Problems) -> bool {
    let plain = text.replace("{{", "").replace("}}", "");
    let found = plain.contains(['{', '}']);
    if found {
        problems.push(
            Problem::new(
                "oci::manifest::not_yet",
                "templates are not in this release yet",
                &text.place,
                "braces open a template",
            )
            .help("write the text itself; `{{` and `}}` stand for braces".to_owned()),
        );
    }
    found
}

/// A text in which templates will have a meaning: braces are written twice.
pub(super) fn template_free(text: &Placed<String>, problems: &mut Problems) -> String {
    refuse_templates(text, problems);
    text.replace("{{", "{").replace("}}", "}")
}
