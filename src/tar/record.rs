//! Tar headers (POSIX ustar, with pax extended headers where ustar has no room), byte by byte.

use std::collections::BTreeMap;

/// Header and content of each entry of a tar are filled up to a multiple of this many bytes.
pub(crate) const BLOCK: usize = 512;

/// The bytes that end a tar.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Where a field of the header is.
pub(crate) type Field = std::ops::Range<usize>;

pub(crate) const NAME: Field = 0..100;
pub(crate) const MODE: Field = 100..108;
pub(crate) const UID: Field = 108..116;
pub(crate) const GID: Field = 116..124;
pub(crate) const SIZE: Field = 124..136;
pub(crate) const MTIME: Field = 136..148;
pub(crate) const CHECKSUM: Field = 148..156;
pub(crate) const TYPE: usize = 156;
pub(crate) const LINK: Field = 157..257;
pub(crate) const MAGIC: Field = 257..265;
pub(crate) const DEVICE_MAJOR: Field = 329..337;
pub(crate) const DEVICE_MINOR: Field = 337..345;
pub(crate) const PREFIX: Field = 345..500;

/// The prefix of the key of an extended attribute's record, as star, GNU tar and all engines write it.
pub(crate) const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// Names and values of extended attributes.
pub(crate) type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What a header says of its entry.
pub(crate) struct Record<'a> {
    /// Without a leading `/`. The name of a folder ends in `/`.
    pub(crate) name: &'a [u8],
    pub(crate) kind: RecordKind<'a>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// Extended attributes.
    pub(crate) attributes: &'a Attributes,
}

/// The kind of an entry, and what only entries of that kind have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordKind<'a> {
    Folder,
    /// A file of this size, in bytes.
    File(u64),
    SymbolicLink(&'a [u8]),
    /// Another name of an earlier entry, which is given by its name.
    HardLink(&'a [u8]),
    /// A device with these numbers, major and minor.
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

impl Record<'_> {
    /// Appends the header, with a pax header before it where ustar has no room.
    ///
    /// Bytes of names are kept as they are, UTF-8 or not: the pax specification asks for UTF-8, but
    /// all programs that write such names write, and read, bytes.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let (kind, link, size, (major, minor)) = match self.kind {
            RecordKind::File(size) => (b'0', &[][..], size, (0, 0)),
            RecordKind::HardLink(target) => (b'1', target, 0, (0, 0)),
            RecordKind::SymbolicLink(target) => (b'2', target, 0, (0, 0)),
            RecordKind::CharacterDevice(major, minor) => (b'3', &[][..], 0, (major, minor)),
            RecordKind::BlockDevice(major, minor) => (b'4', &[][..], 0, (major, minor)),
            RecordKind::Folder => (b'5', &[][..], 0, (0, 0)),
            RecordKind::Fifo => (b'6', &[][..], 0, (0, 0)),
        };
        let mut header = Header::new(kind);
        let mut pax = Vec::new();
        header.number(MODE, u64::from(self.mode));
        header.number(DEVICE_MAJOR, u64::from(major));
        header.number(DEVICE_MINOR, u64::from(minor));
        if !link.is_ascii() || link.len() > LINK.len() {
            put_record(&mut pax, b"linkpath", link);
        }
        header.text(LINK, link);
        match split(self.name) {
            Some((prefix, rest)) if self.name.is_ascii() => {
                header.text(PREFIX, prefix);
                header.text(NAME, rest);
            }
            _ => {
                put_record(&mut pax, b"path", self.name);
                header.text(NAME, self.name);
            }
        }
        let numbers = [
            (UID, "uid", i128::from(self.uid)),
            (GID, "gid", i128::from(self.gid)),
            (SIZE, "size", i128::from(size)),
            (MTIME, "mtime", i128::from(self.modified)),
        ];
        for (field, key, number) in numbers {
            let room = 1 << (3 * (field.len() - 1));
            let fits = u64::try_from(number).ok().filter(|number| *number < room);
            if fits.is_none() {
                put_record(&mut pax, key.as_bytes(), number.to_string().as_bytes());
            }
            header.number(field, fits.unwrap_or(0));
        }
        for (name, value) in self.attributes {
            put_record(&mut pax, &[ATTRIBUTE, name].concat(), value);
        }
        if !pax.is_empty() {
            let mut extended = Header::new(b'x');
            extended.text(NAME, b"PaxHeaders.0");
            extended.number(MODE, 0o644);
            extended.number(UID, 0);
            extended.number(GID, 0);
            extended.number(SIZE, pax.len() as u64);
            extended.number(MTIME, 0);
            out.extend(extended.finish());
            out.extend(&pax);
            out.extend(std::iter::repeat_n(0, padding(pax.len() as u64)));
        }
        out.extend(header.finish());
    }
}

/// How many zero bytes follow content of this size.
pub(crate) fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from(size.next_multiple_of(block) - size).unwrap_or(0)
}

/// Splits a name into the parts that ustar has room for, at a `/`.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.len() {
        return Some((b"", name));
    }
    // The slash at a folder's end is no place to split.
    let slashes = name[..name.len() - 1].iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let (at, _) = slashes.take_while(|(at, _)| *at <= PREFIX.len()).last()?;
    let (prefix, rest) = (&name[..at], &name[at + 1..]);
    (!prefix.is_empty() && rest.len() <= NAME.len()).then_some((prefix, rest))
}

/// Appends a pax record: its length in decimal digits, key and value. The length covers its own digits.
fn put_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} ").as_bytes());
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

struct Header([u8; BLOCK]);

