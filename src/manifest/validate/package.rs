//! One entry of `packages`.

use std::ops::ControlFlow;

use crate::manifest::Needs;
use crate::manifest::package::{Mode, Owner, Package, PackageContent};
use crate::manifest::read::{Table, Value};
use crate::manifest::validate::{Checker, value};
use crate::model::image_name;
use crate::model::layer_path::WHITEOUT;
use crate::problem::Problem;
use crate::source::{Place, Placed};

/// The packages of a table; what they take from elsewhere goes to `needs`.
pub(super) fn packages(table: Table<'_>, needs: &mut Needs, checker: &mut Checker) -> Vec<Package> {
    let list = table.get("packages").and_then(|value| value.list()).unwrap_or_default();
    list.into_iter().filter_map(|value| package(value, needs, checker)).collect()
}

fn package(value: Value<'_>, needs: &mut Needs, checker: &mut Checker) -> Option<Package> {
    if let Some(path) = value.text() {
        let place = path.place.clone();
        if let Some(target) = path.strip_prefix(':') {
            let target = target_name(target, &path, needs, checker)?;
            return Some(Package::new(
                place,
                PackageContent::Target { target, output: 0, label: String::new(), to: None },
            ));
        }
        return Some(Package::new(place, PackageContent::Path { path: host_path(path, None, checker)?, to: None }));
    }
    let table = value.table()?;
    let place = value.place();
    let content = content(table, &place, needs, checker);
    let package = Package {
        owner: table.text("owner").and_then(|text| owner(&text, checker)),
        mode: table.text("mode").and_then(|text| mode(&text, checker)),
        folder_mode: table.text("folder-mode").and_then(|text| mode(&text, checker)),
        include: globs(table, "include", checker),
        exclude: globs(table, "exclude", checker),
        optional: flag(table, "optional"),
        follow: flag(table, "follow"),
        foreign: flag(table, "foreign"),
        ..Package::new(place, content?)
    };
    Some(package)
}

fn flag(table: Table<'_>, key: &str) -> bool {
    table.boolean(key).is_some_and(|flag| *flag)
}

/// The key that says what a package is, and the keys that go with it.
const FORMS: [(&str, &[&str]); 6] = [
    ("image", &["image", "path", "to", "owner", "mode", "folder-mode", "include", "exclude", "optional", "foreign"]),
    (
        "archive",
        &["archive", "to", "strip", "owner", "mode", "folder-mode", "include", "exclude", "optional", "foreign"],
    ),
    ("path", &["path", "to", "owner", "mode", "folder-mode", "include", "exclude", "optional", "follow", "foreign"]),
    ("text", &["text", "to", "owner", "mode"]),
    ("link", &["link", "target", "owner"]),
    ("folder", &["folder", "mode", "owner"]),
];

/// The longest name that file systems accept, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest target of a symbolic link that the kernel accepts, in bytes.
const LONGEST_TARGET: usize = 4095;

