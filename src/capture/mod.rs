//! Makes a layer of a step's changes: writes what an overlay's upper folder holds as a tar (OCI image spec, "Image
//! Layer Filesystem Changeset").
//!
//! The kernel filled the upper folder while the step ran. The folder has whole files where something changed, a
//! character device 0:0 where something was deleted, and an attribute on folders that hide what is below them. Its
//! owners are seen from the step's user namespace, so it has to be read in there.
//!
//! The flow: [`capture`] first removes from the folder what is no change ([`walk`]): entries that are equal to those
//! below ([`below`]), unchanged mount points that the runtime made, and sockets. A changed time alone is no change. In
//! the tar, times later than the epoch become the epoch. In the folder every entry of the layer gets the one time that
//! the layer has below the next step. After that the folder *is* the layer: it is written as a tar, and kept as the
//! tree below the next step. Entries are in the order of a walk: a folder, then the names that it deletes, then its
//! entries by name.
//!
//! Where no overlay can be mounted, the folder is a copy of all that is below. Changes are then found by comparing.
//! Files without a change stay in the folder, missing files were deleted, and a folder that is younger than the copy
//! hides what was below it. After that the folder is the whole tree below the next step.

mod attributes;
mod below;
mod walk;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::RawPath;
use crate::sanitize;
use crate::tar::record::{END, padding};
use crate::tar::{Attributes, Record, RecordKind};

/// How many bytes are read at once.
const CHUNK: usize = 128 << 10;

/// An upper folder, or a whole copy, that is to become a layer. No process changes it any more.
pub(crate) struct CaptureRequest<'a> {
    pub(crate) upper: &'a Path,
    /// Set if the folder is a copy of the one lower tree: when the copy was complete, in seconds and nanoseconds of its
    /// file system's clock.
    pub(crate) copied: Option<(i64, i64)>,
    /// The trees below the folder, topmost first.
    pub(crate) lowers: &'a [PathBuf],
    /// Mode, user and group that the root folder had before.
    pub(crate) root: (u32, u32, u32),
    /// Mount points that the runtime made, relative to the root. They are no change while they are as the runtime made
    /// them.
    pub(crate) made: &'a [PathBuf],
    /// Later times become this time in the tar, in seconds since 1970.
    pub(crate) epoch: i64,
    /// The time that the layer's entries get in the folder, in seconds since 1970.
    pub(crate) shown: i64,
    /// Paths whose times were set before the step started, with those times in seconds since 1970. In the tar these
    /// paths get the epoch.
    pub(crate) times: &'a [(RawPath, i64)],
    /// The folder was mounted in a user namespace.
    pub(crate) is_namespaced: bool,
    /// Owners that could not be set are noted in an attribute.
    pub(crate) has_noted_owners: bool,
    /// Secrets, which no layer may hold: the name, for errors, and the value.
    pub(crate) secrets: &'a [(String, Vec<u8>)],
}

/// Why a step's changes cannot be a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, miette::Diagnostic)]
pub(crate) enum CaptureError {
    #[error("the step left `{path}`, a name that in a layer stands for a deletion")]
    #[diagnostic(code(oci::step::reserved_name), help("give it another name, or remove it in the same step"))]
    ReservedName { path: String },
    #[error("the step left the secret `{secret}` in `{path}`")]
    #[diagnostic(
        code(oci::step::secret_in_layer),
        help("the layer was thrown away; have the step remove it, or write it to a `tmpfs` mount")
    )]
    Secret { secret: String, path: String },
    #[error("the step wrote `{path}` anew, and its owner {user}:{group} stands for no ID of this machine")]
    #[diagnostic(
        code(oci::step::lost_owner),
        help(
            "install the package `uidmap` and have `usermod --add-subuids 100000-165535 --add-subgids \
             100000-165535 USER` give this user some IDs, or build it as root"
        )
    )]
    LostOwner { path: String, user: u32, group: u32 },
    #[error("could not {verb} `{path}`, which the step left: {reason}")]
    #[diagnostic(code(oci::step::unreadable))]
    Failed { verb: String, path: String, reason: String },
}

/// One entry of the layer.
struct CapturedEntry {
    /// The name in the tar.
    name: Vec<u8>,
    kind: Kind,
    mode: u32,
    uid: u32,
    gid: u32,
    modified: i64,
    attributes: Attributes,
}

