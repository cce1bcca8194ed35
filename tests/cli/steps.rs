//! Steps: what they change is a layer, what they are given is in none, and what was done is not done
//! again.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::images::{self, Base, blob, descriptor, read_json};
use crate::support::ordinary::{Ids, is_root};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{mounts_of, static_busybox, succeed, tool};
use crate::support::{Outcome, Registry, TestContext, eventually, project};

/// A build of a busybox base with these keys.
fn built_with(registry: &Registry, keys: &str) -> TestContext {
    let build = format!("\n[build.app]\nbase = \"busybox\"\n{keys}\n");
    project::on_base(registry, Base::Busybox, "busybox", &build)
}

fn ran_a_step(told: &Outcome) -> bool {
    told.stderr().lines().any(|line| line.starts_with("running "))
}

/// All kinds of changes.
const CHANGES: &str = r#"
packages = [{ text = "1\n", to = "/pkg/one" }, { text = "2\n", to = "/pkg/two" }, { text = "3\n", to = "/gone/three" }]
steps = [
  """
  rm /pkg/one
  rm -r /gone
  mkdir -p /made/a
  echo new > /made/new
  busybox ln /made/new /made/other
  busybox ln -s new /made/link
  busybox mkfifo -m 600 /made/fifo
  busybox cp /bin/busybox /made/suid
  chmod 4755 /made/suid
  mkdir -m 1777 /made/sticky
  echo more >> /etc/passwd
  """,
  "rm -r /pkg; mkdir /pkg; echo 4 > /pkg/four; busybox mv /made/new /made/moved; busybox chmod 750 /usr/share",
  { run = ["/bin/true"] },
]
"#;

fn manifest(context: &TestContext) -> Value {
    read_json(&blob(&context.layout(), &descriptor(&context.layout(), "app")))
}

fn layers(context: &TestContext) -> Vec<PathBuf> {
    manifest(context)["layers"].as_array().unwrap().iter().map(|layer| blob(&context.layout(), layer)).collect()
}

/// What is in a layer: `tar`'s listing without times.
fn entries(layer: &Path) -> Vec<String> {
    let listing = succeed(tool("tar").args(["--numeric-owner", "-tzf"]).arg(layer));
    listing.lines().map(str::to_owned).collect()
}

/// Everything in a tree but what containers have mounted.
const LIST: &str = "busybox find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -print | \
                    busybox sort | while read -r path; do \
                    busybox stat -c '%n %A %u:%g' \"$path\"; [ -f \"$path\" ] && busybox md5sum \"$path\"; \
                    busybox readlink \"$path\"; done; true";

#[test]
fn what_a_step_changes_is_what_others_unpack() {
    let registry = Registry::start();
    let context = built_with(&registry, CHANGES);
    context.run(["build"]).success();
    // The third step changes nothing.
    assert_eq!(layers(&context).len(), 1 + 3 + 2);
    let arguments = ["run", "-q", "app", "--network", "none", "--workdir", "/", "--entrypoint", "/bin/sh", "--", "-c"];
    let seen = context.finish(context.oci().args(arguments).arg(LIST)).success().stdout();
    assert!(seen.contains("./made/moved -rw-r--r-- 0:0\n") && !seen.contains("./pkg/two"), "{seen}");
    assert!(seen.contains("./made/suid -rwsr-xr-x") && seen.contains("./made/sticky drwxrwxrwt"), "{seen}");

    // From blobs alone, as on another machine.
    std::fs::remove_dir_all(context.root().join("cache/oci/rootfs")).unwrap();
    assert_eq!(context.finish(context.oci().args(arguments).arg(LIST)).success().stdout(), seen);

    context.run(["fetch"]).success();
    let tree = context.root().join("tree");
    let image = format!("{}:app", context.layout().display());
    let mut unpack = tool("umoci");
    unpack.args(["raw", "unpack", "--image", &image]);
    if !is_root() {
        unpack.arg("--rootless");
    }
    succeed(unpack.arg(&tree));
    if is_root() {
        let bin = context.root().join("shell");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(static_busybox(), bin.join("busybox")).unwrap();
        let unpacked =
            succeed(Command::new(static_busybox()).args(["sh", "-c", LIST]).env("PATH", &bin).current_dir(&tree));
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with(". ")).map(str::to_owned).collect()
        };
        assert_eq!(lines(&unpacked), lines(&seen));
    }
}

