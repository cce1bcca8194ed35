//! The inside of a run: everything that has to happen in new namespaces, in a process of one thread.
//!
//! `oci` starts itself as `oci __sandbox TASK` in new mount and PID namespaces. For an ordinary user it also gets a
//! user namespace, in which it is root ([`crate::process::Namespaces`]). Files of a run are in the run's folder
//! ([`run_folder`]).
//!
//! The flow: the helper mounts an overlay on the unpacked layers, or copies them ([`ground`]). It looks in there for
//! the user and the program, so that errors are reported before anything starts. It makes the places to mount on,
//! writes the runtime configuration, and lets runc run the container. Then it writes a step's changes as a layer's tar
//! to standard output ([`step`]), or removes a run's changes, which would belong to other IDs outside. A kill goes down
//! from parent to child all the way, so that killing `oci` ends everything. The mounts end with the namespace.

mod account;
mod binary;
mod census;
mod copy;
mod ground;
mod mount;
mod overlay;
mod own_folders;
mod program;
mod reentry;
mod refusal;
mod root;
mod run_folder;
mod runtime_config;
mod seccomp;
mod step;
mod sysfs;
pub(crate) mod times;
mod view;
mod whiteout;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

pub(crate) use binary::executes_programs_of;
pub(crate) use census::{Census, Depth};
pub(crate) use ground::Overlays;
pub(crate) use mount::{Mount, MountSource, is_free_device};
pub(crate) use overlay::ROOT_MARK;
pub(crate) use reentry::{STANDARD_INPUT, apply_whiteouts, date, delete_of_crun, invocation, remove_tree, take_census};
pub(crate) use refusal::Refusal;
pub(crate) use run_folder::RunFolder;
pub(crate) use step::StepRun;

use crate::fs::write_private;
use crate::model::{RawPath, canonical_json};
use crate::process::{IdMap, ProcessError, shell_status};
use crate::sandbox::ground::Ground;
use crate::sandbox::own_folders::OwnFolders;
use crate::sandbox::refusal::Attempt as _;
use crate::sandbox::root::Root;
use crate::sandbox::times::Dating;
use crate::sandbox::view::{Holder, View};
use crate::tools::runc::{self, Runc, Runtime, Streams};

/// The name of the hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "__sandbox";
/// The exit status of a helper that refused. The reason is in the run's folder.
pub(crate) const REFUSED: i32 = 125;

/// A task for the helper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum HelperTask {
    /// Run a container.
    Run(Box<Container>),
    /// Run a container, and write what it changed as a layer's tar.
    Step(Box<StepRun>),
    /// Find out what overlays are good for, in a run's folder. The exit status is the answer ([`Overlays`]).
    Probe(PathBuf, IdMap),
    /// Remove what is left of crun's container of this name, in a run's folder.
    Delete { crun: PathBuf, folder: PathBuf, identifier: String },
    /// Mark in an unpacked layer what the layer deletes, so that an overlay hides it: the tree, and the whiteouts.
    Hide(PathBuf, Vec<PathBuf>),
    /// Look through a tree, and write its [`Census`] on standard output.
    Look(PathBuf, Depth),
    /// Remove a folder whose content may belong to IDs that only a user namespace maps.
    Remove(PathBuf),
    /// Read or set times in a tree; what is found is written to standard output.
    Date(Dating),
}

