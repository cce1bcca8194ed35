//! Runs of real images with the real umoci and runc, each in a process of its own: the test binary,
//! started as `… __test_run REQUEST.json`, does what `oci run` does. Here is what the tests stand on: a
//! [`Lab`] with a cache and an image, and [`Request`]s to run in it.

mod confined;
mod end;
mod root;
mod start;
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::containers::rootfs::dates::{Dates, newest, time_of};
use crate::containers::rootfs::{LayerBlob, RootfsError, RootfsRequest, prepare};
use crate::containers::run::{RunOptions, RunRequest, Volume, run};
use crate::containers::{runs, trees};
use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageConfig, canonical_json};
use crate::process::IdMap;
use crate::report::{Lines, Verbosity};
use crate::sandbox::Overlays;
use crate::tools::{ToolError, Umoci};

/// Of a base that does not know when it was made.
const DATES: Dates<'static> = Dates { created: None, epoch: 1_000_000_000 };
const SUBCOMMAND: &str = "__test_run";
/// A user that has no subordinate IDs.
const ORDINARY: u32 = 12345;

/// What the process of a test runs.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Request {
    cache: PathBuf,
    layers: Vec<PathBuf>,
    own: Vec<PathBuf>,
    /// The image's `config`.
    execution: serde_json::Value,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<String>,
    read_only: bool,
    network_host: bool,
    volumes: Vec<(PathBuf, PathBuf, bool)>,
    terminal: bool,
    runc: Option<PathBuf>,
    /// A signal that comes before the run starts.
    early_signal: Option<i32>,
}

impl Request {
    /// As `oci run` will: the container's status, or that of the error, which is on standard error.
    fn run(&self) -> i32 {
        crate::process::signal::install().unwrap();
        if let Some(signal) = self.early_signal {
            signal_hook::low_level::raise(signal).unwrap();
        }
        let map = IdMap::detect();
        let runc = self.runc.as_deref().unwrap_or(Path::new("runc"));
        // As a store that is opened does: a look through a tree has its task in a file, which stays if it is killed.
        crate::fs::sweep(&self.cache.join("rootfs"));
        trees::sweep(&self.cache, &map).unwrap();
        runs::sweep(&self.cache.join("runs"), runc, &map).unwrap();
        let rootfs = prepare(&RootfsRequest {
            base: &blobs(&self.layers),
            own: &blobs(&self.own),
            dates: DATES,
            cache: &self.cache,
            map: &map,
            overlays: Overlays::OnDisk,
            umoci: &Umoci::new("umoci", self.cache.join("logs")),
            verify: &|_| Ok(true),
            reporter: &Lines::new(Verbosity::Quiet),
            subject: "image",
        })
        .unwrap();
        let config = format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{}},"config":{}}}"#, self.execution);
        let volume = |(source, target, read_only): &(PathBuf, PathBuf, bool)| Volume {
            source: source.clone(),
            target: target.clone(),
            read_only: *read_only,
        };
        let options = RunOptions {
            arguments: Some(self.arguments.clone()),
            environment: self.environment.clone(),
            user: self.user.clone(),
            read_only: self.read_only,
            network_host: self.network_host,
            volumes: self.volumes.iter().map(volume).collect(),
            terminal: self.terminal,
            ..RunOptions::default()
        };
        let result = run(&RunRequest {
            subject: "lab",
            config: &ImageConfig::parse(config.as_bytes()).unwrap(),
            rootfs: &rootfs,
            overlays: Overlays::OnDisk,
            options: &options,
            runs: &self.cache.join("runs"),
            runc,
            kind: crate::tools::runc::Runtime::ask(runc),
            map: &map,
            reporter: &Lines::new(Verbosity::Quiet),
        });
        result.unwrap_or_else(|error| {
            let status = error.status();
            eprintln!("{:?}", miette::Report::new(error));
            status
        })
    }
}

#[used]
// SAFETY: the C library calls what stands in this section, once, before `main`; the signature fits.
#[unsafe(link_section = ".init_array")]
static BE_A_RUN: extern "C" fn() = be_a_run;

extern "C" fn be_a_run() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(SUBCOMMAND) => {
            let request = std::fs::read(arguments.next().unwrap()).unwrap();
            let request: Request = serde_json::from_slice(&request).unwrap();
            std::process::exit(request.run());
        }
        Some(confined::SUBCOMMAND) => std::process::exit(confined::call()),
        _ => {}
    }
}

fn blobs(files: &[PathBuf]) -> Vec<LayerBlob> {
    let blob = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        LayerBlob {
            descriptor: Descriptor::of(media_type::DOCKER_LAYER, &bytes),
            diff_id: DiffId(Digest::of(&bytes)),
            path: path.clone(),
        }
    };
    files.iter().map(blob).collect()
}

