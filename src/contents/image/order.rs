//! Tells whether umoci reads a layer as it is meant.
//!
//! umoci takes the members of a layer in their order, and follows links as they are at that time to find what a
//! whiteout deletes. That agrees with the spec if every folder comes before what is in it, as nearly every tool writes
//! layers. If a layer deletes nothing, its order is all that counts.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use crate::contents::each_member;
use crate::model::LayerPath;
use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::tar::{Member, MemberKind};

/// Reads the layer's blob to its end. Returns false if umoci may misread it.
pub(crate) fn is_read_as_meant(blob: File) -> io::Result<bool> {
    let mut order = Order::default();
    each_member(blob, &mut |_, found| {
        order.add(&found.member);
        Ok(())
    })?;
    Ok(!order.is_odd && (order.is_orderly || !order.deletes))
}

struct Order {
    /// The folders that came so far.
    folders: BTreeSet<LayerPath>,
    deletes: bool,
    /// Every member came after the folders that it is in, and no folder became something else.
    is_orderly: bool,
    /// There are names that umoci misreads.
    is_odd: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self { folders: BTreeSet::new(), deletes: false, is_orderly: true, is_odd: false }
    }
}

impl Order {
    fn add(&mut self, member: &Member) {
        let names = member.name.0.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        let mut path = LayerPath::root();
        let mut names = names.peekable();
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            self.is_orderly &= name != b"..";
            if let Some(deleted) = name.strip_prefix(WHITEOUT.as_bytes()) {
                self.deletes = true;
                let is_own = deleted.starts_with(WHITEOUT.as_bytes()) && name != OPAQUE.as_bytes();
                self.is_odd |= !is_last || is_own || matches!(deleted, b"" | b"." | b"..");
            }
            path = path.join(name);
            if !is_last {
                self.is_orderly &= self.folders.contains(&path);
            }
        }
        match member.kind {
            MemberKind::Folder => drop(self.folders.insert(path)),
            _ => self.is_orderly &= !self.folders.contains(&path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;
    use crate::contents::image::tests::tar;

    #[test]
    fn folders_before_what_is_in_them_is_what_is_meant() {
        for (parts, expected) in [
            (&[('5', "a/", ""), ('0', "a/.wh.x", "")][..], true),
            (&[('5', "./", ""), ('5', "./a", ""), ('0', "./a/.wh..wh..opq", ""), ('0', "a/b", "")], true),
            (&[('0', ".wh.x", ""), ('0', ".wh..wh..opq", "")], true),
            // Nothing is deleted: the order of members is all.
            (&[('0', "a/b", ""), ('2', "a", "b")], true),
            (&[('0', "a/.wh.x", "")], false),
            (&[('0', "a/.wh.x", ""), ('5', "a/", "")], false),
            (&[('2', "a", "b"), ('0', "a/.wh.x", "")], false),
            (&[('0', "a/b", ""), ('0', ".wh.x", "")], false),
            (&[('5', "a/", ""), ('2', "a", "b"), ('0', ".wh.x", "")], false),
            (&[('5', "a/", ""), ('0', "a/../.wh.x", "")], false),
            (&[('0', ".wh.", "")], false),
            (&[('0', ".wh...", "")], false),
            (&[('5', ".wh..wh.plnk/", "")], false),
            (&[('5', ".wh.a/", ""), ('0', ".wh.a/b", "")], false),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&tar(parts)).unwrap();
            file.rewind().unwrap();
            assert_eq!(is_read_as_meant(file).unwrap(), expected, "{parts:?}");
        }
    }
}
