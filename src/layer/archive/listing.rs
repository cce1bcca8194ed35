//! All that an archive holds, known from one pass over its headers.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::layer::archive::header::{self, Header, sparse_map_continues};
use crate::layer::archive::stream::Stream;
use crate::layer::tar::{ATTRIBUTE, padding};
use crate::layer::tar::{BLOCK, GID, LINK, MODE, SIZE, UID};

/// The members of an archive, in its order, as it has them: nothing is checked but that they can be read.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::layer) struct Listing(pub(in crate::layer) Vec<Member>);

/// One member of an archive. The letters keep the record of a listing short.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::layer) struct Member {
    #[serde(rename = "n")]
    pub(in crate::layer) name: Bytes,
    #[serde(rename = "k")]
    pub(in crate::layer) kind: MemberKind,
    #[serde(rename = "m")]
    pub(in crate::layer) mode: u32,
    #[serde(rename = "u")]
    pub(in crate::layer) uid: u64,
    #[serde(rename = "g")]
    pub(in crate::layer) gid: u64,
    /// Extended attributes, and access control lists under the keys that they have in pax headers.
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::layer) attributes: BTreeMap<Bytes, Bytes>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::layer) enum MemberKind {
    #[serde(rename = "d")]
    Folder,
    /// Where its content is among the archive's plain bytes, and how long it is.
    #[serde(rename = "f")]
    File { offset: u64, size: u64 },
    #[serde(rename = "s")]
    Link(Bytes),
    #[serde(rename = "h")]
    HardLink(Bytes),
    /// A file of which only the parts that are not zero are there.
    #[serde(rename = "sparse")]
    Sparse,
    /// Anything else, by its letter.
    #[serde(rename = "x")]
    Other(u8),
}

/// Bytes that are most often text. In JSON they are a string with a character for each byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::layer) struct Bytes(pub(in crate::layer) Box<[u8]>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iter().copied().map(char::from).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Result<Box<[u8]>, _> = text.chars().map(u8::try_from).collect();
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// Why an archive has no listing.
#[derive(Debug)]
pub(super) enum Unlistable {
    /// It does not begin as an archive does.
    NotAnArchive,
    /// It cannot be read on after this member.
    Damaged { after: Option<Bytes>, source: io::Error },
}

/// The most that one extended header may hold: names and attributes, which have limits of their own.
const LONGEST_HEADER: u64 = 1 << 20;

/// The longest name that Linux takes.
const LONGEST_NAME: usize = 4096;

/// The most bytes that the attributes of an archive may have: a few compressed bytes can stand for very many.
const MOST_ATTRIBUTES: usize = 32 << 20;

/// What extended headers say of the member that follows.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    is_sparse: bool,
    attributes: BTreeMap<Bytes, Bytes>,
}

impl Listing {
    /// Reads the whole archive. A layer may lack what ends an archive: those who unpack it do not miss that.
    pub(super) fn read(stream: &mut Stream, is_layer: bool) -> Result<Self, Unlistable> {
        let mut members = Vec::new();
        match Self::read_members(stream, is_layer, &mut members) {
            Ok(()) => Ok(Self(members)),
            Err(None) => Err(Unlistable::NotAnArchive),
            Err(Some(source)) => {
                // Every decompressor has its own words for it.
                let is_short = source.kind() == io::ErrorKind::UnexpectedEof;
                let source = if is_short { damaged("it ends in its middle") } else { source };
                let after = members.pop().map(|member: Member| member.name);
                Err(Unlistable::Damaged { after, source })
            }
        }
    }

    /// The error is nothing if already the first header is none.
    fn read_members(stream: &mut Stream, is_layer: bool, members: &mut Vec<Member>) -> Result<(), Option<io::Error>> {
        let mut general = Extended::default();
        let mut attributes = 0;
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
                b'g' => general.add(&content(stream, size)?)?,
                b'L' => extended.name = Some(without_nul(content(stream, size)?)),
                b'K' => extended.link = Some(without_nul(content(stream, size)?)),
                // The archive's own name.
                b'V' => skip(stream, size)?,
                _ => {
                    let member = member(&header, size, std::mem::take(&mut extended), &general, stream)?;
                    attributes +=
                        member.attributes.iter().map(|(name, value)| name.0.len() + value.0.len()).sum::<usize>();
                    if attributes > MOST_ATTRIBUTES {
                        return Err(Some(damaged("its extended attributes are more than any that mean something")));
                    }
                    members.push(member);
                }
            }
        }
        if is_layer {
            return Ok(stream.finish()?);
        }
        Err(Some(if is_first { damaged("it is empty") } else { damaged("it ends in its middle") }))
    }
}

/// What the header and those before it make together; of what is said of all members only owners count.
fn member(
    header: &Header,
    size: u64,
    extended: Extended,
    general: &Extended,
    stream: &mut Stream,
) -> io::Result<Member> {
    let name = extended.name.unwrap_or_else(|| header.name());
    let link = extended.link.unwrap_or_else(|| header.text(LINK).to_vec());
    if name.len().max(link.len()) > LONGEST_NAME {
        return Err(damaged("a name is longer than any system takes"));
    }
    let size = extended.size.unwrap_or(size);
    let number = |given: Option<u64>, field, what| given.or_else(|| header.number(field)).ok_or_else(|| damaged(what));
    let uid = number(extended.uid.or(general.uid), UID, "a user is no number")?;
    let gid = number(extended.gid.or(general.gid), GID, "a group is no number")?;
    let mode = number(None, MODE, "a mode is no number")?;
    let is_file = matches!(header.kind(), 0 | b'0' | b'7');
    let kind = match header.kind() {
        // Before there was a letter for folders, a slash said so.
        _ if is_file && name.ends_with(b"/") => MemberKind::Folder,
        _ if is_file && extended.is_sparse => MemberKind::Sparse,
        _ if is_file => MemberKind::File { offset: stream.position(), size },
        b'1' => MemberKind::HardLink(link.into()),
        b'2' => MemberKind::Link(link.into()),
        b'5' => MemberKind::Folder,
        b'S' => MemberKind::Sparse,
        other => MemberKind::Other(other),
    };
    if header.kind() == b'S' && header.sparse_continues() {
        while sparse_map_continues(&stream.block()?.ok_or(io::ErrorKind::UnexpectedEof)?) {}
    }
    // Of these a size tells nothing, and no content follows.
    if !matches!(header.kind(), b'1'..=b'6') {
        skip(stream, size)?;
    }
    let mode = u32::try_from(mode & 0o7777).unwrap_or_default();
    Ok(Member { name: name.into(), kind, mode, uid, gid, attributes: extended.attributes })
}

impl Extended {
    /// Takes in the records of a pax header; those of no interest here are left out.
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
                _ if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
                // A label says what a file is on the machine that it was packed on.
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

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// What an extended header holds.
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

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
