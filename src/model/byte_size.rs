//! A number of bytes as people write it, `20GB`, and read it, `19.8 GB`.

use std::fmt;

/// Units by their names in capitals. `kB` and its greater kin are powers of 1000, `KiB` and its, of 1024.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

/// What is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number and its unit, such as `20GB` or `512MiB`")]
pub(crate) struct ByteSizeError;

impl ByteSize {
    /// A whole number and a unit in any case; a space may stand between them.
    pub(crate) fn parse(text: &str) -> Result<Self, ByteSizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_uppercase();
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let number: Option<u64> = number.parse().ok();
        number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor)).map(Self).ok_or(ByteSizeError)
    }
}

/// With one decimal, rounded down, in powers of 1000.
impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |(name, factor): (&str, u64), formatter: &mut fmt::Formatter<'_>| {
            write!(formatter, "{}.{} {name}", self.0 / factor, self.0 % factor / (factor / 10))
        };
        match self.0 {
            0..1000 => write!(formatter, "{} B", self.0),
            1000..1_000_000 => unit(("kB", 1000), formatter),
            1_000_000..1_000_000_000 => unit(("MB", 1_000_000), formatter),
            1_000_000_000..1_000_000_000_000 => unit(("GB", 1_000_000_000), formatter),
            _ => unit(("TB", 1_000_000_000_000), formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_size() {
        for (text, bytes) in [
            ("0B", 0),
            ("500MB", 500_000_000),
            ("20 gb", 20_000_000_000),
            ("10GiB", 10_737_418_240),
            ("1kb", 1000),
            ("3 KiB", 3072),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "GB",
            "12",
            "-1GB",
            "+1GB",
            "1.5GB",
            "1  GB",
            " 1GB",
            "1GB ",
            "1G",
            "1 ZB",
            "99999999999TB",
            "0x1MB",
            "18446744073709551616B",
            "１GB",
            "1ΜB",
        ] {
            assert_eq!(ByteSize::parse(text), Err(ByteSizeError), "{text:?}");
        }
    }

    #[test]
    fn how_it_is_shown() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1999, "1.9 kB"),
            (12_345_678, "12.3 MB"),
            (999_999_999, "999.9 MB"),
            (20_000_000_000, "20.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), shown);
        }
    }
}
