//! umoci, which unpacks images.
//!
//! umoci is given a private OCI layout each time, because it locks none and leaves files in it. The layout has the
//! image's layers only, because umoci reads neither indexes nor Docker's media types. Every layer is one that version
//! 0.4.7 reads: uncompressed, or compressed with gzip.
//!
//! umoci is started in the folder that it works in, and given names in there. For every entry of a layer it looks at
//! each folder on the way several times, and each time the kernel walks the whole path. From the root of the machine
//! this would take longer than making the files.

use std::path::{Path, PathBuf};

use crate::fs::Room;
use crate::process::{IdMap, Invocation, Namespaces};
use crate::tools::{Subject, ToolError, ToolTask};

const TOOL: &str = "umoci";

/// The umoci of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Umoci {
    program: PathBuf,
    /// The folder for logs of calls that failed.
    logs: PathBuf,
}

impl Umoci {
    pub(crate) fn new(program: impl Into<PathBuf>, logs: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), logs: logs.into() }
    }

    /// Unpacks an image of a layout into a folder that does not exist yet, with the IDs of `map`. Layout and
    /// tree are names in `folder`.
    ///
    /// umoci is ended before the disk is full. It checks the layers against the diff IDs of the config. If it fails, it
    /// leaves a part of the tree behind. `subject` is what errors call the image.
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
        // With only one ID, owners cannot be set, and umoci notes them in an attribute.
        if matches!(map, IdMap::Single { .. }) {
            invocation = invocation.argument("--rootless");
        }
        invocation = invocation.argument(tree).namespaces(Namespaces::user(map)).leave(Room::of(folder)?);
        self.task(subject).run(&invocation).map(drop)
    }

    fn task(&self, subject: &str) -> ToolTask<'_> {
        ToolTask { tool: TOOL, stage: "unpack", subject: Subject::Other(subject.to_owned()), logs: &self.logs }
    }
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/umoci.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_disk_that_is_nearly_full_is_told() {
        let (subject, folder) = ("app".to_owned(), "/cache/rootfs".into());
        let error = ToolError::NoRoom { subject, folder, least: crate::model::ByteSize(1 << 30) };
        insta::assert_snapshot!(crate::diagnostic::rendered(&error));
    }
}
