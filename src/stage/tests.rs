//! Runs of real images with the real umoci and runc, each in a process of its own: the test binary,
//! started as `… __test_run REQUEST.json`, does what `oci run` does.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::model::document::media_type;
use crate::model::{Descriptor, DiffId, Digest, ImageConfig, canonical_json};
use crate::report::{Lines, Verbosity};
use crate::stage::rootfs::{LayerBlob, RootfsError, RootfsRequest, prepare, sweep};
use crate::stage::run::{RunOptions, RunRequest, Volume, run};
use crate::stage::runs;
use crate::tools::{IdMap, ToolError, Umoci};

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
        crate::tools::signal::install().unwrap();
        if let Some(signal) = self.early_signal {
            signal_hook::low_level::raise(signal).unwrap();
        }
        let map = IdMap::detect();
        let runc = self.runc.as_deref().unwrap_or(Path::new("runc"));
        sweep(&self.cache, &map).unwrap();
        runs::sweep(&self.cache.join("runs"), runc, &map).unwrap();
        let rootfs = prepare(&RootfsRequest {
            base: &blobs(&self.layers),
            own: &blobs(&self.own),
            cache: &self.cache,
            map: &map,
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
            config: &ImageConfig::parse(config.as_bytes()).unwrap(),
            rootfs: &rootfs,
            options: &options,
            runs: &self.cache.join("runs"),
            runc,
            map: &map,
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
    if arguments.next().as_deref() == Some(SUBCOMMAND) {
        let request = std::fs::read(arguments.next().unwrap()).unwrap();
        let request: Request = serde_json::from_slice(&request).unwrap();
        std::process::exit(request.run());
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

    /// The same for a user without privileges, who runs it as the root of a user namespace.
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

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All of a folder: paths, modes, sizes and times.
fn listing(folder: &Path) -> String {
    let output = Command::new("find").arg(folder).args(["-printf", "%P %M %U %s %T@ %C@\n"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn labs() -> Vec<Lab> {
    let mut labs = vec![Lab::new()];
    // Who is no root runs the other lab as an ordinary user already.
    if rustix::process::geteuid().is_root() {
        labs.push(Lab::of_ordinary_user());
    }
    labs
}

#[test]
fn passes_streams_and_the_status_through() {
    for lab in labs() {
        let output = lab.run(&lab.shell("echo out; echo err >&2; exit 7"));
        assert_eq!(text(&output), (Some(7), "out\n".to_owned(), "err\n".to_owned()));
        assert_eq!(
            lab.run(&lab.shell("kill -9 $$; (kill -9 $(sh -c 'echo $PPID')); exit 125")).status.code(),
            Some(125)
        );

        let mut child = lab.command(&lab.shell("wc -c")).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 5_000_000]).unwrap());
        assert_eq!(text(&child.wait_with_output().unwrap()).1, "5000000\n");
        writer.join().unwrap();
    }
}

#[test]
fn is_what_the_image_and_the_options_say() {
    let lab = Lab::new();
    let mut request = lab.shell("id; echo $HOME $PATH $A; echo $PWD; hostname; ls -d /sys/class/net/*");
    request.execution = serde_json::json!({ "Env": ["PATH=/bin"], "User": "app", "WorkingDir": "/new/folder" });
    request.environment = vec![("A".to_owned(), "a b".to_owned())];
    let (status, stdout, stderr) = text(&lab.run(&request));
    assert_eq!(
        (status, stdout.as_str(), stderr.as_str()),
        (
            Some(0),
            "uid=1000(app) gid=1000(app) groups=50(staff)\n/home/app /bin a b\n/new/folder\noci\n/sys/class/net/lo\n",
            ""
        )
    );
    request.user = Some("65532:7".to_owned());
    assert!(text(&lab.run(&request)).1.starts_with("uid=65532 gid=7\n/ /bin"));
    let unknown = Request { user: Some("nobody".to_owned()), ..request };
    let (status, _, stderr) = text(&lab.run(&unknown));
    assert!(status == Some(125) && stderr.contains("oci::run::unknown_user"), "{stderr}");
}

#[test]
fn an_ordinary_user_is_told_what_cannot_be() {
    let lab = Lab::of_ordinary_user();
    assert_eq!(text(&lab.run(&lab.shell("id -u; cat /proc/self/uid_map | wc -l"))).1, "0\n1\n");
    let request = Request { user: Some("app".to_owned()), ..lab.shell("true") };
    let (status, _, stderr) = text(&lab.run(&request));
    assert!(status == Some(125) && stderr.contains("oci::run::unmapped_user"), "{stderr}");
}

#[test]
fn says_what_cannot_be_run() {
    let lab = Lab::new();
    for (arguments, expected, code) in [
        (&["none"][..], 127, "oci::run::not_found"),
        (&["/etc/passwd"], 126, "oci::run::not_executable"),
        (&["/bin"], 126, "oci::run::not_executable"),
        (&[], 125, "oci::run::nothing_to_run"),
    ] {
        let (status, _, stderr) = text(&lab.run(&lab.request(arguments)));
        assert!(status == Some(expected) && stderr.contains(code), "{status:?} {stderr}");
    }
    let request = Request { runc: Some("/none/runc".into()), ..lab.request(&["true"]) };
    let (status, _, stderr) = text(&lab.run(&request));
    assert!(status == Some(125) && stderr.contains("oci::tools::missing"), "{stderr}");
    let request = Request { terminal: true, ..lab.request(&["true"]) };
    let (status, _, stderr) = text(&lab.run(&request));
    assert!(status == Some(125) && stderr.contains("oci::run::no_terminal"), "{stderr}");
}

#[test]
fn volumes_and_a_read_only_root() {
    for lab in labs() {
        let folder = lab.folder.path().join("a:b,c");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("in"), "content").unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let mut request = lab.shell("cat /rw/in && touch /rw/out && ! touch /ro/out && ! touch /x");
        request.read_only = true;
        request.volumes = vec![(folder.clone(), "/rw".into(), false), (folder.clone(), "/ro".into(), true)];
        let (status, stdout, stderr) = text(&lab.run(&request));
        assert_eq!((status, stdout.as_str()), (Some(0), "content"), "{stderr}");
        assert!(folder.join("out").exists());
        request.volumes = vec![("/none".into(), "/x".into(), false)];
        assert!(text(&lab.run(&request)).2.contains("oci::run::no_volume"));
    }
}

#[test]
fn the_network_of_the_machine() {
    for lab in labs() {
        let request =
            Request { network_host: true, ..lab.shell("ls /sys/class/net; cat /etc/hosts; hostname; ! touch /sys/x") };
        let (status, stdout, stderr) = text(&lab.run(&request));
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(status, Some(0), "{stderr}");
        assert!(stdout.contains(&format!("lo\n{hosts}{name}")), "{stdout}");
    }
}

#[test]
fn signals_reach_the_program() {
    for lab in labs() {
        let mut child = lab.start("trap 'echo got; exit 9' TERM; echo ready; while true; do sleep 0.1; done");
        signal(&child, rustix::process::Signal::TERM);
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(9), "got\n"));
        assert!(lab.is_clean());

        let request = Request { early_signal: Some(15), ..lab.shell("echo ran") };
        lab.run(&Request { early_signal: None, ..request.clone() });
        let (status, stdout, stderr) = text(&lab.run(&request));
        assert!(status == Some(125) && stdout.is_empty() && stderr.contains("interrupted"), "{stderr}");
    }
}

