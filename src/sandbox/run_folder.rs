//! The folder of one run. The parent makes it, and removes it when the run has ended. It holds
//!
//! ```text
//! task.json           the task of a run, removed once it is read, since an environment may hold secrets; a
//!                     step's task comes on standard input
//! scratch/            an overlay's upper folder `fs`, with what the container changes, and its `work`; or, if no
//!                     overlay can be mounted, the whole root as `fs`
//! merged/             where the overlay is mounted, seen in the helper's namespace only
//! bundle/             in memory, seen in the helper's namespace only: the runtime configuration, and secrets
//! runc/ log started   runc's state, its log, the file that says that it has started
//! refusal.json        the reason why nothing was started, or no layer was made
//! ```

use std::path::PathBuf;

/// Where things are in a run's folder.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
}

impl RunFolder {
    pub(crate) fn task(&self) -> PathBuf {
        self.path.join("task.json")
    }

    pub(crate) fn refusal(&self) -> PathBuf {
        self.path.join("refusal.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn runc_state(&self) -> PathBuf {
        self.path.join("runc")
    }

    /// After a step that changed something, `fs` in this folder is the tree of its layer.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    pub(super) fn upper(&self) -> PathBuf {
        self.scratch().join("fs")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.scratch().join("work")
    }

    pub(super) fn merged(&self) -> PathBuf {
        self.path.join("merged")
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.path.join("bundle")
    }

    pub(super) fn started(&self) -> PathBuf {
        self.path.join("started")
    }
}
