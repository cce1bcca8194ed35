//! A container whose changes become a layer.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::capture::{self, CaptureRequest};
use crate::fs::write_private;
use crate::process::IdMap;
use crate::sandbox::ground::{self, Ground};
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::{Container, ROOT_MARK, RunFolder, overlay, start};
use crate::tools::runc::Streams;

/// The bytes that are written at once.
const CHUNK: usize = 1 << 20;
/// The stack that the walk of the deepest tree may take: each folder is a call, and a path has room for some two
/// thousand folders.
const STACK: u64 = 64 << 20;

/// A step to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepRun {
    pub(crate) container: Container,
    /// The latest time that its layer may carry, in seconds since 1970.
    pub(crate) epoch: i64,
    /// The time that its layer's entries get in the tree that is kept, in seconds since 1970.
    pub(crate) shown: i64,
    /// Secrets that its layer may not hold: names for errors, and values.
    pub(crate) secrets: Vec<(String, Vec<u8>)>,
}

/// Runs a step. If the command ended with 0, the tar of its layer is on standard output, which is empty if nothing
/// changed. The command's own output is on standard error.
///
/// On success the scratch folder, if it is on a disk, holds the layer's tree. Otherwise it is gone.
pub(super) fn run(step: &StepRun, folder: &RunFolder) -> Result<i32, Refusal> {
    let performed = ground::lay(&step.container, folder).and_then(|ground| perform(step, &ground, folder));
    if !matches!(performed, Ok(Performed::Layer)) {
        overlay::remove(folder);
    }
    performed.map(|performed| match performed {
        Performed::Layer | Performed::NoChange => 0,
        Performed::Failed { status } => status,
    })
}

/// What became of a step.
enum Performed {
    /// Its layer is written.
    Layer,
    /// Its command succeeded, and left nothing to be a layer.
    NoChange,
    /// Its command ended with this status, which is not 0.
    Failed { status: i32 },
}

/// Raises the limit of the stack as far as it may be. This comes after the container has ended, which would inherit it.
fn allow_a_deep_walk() {
    let limit = getrlimit(Resource::Stack);
    let wanted = limit.maximum.map_or(STACK, |most| most.min(STACK));
    if limit.current.is_some_and(|current| current < wanted) {
        // If the limit cannot be raised, only the deepest trees cannot be walked.
        let _ = setrlimit(Resource::Stack, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

/// Runs the command, and writes the layer of what it changed.
fn perform(step: &StepRun, ground: &Ground, folder: &RunFolder) -> Result<Performed, Refusal> {
    let upper = folder.upper();
    let before = std::fs::metadata(&upper).attempt("look at", &upper)?;
    let ended = start(&step.container, ground, folder, Streams::Log)?;
    if ended.status != 0 {
        return Ok(Performed::Failed { status: ended.status });
    }
    if ground.copied.is_none() {
        overlay::unmount(folder)?;
        let work = folder.work();
        std::fs::remove_dir_all(&work).attempt("remove", &work)?;
    }
    ended.own.put_back(ground, folder)?;
    allow_a_deep_walk();
    let request = CaptureRequest {
        upper: &upper,
        copied: ground.copied,
        lowers: &step.container.lowers,
        root: (before.mode() & 0o7777, before.uid(), before.gid()),
        made: &ended.made,
        epoch: step.epoch,
        shown: step.shown,
        times: &step.container.times,
        is_namespaced: step.container.map.is_namespaced(),
        has_noted_owners: matches!(step.container.map, IdMap::Single { .. }),
        secrets: &step.secrets,
    };
    // Standard output as a file: its own buffer looks for the ends of lines.
    let output = rustix::io::dup(rustix::stdio::stdout()).attempt("open", "standard output")?;
    let mut output = BufWriter::with_capacity(CHUNK, File::from(output));
    let changed = capture::capture(&request, &mut output)?;
    output.flush().attempt("write", "standard output")?;
    let after = std::fs::metadata(&upper).attempt("look at", &upper)?;
    if (after.mode(), after.uid(), after.gid()) != (before.mode(), before.uid(), before.gid()) {
        let mark = folder.scratch().join(ROOT_MARK);
        write_private(&mark, b"").map_err(|error| error.source).attempt("write", &mark)?;
    }
    Ok(if changed { Performed::Layer } else { Performed::NoChange })
}
