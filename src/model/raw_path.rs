//! A path of an image in a JSON document. The path is bytes, and JSON has only text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path relative to an image's root, without a slash at either end; the root is the empty path.
///
/// In a document each byte is the character with its number. So any path survives, and ASCII paths can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RawPath(pub(crate) Vec<u8>);

impl RawPath {
    pub(crate) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

impl From<&Path> for RawPath {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iter().map(|byte| char::from(*byte)).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>();
        bytes.map(Self).map_err(|_| serde::de::Error::custom("it is no path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives_a_document() {
        for bytes in [&b""[..], b"usr/bin", "ä/ü".as_bytes(), b"a\xff\n\"b"] {
            let path = RawPath(bytes.to_vec());
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<RawPath>(&text).unwrap(), path, "{text}");
        }
        assert_eq!(serde_json::to_string(&RawPath(b"usr/bin".to_vec())).unwrap(), r#""usr/bin""#);
        assert!(serde_json::from_str::<RawPath>("\"\u{100}\"").is_err());
    }
}