/// A cache, and an image of busybox in it.
struct Lab {
    folder: tempfile::TempDir,
    image: PathBuf,
    cache: PathBuf,
    user: Option<u32>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let tree = folder.path().join("tree");
        for path in ["bin", "etc", "tmp", "home/app", "usr"] {
            std::fs::create_dir_all(tree.join(path)).unwrap();
        }
        std::fs::copy("/bin/busybox", tree.join("bin/busybox")).unwrap();
        for name in ["sh", "cat", "ls", "id", "sleep", "touch", "rm", "wc", "true", "mount", "chmod", "hostname", "tty"]
        {
            std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).unwrap();
        }
        std::fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
            .unwrap();
        std::fs::write(tree.join("etc/group"), "root:x:0:\napp:x:1000:\nstaff:x:50:app\n").unwrap();
        std::fs::write(tree.join("bin/text"), "no program").unwrap();
        let image = folder.path().join("image.tar");
        pack(&tree, &image);
        std::fs::remove_dir_all(tree).unwrap();
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        let cache = folder.path().join("cache");
        Self { folder, image, cache, user: None }
    }

    /// A lab for a user without privileges, who is root in a user namespace.
    fn of_ordinary_user() -> Self {
        let lab = Self { user: Some(ORDINARY), ..Self::new() };
        chown(lab.cache(), Some(ORDINARY), Some(ORDINARY)).unwrap();
        lab
    }

    fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    fn request(&self, arguments: &[&str]) -> Request {
        Request {
            cache: self.cache(),
            layers: vec![self.image.clone()],
            execution: serde_json::json!({ "Env": ["PATH=/bin"] }),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            ..Request::default()
        }
    }

    fn shell(&self, script: &str) -> Request {
        self.request(&["sh", "-c", script])
    }

    fn command(&self, request: &Request) -> Command {
        let mut file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        file.write_all(&canonical_json(request)).unwrap();
        let (_, path) = file.keep().unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let own = std::env::current_exe().unwrap();
        let mut command = match self.user {
            None => Command::new(own),
            Some(user) => {
                // Where the binary stands, others may not look.
                let copy = self.folder.path().join("oci");
                if !copy.exists() {
                    std::fs::hard_link(&own, &copy).or_else(|_| std::fs::copy(&own, &copy).map(drop)).unwrap();
                }
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={user}")]).arg("--clear-groups").arg(copy);
                command
            }
        };
        command.arg(SUBCOMMAND).arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, request: &Request) -> Output {
        let output = self.command(request).output().unwrap();
        assert!(self.is_clean(), "{output:?}");
        output
    }

    fn start(&self, script: &str) -> Child {
        let mut child = self.command(&self.shell(script)).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child
    }

    /// Whether nothing is left of what was killed, once another run has swept. What was killed may hold its
    /// locks for a moment after it is seen no more: then it is left for the run after that.
    fn sweeps(&self) -> bool {
        let output = self.command(&self.shell("true")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.is_clean()
    }

    /// Whether no run has left anything.
    fn is_clean(&self) -> bool {
        let runs = self.cache().join("runs");
        let folders = std::fs::read_dir(&runs)
            .map_or(0, |entries| entries.filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count());
        folders == 0 && self.processes().is_empty() && !self.is_mounted()
    }

    fn processes(&self) -> Vec<String> {
        let wanted = self.cache().to_string_lossy().into_owned();
        let lines = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = lines.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(&wanted)).collect()
    }

    fn is_mounted(&self) -> bool {
        std::fs::read_to_string("/proc/mounts").unwrap().contains(&*self.cache().to_string_lossy())
    }
}

fn pack(tree: &Path, archive: &Path) {
    let status = Command::new("tar")
        .arg("--owner=0")
        .arg("--group=0")
        .arg("-C")
        .arg(tree)
        .arg("-cf")
        .arg(archive)
        .arg(".")
        .status();
    assert!(status.unwrap().success());
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), string(&output.stdout), string(&output.stderr))
}

/// Waits until something is so; a loaded machine is slow, so the patience is long.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All of a folder: paths, modes, sizes and times.
fn listing(folder: &Path) -> String {
    let output = Command::new("find")
        .arg(folder)
        .args(["!", "-name", "*.lock", "-printf", "%P %M %U %s %T@ %C@\n"])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn labs() -> Vec<Lab> {
    let mut labs = vec![Lab::new()];
    // If an ordinary user runs the tests, the first lab is one without privileges.
    if rustix::process::geteuid().is_root() {
        labs.push(Lab::of_ordinary_user());
    }
    labs
}