#[test]
fn whoever_builds_gets_the_same_layers() {
    let registry = Registry::start();
    let usual = built_with(&registry, CHANGES);
    usual.run(["build"]).success();
    usual.run(["build", "--no-cache"]).success();
    for ids in [Ids::Subordinate, Ids::NoEntry] {
        let context = built_with(&registry, CHANGES);
        let oci = context.as_ordinary_user(ids);
        context.finish(oci().arg("build")).success();
        assert_eq!(context.built("app"), usual.built("app"), "{ids:?}");
        assert_eq!(context.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn owners_are_the_images_own_or_the_step_fails() {
    let registry = Registry::start();
    let keys = "steps = [\"busybox mkdir /home; busybox chown 1234:5 /home; busybox touch /home/x\", { run = \"touch /home/mine; id -u\", user = \"1234:5\" }]";
    let usual = built_with(&registry, keys);
    usual.run(["build"]).success();
    let [.., second] = &layers(&usual)[..] else { panic!() };
    let listing = succeed(tool("tar").args(["--numeric-owner", "-tvzf"]).arg(second));
    assert!(listing.contains("1234/5") && listing.contains("home/mine"), "{listing}");

    let context = built_with(&registry, keys);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    context.finish(oci().arg("build")).success();
    assert_eq!(context.built("app"), usual.built("app"));

    let context = built_with(&registry, keys);
    let oci = context.as_ordinary_user(Ids::NoEntry);
    let told = context.finish(oci().arg("build")).failure(1);
    assert!(told.stderr().contains("oci::step::failed"), "{told}");
    context.write("oci.toml", context.read("oci.toml").replace("busybox chown 1234:5 /home; ", ""));
    let told = context.finish(oci().arg("build")).failure(1);
    assert!(told.stderr().contains("oci::run::unmapped_user"), "{told}");
}

#[test]
fn file_capabilities_are_kept() {
    let registry = Registry::start();
    let ([setcap], mounts) = mounts_of(["setcap"]);
    let keys = format!(
        "[[build.app.steps]]\nrun = \"busybox cp /bin/busybox /made && {setcap} cap_net_raw+ep /made\"\nmounts = [{mounts}]"
    );
    let usual = built_with(&registry, &keys);
    usual.run(["build"]).success();
    let layer = layers(&usual).pop().unwrap();
    // Nothing of what was mounted, nor of where.
    assert_eq!(entries(&layer), ["made"]);
    let tar = succeed(tool("sh").args(["-c", "gzip -dc \"$0\" | head -c 1024 | tr '\\0' ' '"]).arg(&layer));
    assert!(tar.contains("SCHILY.xattr.security.capability="), "{tar}");
    let context = built_with(&registry, &keys);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    context.finish(oci().arg("build")).success();
    assert_eq!(context.built("app"), usual.built("app"));
}

#[test]
fn a_step_runs_as_the_image_says_and_it_itself() {
    let registry = Registry::start();
    let context = built_with(
        &registry,
        r#"
env = { FROM_IMAGE = "image", GONE = "x" }
user = "app"
workdir = "/srv/work"
[[build.app.steps]]
run = "echo $PWD $FROM_IMAGE $EXTENDED ${GONE-unset} $SOURCE_DATE_EPOCH $TARGETOS/$TARGETARCH $TARGETPLATFORM; id; ls /sys/class/net; echo ${https_proxy-none}"
env = { EXTENDED = "${FROM_IMAGE}-more", GONE = false }
[[build.app.steps]]
run = "id -u; pwd; echo $0"
user = "app"
workdir = "/tmp"
shell = ["/bin/sh", "-ec"]
env = { A = "b" }
network = "host"
"#,
    );
    let mut build = context.oci();
    let told = context.finish(build.arg("build").env("https_proxy", "http://proxy.example")).success();
    let lines: Vec<String> =
        told.stderr().lines().filter_map(|line| line.strip_prefix("app | ").map(str::to_owned)).collect();
    let architecture = images::architecture();
    assert_eq!(
        lines,
        [
            format!("/srv/work image image-more unset 1700000000 linux/{architecture} linux/{architecture}").as_str(),
            "uid=0(root) gid=0(root) groups=0(root)",
            "lo",
            "none",
            "1234",
            "/tmp",
            "/bin/sh",
        ],
        "{told}"
    );
    // Neither the folders it started in nor files of the network are changes.
    assert_eq!(layers(&context).len(), 1);
    let config = read_json(&blob(&context.layout(), &manifest(&context)["config"]));
    assert!(!config.to_string().contains("proxy"), "{config}");
    // A proxy decides nothing.
    assert!(!ran_a_step(&context.run(["build"]).success()));
}

#[test]
fn what_was_done_starts_nothing() {
    let registry = Registry::start();
    let context = built_with(&registry, "steps = [\"echo 1 > /1\", \"true\"]\nlabels = { a = \"1\" }");
    context.run(["build"]).success();
    let unpacked = Command::new("gzip").arg("-dc").arg(layers(&context).pop().unwrap()).output().unwrap().stdout;
    let trace = context.root().join("trace");
    let traced = |context: &TestContext| {
        let mut command = tool("strace");
        command.env_clear().envs(context.environment()).current_dir(context.project());
        command.args(["-f", "-qq", "-e", "trace=execve", "-o"]).arg(&trace);
        command.arg(env!("CARGO_BIN_EXE_oci")).arg("build");
        context.finish(&mut command).success();
        std::fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains("execve(")).count()
    };
    assert_eq!(traced(&context), 1);
    // What says something of the image alone is not among what decides.
    let text = context.read("oci.toml").replace("a = \"1\"", "a = \"2\"");
    context.write("oci.toml", text + "entrypoint = [\"/bin/sh\"]\ncompression = \"none\"\n");
    assert_eq!(traced(&context), 1);
    assert_eq!(std::fs::read(layers(&context).pop().unwrap()).unwrap(), unpacked);
    for (old, new) in [("echo 1", "echo 2"), ("base = \"busybox\"", "base = \"busybox\"\nenv = { A = \"b\" }")] {
        context.write("oci.toml", context.read("oci.toml").replace(old, new));
        assert!(ran_a_step(&context.run(["build"]).success()), "{new}");
    }
}

#[test]
fn secrets_are_nowhere() {
    let registry = Registry::start();
    let context = built_with(
        &registry,
        r#"
[[build.app.steps]]
run = "cat /run/token; echo $TOKEN; stat -c '%a %u' /run/token; test -n \"$TOKEN\"; echo done > /tmp/done; exit $STATUS"
user = "app"
env = { STATUS = "0" }
secrets = [{ env = "TOKEN" }, { file = "token", to = "/run/token" }]
"#,
    );
    let values = ["env-5ecret-value", "file-5ecret-value"];
    let outside = context.root().join("token");
    std::fs::write(&outside, format!("{}\n", values[1])).unwrap();
    context.write("oci.toml", context.read("oci.toml").replace("\"token\"", &format!("\"{}\"", outside.display())));
    let build = || context.finish(context.oci().arg("build").env("TOKEN", values[0]));
    let told = build().success();
    assert!(told.stderr().contains("app | ***\napp | ***\napp | 400 1234\n"), "{told}");
    assert_eq!(entries(&layers(&context).pop().unwrap()), ["tmp/", "tmp/done"]);
    context.write("oci.toml", context.read("oci.toml").replace("STATUS = \"0\"", "STATUS = \"9\""));
    let failed = build().failure(1);
    let shown = format!("{told}{failed}");
    for value in values {
        assert!(!shown.contains(value), "{shown}");
        for folder in ["cache", "project", "tmp", "run", "home"] {
            let mut grep = tool("grep");
            let found = grep.args(["-rl", value]).arg(context.root().join(folder)).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{value} in {folder}");
        }
    }
    // Another value is no other step.
    context.write("oci.toml", context.read("oci.toml").replace("STATUS = \"9\"", "STATUS = \"0\""));
    let told = context.finish(context.oci().arg("build").env("TOKEN", "another-value")).success();
    assert!(!ran_a_step(&told), "{told}");

    context.write("oci.toml", context.read("oci.toml").replace("echo done", "echo $TOKEN"));
    let told = build().failure(1);
    assert!(told.stderr().contains("oci::step::secret_in_layer") && !told.stderr().contains(values[0]), "{told}");
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::step::no_secret"), "{told}");
}

/// While a step runs, a secret is known to the step alone, and to the processes that the person gave it to.
#[test]
fn secrets_are_in_no_list_of_processes() {
    let registry = Registry::start();
    let keys = "[[build.app.steps]]\nrun = \"cat /run/token >/dev/null; echo started; sleep 1000\"\n\
                secrets = [{ env = \"TOKEN\" }, { file = \"token\", to = \"/run/token\" }]\n";
    let context = built_with(&registry, keys);
    // Which processes of the machine have one of the values?
    let values = ["env", "file"].map(|kind| format!("{kind}-listed-5ecret-{}", context.name()));
    context.write("token", &values[1]);
    let mut build = context.start_command(context.oci().arg("build").env("TOKEN", &values[0]));
    eventually("the step runs", || build.stderr().contains("app | started"));
    let mut inside = 0;
    let mut known = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
        let read = |name: &str| {
            let bytes = std::fs::read(process.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let (command, environment) = (read("cmdline"), read("environ"));
        for value in &values {
            assert!(!command.contains(value), "{command}");
        }
        assert!(!environment.contains(&values[1]), "{command}");
        if environment.contains(&values[0]) {
            match read("mountinfo").lines().any(|line| line.split(' ').nth(4) == Some("/run/token")) {
                true => inside += 1,
                false => known.push(command),
            }
        }
    }
    assert!(inside > 0, "the step has it");
    assert!(known.len() == 1 && known[0].trim_end().ends_with("oci build"), "{known:?}");
    build.signal(Signal::TERM);
    build.end();
}

#[test]
fn what_is_mounted_is_there_and_not_in_the_image() {
    let registry = Registry::start();
    let context = built_with(
        &registry,
        r#"
[[build.app.steps]]
run = "cat /vendor/a /vendor/b/c; busybox cp -r /vendor /kept; echo x > /var/scratch/x; touch /vendor/x 2>/dev/null || echo refused"
mounts = [{ path = "vendor", to = "/vendor" }, { tmpfs = "/var/scratch" }]
"#,
    );
    context.write("vendor/a", "one\n");
    context.write("vendor/b/c", "two\n");
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains("app | one\napp | two\napp | refused\n"), "{told}");
    assert_eq!(entries(&layers(&context).pop().unwrap()), ["kept/", "kept/a", "kept/b/", "kept/b/c"]);
    assert!(!ran_a_step(&context.run(["build"]).success()));
    context.write("vendor/b/c", "TWO\n");
    assert!(context.run(["build"]).success().stderr().contains("app | TWO\n"));
    std::fs::remove_dir_all(context.project().join("vendor")).unwrap();
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::step::mount"), "{told}");
}

#[test]
fn a_cache_folder_stays_and_is_held_by_one_step_at_a_time() {
    let registry = Registry::start();
    let step = |name: &str, user: &str| {
        format!(
            "[build.{name}]\nbase = \"busybox\"\n[[build.{name}.steps]]\nrun = \"mkdir /var/cache/held; touch /var/cache/{name}; sleep 0.5; busybox rmdir /var/cache/held; ls /var/cache\"\nuser = \"{user}\"\ncache = [\"/var/cache\"]\n"
        )
    };
    let context = built_with(&registry, "");
    let text = context.read("oci.toml") + &step("one", "0") + &step("two", "1234") + &step("three", "app");
    context.write("oci.toml", text);
    let told = context.run(["build", "-j", "3"]).success();
    for name in ["one", "two", "three"] {
        let layers = read_json(&blob(&context.layout(), &descriptor(&context.layout(), name)))["layers"].clone();
        assert_eq!(layers.as_array().unwrap().len(), 1, "{told}");
    }
    // The last step saw what all of them left.
    let last = told.stderr();
    let listed = |name: &str| ["one", "two", "three"].iter().all(|other| last.contains(&format!("{name} | {other}\n")));
    assert!(["one", "two", "three"].into_iter().any(listed), "{told}");
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

/// Each folder is a call of the walk that makes the layer.
#[test]
fn a_tree_may_be_as_deep_as_a_path_is_long() {
    let registry = Registry::start();
    let context = built_with(&registry, &format!("steps = [\"mkdir -p /{}\"]", "d/".repeat(600)));
    // A quarter of the usual stack, so that a third of the depth will do.
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -S -s 2048; exec \"$0\" build", env!("CARGO_BIN_EXE_oci")]);
    limited.env_clear().envs(context.environment()).current_dir(context.project());
    context.finish(&mut limited).success();
    assert_eq!(layers(&context).len(), 2);
}

#[test]
fn a_failing_step_shows_its_line_and_its_end() {
    let registry = Registry::start();
    let context = built_with(
        &registry,
        "steps = [\n  \"echo fine > /fine\",\n  \"for i in 1 2 3; do echo line $i; done; echo 'wget: bad address' ; exit 3\",\n]",
    );
    assert_outcome!(context.run(["build"]).failure(1));
    // What went well is kept.
    let again = context.run(["build", "-q"]).failure(1);
    assert!(!again.stderr().contains("/fine\n"), "{again}");
    assert_eq!(context.leftovers(), Vec::<String>::new());
    context.write("oci.toml", context.read("oci.toml").replace("for i in", "/no/such/program; for i in"));
    assert!(context.run(["build"]).failure(1).stderr().contains("exit status 127"));
    let shell = "steps = [{ run = \"true\", shell = [\"/bin/none\", \"-c\"] }]";
    assert!(built_with(&registry, shell).run(["build"]).failure(1).stderr().contains("oci::step::no_shell"));
    let program = "steps = [{ run = [\"/no/such/program\"] }]";
    let told = built_with(&registry, program).run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::run::not_found") && told.stderr().contains("steps = "), "{told}");
}

#[test]
fn a_killed_build_leaves_nothing_to_the_next_command() {
    let registry = Registry::start();
    let ends = |context: &TestContext, oci: &dyn Fn() -> Command, signal: Signal| {
        let mut build = context.start_command(oci().arg("build"));
        eventually("the step runs", || build.stderr().contains("app | started"));
        build.signal(signal);
        build.end();
        if signal == Signal::KILL {
            context.is_cleared_by(|| {
                let mut fetch = oci();
                fetch.arg("fetch");
                fetch
            });
        }
        assert_eq!(context.leftovers(), Vec::<String>::new(), "after {signal:?}");
    };
    let step = "steps = [\"touch /x; echo started; sleep 1000\"]";
    let context = built_with(&registry, step);
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        ends(&context, &|| context.oci(), signal);
    }
    let context = built_with(&registry, step);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    for signal in [Signal::KILL, Signal::INT] {
        ends(&context, &oci, signal);
    }
}

