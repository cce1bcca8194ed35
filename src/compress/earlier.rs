//! Finds blocks by their content that an earlier layer has compressed already, and copies them.
//!
//! There is one record on disk for each slot, `records/blocks/KEY`. It has the digest of the slot's last blob, and of
//! each block in it the hash of the plain bytes, and the checksum and length of the compressed ones. The compressed
//! bytes themselves are only in the blob. The key of a slot covers what stays while a package changes, so that there is
//! one record for each package and not one for each version of it.
//!
//! The flow: [`EarlierBlocks::recall`] opens the blob of the slot's record. Workers look up each block there before
//! they compress it. [`BlockList::record`] notes the blocks of the new blob once it is in the store. If the record or
//! the blob is missing or damaged, the blocks are compressed again. Compressed bytes are used only if their checksum is
//! the recorded one. A block is looked up by a cryptographic hash, since two contents must never be mixed up. The
//! compressed bytes were written by this program, so they need only a check for damage of the disk: a CRC does that at
//! a tenth of the hash's cost.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::packer::BLOCK;
use crate::fs::FileError;
use crate::model::Digest;
use crate::store::{Shelf, Store};

const LISTS: Shelf<BlockList> = Shelf::new("blocks", 1);

/// The most blocks of a layer that are remembered. The limit bounds the memory that the list needs.
const MOST: usize = 1 << 15;

/// A BLAKE3 hash. It is several times faster than SHA-256, and two contents with one hash are as hard to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct BlockHash(blake3::Hash);

/// A block of a blob. Its offset follows from its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedBlock {
    plain: BlockHash,
    /// CRC-32 of the compressed bytes.
    sum: u32,
    /// The length of the compressed bytes.
    length: u32,
}

/// The blocks of a blob, from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockList {
    blob: Digest,
    blocks: Vec<PackedBlock>,
}

/// The blocks of an earlier layer's blob, which was written with one compression. See [`BlockList`].
#[derive(Debug, Default)]
pub(crate) struct EarlierBlocks {
    blob: Option<File>,
    /// Offset in the blob of each block, by the hash of its plain bytes.
    blocks: HashMap<BlockHash, (u64, PackedBlock)>,
}

impl BlockList {
    /// Records the blob, which is in the store, as the slot's last blob. The key of the slot has to cover everything
    /// that decides how a block is compressed.
    pub(crate) fn record(&self, store: &Store, slot: &Digest) -> Result<(), FileError> {
        LISTS.note(store, slot, self)
    }

    pub(crate) fn new(blob: Digest, blocks: Vec<PackedBlock>) -> Self {
        Self { blob, blocks }
    }
}

impl EarlierBlocks {
    /// The blocks of the slot's last blob. There are none if the record or the blob is missing or damaged.
    pub(crate) fn recall(store: &Store, slot: &Digest) -> Self {
        let Ok(Some(list)) = LISTS.recall(store, slot) else { return Self::default() };
        File::open(store.blob_path(&list.blob)).map_or_else(|_| Self::default(), |blob| Self::new(blob, &list))
    }

    fn new(blob: File, list: &BlockList) -> Self {
        let mut end = 0;
        let located = list.blocks.iter().map(|block| {
            let start = end;
            end += u64::from(block.length);
            (block.plain, (start, *block))
        });
        Self { blob: Some(blob), blocks: located.collect() }
    }

    /// Puts the compressed form of `plain` at the start of `packed`. It is copied from the earlier blob if that has the
    /// block. Otherwise `compress` makes it, and returns its length.
    pub(crate) fn pack<E>(
        &self,
        plain: &[u8],
        packed: &mut Vec<u8>,
        compress: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<PackedBlock, E> {
        let hash = BlockHash::of(plain);
        if let Some(block) = self.copy(hash, packed) {
            return Ok(block);
        }
        let length = compress(packed)?;
        // A block is a MiB at most, and compression adds little to what it cannot make smaller.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Ok(PackedBlock { plain: hash, sum: libdeflater::crc32(&packed[..length as usize]), length })
    }

    fn copy(&self, hash: BlockHash, packed: &mut Vec<u8>) -> Option<PackedBlock> {
        let (start, block) = self.blocks.get(&hash)?;
        let length = block.length as usize;
        // A block never gets larger than this when it is compressed. A damaged record may have any number.
        if length > 2 * BLOCK {
            return None;
        }
        packed.resize(length.max(packed.len()), 0);
        self.blob.as_ref()?.read_exact_at(&mut packed[..length], *start).ok()?;
        (libdeflater::crc32(&packed[..length]) == block.sum).then_some(*block)
    }
}

impl PackedBlock {
    pub(crate) fn length(&self) -> usize {
        self.length as usize
    }

    /// Appends the block to the blocks before it, unless the list is full.
    pub(crate) fn remember(self, blocks: &mut Vec<Self>) {
        if blocks.len() < MOST {
            blocks.push(self);
        }
    }
}

impl BlockHash {
    fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }
}