/// Whenever a signal comes, it ends the run, and nothing is left.
#[test]
fn no_signal_is_lost_on_the_way() {
    let lab = Lab::new();
    lab.run(&lab.shell("true"));
    for delay in (0..60).step_by(6) {
        let script = "trap 'exit 9' TERM; i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i+1)); done; exit 3";
        let child = lab.command(&lab.shell(script)).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        signal(&child, rustix::process::Signal::TERM);
        let (status, _, stderr) = text(&child.wait_with_output().unwrap());
        // None: it died of it, before it listened. 3: the shell had not set its trap. 2: runc's init, a
        // program in Go, had not become the shell; as a first process it cannot die of a signal.
        assert!(matches!(status, None | Some(9 | 143 | 125 | 3 | 2)), "{delay} ms: {status:?} {stderr}");
        until("processes end", || lab.processes().is_empty());
        assert!(lab.run(&lab.shell("true")).status.success());
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_killed_run_leaves_nothing_after_a_sweep() {
    for lab in labs() {
        let mut child = lab.start("(sleep 4242 &) ; chmod 0 /tmp; echo ready; sleep 4242");
        let runs = lab.cache().join("runs");
        let identifier = std::fs::read_dir(&runs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .find(|name| name != "lock")
            .unwrap();
        let identifier = identifier.to_string_lossy().into_owned();
        // Another run looks for dead ones first.
        assert!(lab.command(&lab.shell("true")).output().unwrap().status.success());
        assert!(runs.join(&identifier).exists(), "a living run is left alone");
        child.kill().unwrap();
        child.wait().unwrap();
        until("processes end", || lab.processes().is_empty() && !has_sleeper(&lab));
        assert!(!lab.is_mounted());
        assert!(runs.join(&identifier).exists());
        assert!(lab.run(&lab.shell("true")).status.success());
        let cgroups = Command::new("find").args(["/sys/fs/cgroup", "-name", &identifier]).output().unwrap();
        assert_eq!(text(&cgroups).1, "");
    }
}

/// Whether a process of the container lives: its root is the overlay.
fn has_sleeper(lab: &Lab) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cgroup = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        cgroup.contains(&*lab.cache().to_string_lossy())
    })
}

