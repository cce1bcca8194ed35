//! The files that decide what a packaged target is, as packages: so they are found, and told apart, as packages are.

use crate::manifest::package::{Package, PackageContent};
use crate::source::Placed;

/// A package for each pattern, below the folder `root`. A file keeps its path from the manifest's folder, and a file
/// that is elsewhere has a path that no other file has. `exclude` has globs relative to the manifest's folder.
pub(crate) fn packages(patterns: &[Placed<String>], exclude: &[Placed<String>], root: &str) -> Vec<Package> {
    patterns.iter().map(|pattern| package(pattern, exclude, root)).collect()
}

/// Where the file or folder of a path without special characters is among all inputs, relative to their root.
pub(crate) fn place(path: &str) -> String {
    inside(path, &parts(path).0).join("/")
}

/// True if a pattern leads out of the manifest's folder by its own text.
pub(crate) fn is_outside(pattern: &str) -> bool {
    pattern.starts_with('/') || names(pattern).any(|name| name == "..")
}

/// The pattern's part behind the first name that holds a special character; empty if none does.
pub(crate) fn glob(pattern: &str) -> String {
    let (_, glob) = parts(pattern);
    glob.join("/")
}

fn package(pattern: &Placed<String>, exclude: &[Placed<String>], root: &str) -> Package {
    let (fixed, glob) = parts(pattern);
    let slash = if pattern.starts_with('/') { "/" } else { "" };
    let path =
        if fixed.is_empty() && slash.is_empty() { ".".to_owned() } else { format!("{slash}{}", fixed.join("/")) };
    let place = || pattern.place.clone();
    let to = [root.to_owned()].into_iter().chain(inside(pattern, &fixed)).collect::<Vec<_>>().join("/");
    let to = if to.is_empty() { "/".to_owned() } else { to };
    let content = PackageContent::Path { path: Placed::new(path, place()), to: Some(Placed::new(to, place())) };
    let include = (!glob.is_empty()).then(|| Placed::new(glob.join("/"), place()));
    Package {
        include: include.into_iter().collect(),
        exclude_in_project: exclude.to_vec(),
        // What decides a target may be for any machine, and lead anywhere.
        foreign: true,
        any_links: true,
        ..Package::new(place(), content)
    }
}

/// The names of the place of a folder or file among all inputs.
fn inside(pattern: &str, fixed: &[&str]) -> Vec<String> {
    let up = fixed.iter().filter(|name| **name == "..").count();
    let names = fixed.iter().filter(|name| **name != "..").map(|name| (*name).to_owned());
    let elsewhere = match (pattern.starts_with('/'), up) {
        (true, _) => vec!["outside".to_owned(), "root".to_owned()],
        (false, 0) => Vec::new(),
        (false, up) => vec!["outside".to_owned(), format!("up-{up}")],
    };
    elsewhere.into_iter().chain(names).collect()
}

fn names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter(|name| !matches!(*name, "" | "."))
}

/// The names up to the first that holds a special character, and those from it on.
fn parts(pattern: &str) -> (Vec<&str>, Vec<&str>) {
    let names: Vec<&str> = names(pattern).collect();
    let fixed = names.iter().take_while(|name| !name.contains(['*', '?', '['])).count();
    (names[..fixed].to_vec(), names[fixed..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::testing::placed;

    #[test]
    fn every_pattern_is_a_package_of_its_own_place() {
        for (pattern, root, path, to, include) in [
            ("Makefile", "/src", "Makefile", "/src/Makefile", ""),
            ("./server/**", "/src", "server", "/src/server", "**"),
            ("**/*.py", "/src", ".", "/src", "**/*.py"),
            ("**/*.py", "", ".", "/", "**/*.py"),
            (".", "/src", ".", "/src", ""),
            ("a/b*/c", "", "a", "/a", "b*/c"),
            ("../shared/lib", "", "../shared/lib", "/outside/up-1/shared/lib", ""),
            ("/opt/sdk/*.h", "", "/opt/sdk", "/outside/root/opt/sdk", "*.h"),
        ] {
            let [package] = &packages(&[placed(pattern)], &[], root)[..] else { panic!("{pattern}") };
            let PackageContent::Path { path: found, to: Some(found_to) } = &package.content else { panic!() };
            let found_include: Vec<&str> = package.include.iter().map(|glob| glob.value.as_str()).collect();
            assert_eq!((found.value.as_str(), found_to.value.as_str(), &*found_include.concat()), (path, to, include));
            assert_eq!(is_outside(pattern), to.contains("outside"), "{pattern}");
        }
    }
}
