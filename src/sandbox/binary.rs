//! Tells from the first bytes of a program what it is, an ELF program for a machine (System V ABI) or a script, and
//! what it needs to be executed.

use std::path::Path;

use crate::model::Platform;
use crate::model::elf::{self, ElfMachine};

/// A program file's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binary<'a> {
    head: &'a [u8],
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Elf { machine: ElfMachine, interpreter: Option<String> },
    Script { interpreter: String },
    Other,
}

/// Whether this machine's kernel can execute it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine { interpreter: Option<String> },
    Foreign { machine: String },
    Unknown,
}

impl<'a> Binary<'a> {
    pub(super) fn read(head: &'a [u8]) -> Self {
        let kind = elf(head).or_else(|| script(head)).unwrap_or(Kind::Other);
        Self { head, kind }
    }

    /// Of a script whose first line ends with a carriage return, as on Windows, the name that the kernel, or `env`,
    /// looks for with that character at its end; `None` if nothing is looked for so.
    pub(super) fn name_before_carriage_return(&self) -> Option<String> {
        let Kind::Script { .. } = self.kind else { return None };
        let line = self.head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?.strip_suffix(b"\r")?;
        let text = String::from_utf8_lossy(line);
        let (program, argument) = match text.trim_matches([' ', '\t']).split_once([' ', '\t']) {
            Some((program, argument)) => (program, Some(argument.trim_matches([' ', '\t']))),
            None => (text.trim_matches([' ', '\t']), None),
        };
        match argument {
            None => Some(program.to_owned()),
            // `env -S` takes the character for a space.
            Some(name) if Path::new(program).ends_with("env") && !name.starts_with('-') => Some(name.to_owned()),
            Some(_) => None,
        }
        .filter(|name| !name.is_empty())
    }

    pub(super) fn judge(self) -> Verdict {
        match self.kind {
            Kind::Elf { machine, interpreter } if machine.is_native() => Verdict::Fine { interpreter },
            Kind::Script { interpreter } => Verdict::Fine { interpreter: Some(interpreter) },
            kind => emulated(self.head).unwrap_or_else(|| kind.verdict()),
        }
    }
}

impl Kind {
    /// The verdict on a program that neither the kernel nor an emulator executes.
    fn verdict(&self) -> Verdict {
        match self {
            Self::Elf { machine, .. } => Verdict::Foreign { machine: machine.to_string() },
            Self::Script { .. } | Self::Other => Verdict::Unknown,
        }
    }
}

/// Whether programs of a platform can be started here, by the kernel itself or by an emulator.
pub(crate) fn executes_programs_of(platform: &Platform) -> bool {
    let Some(machine) = platform.elf_machine() else { return false };
    !matches!(Binary::read(&header(platform.architecture(), machine)).judge(), Verdict::Foreign { .. })
}

/// The header of an ELF program, as far as emulators look at it.
fn header(architecture: &str, machine: u16) -> Vec<u8> {
    let is_wide = !matches!(architecture, "386" | "arm" | "mips" | "mipsle");
    let is_big = matches!(architecture, "s390x" | "ppc64" | "mips" | "mips64");
    let number = |number: u16| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut header = b"\x7fELF".to_vec();
    header.extend([if is_wide { 2 } else { 1 }, if is_big { 2 } else { 1 }, 1]);
    header.resize(16, 0);
    // ET_EXEC.
    for field in [2, machine, 1] {
        header.extend(number(field));
    }
    header.resize(64, 0);
    header
}

fn elf(head: &[u8]) -> Option<Kind> {
    let header = elf::ElfHeader::read(head)?;
    Some(Kind::Elf { machine: header.machine, interpreter: header.interpreter() })
}

fn script(head: &[u8]) -> Option<Kind> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    let interpreter = text.trim_matches([' ', '\t']).split([' ', '\t']).next()?.to_owned();
    (!interpreter.is_empty()).then_some(Kind::Script { interpreter })
}

/// The verdict on a program for which `binfmt_misc` has an emulator; `None` if it has none.
fn emulated(head: &[u8]) -> Option<Verdict> {
    let entries = std::fs::read_dir(Path::new("/proc/sys/fs/binfmt_misc")).ok()?.flatten();
    let mut entries = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let entry = entries.find(|text| handles(text, head))?;
    // The kernel has opened the emulator in advance, or it has to be in the container itself.
    Some(Verdict::Fine { interpreter: interpreter(&entry) })
}

/// The emulator of an entry, unless the kernel has it open since the entry was made (flag `F`).
fn interpreter(entry: &str) -> Option<String> {
    let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("flags:").is_some_and(|flags| flags.contains('F')) {
        None
    } else {
        field("interpreter ").map(str::to_owned)
    }
}