#[test]
fn many_at_once_change_no_layer() {
    for lab in labs() {
        lab.run(&lab.shell("true"));
        let trees = lab.cache().join("rootfs");
        let before = listing(&trees);
        let script = "rm /bin/ls; chmod 700 /etc; echo x >> /etc/passwd; touch /etc/new; mkdir() { :; }; exit 5";
        let children: Vec<Child> = (0..10).map(|_| lab.command(&lab.shell(script)).spawn().unwrap()).collect();
        for child in children {
            let (status, _, stderr) = text(&child.wait_with_output().unwrap());
            assert_eq!(status, Some(5), "{stderr}");
        }
        assert!(lab.is_clean());
        assert_eq!(listing(&trees), before);
    }
}

#[test]
fn layers_are_stacked_and_unpacked_once() {
    for lab in labs() {
        let own: Vec<PathBuf> = ["one", "two"]
            .iter()
            .map(|name| {
                let tree = tempfile::tempdir().unwrap();
                std::fs::set_permissions(tree.path(), PermissionsExt::from_mode(0o755)).unwrap();
                std::fs::create_dir(tree.path().join("app")).unwrap();
                std::fs::write(tree.path().join("app/same"), name).unwrap();
                std::fs::write(tree.path().join("app").join(name), name).unwrap();
                let archive = lab.folder.path().join(format!("{name}.tar"));
                pack(tree.path(), &archive);
                archive
            })
            .collect();
        let request = Request { own: own.clone(), ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\ntwo\ntwo");
        let trees = listing(&lab.cache().join("rootfs"));
        let request = Request { own: own[..1].to_vec(), ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\none");
        assert_eq!(listing(&lab.cache().join("rootfs")), trees);
        // One of them twice, and the base above itself.
        let twice = [&own[..], &own[..1], std::slice::from_ref(&lab.image)].concat();
        let request = Request { own: twice, ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\ntwo\none");
        // Layers alone, without a base.
        let alone = Request { layers: vec![], own: vec![lab.image.clone()], ..lab.shell("echo alone") };
        assert_eq!(text(&lab.run(&alone)).1, "alone\n");
        let nothing = Request { layers: vec![], ..lab.shell("true") };
        assert_eq!(lab.run(&nothing).status.code(), Some(127));
    }
}

#[test]
fn there_may_be_more_layers_than_paths_fit_in_a_page() {
    const LAYERS: usize = 300;
    let lab = Lab::new();
    let rootfs = lab.cache().join("rootfs");
    // As if they had been unpacked before: umoci would take its time.
    let own = (0..LAYERS).map(|number| {
        let name = number.to_string();
        let file = lab.folder.path().join(&name);
        std::fs::write(&file, &name).unwrap();
        let tree = rootfs.join(format!("{}-{}", Digest::of(name.as_bytes()).hex(), IdMap::detect())).join("fs/many");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join(&name), &name).unwrap();
        file
    });
    let request = Request { own: own.collect(), ..lab.shell("ls /many | wc -l; cat /many/299") };
    assert_eq!(text(&lab.run(&request)).1.trim(), format!("{LAYERS}\n299"));
}

#[test]
fn a_failed_or_killed_unpack_leaves_nothing() {
    let lab = Lab::new();
    let cache = lab.cache();
    let layers = |media_type: &str| {
        let mut layers = blobs(std::slice::from_ref(&lab.image));
        media_type.clone_into(&mut layers[0].descriptor.media_type);
        layers
    };
    let umoci = Umoci::new("umoci", cache.join("logs"));
    let unpack_if = |base: &[LayerBlob], cache: &Path, verified: bool| {
        prepare(&RootfsRequest {
            base,
            own: &[],
            cache,
            map: &IdMap::detect(),
            umoci: &umoci,
            verify: &|_| Ok(verified),
            reporter: &Lines::new(Verbosity::Quiet),
            subject: "image",
        })
    };
    let unpack = |base: &[LayerBlob], cache: &Path| unpack_if(base, cache, true);
    let damaged = unpack_if(&layers(media_type::LAYER), &cache, false);
    assert!(matches!(damaged, Err(RootfsError::Damaged { .. })), "{damaged:?}");
    let mut wrong = layers(media_type::LAYER);
    wrong[0].diff_id = DiffId(Digest::of(b"other"));
    let error = unpack(&wrong, &cache).unwrap_err();
    assert!(matches!(error, RootfsError::Tool(ToolError::Tool(_))), "{error:?}");
    let entries = |cache: &Path| {
        let names = std::fs::read_dir(cache.join("rootfs")).unwrap().map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".lock"))
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(&cache), Vec::<String>::new());
    assert!(matches!(unpack(&wrong, Path::new("/a:b")), Err(RootfsError::Colon { .. })));

    let half = cache.join(format!("rootfs/.oci-tmp-{}-host-x1", "0".repeat(64)));
    std::fs::create_dir_all(half.join("fs/a")).unwrap();
    sweep(&cache, &IdMap::detect()).unwrap();
    assert_eq!(entries(&cache), Vec::<String>::new());
    unpack(&layers(media_type::DOCKER_LAYER), &cache).unwrap();
    sweep(&cache, &IdMap::detect()).unwrap();
    assert_eq!(entries(&cache).len(), 1);
}

