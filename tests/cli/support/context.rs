//! A project folder and the binary, in surroundings that depend on nothing else.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::images;
use super::tools::search_path;

/// A folder with a project, a home and a cache, gone with the value that stands for it.
pub(crate) struct TestContext {
    folder: tempfile::TempDir,
}

impl TestContext {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// One whose folder is in another.
    pub(crate) fn within(parent: &Path) -> Self {
        // podman makes a name of a layout's path, and names are lower case.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let name = format!("oci-test-{:x}-{count:x}-{now:x}", std::process::id());
        let context = Self { folder: tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(parent).unwrap() };
        for folder in ["project", "home", "cache", "run", "tmp"] {
            fs::create_dir(context.folder.path().join(folder)).unwrap();
        }
        context
    }

    /// A new project with this `oci.toml`.
    pub(crate) fn with_manifest(text: &str) -> Self {
        let context = Self::new();
        context.write("oci.toml", text);
        context
    }

    /// Everything that belongs to the context.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// What no other context is called.
    pub(crate) fn name(&self) -> String {
        self.root().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// The folder of `oci.toml`.
    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    /// The layout of the project's builds.
    pub(crate) fn layout(&self) -> PathBuf {
        self.project().join(".oci")
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a large file of the project that is some work to compress, a piece at a time: what a test
    /// holds in memory counts for what it starts, too.
    pub(crate) fn write_large(&self, path: &str, size: usize, seed: u32) -> PathBuf {
        const PIECE: u32 = 1 << 20;
        let path = self.write(path, "");
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        for number in 0..u32::try_from(size).unwrap() / PIECE {
            let start = number * PIECE + seed;
            let piece: Vec<u8> =
                (start..start + PIECE).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
            file.write_all(&piece).unwrap();
        }
        path
    }

    /// Writes a program of the project.
    pub(crate) fn write_program(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(path, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.project().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()))
    }

    /// The environment in which everything runs. It has no variable of the person who runs the tests.
    ///
    /// It is wide, so that where a line breaks does not depend on how long this machine's paths are.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let below = |name: &str| self.root().join(name).display().to_string();
        vec![
            ("PATH", search_path()),
            ("HOME", below("home")),
            ("XDG_CACHE_HOME", below("cache")),
            ("XDG_RUNTIME_DIR", below("run")),
            ("TMPDIR", below("tmp")),
            ("COLUMNS", "400".to_owned()),
            ("NO_COLOR", "1".to_owned()),
            ("SOURCE_DATE_EPOCH", "1700000000".to_owned()),
        ]
    }

    /// The binary, to be run in the project's folder with nothing on standard input.
    pub(crate) fn oci(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci"));
        command.env_clear().envs(self.environment()).current_dir(self.project()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Outcome {
        self.finish(self.oci().args(arguments))
    }

    /// Runs a command of this context to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Outcome {
        let line = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("could not start {line}: {error}"));
        Outcome::new(self, line, output)
    }

    /// Starts it, to be waited for and signalled.
    pub(crate) fn start<const N: usize>(&self, arguments: [&str; N]) -> Running {
        self.start_command(self.oci().args(arguments))
    }

    /// Starts a command of this context.
    pub(crate) fn start_command(&self, command: &mut Command) -> Running {
        Running::start(self, command)
    }

    /// The digest of a build in the project's layout.
    #[track_caller]
    pub(crate) fn built(&self, name: &str) -> String {
        images::descriptor(&self.layout(), name)["digest"].as_str().unwrap().to_owned()
    }

    /// What `oci` left behind, unfinished: nothing, once all have ended.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut found = unfinished(&self.root().join("cache/oci"));
        found.extend(unfinished(&self.project()));
        for folder in ["cache/oci/runs", "cache/oci/tmp", "run", "tmp"] {
            let path = self.root().join(folder);
            let entries = fs::read_dir(&path).into_iter().flatten();
            // A lock file that stays means nothing.
            let kept = entries.map(|entry| entry.unwrap()).filter(|entry| {
                let metadata = entry.metadata().unwrap();
                !(metadata.is_file() && metadata.len() == 0)
            });
            found.extend(kept.map(|entry| entry.path().display().to_string()));
        }
        let root = self.root().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(&root)).map(|line| format!("mount {line}")));
        found.extend(processes_naming(&root));
        found
    }
}

/// What is on its way to its name, in a folder or below it.
fn unfinished(folder: &Path) -> Vec<String> {
    // Others may be at work there, and remove what they made.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.file_name().to_string_lossy().starts_with(".oci-tmp-") {
        true => vec![entry.path().display().to_string()],
        false if entry.file_type().is_ok_and(|kind| kind.is_dir()) => unfinished(&entry.path()),
        false => Vec::new(),
    });
    found.collect()
}

/// The processes whose command line or environment names a path; the tests' own children among them.
fn processes_naming(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if entry.file_name() == std::process::id().to_string().as_str() {
            continue;
        }
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        if command.contains(path) || environment.contains(path) {
            found.push(format!("process {:?} {command}", entry.file_name()));
        }
    }
    found
}

/// A run that goes on.
pub(crate) struct Running {
    process: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    fn start(context: &TestContext, command: &mut Command) -> Self {
        let folder = tempfile::tempdir_in(context.root()).unwrap().keep();
        let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
        let create = |path: &Path| fs::File::create(path).unwrap();
        let process = command.stdout(create(&stdout)).stderr(create(&stderr)).spawn().unwrap();
        Self { process, stdout, stderr }
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until it has printed a line.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, wanted: &str) {
        eventually(wanted, || {
            let ended = self.process.try_wait().unwrap();
            let stdout = self.stdout();
            let there = stdout.lines().any(|line| line == wanted);
            assert!(there || ended.is_none(), "it ended ({ended:?}) before `{wanted}`\n{stdout}\n{}", self.stderr());
            there
        });
    }

    /// True if it goes on no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Sends it a signal, and nobody else.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for its end: its status, or none if a signal ended it.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("it ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a run ended, and what it printed.
pub(crate) struct Outcome {
    line: String,
    output: Output,
    /// Folders that are different in every run, and what is shown for them.
    folders: Vec<(String, &'static str)>,
}

impl Outcome {
    fn new(context: &TestContext, line: String, output: Output) -> Self {
        let root = context.root().display().to_string();
        Self { line, output, folders: vec![(format!("{root}/project"), "[PROJECT]"), (root, "[ROOT]")] }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// It must have ended with 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.failure(0)
    }

    /// It must have ended with this status.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}\n{self}", self.line);
        self
    }
}

/// For people and for snapshots.
impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.folders.iter().fold(text, |text, (folder, name)| text.replace(folder.as_str(), name))
        };
        writeln!(formatter, "exit: {}", self.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string()))?;
        writeln!(formatter, "----- stdout\n{}", shown(&self.output.stdout))?;
        write!(formatter, "----- stderr\n{}", shown(&self.output.stderr))
    }
}

/// How long something may take that only failure keeps from coming: a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until nothing is left of something.
#[track_caller]
pub(crate) fn eventually_none(of: &str, mut left: impl FnMut() -> Vec<String>) {
    let mut last = Vec::new();
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        last = left();
        if last.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came about that nothing is left of {of}: {last:#?}");
}