/// Whether one entry of `binfmt_misc`, as the kernel shows it, takes such a file.
fn handles(entry: &str, head: &[u8]) -> bool {
    let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let hex = |text: &str| -> Option<Vec<u8>> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    };
    let Some(magic) = field("magic ").and_then(hex) else { return false };
    let mask = field("mask ").and_then(hex).unwrap_or_else(|| vec![0xff; magic.len()]);
    let offset = field("offset ").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    let matches =
        |bytes: &[u8]| bytes.iter().zip(&magic).zip(&mask).all(|((byte, magic), mask)| byte & mask == magic & mask);
    entry.starts_with("enabled") && head.get(offset..offset.saturating_add(magic.len())).is_some_and(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_loader_of_our_own_program() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let Kind::Elf { interpreter: Some(interpreter), .. } = Binary::read(&own[..65536]).kind else { panic!() };
        assert!(Path::new(&interpreter).exists(), "{interpreter}");
        assert!(matches!(Binary::read(&own[..65536]).judge(), Verdict::Fine { .. }));
    }

    #[test]
    fn tells_kinds_apart() {
        let mut s390x = b"\x7fELF\x02\x02\x01".to_vec();
        s390x.resize(64, 0);
        s390x[19] = 22;
        assert_eq!(Binary::read(&s390x).judge(), Verdict::Foreign { machine: "s390x".to_owned() });
        for (head, interpreter) in [("#!/bin/sh", "/bin/sh"), ("#! \t/usr/bin/env python\nx", "/usr/bin/env")] {
            let fine = Verdict::Fine { interpreter: Some(interpreter.to_owned()) };
            assert_eq!(Binary::read(head.as_bytes()).judge(), fine);
        }
        for head in ["", "#!", "#!\n/bin/sh", "echo"] {
            assert_eq!(Binary::read(head.as_bytes()).judge(), Verdict::Unknown, "{head}");
        }
        // Headers that point anywhere are read without a panic.
        for length in 0..200 {
            let mut head = b"\x7fELF\x02\x01".to_vec();
            head.resize(length.max(6), 0xff);
            Binary::read(&head);
        }
    }

    #[test]
    fn knows_scripts_with_the_line_ends_of_windows() {
        for (head, name) in [
            ("#!/bin/sh\r\necho\r\n", Some("/bin/sh")),
            ("#! /bin/sh \r\n", Some("/bin/sh")),
            ("#!/bin/sh\r", Some("/bin/sh")),
            ("#!/usr/bin/env bash\r\n", Some("bash")),
            ("#!/usr/bin/env -S bash -e\r\n", None),
            ("#!/bin/sh -e\r\n", None),
            ("#!/bin/sh\necho\r\n", None),
            ("#!\r\n", None),
            ("echo\r\n", None),
        ] {
            assert_eq!(Binary::read(head.as_bytes()).name_before_carriage_return().as_deref(), name, "{head:?}");
        }
    }

    /// Headers as Debian's emulators look for them: magic and mask of qemu-aarch64, -s390x and -arm.
    #[test]
    fn headers_are_what_emulators_look_for() {
        let mask = |end: &str| format!("ffffffffffffff00fffffffffffffffff{end}");
        for (platform, magic, end) in [
            ("linux/arm64", "7f454c460201010000000000000000000200b700", "effffff"),
            ("linux/s390x", "7f454c4602020100000000000000000000020016", "ffeffff"),
            ("linux/arm/v7", "7f454c4601010100000000000000000002002800", "effffff"),
        ] {
            let entry = format!("enabled\nflags: F\noffset 0\nmagic {magic}\nmask {}\n", mask(end));
            let platform = Platform::parse(platform).unwrap();
            let header = header(platform.architecture(), platform.elf_machine().unwrap());
            assert!(handles(&entry, &header), "{platform} {header:x?}");
        }
        assert!(executes_programs_of(&Platform::host()));
    }

    #[test]
    fn reads_binfmt_entries() {
        let entry = "enabled\ninterpreter /usr/bin/qemu-x\nflags: F\noffset 1\nmagic 454c46ff\nmask ffffff00\n";
        assert!(handles(entry, b"\x7fELF\x01"));
        assert!(!handles(&entry.replace("enabled", "disabled"), b"\x7fELF\x01"));
        assert!(!handles(entry, b"\x7fEL"));
        assert!(!handles("enabled\n", b"\x7fELF"));
        // Opened when the entry was made, or to be there in the container.
        assert_eq!(interpreter(entry), None);
        assert_eq!(interpreter(&entry.replace("flags: F", "flags: OC")).as_deref(), Some("/usr/bin/qemu-x"));
    }
}
