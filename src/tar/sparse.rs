//! Sparse files: files of which an archive has only some parts. GNU tar has written the map of the parts in four forms.
//!
//! | form | where the map is |
//! | --- | --- |
//! | `S` | in the header and in blocks after it, in octal digits |
//! | pax 0.0 | in records `GNU.sparse.offset` and `GNU.sparse.numbytes`, in turns |
//! | pax 0.1 | in the record `GNU.sparse.map`, separated by commas |
//! | pax 1.0 | before the content, a number a line, filled up to a whole block |

use std::io;

use crate::tar::header::{Header, SparseMap};
use crate::tar::record::BLOCK;
use crate::tar::stream::{Stream, damaged};

/// The most parts that a file may have.
const MOST: usize = 1 << 20;

/// The pax records of a member that describe a sparse file.
#[derive(Default)]
pub(crate) struct SparseRecords {
    /// Whether the member has any such record.
    pub(crate) is_any: bool,
    /// The file's own name. The header has another name, for tars that know nothing of sparse files.
    pub(crate) name: Option<Vec<u8>>,
    size: Option<u64>,
    is_in_content: bool,
    /// Offsets and lengths in turns.
    map: Vec<u64>,
}

impl SparseRecords {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.is_any = true;
        match key {
            b"GNU.sparse.name" => self.name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.size = Some(decimal(value)?),
            b"GNU.sparse.major" => self.is_in_content = decimal(value)? == 1,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.map.push(decimal(value)?),
            b"GNU.sparse.map" if value.is_empty() => {}
            b"GNU.sparse.map" => {
                self.map = value.split(|byte| *byte == b',').map(decimal).collect::<io::Result<_>>()?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The parts of a file that an archive has. Between the parts the file has zeros.
pub(crate) struct Sparse {
    records: SparseRecords,
    /// The size of the file with its zeros, in bytes.
    pub(crate) size: u64,
    /// Offset in the file and length of each part. The archive has the content of the parts without gaps.
    pub(crate) parts: Vec<(u64, u64)>,
}

impl Sparse {
    pub(crate) fn new(records: SparseRecords) -> Self {
        Self { records, size: 0, parts: Vec::new() }
    }

    /// Reads the map of the oldest form, which is in the header and in the blocks after it.
    pub(crate) fn read_header(&mut self, header: &Header, stream: &mut Stream) -> io::Result<()> {
        if header.kind() != b'S' {
            return Ok(());
        }
        let mut part = header.sparse_map().ok_or_else(broken)?;
        self.records.map = std::mem::take(&mut part.numbers);
        self.records.size = Some(header.sparse_size().ok_or_else(broken)?);
        while part.goes_on {
            let block = stream.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            part = SparseMap::read(&block).ok_or_else(broken)?;
            self.records.map.append(&mut part.numbers);
            self.check_count()?;
        }
        Ok(())
    }

    /// Reads the map of the newest form, and checks the map of every form. The newest form has its map before the
    /// content; map and content together have `size` bytes.
    pub(crate) fn read_content(&mut self, stream: &mut Stream, size: u64) -> io::Result<()> {
        let start = stream.position();
        if self.records.is_in_content {
            let mut lines = Lines { stream, block: [0; BLOCK], at: BLOCK };
            let count = lines.number()?;
            if count > MOST as u64 {
                return Err(broken());
            }
            self.records.map = (0..2 * count).map(|_| lines.number()).collect::<io::Result<_>>()?;
        }
        self.check_count()?;
        let left = size.checked_sub(stream.position() - start).ok_or_else(broken)?;
        let pairs = self.records.map.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(broken());
        }
        self.parts = pairs.map(|pair| (pair[0], pair[1])).collect();
        let mut end = 0_u64;
        let mut stored = 0_u64;
        for (offset, length) in &self.parts {
            if *offset < end {
                return Err(broken());
            }
            end = offset.checked_add(*length).ok_or_else(broken)?;
            stored += length;
        }
        self.size = self.records.size.unwrap_or(end);
        if end > self.size || stored > left { Err(broken()) } else { Ok(()) }
    }

    fn check_count(&self) -> io::Result<()> {
        if self.records.map.len() > 2 * MOST { Err(broken()) } else { Ok(()) }
    }
}

/// Lines of a stream, which is read by the block.
struct Lines<'a> {
    stream: &'a mut Stream,
    block: [u8; BLOCK],
    at: usize,
}

impl Lines<'_> {
    fn number(&mut self) -> io::Result<u64> {
        let mut number = 0_u64;
        for _ in 0..24 {
            if self.at == BLOCK {
                self.block = self.stream.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            match byte {
                b'\n' => return Ok(number),
                b'0'..=b'9' => {
                    let next = number.checked_mul(10).and_then(|number| number.checked_add(u64::from(byte - b'0')));
                    number = next.ok_or_else(broken)?;
                }
                _ => return Err(broken()),
            }
        }
        Err(broken())
    }
}

fn decimal(value: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)
}

fn broken() -> io::Error {
    damaged("the map of a sparse file is broken")
}
