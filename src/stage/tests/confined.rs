//! What a container may not do, though its user is root there.

use super::*;

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
                      busybox chown 0:0 /tmp && busybox timeout 5 true && busybox sync && \
                      (busybox nc -l -p 5299 -e cat & sleep 0.3; echo tcp | busybox nc -w 1 127.0.0.1 5299)";
        let (status, stdout, stderr) = text(&lab.run(&lab.shell(script)));
        assert_eq!((status, stdout.as_str()), (Some(0), "through\ntcp\n"), "{stderr}");
    }
}
