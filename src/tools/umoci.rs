//! umoci, which unpacks images.
//!
//! It is given a private OCI layout each time, because it locks none and leaves files in it, and the
//! image's layers alone, because it reads neither indexes nor Docker's media types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sanitize;
use crate::tools::id_map::IdMap;
use crate::tools::namespace::{NamespaceError, Namespaces};
use crate::tools::process::{Invocation, ProcessError, shell_status};

/// The first version that reads zstd.
const ZSTD_SINCE: (u32, u32) = (0, 5);
/// How long a question about the version may take.
const QUESTION: Duration = Duration::from_secs(10);

/// The umoci of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Umoci {
    program: PathBuf,
}

/// What umoci failed at.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum UmociError {
    #[error("`{program}` is not on this machine")]
    #[diagnostic(
        code(oci::tools::missing),
        help("install the package `umoci`, or say where it is: `umoci = \"/path/to/umoci\"` in `[tools]` of oci.toml")
    )]
    Missing { program: String },
    #[error("umoci {version} cannot read layers compressed with zstd")]
    #[diagnostic(
        code(oci::umoci::no_zstd),
        help("install umoci 0.5 or newer, or have the image use gzip: `compression = \"gzip\"`")
    )]
    NoZstd { version: String },
    #[error("umoci failed with status {status}: {}", reason(stderr))]
    #[diagnostic(code(oci::umoci::failed), help("the command was `{command}`"))]
    Failed { command: String, status: i32, stderr: String },
    #[error("could not run `{command}`")]
    #[diagnostic(code(oci::umoci::not_run))]
    Process { command: String, source: ProcessError },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Namespace(NamespaceError),
    #[error("interrupted")]
    #[diagnostic(code(oci::umoci::interrupted))]
    Interrupted,
}

/// The line that decides: umoci writes `   • …` while it works and the error last.
fn reason(stderr: &str) -> String {
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(
        || "it said nothing".to_owned(),
        |line| sanitize::name(line.trim().trim_start_matches(['⨯', '•', ' '])),
    )
}

impl Umoci {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// Unpacks an image of a layout into a folder that does not exist yet, with the IDs of `map`.
    ///
    /// umoci checks the layers against the configuration's diff IDs. A failed one leaves a part of the
    /// tree behind.
    pub(crate) fn unpack(&self, layout: &Path, tag: &str, tree: &Path, map: &IdMap) -> Result<(), UmociError> {
        self.run(self.unpack_invocation(layout, tag, tree, map)).map(drop)
    }

    fn unpack_invocation(&self, layout: &Path, tag: &str, tree: &Path, map: &IdMap) -> Invocation {
        let mut image = layout.as_os_str().to_owned();
        image.push(":");
        image.push(tag);
        let mut invocation = Invocation::new(&self.program).arguments(["raw", "unpack", "--image"]).argument(image);
        // With one ID nothing can be chowned; umoci then notes owners in an attribute.
        if matches!(map, IdMap::Single { .. }) {
            invocation = invocation.argument("--rootless");
        }
        invocation.argument(tree).namespaces(Namespaces::user(map))
    }

    /// Fails if this umoci cannot read layers compressed with zstd.
    pub(crate) fn check_zstd(&self) -> Result<(), UmociError> {
        let stdout = self.run(Invocation::new(&self.program).argument("--version").limit(QUESTION))?;
        let version = String::from_utf8_lossy(&stdout).trim().trim_start_matches("umoci version ").to_owned();
        match parse_version(&version) {
            Some(parsed) if parsed < ZSTD_SINCE => Err(UmociError::NoZstd { version: sanitize::name(&version) }),
            _ => Ok(()),
        }
    }

    fn run(&self, invocation: Invocation) -> Result<Vec<u8>, UmociError> {
        let finished = invocation.capture().map_err(|error| match error {
            ProcessError::Missing { program } => UmociError::Missing { program },
            ProcessError::Interrupted => UmociError::Interrupted,
            ProcessError::Namespace(error) => UmociError::Namespace(error),
            source => UmociError::Process { command: invocation.to_string(), source },
        })?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        Err(UmociError::Failed {
            command: invocation.to_string(),
            status: shell_status(finished.status),
            stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
        })
    }
}

/// The first two numbers; `None` for a build that does not say.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|part| part.trim_start_matches('v').parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        for (text, version) in
            [("0.4.7+ds-3+b7", Some((0, 4))), ("0.6.0+dev", Some((0, 6))), ("v1.0", Some((1, 0))), ("unknown", None)]
        {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }

    #[test]
    fn says_what_umoci_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("layout");
        let error =
            Umoci::new("umoci").unpack(&missing, "image", &folder.path().join("tree"), &IdMap::Host).unwrap_err();
        assert!(matches!(error, UmociError::Failed { status: 1, .. }), "{error}");
        assert!(error.to_string().contains("oci-layout"), "{error}");
        let error = Umoci::new("/nowhere/umoci").check_zstd().unwrap_err();
        assert!(matches!(error, UmociError::Missing { .. }), "{error}");
    }
}
