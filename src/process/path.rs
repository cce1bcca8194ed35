//! Finds programs: on `PATH` without its relative entries, or by the path that the user gives.
//!
//! A relative entry of `PATH` (`.`, `bin`, or an empty one, which means the current folder) would let the checkout that
//! commands work in decide which program starts. Such entries count neither here nor for the programs that are started.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The folders that are searched if `PATH` is not set, or has relative entries alone: the C library's default.
const DEFAULT: &str = "/bin:/usr/bin";

/// `PATH` with its absolute entries alone, in their order. It is never empty: an empty `PATH` means the current folder.
pub(crate) fn search_path() -> OsString {
    absolute(std::env::var_os("PATH").as_deref())
}

/// An entry cannot hold a colon, since colons separate entries, so reading `PATH` is splitting it.
fn absolute(path: Option<&OsStr>) -> OsString {
    let entries = path.unwrap_or_default().as_bytes().split(|byte| *byte == b':');
    let entries: Vec<&[u8]> = entries.filter(|entry| entry.starts_with(b"/")).collect();
    if entries.is_empty() { DEFAULT.into() } else { OsStr::from_bytes(&entries.join(&b':')).to_owned() }
}

/// The file of a program that is named as on a command line: by a path, or looked for in [`search_path`].
pub(crate) fn on_path(program: &Path) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_path(program) {
        return Some(program.to_owned()).filter(is_program);
    }
    std::env::split_paths(&search_path()).map(|folder| folder.join(program)).find(is_program)
}

/// True for a text that cannot be the name of a program to look for.
pub(crate) fn is_path(program: &Path) -> bool {
    program.as_os_str().as_bytes().contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_entries_do_not_count() {
        for (path, kept) in [
            ("/a:/b", "/a:/b"),
            (".:/a::b:/b/../c:", "/a:/b/../c"),
            ("", DEFAULT),
            (":", DEFAULT),
            (".", DEFAULT),
            ("./a:~/bin:..", DEFAULT),
        ] {
            assert_eq!(absolute(Some(OsStr::new(path))), kept, "{path}");
        }
        assert_eq!(absolute(None), DEFAULT);
    }
}
