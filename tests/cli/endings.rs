//! How a run ends: by its program, by Ctrl-C, or by Ctrl-C again and again.

use rustix::process::Signal;

use crate::support::ordinary::is_root;
use crate::support::{Registry, TestContext, eventually, project};

/// A program that nothing but a kill ends.
const STUBBORN: &str = "#!/bin/sh\ntrap 'echo got INT' INT\ntrap 'echo got TERM' TERM\necho ready\n\
                        while true; do sleep 0.1; done\n";
/// One that does nothing about signals.
const PLAIN: &str = "#!/bin/sh\necho ready\nwhile true; do sleep 0.1; done\n";

fn nothing_is_left(context: &TestContext) {
    assert_eq!(context.leftovers(), Vec::<String>::new());
}

#[test]
fn ctrl_c_again_asks_harder_and_then_ends_the_container() {
    let registry = Registry::start();
    let context = project::script(&registry, STUBBORN);
    let mut run = context.start_command(context.oci().args(["run", "app"]));
    run.wait_for_line("ready");
    run.signal(Signal::INT);
    eventually("the program had SIGINT", || run.stdout().contains("got INT"));
    run.signal(Signal::INT);
    eventually("the program had SIGTERM", || run.stdout().contains("got TERM"));
    assert!(run.stderr().contains("Ctrl-C again ends it"), "{}", run.stderr());
    run.signal(Signal::INT);
    assert_eq!(run.end(), Some(137), "{}", run.stderr());
    assert!(run.stderr().contains("ended the container"), "{}", run.stderr());
    nothing_is_left(&context);
}

#[test]
fn with_an_init_the_program_is_not_the_first_process() {
    let registry = Registry::start();
    let script = "#!/bin/sh\necho $$ > /tmp/number\n(sleep 0.2 & exec true) &\nwait\nsleep 0.6\n\
                  for stat in /proc/[0-9]*/stat; do read -r number name state rest < $stat; echo \"$name $state\"; done\n\
                  read -r number < /tmp/number; test $number != 1 && exit 7\n";
    let context = project::script(&registry, script);
    let told = context.run(["run", "-q", "--init", "app"]).failure(7);
    // Orphans that have ended are gone.
    assert!(told.stdout().contains("(app)") && !told.stdout().contains(" Z"), "{told}");
    context.run(["run", "-q", "app"]).failure(1);
    nothing_is_left(&context);
    // A signal that it does nothing about ends it, as it does any process.
    context.write_program("app", PLAIN);
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut run = context.start_command(context.oci().args(["run", "-q", "--init", "app"]));
        run.wait_for_line("ready");
        run.signal(signal);
        assert_eq!(run.end(), Some(status), "{}", run.stderr());
        nothing_is_left(&context);
    }
}

/// Nothing of the process that is there before the program can be had by it.
#[test]
fn an_init_gives_nothing_away() {
    let registry = Registry::start();
    let script = "#!/bin/sh\nfor name in environ exe root fd/0 mem maps; do\n\
                  cat /proc/1/$name >/dev/null 2>&1 && echo \"read $name\"\n\
                  ls /proc/1/root/ 2>/dev/null\ndone\nkill -9 1; sleep 0.2; echo alive\n";
    let context = project::script(&registry, script);
    let told = context.run(["run", "-q", "--init", "app"]).success();
    assert_eq!(told.stdout(), "alive\n", "{told}");
    if is_root() {
        let ordinary = context.run(["run", "-q", "--init", "--user", "1234", "app"]).success();
        assert_eq!(ordinary.stdout(), "alive\n", "{ordinary}");
    }
}
