//! Finds out how a layer's blob or an archive is compressed, and decompresses it.
//!
//! The first bytes decide, as in container engines: a media type or a file name may be wrong.

use std::io::{self, BufRead, Read};

/// How many bytes are enough to tell the formats apart.
const START: usize = 8;

/// The most memory that xz may use to decompress an archive, in KiB: what `xz -9` needs, and some room.
const MEMORY_LIMIT: u32 = 96 << 10;

/// How an archive is compressed. The first bytes of the archive decide, not its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFormat {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl StreamFormat {
    /// The format of data that begins with these bytes.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A zstd frame, or a skippable frame, which parallel compressors write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }

    /// Reads the format of a file, which has to be at its start. Afterwards the file is up to eight bytes further on.
    pub(crate) fn read(file: &mut impl Read) -> io::Result<Self> {
        let mut start = Vec::new();
        file.take(START as u64).read_to_end(&mut start)?;
        Ok(Self::of(&start))
    }

    /// The name of the program for this format; `None` if the data is not compressed.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::Xz => Some("xz"),
            Self::Bzip2 => Some("bzip2"),
        }
    }

    /// Decompresses data of this format.
    pub(crate) fn decoder<'a>(self, blob: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(blob),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(blob)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(blob)?),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(blob, true, MEMORY_LIMIT)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(blob)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_how_they_begin() {
        for (bytes, expected) in [
            (&b"\x1f\x8b\x08"[..], Some("gzip")),
            (b"\x28\xb5\x2f\xfd", Some("zstd")),
            (b"\x5a\x2a\x4d\x18", Some("zstd")),
            (b"\xfd7zXZ\0", Some("xz")),
            (b"BZh91AY", Some("bzip2")),
            (b"manifest.json", None),
            (b"", None),
        ] {
            assert_eq!(StreamFormat::read(&mut &*bytes).unwrap().name(), expected, "{bytes:?}");
        }
    }
}
