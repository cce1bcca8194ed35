//! Content digests (OCI image spec, "Digests"). SHA-256 is the only algorithm: registries serve no other.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

const PREFIX: &str = "sha256:";

/// The SHA-256 of the exact bytes of a blob. Descriptors, references and files in the store name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest([u8; 32]);

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DigestError {
    #[error("a digest begins with `sha256:`")]
    Algorithm,
    #[error("a SHA-256 digest has 64 hexadecimal digits, this one has {0}")]
    Length(usize),
    #[error("a digest is written in lower case")]
    Case,
    #[error("`{0}` is not a hexadecimal digit")]
    Character(char),
}

impl Digest {
    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of all that can be read.
    pub(crate) fn read(mut bytes: impl Read) -> io::Result<Self> {
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match bytes.read(&mut buffer)? {
                0 => return Ok(Self::finish(hasher)),
                length => hasher.update(&buffer[..length]),
            }
        }
    }

    /// The digest that a finished hasher holds.
    pub(crate) fn finish(hasher: sha2::Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// Parses `sha256:<64 lower case hex digits>`.
    pub(crate) fn parse(text: &str) -> Result<Self, DigestError> {
        Self::parse_hex(text.strip_prefix(PREFIX).ok_or(DigestError::Algorithm)?)
    }

    /// Parses 64 lower case hex digits.
    pub(crate) fn parse_hex(hex: &str) -> Result<Self, DigestError> {
        if let Some(character) = hex.chars().find(|character| !character.is_ascii_hexdigit()) {
            return Err(DigestError::Character(character));
        }
        if hex.len() != 64 {
            return Err(DigestError::Length(hex.len()));
        }
        if hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(DigestError::Case);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = (nibble(pair[0]) << 4) | nibble(pair[1]);
        }
        Ok(Self(bytes))
    }

    /// The 64 hex digits, without the algorithm.
    pub(crate) fn hex(&self) -> String {
        // Every path of a blob has a digest: `write!` would take twenty times as long.
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
    }

    /// `sha256:` and the first twelve digits: enough for people to compare.
    pub(crate) fn short(&self) -> String {
        format!("{PREFIX}{}…", &self.hex()[..12])
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The digest of a layer's uncompressed tar (OCI image spec, "Layer DiffID").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DiffId(pub(crate) Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The digest of the root filesystem that a stack of layers unpacks to (OCI image spec, "Layer ChainID").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChainId(pub(crate) Digest);

impl ChainId {
    /// The chain ID of these layers, lowest first. Returns `None` if there are no layers.
    pub(crate) fn of(layers: &[DiffId]) -> Option<Self> {
        let (first, rest) = layers.split_first()?;
        let chain = rest.iter().fold(first.0, |chain, diff_id| Digest::of(format!("{chain} {diff_id}").as_bytes()));
        Some(Self(chain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn prints_what_it_parsed() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY).unwrap(), Digest::of(b""));
        assert_eq!(Digest::of(b"").short(), "sha256:e3b0c44298fc…");
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            ("md5:00", DigestError::Algorithm),
            ("sha256:00", DigestError::Length(2)),
            (&EMPTY.to_uppercase().replace("SHA", "sha"), DigestError::Case),
            (&EMPTY.replace('e', "g"), DigestError::Character('g')),
            ("sha256:é", DigestError::Character('é')),
        ];
        for (text, error) in cases {
            assert_eq!(Digest::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_chain_of_one_is_its_diff_id() {
        let one = DiffId(Digest::of(b"1"));
        let two = DiffId(Digest::of(b"2"));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(&[one]), Some(ChainId(one.0)));
        let both = Digest::of(format!("{one} {two}").as_bytes());
        assert_eq!(ChainId::of(&[one, two]), Some(ChainId(both)));
    }
}
