//! For which machine a program was made: the few bytes at the start of an ELF file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Platform;

/// Enough of a file for [`Machine::of`].
pub(super) const HEADER: usize = 20;

const EXECUTABLE: u16 = 2;
const SHARED_OBJECT: u16 = 3;
const MIPS: u16 = 8;
const POWERPC_64: u16 = 21;
const X86_64: u16 = 62;

/// What a program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Machine {
    number: u16,
    is_64_bit: bool,
    is_little_endian: bool,
}

impl Machine {
    /// The machine of the program that begins with these bytes. Nothing for what is no ELF executable or
    /// shared object.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = start.first_chunk()?;
        let [0x7f, b'E', b'L', b'F', class, data, ..] = *header else { return None };
        let is_little_endian = data != 2;
        let half = |at: usize| {
            let bytes = [header[at], header[at + 1]];
            if is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
        };
        let is_program = matches!(half(16), EXECUTABLE | SHARED_OBJECT);
        is_program.then(|| Self { number: half(18), is_64_bit: class == 2, is_little_endian })
    }

    /// True if it is the platform's, or it is not known which machine that has.
    pub(crate) fn fits(self, platform: &Platform) -> bool {
        platform
            .elf_machine()
            .is_none_or(|expected| self.number == expected && self.architecture() == Some(platform.architecture()))
    }

    fn architecture(self) -> Option<&'static str> {
        match (self.number, self.is_64_bit, self.is_little_endian) {
            // One machine number for what are several architectures to images.
            (MIPS, true, true) => Some("mips64le"),
            (MIPS, false, true) => Some("mipsle"),
            (MIPS, false, false) => Some("mips"),
            (POWERPC_64, _, true) => Some("ppc64le"),
            (POWERPC_64, _, false) => Some("ppc64"),
            (MIPS, ..) | (X86_64, false, _) => None,
            (number, ..) => Platform::architecture_of_elf(number),
        }
    }
}

/// The architecture, as platforms name it.
impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.architecture() {
            Some(architecture) => formatter.write_str(architecture),
            None => write!(formatter, "another machine (ELF number {})", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF".to_vec();
        header.extend([class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for half in [kind, machine] {
            header.extend(if data == 2 { half.to_be_bytes() } else { half.to_le_bytes() });
        }
        header
    }

    #[test]
    fn tells_architectures_apart() {
        for (platform, (class, data, kind, machine), foreign) in [
            ("linux/amd64", (2, 1, 2, 62), None),
            ("linux/amd64/v3", (2, 1, 3, 62), None),
            ("linux/amd64", (1, 1, 2, 3), Some("386")),
            ("linux/386", (2, 1, 3, 62), Some("amd64")),
            ("linux/arm64", (2, 1, 3, 62), Some("amd64")),
            ("linux/arm64", (2, 1, 1, 62), None),
            ("linux/arm/v7", (1, 1, 2, 40), None),
            ("linux/arm/v6", (2, 1, 2, 183), Some("arm64")),
            ("linux/ppc64le", (2, 1, 2, 21), None),
            ("linux/ppc64le", (2, 2, 2, 21), Some("ppc64")),
            ("linux/s390x", (2, 2, 2, 22), None),
            ("linux/mipsle", (1, 2, 2, 8), Some("mips")),
            ("linux/amd64", (2, 1, 2, 2), Some("another machine (ELF number 2)")),
            ("wasip1/wasm", (2, 1, 2, 62), None),
        ] {
            let platform = Platform::parse(platform).unwrap();
            let program = Machine::of(&header(class, data, kind, machine));
            let found = program.filter(|program| !program.fits(&platform)).map(|program| program.to_string());
            assert_eq!(found.as_deref(), foreign, "{platform} {machine}");
        }
        assert_eq!(Machine::of(b"#!/bin/sh\n# a script"), None);
        assert_eq!(Machine::of(b"\x7fELF"), None);
    }
}
