//! Signals, kills, and what is left afterwards: nothing.

use super::terminal::Terminal;
use super::*;

#[test]
fn signals_reach_the_program() {
    for lab in labs() {
        let mut child = lab.start("trap 'echo got; exit 9' TERM; echo ready; while true; do sleep 0.1; done");
        signal(&child, rustix::process::Signal::TERM);
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(9), "got\n"));
        assert!(lab.is_clean());

        let request = Request { early_signal: Some(15), ..lab.shell("echo ran") };
        lab.run(&Request { early_signal: None, ..request.clone() });
        let (status, stdout, stderr) = text(&lab.run(&request));
        assert!(status == Some(125) && stdout.is_empty() && stderr.contains("interrupted"), "{stderr}");
    }
}

/// Whenever a signal comes, it ends the run, and nothing is left.
#[test]
fn no_signal_is_lost_on_the_way() {
    let lab = Lab::new();
    lab.run(&lab.shell("true"));
    for delay in (0..60).step_by(6) {
        let script = "trap 'exit 9' TERM; i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i+1)); done; exit 3";
        let child = lab.command(&lab.shell(script)).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        signal(&child, rustix::process::Signal::TERM);
        let (status, _, stderr) = text(&child.wait_with_output().unwrap());
        // None: it died of it, before it listened. 3: the shell had not set its trap.
        assert!(matches!(status, None | Some(9 | 143 | 125 | 3)), "{delay} ms: {status:?} {stderr}");
        until("nothing is left", || lab.sweeps());
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_killed_run_leaves_nothing_after_a_sweep() {
    for lab in labs() {
        let mut child = lab.start("(sleep 4242 &) ; chmod 0 /tmp; echo ready; sleep 4242");
        let runs = lab.cache().join("runs");
        let identifier = std::fs::read_dir(&runs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .find(|name| name != "lock")
            .unwrap();
        let identifier = identifier.to_string_lossy().into_owned();
        // Another run looks for dead ones first.
        assert!(lab.command(&lab.shell("true")).output().unwrap().status.success());
        assert!(runs.join(&identifier).exists(), "a living run is left alone");
        child.kill().unwrap();
        child.wait().unwrap();
        until("processes end", || lab.processes().is_empty() && !has_sleeper(&lab));
        assert!(!lab.is_mounted());
        assert!(runs.join(&identifier).exists());
        until("nothing is left", || lab.sweeps());
        let cgroups = Command::new("find").args(["/sys/fs/cgroup", "-name", &identifier]).output().unwrap();
        assert_eq!(text(&cgroups).1, "");
    }
}

/// Whether a process of the container lives: its root is the overlay.
fn has_sleeper(lab: &Lab) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cgroup = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        cgroup.contains(&*lab.cache().to_string_lossy())
    })
}

/// Ctrl-C and Ctrl-\ reach everyone in the foreground by themselves: the program must see each once.
#[test]
fn a_terminals_signal_comes_once() {
    let lab = Lab::new();
    for (terminal, key, signal) in
        [(false, b"\x03", "INT"), (true, b"\x03", "INT"), (false, b"\x1c", "QUIT"), (true, b"\x1c", "QUIT")]
    {
        // It waits for the first, however late, and then a while for a second.
        let script = format!(
            "trap 'echo got; i=0' {signal}; i=-100000; echo ready; while [ $i -lt 5 ]; do sleep 0.1; i=$((i+1)); done"
        );
        let command = lab.command(&Request { terminal, ..lab.shell(&script) });
        let mut terminal = Terminal::start(&command);
        assert_eq!(terminal.line().trim(), "ready");
        terminal.press(key);
        let (status, shown) = terminal.end();
        assert_eq!((status, shown.matches("got").count()), (Some(0), 1), "{shown}");
    }
}

/// Unpacking, starting, running or cleaning up: the next run finds nothing that disturbs it.
#[test]
fn killed_at_any_moment_of_a_first_run() {
    for lab in labs() {
        for delay in (0..320).step_by(40) {
            let mut child = lab.command(&lab.shell("true")).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            until("processes end", || lab.processes().is_empty() && !has_sleeper(&lab));
            let trees = lab.cache().join("rootfs");
            until("one tree is left, and nothing else", || {
                let is_clean = lab.sweeps();
                let names = std::fs::read_dir(&trees).unwrap().map(|entry| entry.unwrap().file_name());
                is_clean && names.filter(|name| !name.to_string_lossy().ends_with(".lock")).count() == 1
            });
            std::fs::remove_dir_all(trees).unwrap();
        }
    }
}
