//! Secrets that a command's output quotes are struck out of it.

use crate::secrets::STRUCK_OUT;

/// The fewest bytes of a secret that are looked for: less would be found everywhere.
pub(crate) const SHORTEST: usize = 4;

/// What is struck out of a command's output.
pub(crate) struct Strike(Vec<Vec<u8>>);

impl Strike {
    pub(crate) fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parts: Vec<Vec<u8>> = parts.into_iter().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
        // The longest first: one may hold another.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    /// What is struck out for secrets with these values: each of their lines, if it is long enough to mean something.
    pub(crate) fn of_secrets<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let lines = values.into_iter().flat_map(|value| value.split(|byte| *byte == b'\n'));
        Self::new(lines.map(<[u8]>::trim_ascii).filter(|line| line.len() >= SHORTEST))
    }

    /// The length of the longest.
    pub(crate) fn longest(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    pub(crate) fn out_of(&self, text: &[u8]) -> Vec<u8> {
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
    fn of_a_secret_each_line_is_struck_out() {
        let strike = Strike::of_secrets([&b"one1\n\nabc\n two2\n"[..]]);
        assert_eq!(strike.out_of(b"one1 abc two2"), b"*** abc ***");
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
