//! Platforms: `os/architecture[/variant]`, normalised as the field does (containerd's rules).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::null::null_is_empty;

/// A platform that an image runs on. It is always normalised: `linux/aarch64/v8` and `linux/arm64` are one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlatformError {
    #[error("a platform is `os/architecture` or `os/architecture/variant`, such as `linux/amd64`")]
    Shape,
    #[error("`{0}` is no operating system that images are made for")]
    Os(String),
    #[error("`{0}` is no architecture that images are made for")]
    Architecture(String),
}

const SYSTEMS: [&str; 11] =
    ["aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "solaris", "wasip1", "windows"];

/// Architectures as GOARCH names them, each with the name that toolchains use (`{cpu}`) and the ELF machine.
const ARCHITECTURES: [(&str, &str, Option<u16>); 13] = [
    ("386", "i686", Some(3)),
    ("amd64", "x86_64", Some(62)),
    ("arm", "arm", Some(40)),
    ("arm64", "aarch64", Some(183)),
    ("loong64", "loongarch64", Some(258)),
    ("mips", "mips", Some(8)),
    ("mips64le", "mips64el", Some(8)),
    ("mipsle", "mipsel", Some(8)),
    ("ppc64", "powerpc64", Some(21)),
    ("ppc64le", "powerpc64le", Some(21)),
    ("riscv64", "riscv64", Some(243)),
    ("s390x", "s390x", Some(22)),
    ("wasm", "wasm32", None),
];

impl Platform {
    /// Parses and normalises what a person wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError::Shape),
        };
        let well_formed = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(|part| well_formed(part)) {
            return Err(PlatformError::Shape);
        }
        let platform = Self::new(os, architecture, variant);
        if !SYSTEMS.contains(&platform.os.as_str()) {
            return Err(PlatformError::Os(os.to_owned()));
        }
        if platform.known().is_none() {
            return Err(PlatformError::Architecture(architecture.to_owned()));
        }
        Ok(platform)
    }

    /// Normalises the platform that an image names, whether or not it is known here.
    pub(crate) fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        let (architecture, variant) = match (architecture.to_ascii_lowercase().as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64".to_owned(), String::new()),
            ("x86_64" | "x86-64", _) => ("amd64".to_owned(), variant),
            ("i386" | "i486" | "i586" | "i686" | "386", _) => ("386".to_owned(), String::new()),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64".to_owned(), String::new()),
            ("aarch64", _) => ("arm64".to_owned(), variant),
            ("armhf", _) => ("arm".to_owned(), "v7".to_owned()),
            ("armel", _) => ("arm".to_owned(), "v6".to_owned()),
            ("arm", "" | "7") => ("arm".to_owned(), "v7".to_owned()),
            ("arm", "5" | "6" | "8") => ("arm".to_owned(), format!("v{variant}")),
            (other, _) => (other.to_owned(), variant),
        };
        Self { os, architecture, variant: (!variant.is_empty()).then_some(variant) }
    }

    /// Linux on this machine's architecture.
    pub(crate) fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            other => other,
        };
        Self::new("linux", architecture, None)
    }

    pub(crate) fn os(&self) -> &str {
        &self.os
    }

    /// The architecture as GOARCH names it, such as `arm64`.
    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    pub(crate) fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The architecture as compilers name it, such as `aarch64`.
    pub(crate) fn cpu(&self) -> &str {
        match (self.architecture.as_str(), self.variant()) {
            ("arm", Some("v7")) => "armv7",
            ("arm", Some("v6")) => "armv6",
            (architecture, _) => self.known().map_or(architecture, |(_, cpu, _)| cpu),
        }
    }

    /// The machine number in the header of an ELF program for the architecture. Returns `None` if it is not known.
    pub(crate) fn elf_machine(&self) -> Option<u16> {
        self.known().and_then(|(_, _, machine)| machine)
    }

    /// The architecture that an ELF machine number stands for.
    pub(crate) fn architecture_of_elf(machine: u16) -> Option<&'static str> {
        ARCHITECTURES.iter().find(|(_, _, known)| *known == Some(machine)).map(|(name, _, _)| *name)
    }

    /// The platform as part of a file's name: `linux-arm-v7`.
    pub(crate) fn dashed(&self) -> String {
        self.to_string().replace('/', "-")
    }

    /// True for `unknown/unknown`, under which builders keep attestations, and for text that is no name at all: an
    /// image may name anything, and the platform becomes a line of the lockfile.
    pub(crate) fn is_unknown(&self) -> bool {
        let is_name = |part: &str| {
            let is_of_name = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'_' | b'-');
            part.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && part.bytes().all(is_of_name)
        };
        let mut parts = [Some(&self.os), Some(&self.architecture), self.variant.as_ref()].into_iter().flatten();
        !parts.all(|part| is_name(part)) || (self.os == "unknown" && self.architecture == "unknown")
    }

    fn known(&self) -> Option<(&'static str, &'static str, Option<u16>)> {
        ARCHITECTURES.iter().find(|(name, _, _)| *name == self.architecture).copied()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(formatter, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The `platform` of a descriptor in an index (OCI image spec, "Image Index").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DescriptorPlatform {
    // Empty if an index does not name it. Then it is the platform of no image.
    #[serde(default, deserialize_with = "null_is_empty")]
    architecture: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    os: String,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none", default)]
    os_version: Option<String>,
    #[serde(rename = "os.features", skip_serializing_if = "Option::is_none", default)]
    os_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    variant: Option<String>,
}

impl DescriptorPlatform {
    /// A platform, with what an image's own configuration says beyond that: the version and the features of its
    /// operating system, and the variant as it is written there.
    pub(crate) fn of(platform: &Platform, written: Self) -> Self {
        let Self { os_version, os_features, variant, .. } = written;
        let plain = Self::from(platform);
        Self { os_version, os_features, variant: variant.filter(|text| !text.is_empty()).or(plain.variant), ..plain }
    }
}

impl From<&Platform> for DescriptorPlatform {
    fn from(platform: &Platform) -> Self {
        let Platform { os, architecture, variant } = platform.clone();
        Self { architecture, os, os_version: None, os_features: None, variant }
    }
}

impl From<&DescriptorPlatform> for Platform {
    fn from(platform: &DescriptorPlatform) -> Self {
        Self::new(&platform.os, &platform.architecture, platform.variant.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_as_the_field_does() {
        let cases = [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/i386", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
        ];
        for (written, normal) in cases {
            let platform = Platform::parse(written).unwrap();
            assert_eq!(platform.to_string(), normal, "{written}");
            assert_eq!(Platform::parse(normal).unwrap(), platform, "{written}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for (text, error) in [
            ("linux", PlatformError::Shape),
            ("linux/", PlatformError::Shape),
            ("linux/amd64/v1/x", PlatformError::Shape),
            ("linux/am d64", PlatformError::Shape),
            ("plan9000/amd64", PlatformError::Os("plan9000".into())),
            ("linux/amd46", PlatformError::Architecture("amd46".into())),
        ] {
            assert_eq!(Platform::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn names_the_cpu() {
        for (platform, cpu) in [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64"), ("linux/arm/v7", "armv7")] {
            assert_eq!(Platform::parse(platform).unwrap().cpu(), cpu);
        }
    }
}
