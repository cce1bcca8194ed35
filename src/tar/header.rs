//! The blocks that describe a member of a tar: ustar headers, older ones, GNU's, and pax records.

use crate::tar::record::{BLOCK, CHECKSUM, Field, MAGIC, NAME, PREFIX, TYPE};

/// A block of a tar that describes a member.
pub(crate) struct Header([u8; BLOCK]);

/// Marks a header of GNU tar, where the prefix field is not a part of the name.
const GNU_MAGIC: &[u8] = b"ustar  \0";

/// Fields of an old GNU header of a sparse file: the map, whether the map goes on in the next block, and the size of
/// the file.
const SPARSE_MAP: Field = 386..482;
const SPARSE_CONTINUES: usize = 482;
const SPARSE_SIZE: Field = 483..495;
/// Fields of a block that continues the map: the entries, and whether the map goes on.
const MORE_MAP: Field = 0..504;
const MORE_CONTINUES: usize = 504;

impl Header {
    /// Takes a block as a header. Returns `None` if its checksum is wrong.
    pub(crate) fn parse(block: [u8; BLOCK]) -> Option<Self> {
        let header = Self(block);
        let bytes = || header.0.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
        let sum: u64 = bytes().map(u64::from).sum();
        // Some old tars summed the bytes as signed numbers.
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        let written = header.number(CHECKSUM)?;
        (written == sum || i64::try_from(written) == Ok(signed)).then_some(header)
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0[TYPE]
    }

    /// The field up to its first NUL.
    pub(crate) fn text(&self, field: Field) -> &[u8] {
        let field = &self.0[field];
        field.split(|byte| *byte == 0).next().unwrap_or(field)
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let prefix = if &self.0[MAGIC] == GNU_MAGIC { b"" } else { self.text(PREFIX) };
        let is_posix = self.0[MAGIC].starts_with(b"ustar");
        if prefix.is_empty() || !is_posix {
            return self.text(NAME).to_vec();
        }
        [prefix, b"/", self.text(NAME)].concat()
    }

    /// The field's number: octal digits among blanks, or GNU's binary form.
    pub(crate) fn number(&self, field: Field) -> Option<u64> {
        number(&self.0[field])
    }

    /// Of an old GNU header of a sparse file: the beginning of its map. Returns `None` if a field is not a number.
    pub(crate) fn sparse_map(&self) -> Option<SparseMap> {
        Some(SparseMap { numbers: numbers(&self.0, SPARSE_MAP)?, goes_on: self.0[SPARSE_CONTINUES] != 0 })
    }

    /// Of an old GNU header of a sparse file: the size of the file. Returns `None` if the field is not a number.
    pub(crate) fn sparse_size(&self) -> Option<u64> {
        number(&self.0[SPARSE_SIZE])
    }
}

/// The part of a sparse file's map that one block has.
pub(crate) struct SparseMap {
    /// Offsets and lengths in turns.
    pub(crate) numbers: Vec<u64>,
    /// The next block has more of the map.
    pub(crate) goes_on: bool,
}

impl SparseMap {
    /// The part that is in a block after the header. Returns `None` if a field is not a number.
    pub(crate) fn read(block: &[u8; BLOCK]) -> Option<Self> {
        Some(Self { numbers: numbers(block, MORE_MAP)?, goes_on: block[MORE_CONTINUES] != 0 })
    }
}

/// The numbers of a sparse file's map, up to the first pair that is not filled in.
fn numbers(block: &[u8; BLOCK], field: Field) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    for pair in block[field].chunks_exact(24).take_while(|pair| pair[0] != 0) {
        found.push(number(&pair[..12])?);
        found.push(number(&pair[12..])?);
    }
    Some(found)
}

