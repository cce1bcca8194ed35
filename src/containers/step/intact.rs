//! Checks that the trees below a step are what was unpacked. It is done while the step runs, so that it costs little,
//! and before the result is recorded.

use std::path::PathBuf;

use crate::containers::rootfs::{self, Rootfs};
use crate::containers::step::surroundings::Surroundings;
use crate::containers::step::{StepError, StepRequest, Steps};
use crate::fs::FileError;
use crate::image::Layer;
use crate::model::Digest;
use crate::process::IdMap;
use crate::sanitize;

/// The outcome of running a step's command.
pub(super) enum Performed {
    /// The layer that it made; `None` if nothing changed.
    Made(Option<Layer>),
    /// It ran on a tree that had been changed after it was unpacked. This was the tree's folder; the tree is set aside.
    OnChanged(PathBuf),
}

impl Steps<'_> {
    /// Runs a step's command, and once more if a tree below it turns out to have been changed.
    pub(super) fn perform_on_intact(
        &self,
        request: &StepRequest<'_>,
        surroundings: &Surroundings,
        key: &Digest,
    ) -> Result<Option<Layer>, StepError> {
        if let Performed::Made(layer) = self.perform(request, surroundings, key)? {
            return Ok(layer);
        }
        let subject = sanitize::name(request.subject);
        self.reporter
            .note(&format!("what {subject} stands on was changed: it is unpacked anew, and the step run again"));
        match self.perform(request, surroundings, key)? {
            Performed::Made(layer) => Ok(layer),
            Performed::OnChanged(folder) => Err(StepError::ChangedTree { folder }),
        }
    }
}

/// Does the work, and checks the trees on another thread meanwhile. Returns the result of the work, and the folders of
/// the trees that were changed.
pub(super) fn beside<'a, T>(
    trees: impl Iterator<Item = &'a Rootfs> + Send,
    map: &IdMap,
    work: impl FnOnce() -> T,
) -> (T, Result<Vec<PathBuf>, FileError>) {
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut changed = Vec::new();
            for tree in trees {
                changed.extend(tree.changed(map)?);
            }
            Ok(changed)
        });
        let done = work();
        (done, looking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Sets the trees aside, so that the next step that needs them unpacks them anew.
pub(super) fn set_aside(folders: &[PathBuf], map: &IdMap) -> Result<(), FileError> {
    folders.iter().try_for_each(|folder| rootfs::set_aside(folder, map))
}
