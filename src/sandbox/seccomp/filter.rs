//! A filter of our own, in the kernel's own language (`seccomp(2)`, classic BPF): it refuses calls that are
//! younger than our lists, and what two old calls are asked for.
//!
//! It is installed before the runtime starts, and holds for it too; the runtime needs none of what is refused
//! here. Where two filters disagree, the kernel does what is stricter.

use std::io;

use crate::sandbox::seccomp::{ENOSYS, EPERM};

/// The numbers of calls that the lists are about. Since 424 all architectures count alike; these are all that
/// Linux 6.13 has, but for `mount_setattr`, `quotactl_fd`, `set_mempolicy_home_node`, `statmount`,
/// `listmount` and those about security modules. Numbers of x32 are beyond all of them.
const KNOWN: [(u32, u32); 4] = [(0, 441), (444, 449), (451, 456), (462, 466)];
/// Sockets to the machine that this one is a guest of.
const AF_VSOCK: u32 = 40;
/// What `personality` may be asked for: Linux, with 32 bit names or as version 2.6; or nothing but what it is
/// now.
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// How a kind of processor numbers its calls.
struct Architecture {
    /// `AUDIT_ARCH_…`.
    audit: u32,
    personality: u32,
    socket: u32,
}

/// Of this machine: its own kind first, then the older one whose programs it runs as well.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[Architecture] = &[
    Architecture { audit: 0xc000_003e, personality: 135, socket: 41 },
    Architecture { audit: 0x4000_0003, personality: 136, socket: 359 },
];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[Architecture] = &[
    Architecture { audit: 0xc000_00b7, personality: 92, socket: 198 },
    Architecture { audit: 0x4000_0028, personality: 136, socket: 281 },
];
#[cfg(target_arch = "riscv64")]
const ARCHITECTURES: &[Architecture] = &[Architecture { audit: 0xc000_00f3, personality: 92, socket: 198 }];
#[cfg(target_arch = "loongarch64")]
const ARCHITECTURES: &[Architecture] = &[Architecture { audit: 0xc000_0102, personality: 92, socket: 198 }];
#[cfg(target_arch = "s390x")]
const ARCHITECTURES: &[Architecture] = &[Architecture { audit: 0x8000_0016, personality: 136, socket: 359 }];
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
const ARCHITECTURES: &[Architecture] = &[Architecture { audit: 0xc000_0015, personality: 136, socket: 326 }];

/// Where things are in the kernel's `seccomp_data`; of the first argument the half that counts.
const NUMBER: u32 = 0;
const AUDIT: u32 = 4;
const FIRST_ARGUMENT: u32 = if cfg!(target_endian = "big") { 20 } else { 16 };

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const ALLOW: libc::sock_filter = instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0);
const KILL: libc::sock_filter = instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0);

/// Installs the filter for this thread and all that it starts: the process may have no other thread.
///
/// It takes `CAP_SYS_ADMIN` in our user namespace, or no new privileges.
pub(in crate::sandbox) fn refuse_unknown() -> io::Result<()> {
    let mut filter = build();
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).map_err(io::Error::other)?, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel reads the program, which lives for the call, and copies it.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn build() -> Vec<libc::sock_filter> {
    let mut filter = vec![instruction(LOAD, AUDIT, 0, 0)];
    for architecture in ARCHITECTURES {
        let mut calls = vec![instruction(LOAD, NUMBER, 0, 0)];
        calls.extend(when(architecture.personality, personality()));
        calls.extend(when(architecture.socket, socket()));
        for (first, last) in KNOWN {
            calls.extend([instruction(IF_AT_LEAST, first, 0, 2), instruction(IF_GREATER, last, 1, 0), ALLOW]);
        }
        calls.push(fail(ENOSYS));
        filter.extend(when(architecture.audit, calls));
    }
    // The runtime's own filter kills it as well.
    filter.push(KILL);
    filter
}

fn personality() -> Vec<libc::sock_filter> {
    let mut filter = vec![instruction(LOAD, FIRST_ARGUMENT, 0, 0)];
    filter.extend(PERSONALITIES.into_iter().flat_map(|value| when(value, vec![ALLOW])));
    filter.push(fail(EPERM));
    filter
}

fn socket() -> Vec<libc::sock_filter> {
    let mut filter = vec![instruction(LOAD, FIRST_ARGUMENT, 0, 0)];
    filter.extend(when(AF_VSOCK, vec![fail(ENOSYS)]));
    filter.push(ALLOW);
    filter
}

/// What is done if the loaded word is this; the rest skips it.
fn when(value: u32, then: Vec<libc::sock_filter>) -> impl Iterator<Item = libc::sock_filter> {
    // A jump is at most this far; the kernel refuses a filter that goes wrong.
    let skip = u8::try_from(then.len()).unwrap_or(u8::MAX);
    std::iter::once(instruction(IF_EQUAL, value, 0, skip)).chain(then)
}

const fn fail(error: u16) -> libc::sock_filter {
    instruction(RETURN, libc::SECCOMP_RET_ERRNO | error as u32, 0, 0)
}

const fn instruction(code: u32, value: u32, if_true: u8, if_false: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: if_true, jf: if_false, k: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of a call, 0 for none.
    fn error(number: libc::c_long, argument: libc::c_ulong) -> i32 {
        // SAFETY: the calls of these tests take numbers or nothing, and a null pointer is refused.
        let result = unsafe { libc::syscall(number, argument, 0, 0, 0, 0, 0) };
        if result == -1 { io::Error::last_os_error().raw_os_error().unwrap() } else { 0 }
    }

    /// In a thread of its own, since nothing takes a filter away again.
    #[test]
    fn the_kernel_takes_it_and_does_what_it_says() {
        let filtered = std::thread::spawn(|| {
            // SAFETY: it takes numbers.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
            refuse_unknown().unwrap();
            let now = 0xffff_ffff;
            for (number, argument, expected) in [
                (libc::SYS_getpid, 0, 0),
                (libc::SYS_faccessat2, 0, libc::EFAULT),
                (libc::SYS_personality, now, 0),
                (libc::SYS_personality, 0x2_0008, 0),
                (libc::SYS_personality, 0, 0),
                (libc::SYS_personality, 0x040_0000, libc::EPERM),
                (libc::SYS_personality, 0x004_0000, libc::EPERM),
                (libc::SYS_socket, libc::AF_UNIX as libc::c_ulong, libc::ESOCKTNOSUPPORT),
                (libc::SYS_socket, libc::AF_VSOCK as libc::c_ulong, libc::ENOSYS),
                (libc::SYS_mount_setattr, 0, libc::ENOSYS),
                (libc::SYS_set_mempolicy_home_node, 0, libc::ENOSYS),
                (457, 0, libc::ENOSYS),
                (467, 0, libc::ENOSYS),
                (1 << 30, 0, libc::ENOSYS),
                ((1 << 30) | 39, 0, libc::ENOSYS),
            ] {
                assert_eq!(error(number, argument), expected, "{number} {argument:#x}");
            }
            // What a thread starts is held to it as well.
            std::thread::spawn(|| assert_eq!(error(457, 0), libc::ENOSYS)).join().unwrap();
        });
        filtered.join().unwrap();
        assert_ne!(error(libc::SYS_mount_setattr, 0), libc::ENOSYS, "other threads are not held to it");
    }
}
