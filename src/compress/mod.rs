//! Cuts a stream of bytes into blocks, hashes them, compresses them on all workers, hashes the compressed blocks and
//! writes them.
//!
//! The flow: the caller's thread fills a [`Block`] and hashes it (for the diff ID). A worker compresses it, or copies
//! it from an [earlier layer](EarlierBlocks) that has an equal block. One thread hashes the compressed blocks (for the
//! digest) and writes them in their order. Workers and blocks belong to [`Compressors`], which all layers that are
//! written at once share. Blocks are passed on without copying them.
//!
//! Every block is a whole gzip member or zstd frame, so the bytes do not depend on which worker compressed which block.
//! Where blocks end depends on the content alone: after a MiB, or where the caller calls [`Blocks::may_cut`].

mod earlier;
mod packer;
mod pool;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use sha2::{Digest as _, Sha256};

use earlier::PackedBlock;
pub(crate) use earlier::{BlockList, EarlierBlocks};
pub(crate) use pool::Compressors;
use pool::{Block, Shared, Work};

use crate::model::elf::ElfMachine;
use crate::model::{Compression, DiffId, Digest};
use crate::process::signal;
use crate::tar::record;

/// The fewest plain bytes in a block that is cut early.
const SHORTEST: usize = 256 << 10;

/// Why a blob was not written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum CompressError {
    #[error("could not write the layer")]
    #[diagnostic(code(oci::layer::unwritable))]
    Output(#[source] io::Error),
    /// A signal asked the program to end. The caller has to act on it.
    #[error("interrupted by signal {signal}")]
    #[diagnostic(code(oci::layer::interrupted))]
    Interrupted { signal: i32 },
}

/// The blob of a layer, and what is known of it once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenLayer {
    /// Digest of the blob.
    pub(crate) digest: Digest,
    /// Size of the blob, in bytes.
    pub(crate) size: u64,
    /// Diff ID: the digest of the tar.
    pub(crate) diff_id: DiffId,
    /// Size of the tar, in bytes.
    pub(crate) uncompressed: u64,
    /// The blocks of the blob, for a later layer to copy, if the caller asked for them.
    pub(crate) blocks: Option<BlockList>,
    /// The machines that the layer's programs run on, without the programs that may be foreign. Only layers of packages
    /// have any.
    pub(crate) programs: BTreeSet<ElfMachine>,
    /// The first package is one file, a program by its content, and has no executable bit.
    pub(crate) is_first_inert: bool,
}

/// The plain side of the stream.
pub(crate) struct Blocks<'a> {
    compressors: &'a Compressors,
    shared: Arc<Shared>,
    pass_on: Sender<io::Result<Block>>,
    /// The block that is being filled; `None` between a cut and the next byte.
    current: Option<Block>,
    /// How many blocks were begun.
    count: u64,
    hasher: Sha256,
    written: u64,
}

/// What the plain side of the stream counted and hashed.
struct Produced {
    diff_id: DiffId,
    uncompressed: u64,
    blocks: u64,
}

/// What the compressed side of the stream counted and hashed.
struct Consumed {
    /// `None` if the blob is the tar itself, so that its digest is the diff ID.
    digest: Option<Digest>,
    size: u64,
    blocks: u64,
    remembered: Vec<PackedBlock>,
}

