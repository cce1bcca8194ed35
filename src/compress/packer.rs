//! A compressor that is used again and again. How it compresses a block depends on the block alone.

use std::io;

use libdeflater::{CompressionLvl, Compressor};

use crate::model::Compression;

/// The most plain bytes in a block.
pub(crate) const BLOCK: usize = 1 << 20;

/// libdeflate's level: its output is as small as that of zlib's default level, and it is several times faster.
const GZIP_LEVEL: i32 = 4;

pub(crate) struct Packer {
    compression: Compression,
    kind: Kind,
}

enum Kind {
    Gzip(Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Packer {
    fn new(compression: Compression) -> io::Result<Self> {
        let kind = match compression {
            Compression::Gzip => {
                let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| io::ErrorKind::InvalidInput)?;
                Kind::Gzip(Compressor::new(level))
            }
            Compression::Zstd { level } => Kind::Zstd(zstd::bulk::Compressor::new(level)?),
            // Blocks that are not compressed are not given to the workers.
            Compression::None => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { compression, kind })
    }

    /// The packer of the last block if it has this compression; otherwise a new one.
    pub(crate) fn reuse(last: &mut Option<Self>, compression: Compression) -> io::Result<&mut Self> {
        let packer = match last.take().filter(|packer| packer.compression == compression) {
            Some(packer) => packer,
            None => Self::new(compression)?,
        };
        Ok(last.insert(packer))
    }

    /// Compresses `plain` to a whole gzip member or zstd frame at the start of `packed`, and returns its length.
    /// `packed` is never made shorter, so that its bytes are set to zero only once. libdeflate's gzip header has no
    /// name, time 0 and system 255.
    pub(crate) fn pack(&mut self, plain: &[u8], packed: &mut Vec<u8>) -> io::Result<usize> {
        let mut grow = |bound: usize| packed.resize(bound.max(packed.len()), 0);
        match &mut self.kind {
            Kind::Gzip(compressor) => {
                grow(compressor.gzip_compress_bound(plain.len()));
                compressor.gzip_compress(plain, packed).map_err(io::Error::other)
            }
            Kind::Zstd(compressor) => {
                grow(zstd::zstd_safe::compress_bound(plain.len()));
                compressor.compress_to_buffer(plain, &mut packed[..])
            }
        }
    }
}
