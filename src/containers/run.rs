//! Runs an image: a container in a sandbox ([`crate::sandbox`]), whose process follows the image's config and the
//! options of the person who runs it.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::termios::{OptionalActions, Termios};

use crate::containers::limits::{self, LimitError};
use crate::containers::rootfs::Rootfs;
use crate::containers::runs::LiveRun;
use crate::containers::unstarted::{self, Unstarted};
use crate::fs::{FileError, FileLock, write_private};
use crate::image::DEFAULT_PATH;
use crate::model::{Environment, ImageConfig};
use crate::process::{IdMap, Insistence, Namespaces, shell_status};
use crate::report::Reporter;
use crate::sandbox::{self, Container, HelperTask, Limits, Mount, MountSource, Overlays, Process, Refusal};
use crate::tools::runc::Runtime;

/// The hostname of a container that has a network of its own and no name.
const HOSTNAME: &str = "oci";
/// What a container on the machine's network needs to know about it.
const NETWORK_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The options of the person who runs an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions {
    /// Instead of the image's entrypoint and arguments.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Instead of the image's arguments.
    pub(crate) arguments: Option<Vec<String>>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) user: Option<String>,
    pub(crate) workdir: Option<String>,
    /// The container's hostname. No two running containers of a cache have one name.
    pub(crate) name: Option<String>,
    /// Uses the machine's network instead of one that leads nowhere.
    pub(crate) network_host: bool,
    pub(crate) read_only: bool,
    pub(crate) volumes: Vec<Volume>,
    /// Gives it a terminal; standard input must be one.
    pub(crate) terminal: bool,
    pub(crate) limits: Limits,
    /// The program is not the first process; another one ends orphans, and passes signals on.
    pub(crate) init: bool,
}

/// A file or folder of the machine to be seen in the container.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// A run.
pub(crate) struct RunRequest<'a> {
    /// What errors call the image.
    pub(crate) subject: &'a str,
    pub(crate) config: &'a ImageConfig,
    pub(crate) rootfs: &'a Rootfs,
    pub(crate) overlays: Overlays,
    pub(crate) options: &'a RunOptions,
    /// The folder for runs' folders.
    pub(crate) runs: &'a Path,
    pub(crate) runc: &'a Path,
    pub(crate) kind: Runtime,
    pub(crate) map: &'a IdMap,
    pub(crate) reporter: &'a dyn Reporter,
}

/// Why nothing ran.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum RunError {
    #[error("the image has neither an entrypoint nor arguments")]
    #[diagnostic(
        code(oci::run::nothing_to_run),
        help("say what to run, `oci run NAME -- PROGRAM`, or set `entrypoint` in oci.toml")
    )]
    NothingToRun,
    #[error("could not find the volume `{}`", path.display())]
    #[diagnostic(code(oci::run::no_volume), help("create it first: `mkdir -p {}`", path.display()))]
    NoVolume { path: PathBuf, source: io::Error },
    #[error("`{}` is no place for a volume", path.display())]
    #[diagnostic(
        code(oci::run::volume_target),
        help(
            "give an absolute path below `/`, and none in `/proc` or `/sys`, nor that of a usual device, which a \
             container has of its own"
        )
    )]
    VolumeTarget { path: PathBuf },
    #[error("a container named `{name}` is running")]
    #[diagnostic(code(oci::run::name_taken), help("end it first, or choose another `--name`"))]
    NameTaken { name: String },
    #[error("standard input is no terminal")]
    #[diagnostic(code(oci::run::no_terminal), help("leave `-t` and `terminal = true` out"))]
    NoTerminal,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unstarted(#[from] Unstarted),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl RunError {
    /// What `oci run` returns: 127 for a program that is not there, 126 for one that cannot be
    /// executed, 125 for anything else.
    pub(crate) fn status(&self) -> i32 {
        let Self::Unstarted(Unstarted::Refused(refusal)) = self else { return 125 };
        match refusal {
            Refusal::NotFound { .. } | Refusal::NoInterpreter { .. } | Refusal::LineEnds { .. } => 127,
            Refusal::NotExecutable { .. } | Refusal::Foreign { .. } => 126,
            _ => 125,
        }
    }
}

