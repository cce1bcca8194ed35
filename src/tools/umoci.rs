//! umoci, which unpacks images.
//!
//! It is given a private OCI layout each time, because it locks none and leaves files in it, and the
//! image's layers alone, because it reads neither indexes nor Docker's media types.
//!
//! It is started in the folder that it works in and given names in there. For every entry of a layer it
//! looks at each folder on the way several times, and the kernel walks the whole path each time: from the
//! root of the machine that takes longer than making the files.

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

    /// Unpacks an image of a layout into a folder that does not exist yet, with the IDs of `map`. Layout and
    /// tree are names in `folder`.
    ///
    /// umoci checks the layers against the configuration's diff IDs. A failed one leaves a part of the
    /// tree behind. `subject` is what errors call the image.
    pub(crate) fn unpack(
        &self,
        folder: &Path,
        (layout, tag): (&str, &str),
        tree: &str,
        map: &IdMap,
        subject: &str,
    ) -> Result<(), ToolError> {
        let image = format!("{layout}:{tag}");
        let mut invocation = Invocation::new(&self.program).folder(folder);
        invocation = invocation.arguments(["raw", "unpack", "--image"]).argument(image);
        // With one ID nothing can be chowned; umoci then notes owners in an attribute.
        if matches!(map, IdMap::Single { .. }) {
            invocation = invocation.argument("--rootless");
        }
        invocation = invocation.argument(tree).namespaces(Namespaces::user(map));
        self.task(subject).run(&invocation).map(drop)
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
    fn says_what_umoci_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let umoci = Umoci::new("umoci", folder.path().join("logs"));
        let error = umoci.unpack(folder.path(), ("layout", "image"), "tree", &IdMap::Host, "app").unwrap_err();
        let ToolError::Tool(failure) = &error else { panic!("{error}") };
        assert_eq!((&failure.cause, error.to_string().as_str()), (&Cause::Failed, "could not unpack `app`"));
        assert!(failure.said.as_ref().unwrap().contains("oci-layout"), "{:?}", failure.said);
        let missing = Umoci::new("/nowhere/umoci", folder.path()).check_zstd("app").unwrap_err();
        assert_eq!(missing.cause(), Some(&Cause::Missing));
    }
}
