//! The plain bytes of an archive, however it is compressed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::process::signal;
use crate::tar::format::StreamFormat;
use crate::tar::record::BLOCK;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// The plain bytes of an archive, read in order. Only one buffer of them is in memory.
pub(crate) struct Stream {
    source: Source,
    position: u64,
    hasher: Option<Sha256>,
}

enum Source {
    /// Bytes that are not needed are skipped without reading them.
    Plain {
        file: BufReader<File>,
        size: u64,
    },
    Compressed(Box<dyn Read>),
}

impl Stream {
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let format = StreamFormat::read(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let size = file.metadata()?.len();
        let file = BufReader::with_capacity(BUFFER, file);
        let source = match format {
            StreamFormat::Plain => Source::Plain { file, size },
            format => Source::Compressed(format.decoder(file)?),
        };
        Ok(Self { source, position: 0, hasher: None })
    }

    /// Opens an archive as [`new`](Self::new) does, and hashes the plain bytes if the archive is compressed.
    pub(crate) fn hashing(file: File) -> io::Result<Self> {
        Self::new(file).map(|stream| {
            let hasher = stream.is_compressed().then(Sha256::new);
            Self { hasher, ..stream }
        })
    }

    /// The digest of the plain bytes of an archive that was read to its end. Returns `None` if the archive is not
    /// compressed, or was not opened for hashing.
    pub(crate) fn digest(self) -> Option<Digest> {
        self.hasher.map(Digest::finish)
    }

    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self.source, Source::Compressed(_))
    }

    /// How many plain bytes were read or skipped so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next block. Returns `None` at the end.
    pub(crate) fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
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

    /// Goes on by `count` bytes. It is an error if the archive ends before that.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        interrupted()?;
        if let Source::Plain { file, size } = &mut self.source {
            let position = self.position.checked_add(count).filter(|position| position <= size);
            self.position = position.ok_or(io::ErrorKind::UnexpectedEof)?;
            return file.seek_relative(count.cast_signed());
        }
        let skipped = copy(&mut self.by_ref().take(count), |_| Ok(()))?;
        if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads a compressed archive to its end, where the decompressor compares its checksum.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.is_compressed() {
            copy(self, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Hands the next `count` bytes to `take`, a piece at a time.
    pub(crate) fn pieces(&mut self, count: u64, take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
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
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..length]);
        }
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

/// Returns an error if a signal asked the program to end. A long archive must not delay that, and a few compressed
/// bytes can stand for very many plain ones.
pub(crate) fn interrupted() -> io::Result<()> {
    match signal::pending() {
        Some(signal) => Err(io::Error::other(format!("interrupted by signal {signal}"))),
        None => Ok(()),
    }
}

/// The error for an archive that cannot be read.
pub(crate) fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