/// Runs a container to its end with our standard streams and signals; gives its exit status.
///
/// Afterwards nothing of it is left: no process, mount, cgroup or folder.
pub(crate) fn run(request: &RunRequest<'_>) -> Result<i32, RunError> {
    let process = process(request.config, request.options)?;
    if process.terminal && !rustix::termios::isatty(io::stdin()) {
        return Err(RunError::NoTerminal);
    }
    limits::check(&request.options.limits, request.map)?;
    let mounts = mounts(request.options)?;
    let run = LiveRun::new(request.runs, request.runc, request.map)?;
    let _name = request.options.name.as_deref().map(|name| take_name(request.runs, name)).transpose()?;
    let task = HelperTask::Run(Box::new(Container {
        folder: run.folder.path.clone(),
        image: request.subject.to_owned(),
        identifier: run.identifier.clone(),
        lowers: request.rootfs.lowers.clone(),
        is_copied: request.overlays == Overlays::Unusable,
        runc: request.runc.to_owned(),
        kind: request.kind,
        map: request.map.clone(),
        hostname: hostname(request.options.name.as_deref(), request.options.network_host),
        process,
        network_host: request.options.network_host,
        read_only: request.options.read_only,
        new_privileges: false,
        has_init: request.options.init,
        mounts,
        limits: request.options.limits.clone(),
        time: request.rootfs.time(),
        times: Vec::new(),
    }));
    // In a folder that is closed to others: the environment may hold secrets.
    let path = run.folder.task();
    // JSON is UTF-8, and the paths in the task may be anything.
    let bytes = serde_json::to_vec(&task).map_err(|error| FileError::new("write", &path, error.into()))?;
    write_private(&path, &bytes)?;
    let _terminal = request.options.terminal.then(TerminalMode::keep);
    let helper = sandbox::invocation(&run.folder.task()).namespaces(Namespaces::sandbox(request.map));
    let told = |insistence| match insistence {
        Insistence::Asked => {}
        Insistence::AskedHarder => request.reporter.note("asked the program to end (SIGTERM); Ctrl-C again ends it"),
        Insistence::Ended => request.reporter.note("ended the container"),
    };
    let status = helper.attach_impatiently(&told).map_err(Unstarted::from)?;
    unstarted::check(&run.folder)?;
    Ok(shell_status(status))
}

/// Takes a name for a container. No other container gets it while the lock lives.
fn take_name(runs: &Path, name: &str) -> Result<FileLock, RunError> {
    let taken = || RunError::NameTaken { name: name.to_owned() };
    FileLock::try_exclusive(&runs.join(format!("name-{name}")))?.ok_or_else(taken)
}

/// The container's first process.
fn process(config: &ImageConfig, options: &RunOptions) -> Result<Process, RunError> {
    let image = config.execution();
    let (entrypoint, default_arguments) = match &options.entrypoint {
        // The image's arguments are for its own entrypoint.
        Some(entrypoint) => (entrypoint.clone(), Vec::new()),
        None => (image.entrypoint.unwrap_or_default(), image.cmd.unwrap_or_default()),
    };
    let mut arguments = entrypoint;
    arguments.extend(options.arguments.clone().unwrap_or(default_arguments));
    if arguments.is_empty() {
        return Err(RunError::NothingToRun);
    }
    let workdir = options.workdir.clone().or(image.working_dir).unwrap_or_default();
    Ok(Process {
        arguments,
        environment: environment(config.environment(), options).to_list(),
        user: options.user.clone().or(image.user),
        workdir: below_root(&workdir),
        terminal: options.terminal,
    })
}