/// Reads octal digits among blanks, or GNU's binary form. Returns `None` if the field has neither.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((0x80, binary)) = field.split_first() {
        let (high, low) = binary.split_at(binary.len().saturating_sub(8));
        let low = low.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        return high.iter().all(|byte| *byte == 0).then_some(low);
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    // What follows the first blank or NUL has no meaning.
    let digits = digits.split([' ', '\0']).next().unwrap_or_default();
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// The records of a pax header, key and value. Returns `None` if the lengths in the records are wrong.
pub(crate) fn records(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let digits = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
        let record = bytes.get(digits + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tar::record::{SIZE, UID};

    fn header(change: impl FnOnce(&mut [u8; BLOCK])) -> Option<Header> {
        let mut header = tar::Header::new_ustar();
        header.set_path("a/b").unwrap();
        header.set_size(0o17);
        header.set_cksum();
        let mut block = *header.as_bytes();
        change(&mut block);
        Header::parse(block)
    }

    #[test]
    fn a_header_is_known_by_its_sum() {
        let plain = header(|_| {}).unwrap();
        assert_eq!((plain.name(), plain.number(SIZE), plain.number(UID)), (b"a/b".to_vec(), Some(0o17), Some(0)));
        assert!(header(|block| block[0] = b'x').is_none());
        assert!(header(|block| block[CHECKSUM].fill(b'9')).is_none());
        assert!(Header::parse([0; BLOCK]).is_none_or(|header| header.name().is_empty()));
        // 0xe9 is 233 without a sign, and -23 with one.
        let mut old = *plain.0.as_slice().first_chunk::<BLOCK>().unwrap();
        old[0] = 0xe9;
        let sum = old
            .iter()
            .enumerate()
            .map(|(at, byte)| if CHECKSUM.contains(&at) { 32 } else { i64::from(byte.cast_signed()) });
        let sum: i64 = sum.sum();
        old[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(Header::parse(old).is_some());
    }

    #[test]
    fn numbers_have_two_forms() {
        for (field, number) in [
            (&b"0000017\0"[..], Some(0o17)),
            (b"     17 ", Some(0o17)),
            (b"17 \0\0\0\0\0", Some(0o17)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\x02\0\0\0", Some(1 << 25)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000018\0", None),
            (b"-000017\0", None),
        ] {
            let mut block = [0; BLOCK];
            block[UID].copy_from_slice(field);
            assert_eq!(Header(block).number(UID), number, "{field:?}");
        }
        let mut block = [0; BLOCK];
        block[SIZE].copy_from_slice(b"\x80\0\0\x01\0\0\0\0\0\0\0\0");
        assert_eq!(Header(block).number(SIZE), None);
        block[SIZE].copy_from_slice(b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
        assert_eq!(Header(block).number(SIZE), Some(2 << 32));
    }

    #[test]
    fn a_prefix_is_a_part_of_the_name_but_for_gnu() {
        let mut block = [0; BLOCK];
        block[NAME][..4].copy_from_slice(b"name");
        block[PREFIX][..6].copy_from_slice(b"folder");
        for (magic, name) in
            [(&b"ustar\x0000"[..], &b"folder/name"[..]), (GNU_MAGIC, b"name"), (b"\0\0\0\0\0\0\0\0", b"name")]
        {
            block[MAGIC].copy_from_slice(magic);
            assert_eq!(Header(block).name(), name, "{magic:?}");
        }
    }

    #[test]
    fn records_are_as_long_as_they_say() {
        let expected: Vec<(&[u8], &[u8])> = vec![(b"path", b"a=b\nc"), (b"SCHILY.xattr.user.x", b"\0\xff\n")];
        assert_eq!(records(b"14 path=a=b\nc\n27 SCHILY.xattr.user.x=\0\xff\n\n").unwrap(), expected);
        assert_eq!(records(b"").unwrap(), vec![]);
        for broken in
            [&b"5 a="[..], b"x a=b\n", b"3 \n", b"99 a=b\n", b"6 a=bc", b"6 abc\n", b"0 a=b\n", b"1 a=b\n", b" \n"]
        {
            assert_eq!(records(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = records(&bytes);
            let mut block = [0; BLOCK];
            block[100..100 + bytes.len()].copy_from_slice(&bytes);
            let header = Header(block);
            let _ = (header.name(), header.number(UID), header.number(SIZE), Header::parse(block).is_some());
        }
    }
}