impl Header {
    fn new(kind: u8) -> Self {
        let mut header = Self([0; BLOCK]);
        header.0[TYPE] = kind;
        header.text(MAGIC, b"ustar\x0000");
        header.number(DEVICE_MAJOR, 0);
        header.number(DEVICE_MINOR, 0);
        header
    }

    /// Text that does not fit is cut off: a pax record has the whole text.
    fn text(&mut self, field: Field, text: &[u8]) {
        let length = text.len().min(field.len());
        self.0[field][..length].copy_from_slice(&text[..length]);
    }

    fn number(&mut self, field: Field, number: u64) {
        let width = field.len() - 1;
        self.text(field, format!("{number:0width$o}").as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.0[CHECKSUM].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.0[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn header_with(name: &[u8], kind: RecordKind<'_>, attributes: &Attributes) -> Vec<u8> {
        let mut header = Vec::new();
        let record = Record { name, kind, mode: 0o4755, uid: 12, gid: 34, modified: 1_700_000_000, attributes };
        record.put(&mut header);
        header
    }

    fn header(name: &[u8], kind: RecordKind<'_>) -> Vec<u8> {
        header_with(name, kind, &Attributes::new())
    }

    /// What another implementation reads from a tar: path, link, size, uid, gid, mode.
    fn read_back(bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, u64, u64, u64, u32) {
        let mut archive = tar::Archive::new(bytes);
        let mut entries = archive.entries().unwrap();
        let entry = entries.next().unwrap().unwrap();
        let header = entry.header();
        (
            entry.path_bytes().into_owned(),
            entry.link_name_bytes().map(|name| name.into_owned()),
            entry.size(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mode().unwrap(),
        )
    }

    #[test]
    fn the_plain_case_needs_one_header() {
        let bytes = header(b"a/b", RecordKind::File(5));
        assert_eq!(bytes.len(), BLOCK);
        assert_eq!(read_back(&bytes), (b"a/b".to_vec(), None, 5, 12, 34, 0o4755));
        assert_eq!(&bytes[MTIME], b"14524770400\0");
        assert_eq!(&bytes[MAGIC], b"ustar\x0000");
        // The header names no user and no group, whichever user runs the test.
        assert!(bytes[265..329].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_ustar_has_no_room_for_is_in_pax() {
        let long = [b"d/".repeat(70), b"x".repeat(90)].concat();
        assert_eq!(header(&long, RecordKind::File(0)).len(), BLOCK);
        for name in
            [&b"x".repeat(101)[..], &[b"a".repeat(160), b"/b".to_vec()].concat(), b"\xc3\xa9", b"\xff", b"a\nb\xfe"]
        {
            let bytes = header(name, RecordKind::SymbolicLink(name));
            assert_eq!(bytes.len(), 3 * BLOCK, "{name:?}");
            let (path, link, ..) = read_back(&bytes);
            assert_eq!((&path[..], link.as_deref()), (name, Some(name)));
        }
        let (kind, attributes) = (RecordKind::File(9 << 30), Attributes::new());
        let huge = Record {
            name: b"huge",
            kind,
            mode: 0,
            uid: u32::MAX - 1,
            gid: 1 << 21,
            modified: -5,
            attributes: &attributes,
        };
        let (mut header, mut records) = (Vec::new(), String::new());
        huge.put(&mut header);
        let mut archive = tar::Archive::new(&header[..]);
        let mut raw = archive.entries().unwrap().raw(true);
        raw.next().unwrap().unwrap().read_to_string(&mut records).unwrap();
        assert_eq!(records, "18 uid=4294967294\n15 gid=2097152\n19 size=9663676416\n12 mtime=-5\n");
    }

    #[test]
    fn attributes_and_further_names_are_as_other_tools_write_them() {
        let attributes = Attributes::from([
            (b"user.b"[..].into(), b"\n\0\xff"[..].into()),
            (b"security.capability"[..].into(), b"\x01"[..].into()),
        ]);
        let bytes = header_with(b"f", RecordKind::File(2), &attributes);
        assert_eq!(
            &bytes[BLOCK..][..65],
            b"38 SCHILY.xattr.security.capability=\x01\n27 SCHILY.xattr.user.b=\n\0\xff\n".as_slice()
        );
        let bytes = header(b"second", RecordKind::HardLink(b"first"));
        assert_eq!((bytes.len(), bytes[TYPE]), (BLOCK, b'1'));
        let (path, link, size, ..) = read_back(&bytes);
        assert_eq!((&path[..], link.as_deref(), size), (&b"second"[..], Some(&b"first"[..]), 0));
    }

    proptest! {
        #[test]
        fn every_path_is_read_as_it_was_written(
            names in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..120), 1..6),
            is_folder: bool,
        ) {
            // The crate that reads here ends a pax record at its first line feed.
            let plain = |byte| if matches!(byte, 0 | b'/' | b'\n') { b'_' } else { byte };
            let names: Vec<Vec<u8>> =
                names.into_iter().map(|name| name.into_iter().map(plain).collect()).collect();
            if !names.iter().any(|name| matches!(&name[..], b"." | b"..")) {
                let name = [names.join(&b'/'), if is_folder { b"/".to_vec() } else { Vec::new() }].concat();
                let (kind, expected) = if is_folder { (RecordKind::Folder, 0) } else { (RecordKind::File(2), 2) };
                let bytes = header(&name, kind);
                prop_assert_eq!(bytes.len() % BLOCK, 0);
                let (found, _, size, ..) = read_back(&bytes);
                prop_assert_eq!((found, size), (name, expected));
            }
        }
    }
}
