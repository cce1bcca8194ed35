//! Damaged manifests give a problem or another meaning, and never a panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::read;
use crate::diagnostic::rendered;

const EXAMPLE: &str = include_str!("../../../oci.toml.example");

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, String),
    Truncate(Index),
    Duplicate(Index),
    Remove(Index),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    const PIECES: [&str; 17] =
        ["\"", "'", "[", "]", "{", "}", "#", "=", "\n", ":", "/", "..", "$", "é", "\u{1b}[31m", "\\u0000", "!"];
    prop_oneof![
        (any::<Index>(), 1_u8..=255).prop_map(|(at, flip)| Change::Flip(at, flip)),
        (any::<Index>(), prop::sample::select(&PIECES[..]))
            .prop_map(|(at, piece)| Change::Insert(at, piece.to_owned())),
        any::<Index>().prop_map(Change::Truncate),
        any::<Index>().prop_map(Change::Duplicate),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(left, right)| Change::Swap(left, right)),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if bytes.is_empty() {
        return String::new();
    }
    match change {
        Change::Flip(at, flip) => bytes[at.index(text.len())] ^= flip,
        Change::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece.bytes());
        }
        Change::Truncate(at) => bytes.truncate(at.index(text.len())),
        Change::Duplicate(line) => {
            let line = line.index(lines.len());
            let again = lines[line];
            lines.insert(line, again);
            return lines.concat();
        }
        Change::Remove(line) => {
            let line = line.index(lines.len());
            lines.remove(line);
            return lines.concat();
        }
        Change::Swap(left, right) => {
            let count = lines.len();
            lines.swap(left.index(count), right.index(count));
            return lines.concat();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn what_nests_without_end_is_a_problem() {
    for opening in ["[", "{a=", "[{a="] {
        let text = format!("x = {}", opening.repeat(100_000));
        assert!(read(&text).is_err(), "{opening}");
    }
    assert!(read(&format!("[a{}]", ".a".repeat(100_000))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_manifest_never_makes_it_panic(changes in prop::collection::vec(change(), 1..6)) {
        let text = changes.iter().fold(EXAMPLE.to_owned(), |text, change| changed(&text, change));
        match read(&text) {
            Ok(manifest) => manifest.builds.values().for_each(|build| drop(manifest.platforms(build))),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                // Rendering cuts lines out of the text by the problems' places.
                for problem in &problems {
                    prop_assert!(rendered(problem).contains("oci::manifest::"));
                }
            }
        }
    }
}
