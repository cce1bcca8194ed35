//! Checks the cache folder: may it be written to, is there room, and can containers stand on it?

use std::path::Path;

use miette::Diagnostic;
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::Needs;
use super::finding::{Finding, State, told};
use crate::containers::overlays;
use crate::fs::Unnamed;
use crate::model::ByteSize;
use crate::process::{IdMap, ProcessError};
use crate::sandbox::{Overlays, Refusal};
use crate::store::{OpenError, Store};

/// With less free space, in bytes, a base may not fit.
const LITTLE: u64 = 1 << 30;
/// The settings that say where folders are.
const ELSEWHERE: &str = "set `dir` in `[cache]`, or `OCI_CACHE_DIR`, to a folder on a disk of this machine";

/// File systems by what the kernel says of them (`statfs(2)`), and whether they are another machine's.
const FILE_SYSTEMS: [(i64, &str, bool); 9] = [
    (0xEF53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683E, "btrfs", false),
    (0x2FC1_2FC1, "zfs", false),
    (0x0102_1994, "tmpfs", false),
    (0x794C_7630, "overlayfs", false),
    (0x6969, "nfs", true),
    (0xFF53_4D42, "cifs", true),
    (0x6573_5546, "fuse", false),
];

/// The findings about the store that was opened, or about why none could be.
pub(super) fn examine(store: Result<&Store, &OpenError>, map: &IdMap, needs: Needs) -> Vec<Finding> {
    let is_needed = needs.containers || needs.registries;
    let bad = |error: &dyn Diagnostic, found: String| {
        let fix = error.help().map_or_else(|| ELSEWHERE.to_owned(), |help| help.to_string());
        vec![Finding::bad("cache", State::bad(is_needed), found, fix)]
    };
    let store = match store {
        Ok(store) => store,
        Err(error) => return bad(error, told(error)),
    };
    if let Err(error) = Unnamed::new(&store.runs()) {
        return bad(&error, told(&error));
    }
    let root = store.root();
    let mut findings = vec![folder(root, needs)];
    match overlays::probe(&store.runs(), map) {
        Err(error) => findings.push(Finding::bad("overlays", State::bad(needs.containers), told(&error), ELSEWHERE)),
        Ok(Err(ProcessError::Namespace(error))) => findings.push(namespaces(&error, needs)),
        Ok(Err(error)) => {
            findings.push(Finding::bad("namespaces", State::bad(needs.containers), told(&error), "run it again"));
        }
        Ok(Ok((overlays, refusal))) => {
            findings.push(Finding::good("namespaces", "a container can have its own"));
            findings.push(standing(root, overlays, refusal.as_ref(), needs));
        }
    }
    findings
}

fn folder(root: &Path, needs: Needs) -> Finding {
    let place = root.display();
    let kind = statfs(root).ok().map(|found| found.f_type);
    let known = FILE_SYSTEMS.iter().find(|(number, ..)| kind == Some(*number));
    let (name, is_remote) = known.map_or(("another file system", false), |(_, name, is_remote)| (name, *is_remote));
    let free = statvfs(root).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize));
    if root.to_string_lossy().contains(':') {
        let found = format!("{place} has a colon in its name, which umoci cannot read");
        return Finding::bad("cache", State::bad(needs.containers), found, ELSEWHERE);
    }
    if is_remote {
        let found = format!("{place}, on {name}: locks and overlays of other machines' disks are not to be relied on");
        return Finding::bad("cache", State::Warning, found, ELSEWHERE);
    }
    let found = format!("{place}, on {name}, {} free", ByteSize(free));
    match free < LITTLE {
        true => Finding::bad("cache", State::Warning, found, "free some: `oci cache prune --max-size 1GB`"),
        false => Finding::good("cache", found),
    }
}

/// What the kernel or its settings refuse; their own files say it more exactly.
fn namespaces(error: &(dyn miette::Diagnostic + 'static), needs: Needs) -> Finding {
    const SWITCHES: [(&str, &str, &str); 3] = [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    ];
    let reads = |file: &str| std::fs::read_to_string(Path::new("/proc/sys").join(file)).unwrap_or_default();
    let closed = SWITCHES.iter().find(|(file, closed, _)| reads(file).trim() == *closed);
    let fix = match closed {
        Some((_, _, open)) => {
            format!("run `sysctl {open}` as root, and keep it in /etc/sysctl.d; or run `oci` as root")
        }
        None => error.help().map_or_else(|| "run `oci` as root".to_owned(), |help| help.to_string()),
    };
    Finding::bad("namespaces", State::bad(needs.containers), error.to_string(), fix)
}

fn standing(root: &Path, overlays: Overlays, refusal: Option<&Refusal>, needs: Needs) -> Finding {
    let cause = refusal.map(|refusal| format!(" ({})", told(refusal))).unwrap_or_default();
    match overlays {
        Overlays::OnDisk => Finding::good("overlays", "runs and steps stand on them"),
        Overlays::InMemory => Finding::bad(
            "overlays",
            State::Warning,
            "the cache's file system can hold none: steps copy the image, and what runs change is in memory",
            ELSEWHERE,
        ),
        Overlays::Unusable if is_without_programs(root) => Finding::bad(
            "overlays",
            State::bad(needs.containers),
            format!("none can be mounted{cause}, and the cache is mounted `noexec`: no program can start in a copy"),
            ELSEWHERE,
        ),
        Overlays::Unusable => Finding::bad(
            "overlays",
            State::Warning,
            format!("none can be mounted{cause}: runs and steps copy the image, which takes longer"),
            format!("for an ordinary user, have Linux 5.11 or newer; {ELSEWHERE}"),
        ),
    }
}

fn is_without_programs(root: &Path) -> bool {
    statvfs(root).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}