/// The folder from the root, without `.` and `..`.
pub(super) fn below_root(folder: &str) -> PathBuf {
    let mut path = PathBuf::from("/");
    for component in Path::new(folder).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => _ = path.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// The image's variables in their order. Variables of the options replace them, or stand after them.
fn environment(image: Environment, options: &RunOptions) -> Environment {
    let mut environment = image;
    for (name, value) in &options.environment {
        environment.set(name, value);
    }
    environment.set_default("PATH", DEFAULT_PATH);
    if options.terminal {
        environment.set_default("TERM", "xterm");
    }
    environment
}

fn mounts(options: &RunOptions) -> Result<Vec<Mount>, RunError> {
    let volumes = options.volumes.iter().map(|volume| {
        if !takes_volume(&volume.target) {
            return Err(RunError::VolumeTarget { path: volume.target.clone() });
        }
        let path = std::fs::canonicalize(&volume.source)
            .map_err(|source| RunError::NoVolume { path: volume.source.clone(), source })?;
        let source = MountSource::Host { path, read_only: volume.read_only };
        Ok(Mount { source, target: volume.target.clone() })
    });
    network_mounts(options.network_host).map(Ok).chain(volumes).collect()
}

/// Whether something of the machine can be at a path: not over the whole image, nor over what the container has
/// there of its own.
fn takes_volume(target: &Path) -> bool {
    let path = below_root(&target.to_string_lossy());
    let taken = ["/proc", "/sys"].iter().any(|folder| path.starts_with(folder));
    let is_device = path.starts_with("/dev");
    target.is_absolute() && !taken && path != Path::new("/") && (!is_device || sandbox::is_free_device(&path))
}

/// What a container on the machine's network needs to know about it.
pub(super) fn network_mounts(network_host: bool) -> impl Iterator<Item = Mount> {
    NETWORK_FILES.iter().filter(move |_| network_host).filter_map(|file| {
        // The file itself: a link in it would be followed in the container.
        let path = std::fs::canonicalize(file).ok()?;
        Some(Mount { source: MountSource::Host { path, read_only: true }, target: PathBuf::from(file) })
    })
}

/// On the machine's network a container has its name, which the machine's `/etc/hosts` knows.
pub(super) fn hostname(name: Option<&str>, network_host: bool) -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    match name {
        Some(name) => name.to_owned(),
        None if network_host => own(),
        None => HOSTNAME.to_owned(),
    }
}

/// The terminal's settings, put back when this is dropped: a runtime that is killed leaves it raw.
struct TerminalMode(Option<Termios>);

impl TerminalMode {
    fn keep() -> Self {
        Self(rustix::termios::tcgetattr(io::stdin()).ok())
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_folder_is_below_the_root() {
        for (folder, path) in [("", "/"), ("app", "/app"), ("/a/./b/../c", "/a/c"), ("../../x", "/x")] {
            assert_eq!(below_root(folder), Path::new(path), "{folder}");
        }
    }

    #[test]
    fn a_volume_has_a_place_of_its_own() {
        for (target, fits) in [
            ("/data", true),
            ("/dev/kvm", true),
            ("/process", true),
            ("data", false),
            ("/", false),
            ("/data/..", false),
            ("/proc", false),
            ("/proc/sys/x", false),
            ("/a/../sys/fs", false),
            ("/dev/", false),
            ("/dev/null", false),
            ("/dev/pts/x", false),
        ] {
            assert_eq!(takes_volume(Path::new(target)), fits, "{target}");
        }
    }

    #[test]
    fn the_options_win_over_the_image() {
        let config = |text: &str| {
            ImageConfig::parse(
                format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{}},"config":{text}}}"#).as_bytes(),
            )
            .unwrap()
        };
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let image = config(
            r#"{"Entrypoint":["/e"],"Cmd":["c"],"Env":["A=1","PATH=/p","B","A=2"],"WorkingDir":"w","User":"u"}"#,
        );
        let options = RunOptions::default();
        let plain = process(&image, &options).unwrap();
        assert_eq!(plain.arguments, words(&["/e", "c"]));
        assert_eq!(plain.environment, words(&["A=2", "PATH=/p"]));
        assert_eq!((plain.workdir.as_path(), plain.user.as_deref()), (Path::new("/w"), Some("u")));

        let arguments = RunOptions { arguments: Some(words(&["x"])), terminal: true, ..options.clone() };
        let process_of_arguments = process(&image, &arguments).unwrap();
        assert_eq!(process_of_arguments.arguments, words(&["/e", "x"]));
        assert_eq!(process_of_arguments.environment.last().unwrap(), "TERM=xterm");

        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let entrypoint = RunOptions {
            entrypoint: Some(words(&["/o"])),
            environment: vec![pair("B", "2"), pair("A", "3"), pair("C", "4")],
            ..options.clone()
        };
        let process_of_entrypoint = process(&image, &entrypoint).unwrap();
        assert_eq!(process_of_entrypoint.arguments, words(&["/o"]));
        assert_eq!(process_of_entrypoint.environment, words(&["A=3", "PATH=/p", "B=2", "C=4"]));

        let bare = process(&config(r#"{"Cmd":["c"]}"#), &options).unwrap();
        assert_eq!(bare.environment, [format!("PATH={DEFAULT_PATH}")]);
        assert_eq!(bare.workdir, Path::new("/"));
        assert!(matches!(process(&config("{}"), &options), Err(RunError::NothingToRun)));
    }
}
