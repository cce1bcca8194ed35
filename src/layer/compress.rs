//! A stream of bytes, cut in blocks, hashed, compressed on all workers, hashed again and written.
//!
//! The flow: the caller's thread fills a [`Block`] and hashes it (the diff ID); a worker compresses
//! it; one thread hashes the compressed blocks (the digest) and writes them in their order. Blocks
//! go round: how many there are bounds the memory, and nothing is copied on the way.
//!
//! Every block is a whole gzip member or zstd frame, so the bytes do not depend on who compressed
//! what. Where blocks end depends on the content alone: after [`BLOCK`] bytes, or where the caller
//! says [`Blocks::may_cut`].

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};

use crate::layer::WriteError;
use crate::model::{Compression, DiffId, Digest};
use crate::tools::signal;

/// The most plain bytes in a block.
const BLOCK: usize = 1 << 20;

/// The fewest plain bytes in a block that is cut early.
const SHORTEST: usize = 256 << 10;

/// libdeflate's level: as small as zlib's default, several times faster.
const GZIP_LEVEL: i32 = 4;

/// A layer's blob that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenLayer {
    /// Of the blob.
    pub(crate) digest: Digest,
    /// Of the blob, in bytes.
    pub(crate) size: u64,
    /// Of the tar.
    pub(crate) diff_id: DiffId,
    /// Of the tar, in bytes.
    pub(crate) uncompressed: u64,
}

/// A stretch of the stream: plain, and compressed once a worker had it.
struct Block {
    number: u64,
    plain: Vec<u8>,
    /// How much of `plain` counts.
    length: usize,
    packed: Vec<u8>,
}

/// The plain end of the stream.
pub(crate) struct Blocks {
    current: Block,
    hasher: Sha256,
    written: u64,
    free: Receiver<Block>,
    full: Sender<Block>,
    /// How many blocks may still be made before one has to come back.
    allowance: usize,
}

/// Writes what `produce` puts in the stream to `out`, compressed by `workers` threads.
///
/// `expected` is about how many bytes that will be, so that a small layer starts no idle threads.
pub(crate) fn pack<W: Write + Send>(
    compression: Compression,
    workers: usize,
    expected: u64,
    out: &mut W,
    produce: impl FnOnce(&mut Blocks) -> Result<(), WriteError>,
) -> Result<WrittenLayer, WriteError> {
    let useful = usize::try_from(expected / SHORTEST as u64 + 1).unwrap_or(usize::MAX);
    let workers = workers.clamp(1, useful);
    let (give_back, free) = unbounded();
    let (full, work) = bounded(workers);
    let (pass_on, packed) = unbounded();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (work, pass_on) = (work.clone(), pass_on.clone());
            scope.spawn(move || compress(compression, &work, &pass_on));
        }
        drop((work, pass_on));
        let writer = scope.spawn(move || write(compression, out, &packed, &give_back));
        // One block is filled, one written, and each worker has one and the next.
        let mut blocks = Blocks {
            current: Block::new(0),
            hasher: Sha256::new(),
            written: 0,
            free,
            full,
            allowance: 2 * workers + 1,
        };
        let produced = produce(&mut blocks).and_then(|()| blocks.finish());
        let consumed = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If writing failed, that is also why nothing more could be produced.
        let (digest, size) = consumed.map_err(WriteError::Output)?;
        let (diff_id, uncompressed) = produced?;
        Ok(WrittenLayer { digest: digest.unwrap_or(diff_id.0), size, diff_id, uncompressed })
    })
}

impl Block {
    fn new(number: u64) -> Self {
        Self { number, plain: vec![0; BLOCK], length: 0, packed: Vec::new() }
    }

    fn plain(&self) -> &[u8] {
        &self.plain[..self.length]
    }
}