/// A container to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Container {
    /// The run's folder.
    pub(crate) folder: PathBuf,
    /// What errors call the image.
    pub(crate) image: String,
    /// The container's name for runc, unique on this machine: cgroups are named by it.
    pub(crate) identifier: String,
    /// The unpacked layers, topmost first.
    pub(crate) lowers: Vec<PathBuf>,
    /// True if there is one layer's tree and no overlay: the root is a copy of that tree.
    pub(crate) is_copied: bool,
    pub(crate) runc: PathBuf,
    pub(crate) kind: Runtime,
    pub(crate) map: IdMap,
    pub(crate) process: Process,
    pub(crate) hostname: String,
    pub(crate) network_host: bool,
    pub(crate) read_only: bool,
    /// Programs may gain rights that their caller does not have, as set-uid programs do.
    pub(crate) new_privileges: bool,
    /// The program is in the sandbox's PID namespace, where the runtime is the first process: it ends orphans, and
    /// passes signals on. Else the program is the first process of a namespace of its own.
    pub(crate) has_init: bool,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) limits: Limits,
    /// The time that the root folder has, and that what is made in it to mount on gets, in seconds since 1970.
    pub(crate) time: i64,
    /// Times that paths of the image get before the container starts, in seconds since 1970.
    pub(crate) times: Vec<(RawPath, i64)>,
}

/// What a container may take of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) memory: Option<u64>,
    /// In thousandths of a processor.
    pub(crate) processors: Option<u64>,
    /// The most processes and threads at a time.
    pub(crate) processes: Option<u32>,
}

impl Limits {
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The container's first process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) arguments: Vec<String>,
    /// `NAME=VALUE`.
    pub(crate) environment: Vec<String>,
    /// The user as in an image's config; `None` is root.
    pub(crate) user: Option<String>,
    pub(crate) workdir: PathBuf,
    pub(crate) terminal: bool,
}

/// The helper's `main`: does a task, and returns the exit status of the process. For a container it is the container's.
pub(crate) fn main(task: &Path) -> i32 {
    // Signals are noted, so that one from before the start prevents the start; see `Invocation::attach`.
    let _ = crate::process::signal::install();
    let (folder, ended) = match load(task) {
        Ok(HelperTask::Run(container)) => {
            let folder = RunFolder { path: container.folder.clone() };
            let ended = run(&container, &folder);
            (folder, ended)
        }
        Ok(HelperTask::Step(step)) => {
            let folder = RunFolder { path: step.container.folder.clone() };
            let ended = step::run(&step, &folder);
            (folder, ended)
        }
        Ok(HelperTask::Probe(folder, map)) => {
            let folder = RunFolder { path: folder };
            let ended = ground::probe(&folder, &map).map(Overlays::status);
            (folder, ended)
        }
        Ok(HelperTask::Delete { crun, folder, identifier }) => {
            return i32::from(!delete(&crun, &RunFolder { path: folder }, &identifier));
        }
        Ok(HelperTask::Hide(tree, whiteouts)) => return i32::from(whiteout::apply(&tree, &whiteouts, true).is_err()),
        Ok(HelperTask::Look(tree, depth)) => return i32::from(reentry::print_census(&tree, depth).is_err()),
        Ok(HelperTask::Date(dating)) => return i32::from(times::answer(&dating).is_err()),
        Ok(HelperTask::Remove(folder)) => return i32::from(std::fs::remove_dir_all(folder).is_err()),
        Err(_) => return REFUSED,
    };
    ended.unwrap_or_else(|refusal| {
        // Without the file the parent still knows that the helper failed.
        let _ = crate::fs::write_atomically(&folder.refusal(), &canonical_json(&refusal), 0o600);
        REFUSED
    })
}

fn load(task: &Path) -> io::Result<HelperTask> {
    let bytes = if task == Path::new(STANDARD_INPUT) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        bytes
    } else {
        let bytes = std::fs::read(task)?;
        // The task may hold secrets, and is read only once, so its file is removed.
        let _ = std::fs::remove_file(task);
        bytes
    };
    Ok(serde_json::from_slice(&bytes)?)
}

fn run(container: &Container, folder: &RunFolder) -> Result<i32, Refusal> {
    let ended = ground::lay(container, folder).and_then(|ground| start(container, &ground, folder, Streams::Ours));
    overlay::remove(folder);
    Ok(ended?.status)
}

/// Returns true if crun has removed a dead container's state and cgroups.
fn delete(crun: &Path, folder: &RunFolder, identifier: &str) -> bool {
    ground::keep_mounts_here().and_then(|()| mount::hide_unified_cgroups()).is_ok()
        && Runc::new(crun, folder.runc_state()).delete_here(identifier).is_ok_and(|status| status.success())
}

