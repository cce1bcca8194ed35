//! Reads extended attributes (`xattr(7)`): attributes that a layer keeps, and attributes in which overlays and umoci
//! note things for themselves.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use crate::model::overlay;
use crate::tar::Attributes;

/// What the attributes of a file say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Attributes that a layer keeps: file capabilities, and attributes that users set.
    pub(super) kept: Attributes,
    /// The folder hides what lower trees have in it.
    pub(super) is_opaque: bool,
    /// The owner, user and group, that the file would have if its user had more than one ID.
    pub(super) noted_owner: Option<(u32, u32)>,
}

/// The attribute in which umoci notes owners that it cannot set (rootlesscontaine.rs, "user.rootlesscontainers").
const NOTED_OWNER: &[u8] = b"user.rootlesscontainers";
const CAPABILITY: &[u8] = b"security.capability";
const USERS: &[u8] = b"user.";

/// Reads the attributes of a file. Links are not followed.
pub(super) fn read(path: &Path, is_namespaced: bool) -> io::Result<Noted> {
    let mut attributes = Noted::default();
    for name in list(path)?.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name == overlay::opaque(is_namespaced).to_bytes() {
            attributes.is_opaque = value(path, name)?.as_deref() == Some(b"y");
        } else if overlay::is_of_overlay(name) {
        } else if name == NOTED_OWNER {
            attributes.noted_owner = value(path, name)?.and_then(|value| parse_owner(&value));
        } else if (name == CAPABILITY || name.starts_with(USERS))
            && let Some(value) = value(path, name)?
        {
            attributes.kept.insert(name.into(), value.into());
        }
    }
    Ok(attributes)
}

fn list(path: &Path) -> io::Result<Vec<u8>> {
    sized(|buffer| rustix::fs::llistxattr(path, buffer)).map(Option::unwrap_or_default)
}

/// The value of an attribute. Returns `None` if there is no such attribute, or if this process may not read it.
fn value(path: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    sized(|buffer| rustix::fs::lgetxattr(path, OsStr::from_bytes(name), buffer))
}

fn sized(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            // Linux has no lists or values longer than 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 64 << 10 => buffer.resize(64 << 10, 0),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a protocol buffer of two numbers: field 1 is the user, field 2 the group. A missing field is 0. Returns `None`
/// for the greatest number, which is no ID.
fn parse_owner(bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut user, mut group) = (0, 0);
    let mut rest = bytes;
    while let Some((tag, after)) = rest.split_first() {
        let (number, after) = parse_number(after)?;
        match tag {
            0x08 => user = number,
            0x10 => group = number,
            _ => return None,
        }
        rest = after;
    }
    (user != u32::MAX && group != u32::MAX).then_some((user, group))
}

/// Reads a base-128 number, whose lowest bits are first. Returns the number, and the bytes after it.
fn parse_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_noted_owners() {
        for (bytes, owner) in [
            (&[][..], Some((0, 0))),
            (&[0x08, 42], Some((42, 0))),
            (&[0x10, 0xe8, 0x07], Some((0, 1000))),
            (&[0x08, 1, 0x10, 2], Some((1, 2))),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0x0f], None),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0x7f], None),
            (&[0x08], None),
            (&[0x08, 0x80], None),
            (&[0x18, 1], None),
        ] {
            assert_eq!(parse_owner(bytes), owner, "{bytes:?}");
        }
    }
}