fn content(table: Table<'_>, place: &Place, needs: &mut Needs, checker: &mut Checker) -> Option<PackageContent> {
    let has_image = table.get("image").is_some();
    // With `image`, `path` is a path in that image, and not a form of its own.
    let forms: Vec<_> =
        FORMS.iter().filter(|(form, _)| table.get(form).is_some() && !(has_image && *form == "path")).collect();
    let (form, keys) = match forms[..] {
        [form] => form,
        // An unknown key has been reported, and is likely a misspelt form.
        [] if table.entries().iter().any(|(key, _)| !FORMS.iter().any(|(_, known)| known.contains(&key.as_str()))) => {
            return None;
        }
        [] => {
            checker.push(
                Problem::new("oci::manifest::bad_package", "this package holds nothing", place, "")
                    .help("give it a `path`, an `image`, an `archive`, a `text`, a `link` or a `folder`".to_owned()),
            );
            return None;
        }
        [(first, _), (second, _), ..] => {
            let (first, second) = (table.key_place(first)?, table.key_place(second)?);
            checker.push(
                Problem::new("oci::manifest::bad_package", "a package is one thing", &first, "this one")
                    .also(&second, "or this one?")
                    .help("make two packages of it".to_owned()),
            );
            return None;
        }
    };
    for (key, _) in table.entries() {
        if FORMS.iter().any(|(_, known)| known.contains(&key.as_str())) && !keys.contains(&key.as_str()) {
            checker.push(
                Problem::new(
                    "oci::manifest::bad_package",
                    format!("`{}` means nothing beside `{form}`", *key),
                    &key.place,
                    "",
                )
                .help(format!("the keys beside `{form}` are: `{}`", keys[1..].join("`, `"))),
            );
        }
    }
    let needed = |key: &str, checker: &mut Checker| {
        if table.get(key).is_none() {
            checker.push(
                Problem::new("oci::manifest::missing_key", format!("`{form}` needs a `{key}`"), place, "")
                    .help(format!("add `{key} = \"/…\"`")),
            );
        }
        table.text(key)
    };
    match *form {
        "image" => {
            let image = table.text("image").and_then(|image| value::image(&image, checker));
            needs.images.extend(image.clone());
            let path = needed("path", checker).and_then(|path| path_in_image(path, checker));
            let to = table.text("to").map(|to| image_path(to, true, checker));
            Some(PackageContent::Image { image: image?, path: path?, to: to.map_or(Some(None), |to| to.map(Some))? })
        }
        "archive" => {
            let path = checker.expanded_path(&table.text("archive")?);
            let path = path.filter(|path| value::host_path(path, checker).is_some());
            if let Some(path) = path.as_ref().filter(|path| path.contains(['*', '?'])) {
                let message = format!("`{}` names no archive: globs are not known here", **path);
                checker.push(Problem::new("oci::manifest::bad_path", message, &path.place, "").help(
                    "name one archive, in a package of its own; `include` chooses among what it holds".to_owned(),
                ));
            }
            let to = needed("to", checker).and_then(|to| image_path(to, true, checker));
            let strip = table.integer("strip").map_or(Some(0), |strip| {
                let number = strip.value.and_then(|number| usize::try_from(number).ok());
                if number.is_none() {
                    let message = "`strip` is a number of folders";
                    checker.push(
                        Problem::new("oci::manifest::bad_number", message, &strip.place, "")
                            .help("write how many leading folders to drop, such as `strip = 1`".to_owned()),
                    );
                }
                number
            });
            Some(PackageContent::Archive { archive: path?, to: to?, strip: strip? })
        }
        "path" => {
            let to = table.text("to").and_then(|to| image_path(to, true, checker));
            let text = table.text("path")?;
            if let Some(target) = text.strip_prefix(':') {
                if let Some(follow) = table.key_place("follow") {
                    let message = "`follow` means nothing beside a packaged target";
                    checker.push(Problem::new("oci::manifest::bad_package", message, &follow, ""));
                }
                let target = target_name(target, &text, needs, checker)?;
                return Some(PackageContent::Target { target, output: 0, label: String::new(), to });
            }
            let path = host_path(text, table.get("to").is_some().then_some(()), checker)?;
            Some(PackageContent::Path { path, to })
        }
        "text" => {
            let text = table.text("text")?;
            let expanded = checker.expanded_loosely(&text);
            let to = image_path(needed("to", checker)?, false, checker)?;
            Some(PackageContent::Text { text: expanded?.value, to })
        }
        "link" => {
            let target = needed("target", checker)?;
            let target = checker.expanded_path(&target)?;
            let reason = match &*target.value {
                "" => Some("this is empty"),
                path if path.contains('\0') => Some("it holds a NUL"),
                path if path.len() > LONGEST_TARGET => Some("it is longer than the 4095 bytes that a link can hold"),
                _ => None,
            };
            if let Some(reason) = reason {
                let message = "a link has to lead somewhere";
                checker.push(
                    Problem::new("oci::manifest::bad_path", message, &target.place, reason)
                        .help("write `target = \"/…\"`, or a path relative to the link's folder".to_owned()),
                );
            }
            Some(PackageContent::Link { link: image_path(table.text("link")?, false, checker)?, target: target.value })
        }
        _ => {
            let folder = image_path(table.text("folder")?, true, checker)?;
            if *folder == "/" {
                checker.push(
                    Problem::new("oci::manifest::bad_path", "`/` cannot be made", &folder.place, "every image has it")
                        .help("name a folder in it, such as `/data`".to_owned()),
                );
            }
            Some(PackageContent::Folder { folder })
        }
    }
}

/// What stands behind the `:` in the name of a packaged target: `NAME`, or `NAME/OUTPUT`.
fn target_name(
    written: &str,
    text: &Placed<String>,
    needs: &mut Needs,
    checker: &mut Checker,
) -> Option<Placed<String>> {
    let (name, output) = written.split_once('/').map_or((written, None), |(name, output)| (name, Some(output)));
    if image_name::check(name).is_err() || output.is_some_and(|output| image_name::check(output).is_err()) {
        let message = format!("`{}` names no packaged target", **text);
        checker.push(Problem::new("oci::manifest::bad_name", message, &text.place, "").help(
            "write `\":NAME\"` or `\":NAME/OUTPUT\"` for `[package.NAME]`, and `\"./:…\"` for a file of such a name"
                .to_owned(),
        ));
        return None;
    }
    needs.targets.push(Placed::new(name.to_owned(), text.place.clone()));
    Some(Placed::new(written.to_owned(), text.place.clone()))
}