/// How a container ended.
struct Ended {
    status: i32,
    /// The places to mount on and to start in that were made in its root, relative to the root.
    made: Vec<PathBuf>,
    own: OwnFolders,
}

fn start(container: &Container, ground: &Ground, folder: &RunFolder, streams: Streams) -> Result<Ended, Refusal> {
    let root = Root::open(&ground.root).attempt("open", &ground.root)?;
    let mut own = OwnFolders::lay(&root, ground, folder)?;
    let mut made = std::mem::take(&mut own.made);
    let account = account::resolve(container.process.user.as_deref(), &root, &container.map)?;
    let bundle = folder.bundle();
    mount::memory(&bundle)?;
    let mut view = View::new(&root);
    made.extend(mount::prepare(&container.mounts, (&root, &mut view), &account, &bundle)?);
    made.extend(create_workdir(container, &root, &view)?);
    program::check(&container.process, &account, &view, &container.image)?;
    times::settle(container, &made, &ground.root).attempt("set times in", &ground.root)?;
    let sysfs = sysfs::prepare(container, &bundle)?;
    let config = canonical_json(&runtime_config::build(container, &account, &ground.root, (&bundle, &sysfs)));
    let file = bundle.join("config.json");
    write_private(&file, &config).map_err(|error| error.source).attempt("write", &file)?;
    // An open root would be a way out for the container.
    drop(view);
    drop(root);

    if !container.kind.takes_all_cgroups() {
        mount::hide_unified_cgroups()?;
    }
    if seccomp::is_available() {
        seccomp::refuse_unknown().attempt("filter system calls by", "/proc/sys/kernel/seccomp")?;
    }
    let runc = Runc::new(&container.runc, folder.runc_state());
    let runc = runc.without_cgroups(!container.kind.knows_where_cgroups_are_made() && container.map.is_namespaced());
    let ended = runc.run(&bundle, &container.identifier, &folder.log(), &folder.started(), streams);
    match ended {
        Ok(status) => match runc::last_error(&folder.log()) {
            Some(message) if !status.success() => Err(Refusal::Runtime { message }),
            _ => Ok(Ended { status: shell_status(status), made, own }),
        },
        Err(ProcessError::Interrupted) => Err(Refusal::Interrupted),
        Err(ProcessError::Missing { program }) => Err(Refusal::NoRuntime { program }),
        Err(error) => Err(Refusal::Runtime { message: error.to_string() }),
    }
}

/// Creates the working folder if the image does not have it. Returns what was made.
///
/// The runtime goes to that folder while it has files of this machine open, so no link may lead to them.
fn create_workdir(container: &Container, root: &Root, view: &View<'_>) -> Result<Vec<PathBuf>, Refusal> {
    let workdir = &container.process.workdir;
    let find = || {
        let place = view.find(workdir).attempt("create the working folder", workdir)?;
        match place.is_beyond() {
            true => Err(Refusal::beyond("the working folder", workdir, &place.absolute(), &container.image)),
            false => Ok(place.holder),
        }
    };
    if find()? != Holder::Image {
        return Ok(Vec::new());
    }
    let made = root.create(workdir, FileType::Directory).attempt("create the working folder", workdir)?;
    // A link may have led through a folder that was made just now.
    find().map(|_| made)
}

/// The test binary, started as `oci __sandbox TASK.json`, is the helper, before its own `main`.
#[cfg(test)]
mod test_helper {
    #[used]
    // SAFETY: the C library calls what stands in this section, once, before `main`; the signature fits.
    #[unsafe(link_section = ".init_array")]
    static BE_THE_HELPER: extern "C" fn() = be_the_helper;

    extern "C" fn be_the_helper() {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_some_and(|first| first == super::SUBCOMMAND) {
            let task = arguments.next().unwrap_or_default();
            std::process::exit(super::main(std::path::Path::new(&task)));
        }
    }
}
