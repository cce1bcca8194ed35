//! The list of all members of an archive, made in one pass over its headers.

use std::collections::BTreeMap;
use std::io;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The members of an archive in its order. Nothing is checked but that the headers can be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listing(pub(crate) Vec<Member>);

/// One member of an archive. The short field names keep stored listings small.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    #[serde(rename = "n")]
    pub(crate) name: Bytes,
    #[serde(rename = "k")]
    pub(crate) kind: MemberKind,
    #[serde(rename = "m")]
    pub(crate) mode: u32,
    #[serde(rename = "u")]
    pub(crate) uid: u64,
    #[serde(rename = "g")]
    pub(crate) gid: u64,
    /// Extended attributes, and access control lists under the keys that they have in pax headers.
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<Bytes, Bytes>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MemberKind {
    #[serde(rename = "d")]
    Folder,
    /// A file: where its content begins in the archive's plain bytes, and its size in bytes.
    #[serde(rename = "f")]
    File { offset: u64, size: u64 },
    #[serde(rename = "s")]
    Link(Bytes),
    #[serde(rename = "h")]
    HardLink(Bytes),
    /// A sparse file: the archive has only the parts of it that are not zero.
    #[serde(rename = "sparse")]
    Sparse,
    /// Any other type, by its letter in the header.
    #[serde(rename = "x")]
    Other(u8),
}

/// Bytes that are most often text. In JSON they are a string with one character for each byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) Box<[u8]>);

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
        deserializer.deserialize_str(OfText)
    }
}

/// Reads [`Bytes`] from a string, which is not copied before.
struct OfText;

impl Visitor<'_> for OfText {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string with a character for each byte")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
        if text.is_ascii() {
            return Ok(Bytes(text.as_bytes().into()));
        }
        let bytes: Result<Box<[u8]>, _> = text.chars().map(u8::try_from).collect();
        bytes.map(Bytes).map_err(E::custom)
    }
}

/// Why an archive has no listing.
#[derive(Debug)]
pub(crate) enum Unlistable {
    /// It does not begin with a tar header.
    NotAnArchive,
    /// It cannot be read further than this member.
    Damaged { after: Option<Bytes>, source: io::Error },
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}
