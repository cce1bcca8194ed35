//! Why an archive is not packed.

use std::fmt;
use std::io;
use std::path::Path;

use miette::Diagnostic;

use crate::fs::{FileError, stamp};

/// An archive that cannot be packed. Archives are shown as the manifest would write them, entries as the
/// archive has them.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ArchiveError {
    #[error("`{archive}` is no archive")]
    #[diagnostic(
        code(oci::layer::no_archive),
        help(
            "an archive is a tar, plain or compressed by gzip, zstd, xz or bzip2; a file or folder goes in by `path`"
        )
    )]
    NotAnArchive { archive: String },
    #[error("could not read the archive `{archive}`{}", beyond(after.as_deref()))]
    #[diagnostic(code(oci::layer::archive_damaged), help("make or fetch it again, and see what `tar -tf` says of it"))]
    Damaged {
        archive: String,
        /// The last entry that could be read.
        after: Option<String>,
        source: io::Error,
    },
    #[error("`{entry}` of `{archive}`{} cannot go into a layer: {fault}", and_others(*more, "entry", "entries"))]
    #[diagnostic(code(oci::layer::archive_entry), help("{}", fault.help()))]
    Entry {
        archive: String,
        entry: String,
        /// How many other entries have this fault.
        more: usize,
        fault: Fault,
    },
    #[error("could not read `{path}`")]
    #[diagnostic(code(oci::layer::unreadable), help("{}", crate::fs::look_at(Path::new(path))))]
    Unreadable { path: String, source: io::Error },
    #[error("`{path}` changed while it was read")]
    #[diagnostic(code(oci::layer::changed), help("run the command again when nothing writes to it"))]
    Changed { path: String },
    /// What the store should remember.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] FileError),
    #[error("nothing of `{archive}` goes into the image")]
    #[diagnostic(
        code(oci::layer::archive_empty),
        help("look at `strip`, `include` and `exclude`, or set `optional = true` if nothing is fine")
    )]
    Nothing { archive: String },
}

impl ArchiveError {
    /// For an archive that could not be opened or read. One that is no file any more was one when it was looked at.
    pub(crate) fn unreadable(path: String, source: io::Error) -> Self {
        if stamp::is_replaced(&source) { Self::Changed { path } } else { Self::Unreadable { path, source } }
    }
}

/// What is wrong with an entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("its name has `..`")]
    Parent,
    #[error("it has no name that a file can have")]
    Name,
    #[error("its name deletes files of lower layers")]
    Whiteout,
    #[error("it is a {0}")]
    Special(&'static str),
    #[error("it is kept as a sparse file")]
    Sparse,
    #[error("it is below `{0}`, which is no folder there")]
    Below(String),
    #[error("it is a hard link to `{0}`, which is no file that comes before it")]
    HardLink(String),
    #[error("it is a symbolic link to nothing")]
    EmptyLink,
    #[error("the number of its owner is beyond what there is")]
    Owner,
    #[error("it has `{0}`")]
    Attribute(String),
}

impl Fault {
    fn help(&self) -> Help<'_> {
        Help(self)
    }
}

/// The next step, as text.
struct Help<'a>(&'a Fault);

impl fmt::Display for Help<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Fault::Parent | Fault::Name | Fault::Below(_) | Fault::HardLink(_) | Fault::EmptyLink => {
                "no tar of a folder has such an entry: find out who made the archive, and make it anew"
            }
            Fault::Whiteout => "leave it out with `exclude`, or rename it: in a layer `.wh.` means a file that is gone",
            Fault::Special(_) => {
                "leave it out with `exclude`, such as `exclude = [\"dev/*\"]`: engines make devices of their own"
            }
            Fault::Sparse => "make the archive without `--sparse`",
            Fault::Owner => "set `owner` for all entries, or make the archive with `--owner` and `--group`",
            Fault::Attribute(_) => {
                "make the archive without access control lists (`tar --no-acls`) and without what overlay file systems keep for themselves, or leave the entry out with `exclude`"
            }
        })
    }
}

fn beyond(entry: Option<&str>) -> String {
    entry.map(|entry| format!(" beyond its entry `{entry}`")).unwrap_or_default()
}

/// How many more there are of what a message names.
pub(crate) fn and_others(count: usize, one: &str, several: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(" and one other {one}"),
        _ => format!(" and {count} other {several}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_a_next_step() {
        let archive = || "rootfs.tar.zst".to_owned();
        let entry = |fault, more| ArchiveError::Entry { archive: archive(), entry: "usr/x".to_owned(), more, fault };
        let path = || "bin".to_owned();
        let errors = [
            ArchiveError::NotAnArchive { archive: archive() },
            ArchiveError::Damaged { archive: archive(), after: None, source: io::ErrorKind::InvalidData.into() },
            ArchiveError::Damaged {
                archive: archive(),
                after: Some(path()),
                source: io::ErrorKind::UnexpectedEof.into(),
            },
            entry(Fault::Parent, 0),
            entry(Fault::Name, 0),
            entry(Fault::Whiteout, 0),
            entry(Fault::Special("character device"), 12),
            entry(Fault::Sparse, 1),
            entry(Fault::Below(path()), 0),
            entry(Fault::HardLink(path()), 0),
            entry(Fault::EmptyLink, 0),
            entry(Fault::Owner, 0),
            entry(Fault::Attribute("system.posix_acl_access".to_owned()), 0),
            ArchiveError::Nothing { archive: archive() },
        ];
        let text: String = errors.iter().map(|error| format!("{}\n", crate::diagnostic::rendered(error))).collect();
        insta::assert_snapshot!(text);
    }
}
