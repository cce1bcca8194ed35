//! What each entry of a tree was made of, in a few bytes. With these a later build can say which entries changed a
//! layer.

use serde::ser::{Serialize, Serializer};

use crate::layer::Tree;
use crate::layer::fingerprint::put_entry;

/// Serialises as a map from each path to the source of its entry. The map is never whole in memory.
pub(crate) struct Stamps<'a>(pub(crate) &'a Tree);

impl Stamps<'_> {
    /// Every path, as it is shown, and what stands for its entry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, String)> {
        let Self(tree) = self;
        tree.entries.iter().map(|entry| {
            let mut record = Vec::with_capacity(128);
            put_entry(&mut record, entry, tree.origins[entry.origin].foreign);
            (entry.path.to_string(), format!("{:016x}", fnv(&record)))
        })
    }
}

impl Serialize for Stamps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// FNV-1a, which is good enough: the hash serves explanations alone.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pack::testing::{Project, path, text};

    #[test]
    fn what_changed_has_another_stamp() {
        let project = Project::new(&["a", "b"]);
        let stamps = |content: &str| -> BTreeMap<String, String> {
            let tree = project.scan(&[path("a"), path("b"), text(content, "/c/t")]).unwrap();
            serde_json::from_slice(&serde_json::to_vec(&Stamps(&tree)).unwrap()).unwrap()
        };
        let (one, other) = (stamps("1"), stamps("2"));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["/a", "/b", "/c", "/c/t"]);
        let changed: Vec<_> =
            one.iter().filter(|(path, stamp)| other[*path] != **stamp).map(|(path, _)| path).collect();
        assert_eq!(changed, ["/c/t"]);
    }
}
