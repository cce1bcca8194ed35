//! Reads the members of an archive one after the other.

use std::collections::BTreeMap;
use std::io;

use crate::tar::header::{self, Header};
use crate::tar::listing::{Bytes, Listing, Member, MemberKind, Unlistable};
use crate::tar::record::{ATTRIBUTE, BLOCK, DEVICE_MAJOR, DEVICE_MINOR, GID, LINK, MODE, MTIME, SIZE, UID, padding};
use crate::tar::sparse::{Sparse, SparseRecords};
use crate::tar::stream::{Stream, damaged, interrupted};

/// The most bytes that an extended header may have. Names and attributes have limits of their own.
const LONGEST_HEADER: u64 = 1 << 20;

/// The longest name that Linux takes.
const LONGEST_NAME: usize = 4096;

/// The most bytes that the attributes of an archive may have: a few compressed bytes can stand for very many.
const MOST_ATTRIBUTES: usize = 32 << 20;

/// The rules by which an archive is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// The rules of tar.
    Archive,
    /// The rules of container engines for layers: the end mark of an archive may be missing, and a global header does
    /// not count.
    Layer,
}

/// A member, with what a listing does not keep of it.
pub(crate) struct FoundMember {
    pub(crate) member: Member,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// Major and minor number of a device.
    pub(crate) device: (u32, u32),
    /// The parts of a sparse file that the archive has.
    pub(crate) sparse: Option<Sparse>,
}

impl FoundMember {
    /// The size of a file's content in bytes; `None` for a member that is not a file.
    pub(crate) fn size(&self) -> Option<u64> {
        match (&self.sparse, &self.member.kind) {
            (Some(sparse), _) => Some(sparse.size),
            (None, MemberKind::File { size, .. }) => Some(*size),
            (None, _) => None,
        }
    }

    /// Hands a file's content to `take`, a piece at a time, with zeros between the parts of a sparse file. The stream
    /// has to be at the beginning of the content.
    pub(crate) fn content(&self, stream: &mut Stream, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(sparse) = &self.sparse else { return stream.pieces(self.size().unwrap_or(0), take) };
        let mut at = 0;
        for (offset, length) in &sparse.parts {
            zeros(offset - at, &mut take)?;
            stream.pieces(*length, &mut take)?;
            at = offset + length;
        }
        zeros(sparse.size - at, &mut take)
    }
}

fn zeros(mut count: u64, take: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while count > 0 {
        interrupted()?;
        let length = count.min(ZEROS.len() as u64);
        take(&ZEROS[..usize::try_from(length).unwrap_or(ZEROS.len())])?;
        count -= length;
    }
    Ok(())
}

/// What extended headers say of the member that follows them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    modified: Option<i64>,
    sparse: SparseRecords,
    attributes: BTreeMap<Bytes, Bytes>,
}

impl Listing {
    /// Reads the whole archive.
    pub(crate) fn read(stream: &mut Stream, rules: Rules) -> Result<Self, Unlistable> {
        let mut members = Vec::new();
        let mut attributes = 0;
        let read = each(stream, rules, &mut |_, found| {
            let of_member = found.member.attributes.iter();
            attributes += of_member.map(|(name, value)| name.0.len() + value.0.len()).sum::<usize>();
            if attributes > MOST_ATTRIBUTES {
                return Err(damaged("its extended attributes are more than any that mean something"));
            }
            members.push(found.member);
            Ok(())
        });
        match read {
            Ok(()) => Ok(Self(members)),
            Err(None) => Err(Unlistable::NotAnArchive),
            Err(Some(source)) => {
                // Each decompressor has its own message for this error.
                let is_short = source.kind() == io::ErrorKind::UnexpectedEof;
                let source = if is_short { damaged("it ends in its middle") } else { source };
                let after = members.pop().map(|member: Member| member.name);
                Err(Unlistable::Damaged { after, source })
            }
        }
    }
}

/// Hands every member to `take`, with the stream at the beginning of the member's content. `take` may read any part of
/// the content.
///
/// The error is `None` if the stream does not begin as an archive does.
pub(crate) fn each(
    stream: &mut Stream,
    rules: Rules,
    take: &mut dyn FnMut(&mut Stream, FoundMember) -> io::Result<()>,
) -> Result<(), Option<io::Error>> {
    let mut general = Extended::default();
    let mut extended = Extended::default();
    let mut is_first = true;
    while let Some(block) = stream.block().map_err(|error| {
        let is_short = is_first && error.kind() == io::ErrorKind::UnexpectedEof && !stream.is_compressed();
        (!is_short).then_some(error)
    })? {
        if block == [0; BLOCK] {
            return Ok(stream.finish()?);
        }
        let Some(header) = Header::parse(block) else {
            return Err((!is_first).then(|| damaged("a header's sum is wrong")));
        };
        is_first = false;
        let size = header.number(SIZE).ok_or_else(|| damaged("a size is no number"))?;
        match header.kind() {
            b'x' | b'X' => extended.add(&content(stream, size)?)?,
            // In a layer a global header is skipped unread.
            b'g' if rules == Rules::Layer => skip(stream, size)?,
            b'g' => general.add(&content(stream, size)?)?,
            b'L' => extended.name = Some(without_nul(content(stream, size)?)),
            b'K' => extended.link = Some(without_nul(content(stream, size)?)),
            // The name of the archive itself.
            b'V' => skip(stream, size)?,
            _ => {
                let extended = std::mem::take(&mut extended);
                let size = extended.size.unwrap_or(size);
                let mut found = found(&header, size, extended, &general, rules)?;
                if let Some(sparse) = &mut found.sparse {
                    sparse.read_header(&header, stream)?;
                }
                // Links, devices and folders have no content, whatever size their header has.
                let size = if matches!(header.kind(), b'1'..=b'6') { 0 } else { size };
                let start = stream.position();
                if let MemberKind::File { offset, .. } = &mut found.member.kind {
                    *offset = start;
                }
                if let Some(sparse) = &mut found.sparse {
                    sparse.read_content(stream, size)?;
                }
                take(stream, found)?;
                let end = size.checked_add(padding(size) as u64).and_then(|length| start.checked_add(length));
                let left = end.and_then(|end| end.checked_sub(stream.position()));
                stream.skip(left.ok_or_else(|| damaged("a size is no number"))?)?;
            }
        }
    }
    if rules == Rules::Layer {
        return Ok(stream.finish()?);
    }
    Err(Some(if is_first { damaged("it is empty") } else { damaged("it ends in its middle") }))
}