/// Compresses the stream that `produce` fills, and writes it to `out`. With `earlier` blocks the bytes are equal, but
/// are written faster, and the result has a list of blocks for the next time.
///
/// Any number of threads may call this at once with one set of `compressors`. The error is `produce`'s own, or says why
/// the blob could not be written.
pub(crate) fn pack<W: Write + Send, E: From<CompressError>>(
    compression: Compression,
    compressors: &Compressors,
    earlier: Option<Arc<EarlierBlocks>>,
    out: &mut W,
    produce: impl FnOnce(&mut Blocks<'_>) -> Result<(), E>,
) -> Result<WrittenLayer, E> {
    let shared = Arc::new(Shared { compression, earlier, is_stopped: AtomicBool::new(false) });
    let (pass_on, packed) = unbounded();
    thread::scope(|scope| {
        let stop = || shared.is_stopped.store(true, Ordering::Relaxed);
        // When this thread ends, it drops the blocks that come too late, so that no thread waits for them.
        let write = move || write(compression, out, packed).inspect_err(|_| stop());
        let writer = thread::Builder::new().spawn_scoped(scope, write).map_err(CompressError::Output)?;
        let mut blocks = Blocks {
            compressors,
            shared: Arc::clone(&shared),
            pass_on,
            current: None,
            count: 0,
            hasher: Sha256::new(),
            written: 0,
        };
        let produced = produce(&mut blocks).and_then(|()| Ok(blocks.finish()?)).inspect_err(|_| stop());
        let consumed = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If the writing failed, `produce` failed for that reason too.
        let Consumed { digest, size, blocks, remembered } = consumed.map_err(CompressError::Output)?;
        let produced = produced?;
        if blocks != produced.blocks {
            return Err(stopped().into());
        }
        let Produced { diff_id, uncompressed, .. } = produced;
        let digest = digest.unwrap_or(diff_id.0);
        let blocks = shared.earlier.is_some().then(|| BlockList::new(digest, remembered));
        Ok(WrittenLayer {
            digest,
            size,
            diff_id,
            uncompressed,
            blocks,
            programs: BTreeSet::new(),
            is_first_inert: false,
        })
    })
}

impl Blocks<'_> {
    /// Appends these bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), CompressError> {
        while !bytes.is_empty() {
            let block = self.unfilled()?;
            let room = block.room();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room[..now.len()].copy_from_slice(now);
            block.add(now.len());
            bytes = later;
        }
        Ok(())
    }

    /// Appends the bytes that one `read` of at most `limit` bytes gives, and returns them. They are empty at the end.
    pub(crate) fn fill(&mut self, source: &mut impl Read, limit: u64) -> Result<io::Result<&[u8]>, CompressError> {
        let block = self.unfilled()?;
        let room = block.room();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(room.len());
        let room = &mut room[..limit];
        let length = loop {
            match source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
                Ok(length) => break length,
            }
        };
        Ok(Ok(block.add(length)))
    }

    /// Allows a cut here. The stream is cut if the block is long enough and `name` is one of those that cut.
    ///
    /// So a file that grew or shrank moves the blocks only up to the next cut, and all later blocks stay as they were.
    /// One name in sixteen cuts.
    pub(crate) fn may_cut(&mut self, name: &[u8]) -> Result<(), CompressError> {
        let length = self.current.as_ref().map_or(0, |block| block.plain().len());
        if length >= SHORTEST && fnv(name) >> 60 == 0 { self.flush() } else { Ok(()) }
    }

    /// The current block, or a new one. It has room for one byte or more.
    fn unfilled(&mut self) -> Result<&mut Block, CompressError> {
        if self.current.as_mut().is_some_and(|block| block.room().is_empty()) {
            self.flush()?;
        }
        let block = self.current.take().unwrap_or_else(|| {
            self.count += 1;
            self.compressors.block(self.count - 1)
        });
        Ok(self.current.insert(block))
    }

    /// Passes the current block on to the workers.
    fn flush(&mut self) -> Result<(), CompressError> {
        if let Some(signal) = signal::pending() {
            return Err(CompressError::Interrupted { signal });
        }
        let Some(block) = self.current.take() else { return Ok(()) };
        if self.shared.is_stopped.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        self.hasher.update(block.plain());
        self.written += block.plain().len() as u64;
        if self.shared.compression == Compression::None {
            return self.pass_on.send(Ok(block)).map_err(|_| stopped());
        }
        let work = Work { block, shared: Arc::clone(&self.shared), pass_on: self.pass_on.clone() };
        self.compressors.submit(work).map_err(CompressError::Output)
    }

    /// Passes on the last block. A stream without bytes is one empty block, since a blob may not be empty.
    fn finish(mut self) -> Result<Produced, CompressError> {
        if self.count == 0 {
            self.unfilled()?;
        }
        self.flush()?;
        let diff_id = DiffId(Digest::finish(self.hasher));
        Ok(Produced { diff_id, uncompressed: self.written, blocks: self.count })
    }
}

/// The error after the writing thread has stopped. That thread knows the reason, and [`pack`] reports it.
fn stopped() -> CompressError {
    CompressError::Output(io::ErrorKind::BrokenPipe.into())
}

