//! What `uv.lock` says of a workspace: which of its members a project needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The members of a workspace that a project needs besides itself, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Workspace {
    /// Name and folder.
    pub(super) members: Vec<(String, PathBuf)>,
}

/// Reads the lockfile in the folder `root` for the project in `folder`.
pub(super) fn workspace(lock: &str, root: &Path, folder: &Path) -> Workspace {
    let table: toml::Table = lock.parse().unwrap_or_default();
    let mut local: BTreeMap<&str, PathBuf> = BTreeMap::new();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in table.get("package").and_then(|packages| packages.as_array()).into_iter().flatten() {
        let Some(name) = package.get("name").and_then(|name| name.as_str()) else { continue };
        let source = package.get("source");
        let path = ["editable", "directory", "virtual"]
            .into_iter()
            .find_map(|kind| Some((kind, source?.get(kind)?.as_str()?)));
        if let Some((kind, path)) = path {
            let path: PathBuf =
                root.join(path).components().filter(|part| *part != std::path::Component::CurDir).collect();
            // One that is virtual is built into nothing.
            if kind != "virtual" || path == folder {
                local.insert(name, path);
            }
        }
        let listed = package.get("dependencies").and_then(|list| list.as_array()).into_iter().flatten();
        needs.entry(name).or_default().extend(listed.filter_map(|needed| needed.get("name")?.as_str()));
    }
    let own = local.iter().find(|(_, path)| path.as_path() == folder).map(|(name, _)| *name);
    let mut pending: Vec<&str> = own.into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if seen.insert(name) {
            pending.extend(needs.get(name).into_iter().flatten());
        }
    }
    let members = seen.into_iter().filter(|name| Some(*name) != own);
    Workspace { members: members.filter_map(|name| Some((name.to_owned(), local.get(name)?.clone()))).collect() }
}

/// `3.12` of `3.12.4` or of `cpython-3.12`.
pub(super) fn minor(version: &str) -> Option<String> {
    let digits = version.find(|letter: char| letter.is_ascii_digit()).map(|start| &version[start..])?;
    let mut parts = digits.split(|letter: char| !letter.is_ascii_digit());
    let (major, minor) = (parts.next()?, parts.next()?);
    (!major.is_empty() && !minor.is_empty()).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_that_the_project_needs() {
        let lock = r#"
            [[package]]
            name = "api"
            source = { editable = "apps/api" }
            dependencies = [{ name = "common" }, { name = "numpy" }]
            [[package]]
            name = "common"
            source = { editable = "libs/common" }
            dependencies = [{ name = "base" }]
            [[package]]
            name = "base"
            source = { directory = "../base" }
            [[package]]
            name = "other"
            source = { editable = "apps/other" }
            [[package]]
            name = "numpy"
            source = { registry = "https://index.example/simple" }
            "#;
        let found = workspace(lock, Path::new("/w"), Path::new("/w/apps/api"));
        let expected = [("base", "/w/../base"), ("common", "/w/libs/common")];
        assert_eq!(found.members, expected.map(|(name, path)| (name.to_owned(), PathBuf::from(path))));
        assert_eq!(workspace("x", Path::new("/w"), Path::new("/w")), Workspace::default());
    }

    #[test]
    fn a_version_is_two_numbers() {
        for (text, found) in [
            ("3.12.4", Some("3.12")),
            ("3.12", Some("3.12")),
            ("cpython-3.11.2-linux", Some("3.11")),
            ("3", None),
            ("pypy", None),
        ] {
            assert_eq!(minor(text).as_deref(), found, "{text}");
        }
    }
}