/// Puts a member together from its header and its extended headers. A global header sets no more than owners.
fn found(
    header: &Header,
    size: u64,
    mut extended: Extended,
    general: &Extended,
    rules: Rules,
) -> io::Result<FoundMember> {
    let is_file = matches!(header.kind(), 0 | b'0' | b'7');
    let name = extended.sparse.name.take().filter(|_| is_file).or(extended.name);
    let name = name.unwrap_or_else(|| header.name());
    let link = extended.link.unwrap_or_else(|| header.text(LINK).to_vec());
    if name.len().max(link.len()) > LONGEST_NAME {
        return Err(damaged("a name is longer than any system takes"));
    }
    let number = |given: Option<u64>, field, what| given.or_else(|| header.number(field)).ok_or_else(|| damaged(what));
    let uid = number(extended.uid.or(general.uid), UID, "a user is no number")?;
    let gid = number(extended.gid.or(general.gid), GID, "a group is no number")?;
    let mode = number(None, MODE, "a mode is no number")?;
    let device = |field| header.number(field).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let modified = || header.number(MTIME).and_then(|number| i64::try_from(number).ok()).unwrap_or(0);
    // Old tars, which have no type letter for folders, end a folder's name in a slash. Engines look at the slash only
    // if the type is NUL, the oldest letter for a file.
    let is_old = if rules == Rules::Layer { header.kind() == 0 } else { is_file };
    let is_sparse = header.kind() == b'S' || (is_file && extended.sparse.is_any);
    let kind = match header.kind() {
        _ if is_old && name.ends_with(b"/") => MemberKind::Folder,
        _ if is_sparse => MemberKind::Sparse,
        _ if is_file => MemberKind::File { offset: 0, size },
        b'1' => MemberKind::HardLink(link.into()),
        b'2' => MemberKind::Link(link.into()),
        b'5' => MemberKind::Folder,
        other => MemberKind::Other(other),
    };
    let sparse = (kind == MemberKind::Sparse).then(|| Sparse::new(extended.sparse));
    let mode = u32::try_from(mode & 0o7777).unwrap_or_default();
    Ok(FoundMember {
        member: Member { name: name.into(), kind, mode, uid, gid, attributes: extended.attributes },
        modified: extended.modified.unwrap_or_else(modified),
        device: (device(DEVICE_MAJOR), device(DEVICE_MINOR)),
        sparse,
    })
}

impl Extended {
    /// Takes in the records of a pax header. Records that are not needed are left out.
    fn add(&mut self, records: &[u8]) -> io::Result<()> {
        let number = |value: &[u8]| {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            number.map(Some).ok_or_else(|| damaged("a number of an extended header is none"))
        };
        for (key, value) in header::records(records).ok_or_else(|| damaged("an extended header is broken"))? {
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = number(value)?,
                b"uid" => self.uid = number(value)?,
                b"gid" => self.gid = number(value)?,
                b"mtime" => self.modified = seconds(value),
                _ if key.starts_with(b"GNU.sparse.") => self.sparse.add(key, value)?,
                // A security label belongs to the machine that packed the file.
                b"SCHILY.xattr.security.selinux" => {}
                _ => {
                    let attribute = key.strip_prefix(ATTRIBUTE);
                    if let Some(name) = attribute.or_else(|| key.starts_with(b"SCHILY.acl.").then_some(key)) {
                        self.attributes.insert(name.to_vec().into(), value.to_vec().into());
                    }
                }
            }
        }
        Ok(())
    }
}

/// The whole seconds of a time with a fraction, rounded down. Returns `None` if the value is not a time.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let is_before = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    Some(if is_before { seconds.saturating_sub(1) } else { seconds })
}

/// The content of an extended header.
fn content(stream: &mut Stream, size: u64) -> io::Result<Vec<u8>> {
    if size > LONGEST_HEADER {
        return Err(damaged("an extended header is longer than any that means something"));
    }
    let mut content = Vec::new();
    stream.pieces(size, |piece| {
        content.extend_from_slice(piece);
        Ok(())
    })?;
    stream.skip(padding(size) as u64)?;
    Ok(content)
}

fn skip(stream: &mut Stream, size: u64) -> io::Result<()> {
    stream.skip(size)?;
    stream.skip(padding(size) as u64)
}

fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds() {
        for (text, expected) in
            [("5", Some(5)), ("5.9", Some(5)), ("-5.1", Some(-6)), ("-5.0", Some(-5)), ("-0.5", Some(-1)), ("x", None)]
        {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }
}
