//! umoci, which unpacks images.
//!
//! It is given a private OCI layout each time, because it locks none and leaves files in it, and the
//! image's layers alone, because it reads neither indexes nor Docker's media types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tools::{Cause, IdMap, Invocation, Namespaces, Subject, Task, ToolError, Version};

const TOOL: &str = "umoci";
/// The first version that reads zstd.
const ZSTD_SINCE: Version = Version(0, 5, 0);
/// How long a question about the version may take.
const QUESTION: Duration = Duration::from_secs(10);

/// The umoci of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Umoci {
    program: PathBuf,
    /// The whole output of calls that failed.
    logs: PathBuf,
}

impl Umoci {
    pub(crate) fn new(program: impl Into<PathBuf>, logs: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), logs: logs.into() }
    }

    /// Unpacks an image of a layout into a folder that does not exist yet, with the IDs of `map`.
    ///
    /// umoci checks the layers against the configuration's diff IDs. A failed one leaves a part of the
    /// tree behind. `subject` is what errors call the image.
    pub(crate) fn unpack(
        &self,
        (layout, tag): (&Path, &str),
        tree: &Path,
        map: &IdMap,
        subject: &str,
    ) -> Result<(), ToolError> {
        self.task(subject).run(&self.unpack_invocation(layout, tag, tree, map)).map(drop)
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
    pub(crate) fn check_zstd(&self, subject: &str) -> Result<(), ToolError> {
        let task = self.task(subject);
        let invocation = Invocation::new(&self.program).argument("--version").limit(QUESTION);
        let printed = task.run(&invocation)?;
        let printed = String::from_utf8_lossy(&printed).trim().to_owned();
        match Version::parse(&printed) {
            Some(found) if found < ZSTD_SINCE => {
                let cause = Cause::TooOld { found, minimum: ZSTD_SINCE };
                Err(ToolError::untrue(
                    &task,
                    &invocation,
                    cause,
                    "the image's layers are compressed with zstd".to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }

    fn task(&self, subject: &str) -> Task<'_> {
        Task { tool: TOOL, stage: "unpack", subject: Subject::Other(subject.to_owned()), logs: &self.logs }
    }
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
