//! What a container is started with, and what is said where none can be.

use super::terminal::Terminal;
use super::*;

/// In the environment of a test that started itself again.
const INSIDE: &str = "OCI_TEST_INSIDE";

/// True for root, and for an ordinary user in a namespace of its own, where it may mount and has no
/// subordinate IDs. An ordinary user elsewhere runs the test of this name again in such a one, where it must
/// pass: then there is nothing left to do.
#[track_caller]
fn is_in_charge(test: &str) -> bool {
    if rustix::process::geteuid().is_root() || std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let script = "mount --bind /dev/null /etc/subuid && exec \"$@\"";
    let again = Command::new("unshare")
        .args(["--user", "--map-current-user", "--keep-caps", "--mount", "/bin/sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("containers::tools_tests::start::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(again.status.success() && text(&again).1.contains(" 1 passed"), "{again:?}");
    false
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
            "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)\n/home/app /bin a b\n/new/folder\noci\n/sys/class/net/lo\n",
            ""
        )
    );
    request.user = Some("65532:7".to_owned());
    assert!(text(&lab.run(&request)).1.starts_with("uid=65532 gid=7 groups=7\n/ /bin"));
    let unknown = Request { user: Some("nobody".to_owned()), ..request };
    let (status, _, stderr) = text(&lab.run(&unknown));
    assert!(status == Some(125) && stderr.contains("oci::run::unknown_user"), "{stderr}");
}

#[test]
fn an_ordinary_user_is_told_what_cannot_be() {
    if !is_in_charge("an_ordinary_user_is_told_what_cannot_be") {
        return;
    }
    let lab = labs().pop().unwrap();
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
fn a_terminal_works() {
    for lab in labs() {
        let request = Request { terminal: true, ..lab.shell("tty; echo $TERM; [ -t 2 ] && exit 6") };
        let (status, shown) = Terminal::start(&lab.command(&request)).end();
        assert_eq!(status, Some(6), "{shown}");
        assert!(shown.contains("/dev/pts/0\r\nxterm\r\n"), "{shown}");
        assert!(lab.is_clean());
    }
}

#[test]
fn a_terminal_is_as_large_as_ours_and_stays_so() {
    for lab in labs() {
        let script =
            "busybox stty size; trap 'busybox stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done";
        let mut terminal = Terminal::start(&lab.command(&Request { terminal: true, ..lab.shell(script) }));
        assert_eq!((terminal.line().trim(), terminal.line().trim()), ("40 120", "ready"));
        terminal.resize(20, 60);
        let (status, shown) = terminal.end();
        assert_eq!((status, shown.trim()), (Some(3), "20 60"));
    }
}

/// As in a container without a volume, where the cache is on an overlay.
#[test]
fn runs_where_no_overlay_can_be_written() {
    if !is_in_charge("runs_where_no_overlay_can_be_written") {
        return;
    }
    let mut lab = Lab::new();
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
