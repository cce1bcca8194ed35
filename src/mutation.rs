//! Damages texts, for tests of all code that reads what other programs or people wrote. Every run has equal cases.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What breaks readers: ends of strings, nesting, numbers and names that are too much.
const PIECES: [&str; 20] = [
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "/",
    "@",
    "=",
    "\n",
    "null",
    "-1",
    "1e99",
    "18446744073709551616",
    "é",
    "\u{1b}[31m",
    "\\u0000",
    "\\ud800",
];

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, Index),
    Repeat(Index, Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            (any::<Index>(), 1_u8..=255).prop_map(|(at, flip)| Self::Flip(at, flip)),
            (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Self::Insert(at, piece)),
            any::<(Index, Index)>().prop_map(|(from, to)| Self::Remove(from, to)),
            any::<(Index, Index)>().prop_map(|(from, to)| Self::Repeat(from, to)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let within = |one: &Index, other: &Index| {
            let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
            one.min(other)..one.max(other)
        };
        match self {
            Self::Flip(at, flip) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
            Self::Flip(..) => {}
            Self::Insert(at, piece) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, piece.bytes());
            }
            Self::Remove(from, to) => drop(bytes.drain(within(from, to))),
            Self::Repeat(from, to) => {
                let range = within(from, to);
                let (again, end) = (bytes[range.clone()].to_vec(), range.end);
                bytes.splice(end..end, again);
            }
        }
    }
}

/// Calls `look` with so many changed versions of these texts. Every run has equal versions.
pub(crate) fn changed(texts: &'static [&'static str], count: u32, look: impl Fn(&[u8])) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let cases = (select(texts), prop::collection::vec(Change::any(), 1..6));
    let shown = TestRunner::new_with_rng(config, random).run(&cases, |(text, changes)| {
        let mut bytes = text.as_bytes().to_vec();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        look(&bytes);
        Ok(())
    });
    if let Err(error) = shown {
        panic!("{error}");
    }
}
