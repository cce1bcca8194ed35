//! How a layer's blob is compressed.

use std::fmt;

use serde::Serialize;

use crate::model::document::media_type;

/// How a layer's blob is compressed. Serialised, it is part of what decides a layer's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    #[default]
    Gzip,
    Zstd {
        /// One of [`Compression::ZSTD_LEVELS`].
        level: i32,
    },
    None,
}

impl Compression {
    /// What zstd knows without its memory-hungry modes.
    pub(crate) const ZSTD_LEVELS: std::ops::RangeInclusive<i64> = 1..=22;

    /// The kind of this name, at its default level.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd { level: 3 }),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The names that [`Compression::named`] knows.
    pub(crate) const NAMES: [&str; 3] = ["gzip", "none", "zstd"];

    /// The OCI media type of a layer that is compressed this way.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => media_type::LAYER_GZIP,
            Self::Zstd { .. } => media_type::LAYER_ZSTD,
            Self::None => media_type::LAYER,
        }
    }
}

/// For people.
impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => formatter.write_str("gzip"),
            Self::Zstd { level } => write!(formatter, "zstd, level {level}"),
            Self::None => formatter.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_every_level_another_key() {
        assert!(Compression::NAMES.iter().all(|name| Compression::named(name).is_some()));
        assert_eq!(Compression::named("gzip"), Some(Compression::default()));
        assert_eq!(Compression::named("brotli"), None);
        let key = |compression: Compression| serde_json::to_string(&compression).unwrap();
        let all =
            [Compression::Gzip, Compression::None, Compression::Zstd { level: 3 }, Compression::Zstd { level: 4 }];
        assert_eq!(all.map(key).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