enum Kind {
    Folder,
    /// A file of this many bytes. Its content is under the entry's name in the upper folder.
    File(u64),
    /// An empty file whose name deletes something.
    Mark,
    SymbolicLink(Vec<u8>),
    HardLink(Vec<u8>),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// Reduces the upper folder to what the layer holds, and writes that as a tar. Returns `false` if nothing changed; then
/// nothing is written.
pub(crate) fn capture(request: &CaptureRequest<'_>, out: &mut impl Write) -> Result<bool, CaptureError> {
    let entries = walk::settle(request)?;
    if entries.is_empty() {
        return Ok(false);
    }
    let mut header = Vec::new();
    for entry in &entries {
        refuse_secrets(request, entry)?;
        header.clear();
        entry.record().put(&mut header);
        let written = |result: io::Result<()>| result.map_err(|error| failed("write", &entry.name, &error));
        written(out.write_all(&header))?;
        if let Kind::File(size) = entry.kind {
            put_content(request, entry, size, out)?;
            written(out.write_all(&END[..padding(size)]))?;
        }
    }
    out.write_all(&END).and_then(|()| out.flush()).map_err(|error| failed("write", b"", &error))?;
    Ok(true)
}

impl CapturedEntry {
    fn record(&self) -> Record<'_> {
        let kind = match &self.kind {
            Kind::Folder => RecordKind::Folder,
            Kind::File(size) => RecordKind::File(*size),
            Kind::Mark => RecordKind::File(0),
            Kind::SymbolicLink(target) => RecordKind::SymbolicLink(target),
            Kind::HardLink(name) => RecordKind::HardLink(name),
            Kind::Character(major, minor) => RecordKind::CharacterDevice(*major, *minor),
            Kind::Block(major, minor) => RecordKind::BlockDevice(*major, *minor),
            Kind::Fifo => RecordKind::Fifo,
        };
        let Self { name, mode, uid, gid, modified, attributes, .. } = self;
        Record { name, kind, mode: *mode, uid: *uid, gid: *gid, modified: *modified, attributes }
    }
}

fn put_content(
    request: &CaptureRequest<'_>,
    entry: &CapturedEntry,
    size: u64,
    out: &mut impl Write,
) -> Result<(), CaptureError> {
    let path = request.upper.join(std::ffi::OsStr::from_bytes(&entry.name));
    let unreadable = |error: &io::Error| failed("read", &entry.name, error);
    let mut file = File::open(&path).map_err(|error| unreadable(&error))?.take(size);
    // The end of a chunk is kept before the next one, so that a secret across both is found.
    let longest = request.secrets.iter().map(|(_, value)| value.len()).max().unwrap_or(1);
    let mut buffer = vec![0; CHUNK + longest];
    let mut kept = 0;
    let mut left = size;
    while left > 0 {
        let length = match file.read(&mut buffer[kept..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(&error)),
            Ok(0) => return Err(unreadable(&io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => length,
        };
        let seen = kept + length;
        out.write_all(&buffer[kept..seen]).map_err(|error| failed("write", &entry.name, &error))?;
        refuse_secret_in(request, &buffer[..seen], &entry.name)?;
        kept = seen.min(longest - 1);
        buffer.copy_within(seen - kept..seen, 0);
        left -= length as u64;
    }
    Ok(())
}

/// Returns an error if a secret is in the name, the link target or an attribute of an entry.
fn refuse_secrets(request: &CaptureRequest<'_>, entry: &CapturedEntry) -> Result<(), CaptureError> {
    refuse_secret_in(request, &entry.name, b"")?;
    if let Kind::SymbolicLink(target) = &entry.kind {
        refuse_secret_in(request, target, &entry.name)?;
    }
    entry.attributes.values().try_for_each(|value| refuse_secret_in(request, value, &entry.name))
}

fn refuse_secret_in(request: &CaptureRequest<'_>, bytes: &[u8], name: &[u8]) -> Result<(), CaptureError> {
    let holds = |value: &[u8]| !value.is_empty() && memchr::memmem::find(bytes, value).is_some();
    match request.secrets.iter().find(|(_, value)| holds(value)) {
        Some((secret, _)) => Err(CaptureError::Secret { secret: secret.clone(), path: shown(name) }),
        None => Ok(()),
    }
}

/// The path in the image, for a message.
fn shown(name: &[u8]) -> String {
    sanitize::name(&format!("/{}", String::from_utf8_lossy(name).trim_end_matches('/')))
}

fn failed(verb: &str, name: &[u8], error: &io::Error) -> CaptureError {
    CaptureError::Failed { verb: verb.to_owned(), path: shown(name), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