#[test]
fn what_two_want_at_once_runs_once() {
    let registry = Registry::start();
    let context = built_with(&registry, "steps = [\"sleep 1; echo done > /done\"]");
    context.run(["lock"]).success();
    let mut builds: Vec<_> = (0..3).map(|_| context.start(["build"])).collect();
    let ran: usize = builds
        .iter_mut()
        .map(|build| {
            assert_eq!(build.end(), Some(0), "{}", build.stderr());
            build.stderr().lines().filter(|line| line.starts_with("ran ")).count()
        })
        .sum();
    assert_eq!(ran, 1);
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn a_foreign_program_says_what_it_needs() {
    let registry = Registry::start();
    images::push(&registry, Base::Foreign, "library/busybox", "s390x");
    let context = TestContext::with_manifest(&format!(
        "[base.busybox]\nrepository = \"{}\"\ntag = \"s390x\"\n[build.app]\nbase = \"busybox\"\npackages = [\"foreign\"]\n\
         platforms = [\"linux/s390x\"]\nsteps = [\"true\"]\n",
        registry.repository("library/busybox")
    ));
    let mut elf = b"\x7fELF\x02\x02\x01".to_vec();
    elf.resize(64, 0);
    elf[19] = 22;
    context.write_program("foreign", elf);
    // The base's programs are this machine's, so that it runs as if it were emulated.
    context.run(["build"]).success();
    let config = read_json(&blob(&context.layout(), &manifest(&context)["config"]));
    assert_eq!(config["architecture"], "s390x");
    context.write("oci.toml", context.read("oci.toml").replace("[\"true\"]", "[{ run = [\"/foreign\"] }]"));
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::run::foreign_program") && told.stderr().contains("qemu"), "{told}");
}

#[test]
fn a_dry_run_tells_which_steps_run() {
    let registry = Registry::start();
    let context = built_with(&registry, "steps = [\"echo 1 > /1\", \"echo 2 > /2\", \"true\"]");
    context.run(["build"]).success();
    let steps = |arguments: &[&str]| -> Vec<bool> {
        let told = context.finish(context.oci().args(["build", "--dry-run"]).args(arguments)).success();
        let lines = told.stdout();
        lines.lines().filter(|line| line.starts_with("step ")).map(|line| line.contains("cached")).collect()
    };
    assert_eq!(steps(&[]), [true, true, true]);
    assert_eq!(steps(&["--no-cache"]), [false, false, false]);
    let stages = |context: &TestContext| {
        let told = context.run(["build", "--dry-run", "--json"]).success().stdout();
        let plan: serde_json::Value = serde_json::from_str(&told).unwrap();
        let stages = plan["stages"].as_array().unwrap().iter().filter(|stage| stage["stage"] == "step");
        stages.cloned().collect::<Vec<_>>()
    };
    assert!(stages(&context).iter().all(|step| step["state"] == "cached" && step["commands"] == serde_json::json!([])));
    // A layer below that is made anew makes all of them run.
    let manifest = context.read("oci.toml");
    let more = manifest.replace("steps =", "packages = [{ text = \"x\", to = \"/x\" }]\nsteps =");
    context.write("oci.toml", &more);
    assert_eq!(steps(&[]), [false, false, false]);
    let found = stages(&context);
    assert_eq!((found.len(), &found[0]["layer"]), (3, &"echo 1 > /1".into()));
    assert!(found.iter().all(|step| step["state"] == "needed" && step["reasons"][0] == "a layer below it is made"));
    assert_eq!(found[1]["commands"], serde_json::json!(["/bin/sh -ec 'echo 2 > /2'"]));
    // So does a base that is not known yet, as far as can be told.
    context.write("oci.toml", manifest.replace("tag = \"latest\"", "tag = \"other\""));
    let found = stages(&context);
    assert!(found.len() == 3 && found.iter().all(|step| step["state"] == "unknown"), "{found:?}");
    assert!(context.run(["build", "--dry-run"]).success().stdout().contains("$ /bin/sh -ec 'echo 1 > /1'\n"));
    context.write("oci.toml", manifest);
    assert!(context.run(["build"]).success().stderr().contains("; 0 steps run, 3 cached\n"));
    context.write("oci.toml", context.read("oci.toml").replace("echo 2", "echo two"));
    assert_eq!(steps(&[]), [true, false, false]);
    let told = context.run(["build"]).success();
    assert_eq!(told.stderr().lines().filter(|line| line.starts_with("ran ")).count(), 2, "{told}");
    assert!(told.stderr().contains("; 2 steps run, 1 cached\n"), "{told}");
    let locks = std::fs::read_dir(context.root().join("cache/oci/locks")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = locks.filter(|path| path.to_string_lossy().contains("step-")).collect();
    assert!(left.is_empty(), "what was done needs no lock: {left:?}");
}

#[test]
fn a_stage_with_steps_is_a_base_like_any_other() {
    let registry = Registry::start();
    let context = built_with(&registry, "packages = [\"app\"]");
    context.write_program("app", "#!/bin/sh\ncat /made; ls /usr/share\n");
    let text = context.read("oci.toml").replace("base = \"busybox\"\npackages", "base = \"system\"\npackages");
    context.write(
        "oci.toml",
        text + "\n[stage.system]\nbase = \"busybox\"\nsteps = [\"echo made > /made; rm /usr/share/base\"]\n",
    );
    assert_eq!(context.run(["run", "-q", "app"]).success().stdout(), "made\n");
}
