//! Images that were made to do harm: whatever an image has at a path that a container needs, no file of this
//! machine is read, made, changed or removed because of it, and the container works or is refused with a reason.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, FileType, makedev, mknodat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::TestContext;
use crate::support::images::{architecture, blob, descriptor, hex, read_json};
use crate::support::ordinary::{Ids, needs_root};
use crate::support::tools::{static_busybox, succeed, tool};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A project of hostile images, and a folder of this machine that they are after.
struct Hostile {
    context: TestContext,
    manifest: String,
}

impl Hostile {
    fn new() -> Self {
        let hostile = Self { context: TestContext::new(), manifest: String::new() };
        let victim = hostile.victim();
        for folder in ["sub", "self/fd", "pts", "shm"] {
            fs::create_dir_all(victim.join(folder)).unwrap();
        }
        for file in ["ptmx", "null", "stdin", "hosts", "resolv.conf", "passwd", "sub/file"] {
            fs::write(victim.join(file), "precious").unwrap();
        }
        hostile
    }

    fn victim(&self) -> PathBuf {
        self.context.root().join("victim")
    }

    /// A base of this name: busybox, and on top of it what is made in a folder.
    fn base(&mut self, name: &str, config: Value, make: impl Fn(&Path)) {
        let folder = self.context.root().join("roots").join(name);
        let busybox = folder.join("busybox");
        for part in ["bin", "etc", "tmp"] {
            fs::create_dir_all(busybox.join(part)).unwrap();
        }
        fs::copy(static_busybox(), busybox.join("bin/busybox")).unwrap();
        for applet in ["sh", "true", "echo", "cat", "ls", "mkdir", "test", "touch"] {
            symlink("busybox", busybox.join("bin").join(applet)).unwrap();
        }
        fs::write(busybox.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        let own = folder.join("own");
        fs::create_dir_all(&own).unwrap();
        make(&own);
        let layout = self.context.root().join("layouts").join(name);
        write_layout(&layout, &[tar(&busybox), tar(&own)], &config);
        self.manifest += &format!("[base.{name}]\nlayout = \"{}\"\n", layout.display());
    }

    /// A build on a base, with two steps.
    fn build(&mut self, base: &str) {
        self.manifest +=
            &format!("[build.on-{base}]\nbase = \"{base}\"\nsteps = [\"echo x > /made\", \"test -f /made\"]\n");
    }

    fn finish(&self) {
        self.context.write("oci.toml", &self.manifest);
    }

    /// Everything about the folder that is not to be touched.
    fn seen(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let mut pending = vec![self.victim()];
        while let Some(path) = pending.pop() {
            let stat = path.symlink_metadata().unwrap();
            let content = if stat.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
            let (mode, owner) = (stat.mode(), stat.uid());
            seen.push(format!("{path:?} {mode:o} {owner} {}.{} {content}", stat.ctime(), stat.ctime_nsec()));
            if stat.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        seen.sort();
        seen
    }
}

fn tar(folder: &Path) -> Vec<u8> {
    let tar = folder.with_extension("tar");
    let options = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1704067200"];
    succeed(tool("tar").args(options).arg("-C").arg(folder).arg("-cf").arg(&tar).arg("."));
    fs::read(tar).unwrap()
}

fn write_layout(layout: &Path, layers: &[Vec<u8>], execution: &Value) {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8], kind: &str| {
        let digest = hex(&Sha256::digest(bytes));
        fs::write(blobs.join(&digest), bytes).unwrap();
        json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    };
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(&Sha256::digest(layer)))).collect();
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| match layer.len() < LARGE {
            true => put(layer, LAYER),
            false => put(&compressed(layer), &format!("{LAYER}+gzip")),
        })
        .collect();
    let config = json!({
        "architecture": architecture(), "os": "linux", "config": execution,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = put(config.to_string().as_bytes(), CONFIG);
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut manifest = put(manifest.to_string().as_bytes(), MANIFEST);
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "x" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
}

/// A layer of so many bytes is compressed.
const LARGE: usize = 64 << 20;

fn compressed(layer: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(layer).unwrap();
    encoder.finish().unwrap()
}

fn shell() -> Value {
    json!({ "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] })
}

/// What may be where a folder should be.
const KINDS: [&str; 9] = ["absolute", "climbing", "chain", "dangling", "loop", "itself", "file", "fifo", "device"];

/// Makes something at a path.
type Make = fn(&Path);

/// Puts something of a kind at a path.
fn put(root: &Path, name: &str, kind: &str, victim: &Path) {
    let path = root.join(name);
    let link = |target: &str| symlink(target, &path).unwrap();
    let victim = victim.to_str().unwrap();
    match kind {
        "absolute" => link(victim),
        "climbing" => link(&format!("../../../../../../../..{victim}")),
        "chain" => {
            symlink(victim, root.join(format!("{name}-2"))).unwrap();
            symlink(format!("{name}-2"), root.join(format!("{name}-1"))).unwrap();
            link(&format!("/{name}-1"));
        }
        "dangling" => link(&format!("{victim}/sub/new")),
        "loop" => {
            symlink(name, root.join(format!("{name}-1"))).unwrap();
            link(&format!("{name}-1"));
        }
        "itself" => link("/"),
        "file" => fs::write(&path, "text").unwrap(),
        "fifo" => mknodat(CWD, &path, FileType::Fifo, 0o644.into(), 0).unwrap(),
        "device" => mknodat(CWD, &path, FileType::CharacterDevice, 0o666.into(), makedev(1, 5)).unwrap(),
        other => panic!("{other}"),
    }
}

/// Ways to run: as whom, and on how many overlays the cache stands.
const WAYS: [(Option<Ids>, usize); 6] = [
    (None, 0),
    (None, 2),
    (Some(Ids::Subordinate), 0),
    (Some(Ids::Subordinate), 2),
    (Some(Ids::NoEntry), 0),
    (None, 1),
];

#[test]
fn only_root_what_is_no_folder_where_a_container_has_its_own_leads_nowhere() {
    needs_root();
    for (number, (ids, depth)) in WAYS.into_iter().enumerate() {
        let mut hostile = Hostile::new();
        // One way goes through all of them, the others through a few.
        let kinds: Vec<&str> = KINDS
            .into_iter()
            .enumerate()
            .filter(|(kind, _)| number == 0 || kind % 4 == number % 4)
            .map(|it| it.1)
            .collect();
        for kind in &kinds {
            let victim = hostile.victim();
            hostile.base(kind, shell(), |root| {
                ["dev", "proc", "sys"].iter().for_each(|name| put(root, name, kind, &victim));
            });
            hostile.build(kind);
        }
        hostile.finish();
        let ordinary = ids.map(|ids| hostile.context.as_ordinary_user(ids));
        let oci = |arguments: &[&str]| -> Command {
            let mut command = ordinary.as_ref().map_or_else(|| hostile.context.oci(), |ordinary| ordinary());
            command.args(arguments);
            if depth == 0 { command } else { hostile.context.on_overlays(depth, &command) }
        };
        let before = hostile.seen();
        hostile.context.finish(&mut oci(&["build"])).success();
        for kind in &kinds {
            let script = "test -c /dev/null -a -d /dev/pts -a -f /proc/self/status -a -d /sys/kernel && echo works";
            for (image, script) in [(kind.to_string(), script), (format!("on-{kind}"), script)] {
                let told = hostile.context.finish(&mut oci(&["run", "-q", &image, "--", "sh", "-c", script])).success();
                assert_eq!(told.stdout(), "works\n", "{kind} {ids:?} {depth}");
            }
            let build = format!("on-{kind}");
            let layout = hostile.context.layout();
            let manifest = read_json(&blob(&layout, &descriptor(&layout, &build)));
            let [.., layer] = &manifest["layers"].as_array().unwrap()[..] else { panic!("{manifest}") };
            let listing = succeed(tool("tar").arg("-tzf").arg(blob(&layout, layer)));
            assert_eq!(listing, "made", "{kind} {ids:?} {depth}");
        }
        assert_eq!(hostile.seen(), before, "{ids:?} {depth}");
    }
}

#[test]
fn only_root_links_of_an_image_are_followed_inside_it() {
    needs_root();
    let mut hostile = Hostile::new();
    let victim = hostile.victim();
    hostile.base("etc", shell(), |root| {
        fs::create_dir(root.join("etc")).unwrap();
        symlink(victim.join("resolv.conf"), root.join("etc/resolv.conf")).unwrap();
        symlink(format!("../../../../..{}/hosts", victim.display()), root.join("etc/hosts")).unwrap();
    });
    hostile.base("whole-etc", shell(), |root| symlink(&victim, root.join("etc")).unwrap());
    hostile.base("data", shell(), |root| {
        symlink(&victim, root.join("data")).unwrap();
        symlink("/proc/self", root.join("process")).unwrap();
        symlink("dev/shm/..", root.join("devices")).unwrap();
        symlink("/", root.join("top")).unwrap();
    });
    for base in ["etc", "whole-etc", "data"] {
        hostile.build(base);
    }
    hostile.finish();
    hostile.context.write("files/one", "mounted");
    let before = hostile.seen();
    let files = hostile.context.project().join("files");
    let oci = |depth: usize, arguments: &[&str]| {
        let mut command = hostile.context.oci();
        command.args(["run", "-q"]).args(arguments);
        hostile.context.finish(&mut if depth == 0 { command } else { hostile.context.on_overlays(depth, &command) })
    };
    hostile.context.run(["build"]).success();
    for depth in [0, 2] {
        for image in ["etc", "whole-etc"] {
            let told =
                oci(depth, &[image, "--", "sh", "-c", "cat /etc/hosts > /dev/null && echo x > /etc/new && echo works"]);
            assert_eq!(told.success().stdout(), "works\n", "{image}");
        }
        let volume = format!("{}:/data/new/place", files.display());
        let told =
            oci(depth, &["data", "-v", &volume, "--workdir", "/data/sub/new", "--", "cat", "/data/new/place/one"]);
        assert_eq!(told.success().stdout(), "mounted");
        for (target, reason) in [
            ("/process/x", "`/proc/self/x` is the container's own"),
            ("/devices/x", "is the container's own"),
            ("/top", "it leads to the root folder"),
            ("/data/../process", "is the container's own"),
        ] {
            let told = oci(depth, &["data", "-v", &format!("{}:{target}", files.display()), "--", "true"]).failure(125);
            assert!(
                told.stderr().contains("oci::run::mount_place") && told.stderr().contains(reason),
                "{target}: {told}"
            );
        }
    }
    assert_eq!(hostile.seen(), before);
}

#[test]
fn only_root_nothing_is_started_through_what_the_runtime_has_open() {
    needs_root();
    let mut hostile = Hostile::new();
    let shaped = |workdir: &str, command: &[&str], path: &str| json!({ "WorkingDir": workdir, "Cmd": command, "Env": [format!("PATH={path}")] });
    let fill = |root: &Path| {
        symlink("/proc/self/fd/7", root.join("to-fd")).unwrap();
        symlink("missing/../to-fd", root.join("to-missing")).unwrap();
        symlink("/dev/fd/8", root.join("to-dev")).unwrap();
        symlink("/sys/kernel/../../proc/self/fd/7", root.join("to-sys")).unwrap();
        // As if it were a program of the image.
        let program = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        };
        program("proc/self/fd/7/bin/tool", "#!/bin/sh\necho started\n");
        program("bin/through", "#!/proc/self/fd/7/bin/tool\n");
        program("bin/twice", "#!/bin/through\n");
    };
    let start = ["sh", "-c", "echo started"];
    let cases = [
        ("fd", shaped("/proc/self/fd/7", &start, "/bin"), "leads_out"),
        ("link", shaped("/to-fd", &start, "/bin"), "leads_out"),
        ("missing", shaped("/to-missing", &start, "/bin"), "leads_out"),
        ("device", shaped("/to-dev/x", &start, "/bin"), "leads_out"),
        ("sys", shaped("/to-sys", &start, "/bin"), "leads_out"),
        ("program", shaped("/", &["/proc/self/fd/7/bin/tool"], "/bin"), "leads_out"),
        ("path", shaped("/", &start, "/to-fd/bin:/bin"), "leads_out"),
        ("relative", shaped("/", &start, "proc/self/exe:/bin"), "leads_out"),
        ("script", shaped("/", &["through"], "/bin"), "no_interpreter"),
        ("scripts", shaped("/", &["twice"], "/bin"), "no_interpreter"),
    ];
    for (name, config, _) in &cases {
        hostile.base(name, config.clone(), fill);
    }
    hostile.manifest += "[build.step]\nbase = \"link\"\nsteps = [\"true\"]\n";
    hostile.finish();
    for (name, _, code) in &cases {
        let told = hostile.context.run(["run", "-q", name]);
        assert!(told.stderr().contains(&format!("oci::run::{code}")), "{name}: {told}");
        assert_eq!(told.stdout(), "", "{name}");
    }
    let told = hostile.context.run(["build"]).failure(1);
    assert!(told.stderr().contains("the working folder `/to-fd` of `step` leads to `/proc/self/fd/7`"), "{told}");
}

#[test]
fn only_root_accounts_that_are_no_files_are_refused() {
    needs_root();
    let mut hostile = Hostile::new();
    let cases: [(&str, Make, &str); 5] = [
        ("zero", |path| symlink("/dev/zero", path).unwrap(), "it leads to `/dev/zero`"),
        ("input", |path| symlink("../proc/self/fd/0", path).unwrap(), "it leads to `/proc/self/fd/0`"),
        ("fifo", |path| mknodat(CWD, path, FileType::Fifo, 0o644.into(), 0).unwrap(), "is no file"),
        ("long", |path| fs::File::create(path).unwrap().set_len(5 << 20).unwrap(), "it is longer than 4 MiB"),
        ("loop", |path| symlink("passwd", path).unwrap(), "symbolic links"),
    ];
    for (name, make, _) in &cases {
        hostile.base(name, shell(), |root| {
            fs::create_dir(root.join("etc")).unwrap();
            make(&root.join("etc/passwd"));
        });
    }
    hostile.finish();
    for (name, _, reason) in &cases {
        let told = hostile.context.run(["run", "-q", name, "--", "true"]).failure(125);
        assert!(told.stderr().contains("could not") && told.stderr().contains("/etc/passwd"), "{name}: {told}");
        assert!(told.stderr().contains(reason), "{name}: {told}");
    }
}

#[test]
fn only_root_an_image_that_would_fill_the_disk_is_stopped_before() {
    needs_root();
    let mut hostile = Hostile::new();
    // A little to download, and much to unpack.
    hostile.base("large", shell(), |root| fs::File::create(root.join("zeros")).unwrap().set_len(300 << 20).unwrap());
    hostile.base("small", shell(), |_| {});
    hostile.finish();
    let cache = hostile.context.root().join("cache/oci");
    fs::create_dir_all(&cache).unwrap();
    let script = "mount -t tmpfs -o size=256m,mode=700 tmpfs $CACHE
        $OCI run -q small -- echo works && $OCI run -q large -- true; echo status $?
        ls $CACHE/rootfs $CACHE/runs | grep -v -e lock -e host -e : ; df --output=used $CACHE | tail -n 1";
    let mut command = tool("unshare");
    command.args(["--mount", "/bin/sh", "-c", script]).current_dir(hostile.context.project());
    command.env_clear().envs(hostile.context.environment());
    command.env("CACHE", &cache).env("OCI", env!("CARGO_BIN_EXE_oci"));
    let told = hostile.context.finish(&mut command).success();
    let stderr = told.stderr();
    assert!(stderr.contains("oci::tools::no_room") && stderr.contains("`large`"), "{told}");
    let stdout = told.stdout();
    let lines: Vec<&str> = stdout.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let ["works", "status 125", used] = lines[..] else { panic!("{told}") };
    // In kilobytes: nothing of it is left.
    assert!(used.parse::<u64>().unwrap() < 50_000, "{told}");
}
