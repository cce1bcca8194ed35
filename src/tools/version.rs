//! A tool's version, as its `--version` prints it. A tool that is too old is reported as such, instead of failing
//! oddly.

use std::fmt;

/// The first three numbers of a version; what distributions and release candidates append is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// Finds the version in what a tool prints, such as `skopeo version 1.22.0-dev` or `runc version
    /// 1.1.5+ds1`: the first word that begins with two numbers.
    pub(crate) fn parse(printed: &str) -> Option<Self> {
        printed.split_whitespace().find_map(|word| {
            let mut numbers = word.trim_start_matches('v').split('.').map(leading_number);
            Some(Self(numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
        })
    }
}

fn leading_number(part: &str) -> Option<u32> {
    let digits = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
    part[..digits].parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_what_tools_print() {
        for (printed, version) in [
            ("skopeo version 1.9.3\n", Some(Version(1, 9, 3))),
            ("skopeo version 1.22.0-dev commit: 0123456789", Some(Version(1, 22, 0))),
            ("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n", Some(Version(1, 1, 5))),
            ("umoci version 0.6.0+dev", Some(Version(0, 6, 0))),
            ("tool v2.3", Some(Version(2, 3, 0))),
            ("tool", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(printed), version, "{printed}");
        }
    }

    #[test]
    fn orders_by_number() {
        assert!(Version(1, 9, 3) < Version(1, 22, 0));
        assert_eq!(Version(1, 9, 3).to_string(), "1.9.3");
    }
}