impl Serialize for BlockHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for BlockHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        blake3::Hash::from_hex(hex).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::compress::{CompressError, Compressors, WrittenLayer, pack};
    use crate::model::Compression;

    const KINDS: [Compression; 2] = [Compression::Gzip, Compression::Zstd { level: 3 }];

    /// Packs files of these seeds and sizes, with a possible cut before each of them. One seed always gives one
    /// content.
    fn write(compression: Compression, files: &[(u64, usize)], earlier: EarlierBlocks) -> (WrittenLayer, Vec<u8>) {
        let mut out = Vec::new();
        let written =
            pack::<_, CompressError>(compression, &Compressors::new(2), Some(Arc::new(earlier)), &mut out, |blocks| {
                for (seed, size) in files {
                    blocks.may_cut(&seed.to_le_bytes())?;
                    let mut state = *seed;
                    let noise = std::iter::repeat_with(|| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 33) as u8 & 0x3f
                    });
                    blocks.put(&noise.take(*size).collect::<Vec<u8>>())?;
                }
                Ok(())
            });
        (written.unwrap(), out)
    }

    struct Slot {
        _folder: tempfile::TempDir,
        store: Store,
        key: Digest,
    }

    impl Slot {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("cache")).unwrap();
            Self { store, _folder: folder, key: Digest::of(b"slot") }
        }

        fn keep(&self, (written, out): &(WrittenLayer, Vec<u8>)) {
            assert_eq!(self.store.put(out).unwrap(), written.digest);
            written.blocks.as_ref().unwrap().record(&self.store, &self.key).unwrap();
        }

        fn earlier(&self) -> EarlierBlocks {
            EarlierBlocks::recall(&self.store, &self.key)
        }
    }

    /// Replaces all compressed blocks by a text that no compressor writes, so that copied blocks can be recognised.
    fn marked(list: &BlockList) -> EarlierBlocks {
        let marks =
            list.blocks.iter().map(|block| PackedBlock { sum: libdeflater::crc32(b"MARK"), length: 4, ..*block });
        let list = BlockList { blob: list.blob, blocks: marks.collect() };
        let mut blob = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut blob, &b"MARK".repeat(list.blocks.len())).unwrap();
        EarlierBlocks::new(blob, &list)
    }

    #[test]
    fn only_blocks_that_changed_are_compressed() {
        for compression in KINDS {
            let mut files: Vec<(u64, usize)> = (0..12).map(|seed| (seed, BLOCK)).collect();
            let list = write(compression, &files, EarlierBlocks::default()).0.blocks.unwrap();
            assert_eq!(list.blocks.len(), 12);
            files[5].0 = 77;
            let (_, out) = write(compression, &files, marked(&list));
            assert!(out.starts_with(&b"MARK".repeat(5)) && out.ends_with(&b"MARK".repeat(6)));
            assert!(out.len() > BLOCK / 2 && out.len() < BLOCK, "one block was compressed");
        }
    }

    #[test]
    fn what_is_damaged_or_gone_costs_only_time() {
        let files: Vec<(u64, usize)> = (0..3).map(|seed| (seed, BLOCK)).collect();
        let right = write(Compression::Gzip, &files, EarlierBlocks::default());
        let blob = |slot: &Slot| slot.store.blob_path(&right.0.digest);
        let rewrite = |slot: &Slot, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = std::fs::read(blob(slot)).unwrap();
            change(&mut bytes);
            std::fs::remove_file(blob(slot)).unwrap();
            std::fs::write(blob(slot), bytes).unwrap();
        };
        let relist = |slot: &Slot, change: &dyn Fn(&mut BlockList)| {
            let mut list = right.0.blocks.clone().unwrap();
            change(&mut list);
            list.record(&slot.store, &slot.key).unwrap();
        };
        let damages: [&dyn Fn(&Slot); 10] = [
            &|_| {},
            &|slot| std::fs::remove_file(blob(slot)).unwrap(),
            &|slot| {
                std::fs::remove_file(blob(slot)).unwrap();
                std::fs::create_dir(blob(slot)).unwrap();
            },
            &|slot| rewrite(slot, &|bytes| bytes.clear()),
            &|slot| rewrite(slot, &|bytes| bytes.truncate(bytes.len() / 2)),
            &|slot| rewrite(slot, &|bytes| bytes[1000] ^= 1),
            &|slot| relist(slot, &|list| list.blocks[1].length += 1),
            &|slot| relist(slot, &|list| list.blocks[0].length = u32::MAX),
            &|slot| relist(slot, &|list| list.blocks.rotate_left(1)),
            &|slot| Shelf::<String>::new("blocks", 1).record(&slot.store, &slot.key, &"no list".to_owned()).unwrap(),
        ];
        for (number, damage) in damages.iter().enumerate() {
            let slot = Slot::new();
            slot.keep(&right);
            damage(&slot);
            assert!(write(Compression::Gzip, &files, slot.earlier()) == right, "damage {number}");
        }
    }

    #[test]
    fn so_many_are_remembered() {
        let block = PackedBlock { plain: BlockHash::of(b""), sum: 0, length: 0 };
        let mut blocks = vec![block; MOST - 1];
        for _ in 0..2 {
            block.remember(&mut blocks);
            assert_eq!(blocks.len(), MOST);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

        #[test]
        fn the_bytes_are_those_of_a_layer_that_takes_none(
            is_zstd: bool,
            files in proptest::collection::vec((0..40_u64, 0..600_000_usize), 1..9),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..40_u64, 0..600_000_usize), 1..4),
        ) {
            let compression = KINDS[usize::from(is_zstd)];
            let slot = Slot::new();
            let mut files = files;
            for (at, seed, size) in edits {
                slot.keep(&write(compression, &files, slot.earlier()));
                let at = at.index(files.len());
                match seed % 3 {
                    0 => files[at] = (seed, size),
                    1 => files.insert(at, (seed, size)),
                    _ => files.rotate_left(at),
                }
                prop_assert!(write(compression, &files, slot.earlier()) == write(compression, &files, EarlierBlocks::default()));
            }
        }
    }
}
