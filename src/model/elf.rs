//! Reads the header of an ELF file (System V ABI, "Object Files"): the machine that a program was made for, and the
//! program that loads it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Platform;

const EXECUTABLE: u16 = 2;
const SHARED_OBJECT: u16 = 3;
const X86: u16 = 3;
const MIPS: u16 = 8;
const POWERPC_64: u16 = 21;
const ARM: u16 = 40;
const X86_64: u16 = 62;
/// The kind of a program header that names the interpreter.
const INTERPRETER: u64 = 3;

/// The start of an ELF file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElfHeader<'a> {
    start: &'a [u8],
    kind: u16,
    pub(crate) machine: ElfMachine,
}

impl<'a> ElfHeader<'a> {
    /// Reads the first bytes of a file. Returns `None` if they are not an ELF file's, or too few to tell its machine.
    pub(crate) fn read(start: &'a [u8]) -> Option<Self> {
        let [0x7f, b'E', b'L', b'F', class, data, ..] = *start.first_chunk::<20>()? else { return None };
        let machine = ElfMachine { number: 0, is_64_bit: class == 2, is_little_endian: data != 2 };
        let unread = Self { start, kind: 0, machine };
        let half = |at| u16::try_from(unread.number(at, 2)?).ok();
        Some(Self { kind: half(16)?, machine: ElfMachine { number: half(18)?, ..machine }, ..unread })
    }

    /// The program that loads this one, if it is named within the bytes that were given.
    pub(crate) fn interpreter(&self) -> Option<String> {
        let is_wide = self.machine.is_64_bit;
        let pick = |wide: (usize, usize), narrow: (usize, usize)| {
            let (at, size) = if is_wide { wide } else { narrow };
            self.number(at, size)
        };
        let table = pick((32, 8), (28, 4))?;
        let (size, count) = (pick((54, 2), (42, 2))?, pick((56, 2), (44, 2))?);
        for index in 0..count {
            let entry = usize::try_from(table.checked_add(index.checked_mul(size)?)?).ok()?;
            if self.number(entry, 4)? == INTERPRETER {
                let at = |wide: usize, narrow: usize| entry.checked_add(if is_wide { wide } else { narrow });
                let width = if is_wide { 8 } else { 4 };
                let offset = usize::try_from(self.number(at(8, 4)?, width)?).ok()?;
                let length = usize::try_from(self.number(at(32, 16)?, width)?).ok()?;
                let bytes = self.start.get(offset..offset.checked_add(length)?)?;
                let text = bytes.split(|byte| *byte == 0).next()?;
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        None
    }

    fn number(&self, offset: usize, size: usize) -> Option<u64> {
        let bytes = self.start.get(offset..offset.checked_add(size)?)?;
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        let is_little = self.machine.is_little_endian;
        Some(if is_little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
    }
}

/// The machine that a program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ElfMachine {
    number: u16,
    is_64_bit: bool,
    is_little_endian: bool,
}

impl ElfMachine {
    /// The machine of the program that begins with these bytes. Returns `None` if they are not those of an ELF
    /// executable or shared object.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let header = ElfHeader::read(start)?;
        matches!(header.kind, EXECUTABLE | SHARED_OBJECT).then_some(header.machine)
    }

    /// True if this kernel executes programs for the machine without an emulator. A 64-bit kernel mostly executes
    /// programs for its 32-bit relative. A machine whose number is not known here counts as native.
    pub(crate) fn is_native(self) -> bool {
        let host = Platform::host();
        let cousin = match host.architecture() {
            "amd64" => Some(X86),
            "arm64" => Some(ARM),
            _ => None,
        };
        host.elf_machine().is_none_or(|own| self.number == own || cousin == Some(self.number))
    }

    /// True if the machine is the platform's, or if the platform's machine is not known.
    pub(crate) fn fits(self, platform: &Platform) -> bool {
        platform
            .elf_machine()
            .is_none_or(|expected| self.number == expected && self.architecture() == Some(platform.architecture()))
    }

    fn architecture(self) -> Option<&'static str> {
        match (self.number, self.is_64_bit, self.is_little_endian) {
            // Images know several architectures for this machine number.
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
impl fmt::Display for ElfMachine {
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
            let program = ElfMachine::of(&header(class, data, kind, machine));
            let found = program.filter(|program| !program.fits(&platform)).map(|program| program.to_string());
            assert_eq!(found.as_deref(), foreign, "{platform} {machine}");
        }
        assert_eq!(ElfMachine::of(b"#!/bin/sh\n# a script"), None);
        assert_eq!(ElfMachine::of(b"\x7fELF"), None);
    }
}
