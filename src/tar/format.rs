//! The tar in a layer's blob or in an archive, whatever it is compressed with.
//!
//! The first bytes decide, as they do in container engines: a label may be wrong.

use std::io::{self, BufRead, Read};

/// How many bytes tell a format.
const START: usize = 8;

/// What an archive may ask of the memory, in KiB, to be decompressed: what `xz -9` does, with room.
const MEMORY_LIMIT: u32 = 96 << 10;

/// What compressed an archive. Its first bytes decide, and not its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFormat {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl StreamFormat {
    /// The format of what begins so.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A zstd frame, or one to be skipped, with which parallel compressors begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }

    /// The format of the file's content. The file has to be at its start; afterwards it is some bytes further.
    pub(crate) fn read(file: &mut impl Read) -> io::Result<Self> {
        let mut start = Vec::new();
        file.take(START as u64).read_to_end(&mut start)?;
        Ok(Self::of(&start))
    }

    /// Its name, as its own program has it; `None` for what is not compressed.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::Xz => Some("xz"),
            Self::Bzip2 => Some("bzip2"),
        }
    }

    /// The plain bytes of what is compressed so.
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
