//! The plain bytes of an archive, whatever compressed them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::layer::tar::BLOCK;
use crate::tools::signal;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// What an archive may ask of the memory, in KiB, to be decompressed: what `xz -9` does, with room.
const MEMORY_LIMIT: u32 = 96 << 10;

/// What compressed an archive, told by how it begins and not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Format {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A zstd frame, or one to be skipped, with which parallel compressors begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}

/// An archive's plain bytes from their start to their end; only so much is kept as is read at once.
pub(super) struct Stream {
    source: Source,
    position: u64,
}

enum Source {
    /// Stretches that are not wanted are skipped without being read.
    Plain {
        file: BufReader<File>,
        size: u64,
    },
    Compressed(Box<dyn Read>),
}

impl Stream {
    pub(super) fn new(mut file: File) -> io::Result<Self> {
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(0))?;
        let size = file.metadata()?.len();
        let file = BufReader::with_capacity(BUFFER, file);
        let source = match Format::of(&start) {
            Format::Plain => Source::Plain { file, size },
            Format::Gzip => Source::Compressed(Box::new(flate2::bufread::MultiGzDecoder::new(file))),
            Format::Zstd => Source::Compressed(Box::new(zstd::Decoder::with_buffer(file)?)),
            Format::Xz => Source::Compressed(Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, MEMORY_LIMIT))),
            Format::Bzip2 => Source::Compressed(Box::new(bzip2::bufread::MultiBzDecoder::new(file))),
        };
        Ok(Self { source, position: 0 })
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.source, Source::Compressed(_))
    }

    /// How many plain bytes came before.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next block; nothing at the end.
    pub(super) fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut length = 0;
        while length < BLOCK {
            match self.read(&mut block[length..])? {
                0 if length == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => length += more,
            }
        }
        Ok(Some(block))
    }

    /// Goes on `count` bytes further, all of which have to be there.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<()> {
        interrupted()?;
        if let Source::Plain { file, size } = &mut self.source {
            let position = self.position.checked_add(count).filter(|position| position <= size);
            self.position = position.ok_or(io::ErrorKind::UnexpectedEof)?;
            return file.seek_relative(count.cast_signed());
        }
        let skipped = copy(&mut self.by_ref().take(count), |_| Ok(()))?;
        if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads a compressed archive to its end, where it says what all of it has to sum up to.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.is_compressed() {
            copy(self, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Hands the next `count` bytes to `take`, a piece at a time.
    pub(super) fn pieces(&mut self, count: u64, take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let copied = copy(&mut self.by_ref().take(count), take)?;
        if copied == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.source {
            Source::Plain { file, .. } => file.read(buffer),
            Source::Compressed(decoder) => decoder.read(buffer),
        }?;
        self.position += length as u64;
        Ok(length)
    }
}

fn copy(from: &mut impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        interrupted()?;
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(length) => {
                take(&buffer[..length])?;
                copied += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An archive may be long, and a few bytes of it may stand for very many: a signal must not wait.
fn interrupted() -> io::Result<()> {
    match signal::pending() {
        Some(signal) => Err(io::Error::other(format!("interrupted by signal {signal}"))),
        None => Ok(()),
    }
}
