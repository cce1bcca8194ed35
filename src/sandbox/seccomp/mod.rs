//! Which system calls a container may make: what programs need, and nothing that reaches around
//! namespaces and capabilities to the kernel.
//!
//! One that programs know to be privileged fails with `EPERM`. One that is in no list here, or younger than
//! they are, fails with `ENOSYS`, as it would on an older kernel, so that programs use what they used before
//! there was such a call.
//!
//! Two filters do that together. A profile that names all that is allowed would take libseccomp, and so every
//! start of a container, 20 ms to compile. So the runtime is given what is refused ([`profile`]), which is
//! a tenth of it, and what no list can name is refused by a filter of our own ([`filter`]), which the
//! runtime itself runs under.

mod filter;

use serde_json::{Value, json};

pub(super) use filter::refuse_unknown;

const EPERM: u16 = 1;
const ENOSYS: u16 = 38;

/// Flags of `clone` that make namespaces: mount, cgroup, UTS, IPC, user, PID, network.
const NEW_NAMESPACES: [u64; 7] = [1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30];
/// Which argument of `clone` the flags are.
const CLONE_FLAGS: u32 = if cfg!(target_arch = "s390x") { 1 } else { 0 };

/// Programs know these to be for the privileged, and what `EPERM` from them means.
const PRIVILEGED: &str = "acct add_key bpf clock_settime clock_settime64 create_module delete_module fanotify_init
     finit_module fsconfig fsmount fsopen fspick get_mempolicy init_module ioperm iopl kcmp kexec_file_load
     kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages migrate_pages nfsservctl
     open_by_handle_at open_tree perf_event_open pivot_root quotactl quotactl_fd reboot request_key
     set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday stime swapoff swapon
     syslog umount umount2 unshare userfaultfd vhangup vm86 vm86old";

/// Gone from newer kernels or never used; and io_uring, whose queue no filter can look into.
const OUTDATED: &str = "_sysctl afs_syscall bdflush break ftime get_kernel_syms getpmsg gtty idle io_uring_enter
     io_uring_register io_uring_setup lock mpx nice oldfstat oldlstat oldolduname oldstat olduname prof profil
     putpmsg query_module readdir security sgetmask ssetmask stty sysfs tuxcall ulimit uselib ustat vserver";

/// Whether the kernel has such filters.
pub(super) fn is_available() -> bool {
    std::path::Path::new("/proc/sys/kernel/seccomp").exists()
}

/// What is refused by name, as the runtime specification has it.
pub(super) fn profile() -> Value {
    let names = |names: &'static str| names.split_whitespace().collect::<Vec<_>>();
    let mut rules = vec![
        json!({ "names": names(PRIVILEGED), "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM }),
        json!({ "names": names(OUTDATED), "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
        // Its flags are behind a pointer, where no filter can look; without it programs use `clone`.
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
    ];
    rules.extend(NEW_NAMESPACES.map(|flag| {
        json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": EPERM,
            "args": [{ "index": CLONE_FLAGS, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ" }],
        })
    }));
    let mut profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules });
    // A processor runs the programs of its older kinds too; of others the runtime knows the one kind.
    let architectures: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => &[],
    };
    if !architectures.is_empty() {
        profile["architectures"] = json!(architectures);
    }
    profile
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_call_stands_twice() {
        let mut seen = BTreeSet::new();
        let names = PRIVILEGED.split_whitespace().chain(OUTDATED.split_whitespace());
        for name in names.chain(["clone", "clone3", "personality", "socket"]) {
            assert!(seen.insert(name), "{name}");
        }
    }
}
