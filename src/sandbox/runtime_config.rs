//! The runtime configuration (OCI runtime spec, `config.json`) of a run, with the defaults of container engines. It is
//! made here because umoci's own configuration cannot start most programs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::id_map::has_group;
use crate::sandbox::account::Account;
use crate::sandbox::root::clean;
use crate::sandbox::sysfs::Sysfs;
use crate::sandbox::{Container, Limits, Mount, MountSource, mount, seccomp};

/// The capabilities of a container's root.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Paths that are hidden, since they reveal or change the machine: those that container engines hide.
const MASKED: [&str; 14] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Where each processor has a folder, in which `thermal_throttle` is hidden too.
const PROCESSORS: &str = "/sys/devices/system/cpu";

/// The period of processor shares, in microseconds.
const PERIOD: u64 = 100_000;

/// The group that owns terminals, by convention.
const TTY: u32 = 5;

/// The configuration of a run. Its overlay is mounted at `root`, its secrets are in `bundle`, and `sysfs` says what its
/// `/sys` is.
///
/// It asks for no resource limits above those of this process, which an ordinary user could not have.
pub(super) fn build(container: &Container, account: &Account, root: &Path, (bundle, sysfs): (&Path, &Sysfs)) -> Value {
    let process = &container.process;
    let mut environment = process.environment.clone();
    if !environment.iter().any(|entry| entry.starts_with("HOME=")) {
        environment.push(format!("HOME={}", account.home));
    }
    let mut namespaces = vec!["ipc", "uts", "mount"];
    if !container.has_init {
        namespaces.push("pid");
    }
    if !container.network_host {
        namespaces.push("network");
    }
    if shows_cgroup(container) {
        namespaces.push("cgroup");
    }
    let namespaces: Vec<Value> = namespaces.into_iter().map(|kind| json!({ "type": kind })).collect();
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": process.terminal,
            "user": { "uid": account.user, "gid": account.group, "additionalGids": account.supplementary },
            "args": process.arguments,
            "env": environment,
            "cwd": process.workdir,
            "capabilities": {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "permitted": CAPABILITIES,
            },
            "noNewPrivileges": !container.new_privileges,
        },
        "root": { "path": root, "readonly": container.read_only },
        "hostname": container.hostname,
        "mounts": mounts(container, bundle, sysfs),
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": masked(),
            "readonlyPaths": READ_ONLY,
        },
    });
    if process.terminal {
        // The runtime gives a terminal its size only after the program has started, which is too late.
        if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdin()) {
            config["process"]["consoleSize"] = json!({ "height": size.ws_row, "width": size.ws_col });
        }
    }
    if seccomp::is_available() {
        config["linux"]["seccomp"] = seccomp::profile();
    }
    if !container.map.is_namespaced() {
        // Root may make device files, so it must not open what they stand for.
        config["linux"]["resources"] = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
    }
    if !container.limits.are_none() {
        limit(&mut config, container);
    }
    config
}

/// The paths that are hidden, as far as they exist.
fn masked() -> Vec<PathBuf> {
    let processors = std::fs::read_dir(PROCESSORS).into_iter().flatten().flatten();
    let throttles = processors.map(|processor| processor.path().join("thermal_throttle")).filter(|path| path.exists());
    MASKED.iter().map(PathBuf::from).chain(throttles).collect()
}

/// True if the container is shown its own cgroup, which tells programs their limits.
fn shows_cgroup(container: &Container) -> bool {
    !container.limits.are_none() && container.kind.shows_cgroup()
}

fn limit(config: &mut Value, container: &Container) {
    let Limits { memory, processors, processes } = &container.limits;
    let linux = &mut config["linux"];
    // The cgroup is not made below this process's own: a cgroup with processes passes no controllers on.
    linux["cgroupsPath"] = json!(format!("/{}", container.identifier));
    let resources = &mut linux["resources"];
    if let Some(bytes) = memory {
        resources["memory"] = json!({ "limit": bytes });
    }
    if let Some(thousandths) = processors {
        resources["cpu"] = json!({ "period": PERIOD, "quota": thousandths.saturating_mul(PERIOD / 1000) });
    }
    if let Some(number) = processes {
        resources["pids"] = json!({ "limit": number });
    }
}

fn mounts(container: &Container, bundle: &Path, sysfs: &Sysfs) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    let mut devpts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if has_group(TTY) {
        devpts.push("gid=5");
    }
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &devpts),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        sysfs_mount(sysfs),
    ];
    if shows_cgroup(container) {
        mounts.push(mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]));
    }
    mounts.extend(container.mounts.iter().enumerate().map(|(number, mount)| own_mount(mount, number, bundle)));
    mounts
}

fn sysfs_mount(sysfs: &Sysfs) -> Value {
    let options = ["nosuid", "noexec", "nodev", "ro"];
    match sysfs {
        Sysfs::Machine(seen) => {
            let options: Vec<&str> = ["rbind"].into_iter().chain(options).collect();
            json!({ "destination": "/sys", "type": "bind", "source": seen, "options": options })
        }
        Sysfs::Own => json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": options }),
    }
}

fn own_mount(mount: &Mount, number: usize, bundle: &Path) -> Value {
    let target = clean(&mount.target);
    let bind = |source: &Path, access: &str| json!({ "destination": target, "type": "bind", "source": source, "options": ["rbind", "rprivate", access] });
    match &mount.source {
        MountSource::Host { path, read_only } => bind(path, if *read_only { "ro" } else { "rw" }),
        MountSource::Cache(path) => bind(path, "rw"),
        MountSource::Secret(_) => bind(&mount::secret_file(bundle, number), "ro"),
        MountSource::Memory => json!({
            "destination": target, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"],
        }),
    }
}