impl Blocks {
    /// Appends these bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let length = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(length);
            room[..length].copy_from_slice(now);
            self.current.length += length;
            bytes = later;
        }
        Ok(())
    }

    /// Appends what one `read` of at most `limit` bytes gives, and returns it; nothing at the end.
    pub(crate) fn fill(&mut self, source: &mut impl Read, limit: u64) -> Result<io::Result<&[u8]>, WriteError> {
        let room = self.room()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(room.len());
        let room = &mut room[..limit];
        let length = loop {
            match source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
                Ok(length) => break length,
            }
        };
        let start = self.current.length;
        self.current.length += length;
        Ok(Ok(&self.current.plain[start..start + length]))
    }

    /// Says that the stream may be cut here; it is, if the block is long enough and `name` picks it.
    ///
    /// So a file that grew or shrank moves the blocks only up to the next cut, and all others stay
    /// as they were. One name in sixteen is picked.
    pub(crate) fn may_cut(&mut self, name: &[u8]) -> Result<(), WriteError> {
        if self.current.length >= SHORTEST && fnv(name) >> 60 == 0 { self.flush() } else { Ok(()) }
    }

    /// The rest of the current block; a new block if it has none.
    fn room(&mut self) -> Result<&mut [u8], WriteError> {
        if self.current.length == BLOCK {
            self.flush()?;
        }
        Ok(&mut self.current.plain[self.current.length..])
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let next = self.next_block()?;
        self.send(next)
    }

    fn next_block(&mut self) -> Result<Block, WriteError> {
        if let Some(signal) = signal::pending() {
            return Err(WriteError::Interrupted { signal });
        }
        let number = self.current.number + 1;
        if let Ok(block) = self.free.try_recv() {
            return Ok(Block { number, length: 0, ..block });
        }
        if self.allowance > 0 {
            self.allowance -= 1;
            return Ok(Block::new(number));
        }
        let block = self.free.recv().map_err(|_| stopped())?;
        Ok(Block { number, length: 0, ..block })
    }

    fn send(&mut self, next: Block) -> Result<(), WriteError> {
        let full = std::mem::replace(&mut self.current, next);
        self.hasher.update(full.plain());
        self.written += full.length as u64;
        self.full.send(full).map_err(|_| stopped())
    }

    /// Sends what is left; a stream of no bytes is one empty block, since a blob cannot be nothing.
    fn finish(mut self) -> Result<(DiffId, u64), WriteError> {
        if self.current.length > 0 || self.current.number == 0 {
            let end = Block { number: 0, plain: Vec::new(), length: 0, packed: Vec::new() };
            self.send(end)?;
        }
        Ok((DiffId(Digest::finish(self.hasher)), self.written))
    }
}

/// Nobody takes blocks any more; the writing thread knows why, and [`pack`] reports that.
fn stopped() -> WriteError {
    WriteError::Output(io::ErrorKind::BrokenPipe.into())
}

/// Compresses blocks until there are no more.
fn compress(compression: Compression, work: &Receiver<Block>, pass_on: &Sender<io::Result<Block>>) {
    let mut packer = Packer::new(compression);
    for mut block in work {
        let packed = packer.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()));
        let packed = packed.and_then(|packer| packer.pack(&mut block)).map(|()| block);
        if pass_on.send(packed).is_err() {
            return;
        }
    }
}

enum Packer {
    Gzip(Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
    None,
}

impl Packer {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => {
                let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| io::ErrorKind::InvalidInput)?;
                Self::Gzip(Compressor::new(level))
            }
            Compression::Zstd { level } => Self::Zstd(zstd::bulk::Compressor::new(level)?),
            Compression::None => Self::None,
        })
    }

    /// Makes `packed` of `plain`. libdeflate's gzip header has no name, time 0 and system 255.
    fn pack(&mut self, block: &mut Block) -> io::Result<()> {
        let Block { plain, length, packed, .. } = block;
        let plain = &plain[..*length];
        let length = match self {
            Self::Gzip(compressor) => {
                packed.resize(compressor.gzip_compress_bound(BLOCK), 0);
                compressor.gzip_compress(plain, packed).map_err(io::Error::other)?
            }
            Self::Zstd(compressor) => {
                packed.resize(zstd::zstd_safe::compress_bound(BLOCK), 0);
                compressor.compress_to_buffer(plain, &mut packed[..])?
            }
            Self::None => return Ok(()),
        };
        packed.truncate(length);
        Ok(())
    }
}