/// A path on this machine. `.`, `..` and absolute paths have no name to go by, and need a `to`.
fn host_path(path: Placed<String>, to: Option<()>, checker: &mut Checker) -> Option<Placed<String>> {
    let path = checker.expanded_path(&path)?;
    value::host_path(&path, checker)?;
    if path.contains(['*', '?', '[']) {
        value::check_glob(&path, checker);
    }
    let nameless = path.starts_with('/')
        || path.split('/').any(|part| part == "..")
        || path.split('/').rfind(|part| !part.is_empty()).is_none_or(|last| last == ".");
    if nameless && to.is_none() {
        checker.push(
            Problem::new(
                "oci::manifest::needs_to",
                format!("`{}` does not say where it goes in the image", *path),
                &path.place,
                "",
            )
            .help(format!("write `{{ path = \"{}\", to = \"/…\" }}`", *path)),
        );
        return None;
    }
    Some(path)
}

/// A file, folder or glob in another image.
fn path_in_image(path: Placed<String>, checker: &mut Checker) -> Option<Placed<String>> {
    let path = image_path(path, true, checker)?;
    if path.contains(['*', '?', '[']) {
        value::check_glob(&path, checker);
    }
    Some(path)
}

/// What a relative path most likely means in an image: itself, without the ways up that it begins with.
pub(super) fn below_root(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix("../")) {
        path = rest;
    }
    path
}

/// A path in the image: absolute, without `.` and `..`, made normal; a trailing `/` is kept if it may
/// have one.
pub(super) fn image_path(path: Placed<String>, folder: bool, checker: &mut Checker) -> Option<Placed<String>> {
    let path = checker.expanded_path(&path)?;
    let refuse = |reason: &str, help: Option<String>, checker: &mut Checker| {
        let message = format!("`{}` is no path in the image", *path);
        checker.push(Problem::new("oci::manifest::bad_path", message, &path.place, reason).help(help));
    };
    if !path.starts_with('/') {
        let help = format!("write `/{}`", below_root(&path));
        refuse("a path in the image begins with `/`", Some(help), checker);
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    let walked = path.split('/').filter(|part| !matches!(*part, "" | ".")).try_for_each(|part| match part {
        ".." if parts.pop().is_none() => ControlFlow::Break(()),
        ".." => ControlFlow::Continue(()),
        _ => {
            parts.push(part);
            ControlFlow::Continue(())
        }
    });
    if walked.is_break() {
        refuse("it leaves the image's root", None, checker);
        return None;
    }
    if path.contains('\0') {
        refuse("it holds a NUL", None, checker);
        return None;
    }
    if let Some(part) = parts.iter().find(|part| part.starts_with(WHITEOUT)) {
        refuse(&format!("`{part}` would delete a file: layers mean that by names with `{WHITEOUT}`"), None, checker);
        return None;
    }
    let ends_as_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if parts.iter().any(|part| part.len() > LONGEST_NAME) {
        refuse("a name in it is longer than the 255 bytes that file systems take", None, checker);
        return None;
    }
    if !folder && (ends_as_folder || parts.is_empty()) {
        let help = format!("name it, such as `/{}`", [&parts[..], &["name"]].concat().join("/"));
        refuse("it has to name a file", Some(help), checker);
        return None;
    }
    let slash = if ends_as_folder && !parts.is_empty() { "/" } else { "" };
    let normal = format!("/{}{slash}", parts.join("/"));
    Some(path.map(|_| normal))
}

fn owner(written: &Placed<String>, checker: &mut Checker) -> Option<Owner> {
    let text = &checker.expanded(written)?;
    // For the kernel, the greatest number means "leave the owner unchanged".
    let number = |text| value::number::<u32>(text).filter(|number| *number != u32::MAX);
    let numbers = text.split_once(':').and_then(|(uid, gid)| Some(Owner { uid: number(uid)?, gid: number(gid)? }));
    if numbers.is_none() {
        checker.push(
            Problem::new("oci::manifest::bad_owner", format!("`{}` is no owner", **text), &text.place, "")
                .help("write user and group as numbers, such as `owner = \"1000:1000\"`: names mean nothing outside the image".to_owned()),
        );
    }
    numbers
}

fn mode(text: &Placed<String>, checker: &mut Checker) -> Option<Mode> {
    let octal = text.len() >= 3 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|bits| *bits <= 0o7777);
    if bits.is_none() {
        checker.push(
            Problem::new("oci::manifest::bad_mode", format!("`{}` is no mode", **text), &text.place, "")
                .help("write it in octal, such as `mode = \"0644\"`".to_owned()),
        );
    }
    bits.map(Mode)
}

fn globs(table: Table<'_>, key: &str, checker: &mut Checker) -> Vec<Placed<String>> {
    let patterns = table.texts(key).unwrap_or_default();
    for pattern in &patterns {
        value::check_glob_within(pattern, checker);
    }
    patterns
}
