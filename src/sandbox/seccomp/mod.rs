//! Which system calls a container may make: what programs need, and nothing that reaches around
//! namespaces and capabilities to the kernel.
//!
//! A call that is in neither list fails with `ENOSYS`, as it would on an older kernel, so that programs
//! use what they used before there was such a call. One that programs know to be privileged fails with
//! `EPERM`.

use serde_json::{Value, json};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Flags of `clone` that make namespaces: mount, cgroup, UTS, IPC, user, PID, network.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// Sockets to the machine that this one is a guest of.
const AF_VSOCK: u64 = 40;
/// What `personality` may be asked for: Linux, with 32 bit names or without address randomisation; or
/// nothing but what it is now.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Allowed whatever their arguments, by what they are about.
const ALLOWED: &[&str] = &[
    // Files: open, read, write, wait for
    "_llseek _newselect access cachestat close close_range copy_file_range creat dup dup2 dup3 epoll_create
     epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
     faccessat faccessat2 fadvise64 fadvise64_64 fallocate fcntl fcntl64 fdatasync flock fsync ftruncate
     ftruncate64 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lseek open openat openat2
     pipe pipe2 poll ppoll ppoll_time64 pread64 preadv preadv2 pselect6 pselect6_time64 pwrite64 pwritev
     pwritev2 read readahead readv select sendfile sendfile64 splice sync sync_file_range sync_file_range2
     syncfs tee truncate truncate64 vmsplice write writev arm_fadvise64_64 arm_sync_file_range",
    // Files: names, attributes, folders
    "chdir chmod chown chown32 chroot fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fgetxattr
     flistxattr fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getcwd getdents
     getdents64 getxattr getxattrat lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr
     lremovexattr lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat readlink
     readlinkat removexattr removexattrat rename renameat renameat2 rmdir setxattr setxattrat stat stat64 statfs
     statfs64 statx symlink symlinkat umask unlink unlinkat utime utimensat utimensat_time64 utimes fanotify_mark",
    // Reading and writing without waiting
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
    // Memory
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
     mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_madvise
     process_mrelease remap_file_pages",
    // Processes and threads
    "capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv
     futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid getpriority getrlimit
     getrusage getsid gettid ioprio_get ioprio_set kill pause pidfd_getfd pidfd_open pidfd_send_signal prctl
     prlimit64 process_vm_readv process_vm_writev ptrace restart_syscall rseq sched_get_priority_max
     sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
     sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
     sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address setpgid setpriority
     setrlimit setsid tgkill times tkill ugetrlimit vfork wait4 waitid waitpid arch_prctl modify_ldt breakpoint
     cacheflush set_tls riscv_flush_icache riscv_hwprobe landlock_add_rule landlock_create_ruleset
     landlock_restrict_self uretprobe",
    // Users and groups
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
     getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
     setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    // Signals
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
     rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signal signalfd signalfd4 sigpending sigprocmask
     sigreturn sigsuspend sigaction",
    // Clocks; setting them takes a capability that containers lack
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
     clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create
     timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
     timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64",
    // Networks
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
     recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair",
    // Talking to other processes
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
     mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64
     shmat shmctl shmdt shmget",
    // The machine
    "getrandom sysinfo uname",
];

/// Programs know these to be for the privileged, and what `EPERM` from them means.
const PRIVILEGED: &str = "acct add_key bpf clock_settime clock_settime64 create_module delete_module fanotify_init
     finit_module fsconfig fsmount fsopen fspick get_mempolicy init_module ioperm iopl kcmp kexec_file_load
     kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages migrate_pages nfsservctl
     open_by_handle_at open_tree perf_event_open pivot_root quotactl quotactl_fd reboot request_key
     set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday stime swapoff swapon
     syslog umount umount2 unshare userfaultfd vhangup vm86 vm86old";

/// The profile, or nothing where the kernel has no such filter.
pub(super) fn profile() -> Option<Value> {
    std::path::Path::new("/proc/sys/kernel/seccomp").exists().then(build)
}

fn build() -> Value {
    let allowed: Vec<&str> = ALLOWED.iter().flat_map(|names| names.split_whitespace()).collect();
    let privileged: Vec<&str> = PRIVILEGED.split_whitespace().collect();
    let mut rules = vec![
        json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": privileged, "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM }),
        when("socket", 0, "SCMP_CMP_NE", AF_VSOCK),
        json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }),
        // Its flags are behind a pointer, where no filter can look; without it programs use `clone`.
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
    ];
    rules.extend(PERSONALITIES.map(|value| when("personality", 0, "SCMP_CMP_EQ", value)));
    let mut profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "syscalls": rules,
    });
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

/// Allows a call where one of its arguments compares so.
fn when(name: &str, argument: u32, comparison: &str, value: u64) -> Value {
    json!({
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [{ "index": argument, "value": value, "op": comparison }],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_call_stands_twice() {
        let mut seen = BTreeSet::new();
        let names = ALLOWED.iter().flat_map(|names| names.split_whitespace()).chain(PRIVILEGED.split_whitespace());
        for name in names.chain(["socket", "clone", "clone3", "personality"]) {
            assert!(seen.insert(name), "{name}");
        }
        assert!(seen.len() > 300);
    }
}