/// Writes blocks in their order and gives them back; the digest is missing if it is the diff ID.
fn write(
    compression: Compression,
    out: &mut impl Write,
    packed: &Receiver<io::Result<Block>>,
    give_back: &Sender<Block>,
) -> io::Result<(Option<Digest>, u64)> {
    let mut hasher = (compression != Compression::None).then(Sha256::new);
    let mut size = 0;
    let mut early = BTreeMap::new();
    let mut number = 0;
    for block in packed {
        let block = block?;
        early.insert(block.number, block);
        while let Some(block) = early.remove(&number) {
            let bytes = match &mut hasher {
                Some(hasher) => {
                    hasher.update(&block.packed);
                    &block.packed[..]
                }
                None => block.plain(),
            };
            out.write_all(bytes)?;
            size += bytes.len() as u64;
            number += 1;
            // Once the producer is done, nobody takes it.
            let _ = give_back.send(block);
        }
    }
    out.flush()?;
    Ok((hasher.map(Digest::finish), size))
}

/// FNV-1a: small, fixed for ever, and good enough to pick names by.
fn fnv(name: &[u8]) -> u64 {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // Names that differ only at their end differ mostly in the low half.
    hash ^ (hash << 32)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn packed(compression: Compression, workers: usize, bytes: &[u8]) -> (WrittenLayer, Vec<u8>) {
        let mut out = Vec::new();
        let written = pack(compression, workers, bytes.len() as u64, &mut out, |blocks| blocks.put(bytes)).unwrap();
        (written, out)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8 & 0x3f
        };
        std::iter::repeat_with(step).take(length).collect()
    }

    #[test]
    fn others_read_it_and_the_workers_do_not_matter() {
        let bytes = noise(2 * BLOCK + 17);
        for compression in [Compression::Gzip, Compression::Zstd { level: 3 }, Compression::None] {
            let (written, out) = packed(compression, 1, &bytes);
            assert_eq!(written.digest, Digest::of(&out));
            assert_eq!(written.size, out.len() as u64);
            assert_eq!(written.diff_id, DiffId(Digest::of(&bytes)));
            assert_eq!(written.uncompressed, bytes.len() as u64);
            let mut plain = Vec::new();
            match compression {
                Compression::Gzip => {
                    flate2::read::MultiGzDecoder::new(&out[..]).read_to_end(&mut plain).unwrap();
                    // No flags, time 0, no hint, unknown system (RFC 1952).
                    assert_eq!(out[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
                }
                Compression::Zstd { .. } => plain = zstd::decode_all(&out[..]).unwrap(),
                Compression::None => plain.clone_from(&out),
            }
            assert!(plain == bytes);
            for workers in 2..=8 {
                assert!(packed(compression, workers, &bytes) == (written, out.clone()), "{workers}");
            }
        }
    }

    #[test]
    fn nothing_is_still_a_blob() {
        for compression in [Compression::Gzip, Compression::Zstd { level: 3 }, Compression::None] {
            let (written, out) = packed(compression, 2, b"");
            assert_eq!((written.uncompressed, written.diff_id), (0, DiffId(Digest::of(b""))));
            assert_eq!(out.is_empty(), compression == Compression::None);
        }
    }

    #[test]
    fn one_name_in_sixteen_is_picked() {
        for pattern in ["usr/lib/python3/module_{}.py", "a/{}", "{}/x"] {
            let names = (0..16_000).map(|number| pattern.replace("{}", &number.to_string()));
            let picked = names.filter(|name| fnv(name.as_bytes()) >> 60 == 0).count();
            assert!((800..1200).contains(&picked), "{pattern}: {picked}");
        }
    }

    #[test]
    fn a_change_moves_only_its_neighbourhood() {
        let stream = |grown: usize| {
            let mut out = Vec::new();
            let file = noise(4096);
            pack(Compression::Gzip, 2, 8 << 20, &mut out, |blocks| {
                for number in 0..2000 {
                    blocks.may_cut(format!("dir/{number}").as_bytes())?;
                    blocks.put(&file[number..])?;
                    if number == 700 {
                        blocks.put(&file[..grown])?;
                    }
                }
                Ok(())
            })
            .unwrap();
            out
        };
        let (before, after) = (stream(0), stream(1500));
        let same_start = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
        let same_end = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
        assert!(same_start + same_end + (1 << 20) > before.len(), "{same_start} {same_end} {}", before.len());
        assert!(same_end > before.len() / 3);
    }

    #[test]
    fn a_full_disk_ends_it() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let bytes = noise(16 * BLOCK);
        let error = pack(Compression::Gzip, 2, 1 << 25, &mut Full(3 << 20), |blocks| blocks.put(&bytes)).unwrap_err();
        assert!(matches!(error, WriteError::Output(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}