#[test]
fn a_terminal_works() {
    for lab in labs() {
        let request = Request { terminal: true, ..lab.shell("tty; echo $TERM; [ -t 2 ] && exit 6") };
        let command = lab.command(&request);
        let line = shell_words::join(
            std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy()),
        );
        let output = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
        let (status, stdout, stderr) = text(&output);
        assert_eq!(status, Some(6), "{stdout}{stderr}");
        assert!(stdout.contains("/dev/pts/0\r\nxterm\r\n"), "{stdout}");
        assert!(lab.is_clean());
    }
}

/// Ctrl-C reaches everyone in the foreground by itself: the program must see it once.
#[test]
fn a_terminals_signal_comes_once() {
    let lab = Lab::new();
    for terminal in [false, true] {
        let script = "trap 'echo got' INT; echo ready; i=0; while [ $i -lt 15 ]; do sleep 0.1; i=$((i+1)); done";
        let command = lab.command(&Request { terminal, ..lab.shell(script) });
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line = shell_words::join(words.map(|word| word.to_string_lossy()));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"\x03").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.matches("got").count(), 1, "{rest}");
        assert!(child.wait().unwrap().success());
    }
}

/// As in a container without a volume, where the cache is on an overlay.
#[test]
fn runs_where_no_overlay_can_be_written() {
    let mut lab = Lab::new();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let path = |name: &str| lab.folder.path().join(name);
    for name in ["lower", "upper", "work", "nest"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        path("lower").display(),
        path("upper").display(),
        path("work").display()
    );
    let nest = path("nest");
    let status = Command::new("mount").args(["-t", "overlay", "-o", &options, "overlay"]).arg(&nest).status();
    assert!(status.unwrap().success());
    lab.cache = nest.join("cache");
    std::fs::create_dir(lab.cache()).unwrap();
    let output = lab.run(&lab.shell("touch /x /etc/y && rm /bin/ls && exit 3"));
    let status = Command::new("umount").arg(&nest).status();
    assert!(status.unwrap().success());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

/// Unpacking, starting, running or cleaning up: the next run finds nothing that disturbs it.
#[test]
fn killed_at_any_moment_of_a_first_run() {
    for lab in labs() {
        for delay in (0..320).step_by(40) {
            let mut child = lab.command(&lab.shell("true")).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            until("processes end", || lab.processes().is_empty() && !has_sleeper(&lab));
            assert!(lab.run(&lab.shell("true")).status.success(), "{delay} ms");
            let trees = lab.cache().join("rootfs");
            let names = std::fs::read_dir(&trees).unwrap().map(|entry| entry.unwrap().file_name());
            let names: Vec<_> = names.filter(|name| !name.to_string_lossy().ends_with(".lock")).collect();
            assert_eq!(names.len(), 1, "{delay} ms: {names:?}");
            std::fs::remove_dir_all(trees).unwrap();
        }
    }
}
