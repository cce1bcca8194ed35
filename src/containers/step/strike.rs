//! Secrets that a step's output quotes are struck out of it.

use crate::secrets::STRUCK_OUT;

/// What is struck out of a step's output.
pub(super) struct Strike(Vec<Vec<u8>>);

impl Strike {
    pub(super) fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parts: Vec<Vec<u8>> = parts.into_iter().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
        // The longest first: one may hold another.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    pub(super) fn out_of(&self, text: &[u8]) -> Vec<u8> {
        let mut clean = text.to_vec();
        for part in &self.0 {
            while let Some(at) = memchr::memmem::find(&clean, part) {
                clean.splice(at..at + part.len(), STRUCK_OUT.bytes());
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strike(parts: &[&str]) -> Strike {
        Strike::new(parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn secrets_are_struck_out() {
        let strike_all = strike(&["token", "token-long", "one1", "two2"]);
        for (text, clean) in [
            ("a token and token-long", "a *** and ***"),
            ("one1 two2 one1", "*** *** ***"),
            ("abc stays", "abc stays"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(strike_all.out_of(text.as_bytes())).unwrap(), clean);
        }
        // What is put in their place cannot be found again.
        assert_eq!(strike(&["****"]).out_of(b"******"), b"***");
        assert_eq!(strike(&[""]).out_of(b"text"), b"text");
    }
}
