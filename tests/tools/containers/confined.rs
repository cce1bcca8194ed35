//! What a container may not do, though its user is root there.

use super::*;

/// The test binary, started so in a container, calls the kernel.
pub(super) const SUBCOMMAND: &str = "__test_calls";

/// What is asked of the kernel, and what it should answer.
fn calls() -> Vec<(libc::c_long, libc::c_int, libc::c_int)> {
    let refused = [
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_fsopen,
        libc::SYS_get_mempolicy,
        libc::SYS_keyctl,
        libc::SYS_mbind,
        libc::SYS_mount,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_setns,
        libc::SYS_userfaultfd,
    ];
    let unknown = [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, 457, 467, 1000, 1 << 30];
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let mut calls = vec![
        (libc::SYS_getuid, 0, 0),
        (libc::SYS_personality, 0x004_0000, libc::EPERM),
        (libc::SYS_socket, libc::AF_VSOCK, libc::ENOSYS),
    ];
    calls.extend(refused.map(|number| (number, 0, libc::EPERM)));
    calls.extend(unknown.map(|number| (number, 0, libc::ENOSYS)));
    for flag in namespaces {
        calls.extend([(libc::SYS_unshare, flag, libc::EPERM), (libc::SYS_clone, flag, libc::EPERM)]);
    }
    calls
}

/// Says which calls are answered otherwise; how many are.
pub(super) fn call() -> i32 {
    let wrong = calls().into_iter().filter(|&(number, argument, expected)| {
        // SAFETY: all pointers are null, and what would start a process of its own is refused.
        let answer = unsafe { libc::syscall(number, libc::c_long::from(argument), 0, 0, 0, 0, 0) };
        let error = if answer == -1 { std::io::Error::last_os_error().raw_os_error().unwrap() } else { 0 };
        if error != expected {
            println!("{number}({argument:#x}) is {error}, and should be {expected}");
        }
        error != expected
    });
    i32::try_from(wrong.count()).unwrap()
}

#[test]
fn the_kernel_refuses_what_it_should() {
    for lab in labs() {
        lab.run(&lab.shell("true"));
        let own = if lab.user.is_some() { lab.folder.path().join("oci") } else { std::env::current_exe().unwrap() };
        let mut request = lab.request(&["/test", SUBCOMMAND]);
        request.volumes = vec![(own, "/test".into(), true)];
        // The libraries that it needs are where they are here.
        let folders = ["/lib", "/lib64"].map(PathBuf::from).into_iter().filter(|folder| folder.exists());
        request.volumes.extend(folders.map(|folder| (folder.clone(), folder, true)));
        let (status, stdout, stderr) = text(&lab.run(&request));
        assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    }
}

fn is_refused(said: &str) -> bool {
    ["not permitted", "ermission denied"].iter().any(|words| said.contains(words))
}

#[test]
fn a_container_cannot_reach_around_its_walls() {
    for lab in labs() {
        let refused = |script: &str| {
            let (status, stdout, stderr) = text(&lab.run(&lab.shell(script)));
            assert!(is_refused(&stderr), "{script}: {status:?} {stdout}{stderr}");
        };
        let filters = lab.shell("busybox grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status");
        assert_eq!(text(&lab.run(&filters)).1, "NoNewPrivs:\t1\nSeccomp:\t2\n");
        // A user namespace of one's own would bring every capability.
        refused("busybox unshare -U true");
        refused("mount -t tmpfs none /tmp");
        refused("busybox umount /proc");
        refused("busybox chroot / busybox nsenter -t 1 -m true");
        refused("busybox date -s 2001-01-01");
        refused("hostname other");
        refused("busybox dmesg");
        for path in ["/proc/kcore", "/proc/keys"] {
            assert_eq!(text(&lab.run(&lab.shell(&format!("cat {path}")))).1, "", "{path}");
        }
        let (status, _, stderr) = text(&lab.run(&lab.shell("echo 1 > /proc/sys/kernel/panic")));
        assert!(status != Some(0) && stderr.contains("Read-only file system"), "{stderr}");
    }
}

/// What programs do every day: threads, pipes, sockets, files and links of all kinds.
#[test]
fn programs_do_not_notice() {
    for lab in labs() {
        let script = "busybox mkfifo /tmp/f && (echo through > /tmp/f & cat /tmp/f) && \
                      busybox ln -s a /tmp/s && busybox ln /tmp/f /tmp/h && \
                      busybox chown 0:0 /tmp && busybox timeout 60 true && busybox sync && \
                      (busybox nc -l -p 5299 -e cat & i=0; \
                      until echo tcp | busybox nc -w 60 127.0.0.1 5299 || [ $i = 600 ]; \
                      do i=$((i+1)); sleep 0.1; done)";
        let (status, stdout, stderr) = text(&lab.run(&lab.shell(script)));
        assert_eq!((status, stdout.as_str()), (Some(0), "through\ntcp\n"), "{stderr}");
    }
}