/// Writes compressed blocks in their order.
fn write(compression: Compression, out: &mut impl Write, packed: Receiver<io::Result<Block>>) -> io::Result<Consumed> {
    let mut hasher = (compression != Compression::None).then(Sha256::new);
    let mut size = 0;
    let mut early = BTreeMap::new();
    let mut remembered = Vec::new();
    let mut blocks = 0;
    for block in packed {
        let block = block?;
        early.insert(block.number, block);
        while let Some(block) = early.remove(&blocks) {
            let bytes = match &mut hasher {
                Some(hasher) => {
                    hasher.update(block.packed());
                    block.packed()
                }
                None => block.plain(),
            };
            out.write_all(bytes)?;
            size += bytes.len() as u64;
            if let Some(block) = block.remembered {
                block.remember(&mut remembered);
            }
            blocks += 1;
        }
    }
    out.flush()?;
    Ok(Consumed { digest: hasher.map(Digest::finish), size, blocks, remembered })
}

/// Writes a finished tar as a layer's blob, byte for byte.
///
/// After an error the content of `out` is not usable.
pub(crate) fn write_tar(
    tar: &mut impl Read,
    compression: Compression,
    compressors: &Compressors,
    out: &mut (impl Write + Send),
) -> Result<WrittenLayer, CompressError> {
    pack(compression, compressors, None, out, |blocks| {
        loop {
            match blocks.fill(tar, u64::MAX)? {
                Ok([]) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(CompressError::Output(error)),
            }
        }
    })
}

/// Writes the blob of a layer that holds nothing.
pub(crate) fn write_empty(
    compression: Compression,
    compressors: &Compressors,
) -> Result<(WrittenLayer, Vec<u8>), CompressError> {
    let mut blob = Vec::new();
    let written = write_tar(&mut &record::END[..], compression, compressors, &mut blob)?;
    Ok((written, blob))
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

    use super::packer::BLOCK;
    use super::*;

    fn packed(compression: Compression, workers: usize, bytes: &[u8]) -> (WrittenLayer, Vec<u8>) {
        let mut out = Vec::new();
        let written = pack::<_, CompressError>(compression, &Compressors::new(workers), None, &mut out, |blocks| {
            blocks.put(bytes)
        })
        .unwrap();
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
                assert!(packed(compression, workers, &bytes) == (written.clone(), out.clone()), "{workers}");
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
            pack(Compression::Gzip, &Compressors::new(2), None, &mut out, |blocks| -> Result<(), CompressError> {
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
        let compressors = Compressors::new(2);
        for compression in [Compression::Gzip, Compression::None] {
            for room in [0, 3 << 20] {
                let error =
                    pack(compression, &compressors, None, &mut Full(room), |blocks| blocks.put(&bytes)).unwrap_err();
                assert!(matches!(error, CompressError::Output(error) if error.kind() == io::ErrorKind::StorageFull));
            }
        }
        // The failed layers have given all their blocks back: another layer can be packed.
        assert_eq!(
            pack(Compression::Gzip, &compressors, None, &mut io::sink(), |blocks| blocks.put(&bytes))
                .unwrap()
                .uncompressed,
            bytes.len() as u64
        );
    }
    #[test]
    fn many_layers_at_once_share_the_workers() {
        let compressors = Compressors::new(2);
        let bytes = noise(5 * BLOCK);
        let kinds = [Compression::Gzip, Compression::Zstd { level: 3 }, Compression::None];
        // Each stream begins at another offset, so that no two are equal.
        let streams: Vec<_> = (0..24).map(|number| (kinds[number % 3], &bytes[number * 1000..])).collect();
        let together = crate::parallel::map(&streams, streams.len(), |(compression, bytes)| {
            let mut out = Vec::new();
            (pack(*compression, &compressors, None, &mut out, |blocks| blocks.put(bytes)).unwrap(), out)
        });
        for ((compression, bytes), layer) in streams.iter().zip(together) {
            assert!(packed(*compression, 1, bytes) == layer);
        }
    }

    #[test]
    fn one_layer_that_fails_leaves_the_others_alone() {
        let compressors = Compressors::new(1);
        let bytes = noise(4 * BLOCK);
        let numbers: Vec<usize> = (0..12).collect();
        let results = crate::parallel::map(&numbers, numbers.len(), |number| {
            pack(Compression::Gzip, &compressors, None, &mut io::sink(), |blocks| -> Result<(), CompressError> {
                blocks.put(&bytes)?;
                if number % 2 == 0 { Ok(()) } else { Err(CompressError::Interrupted { signal: 15 }) }
            })
        });
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.is_ok(), number % 2 == 0);
        }
    }
}
