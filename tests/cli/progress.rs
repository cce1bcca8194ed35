//! What is shown while work goes on: bars on a terminal, lines elsewhere, and never anything torn.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use crate::support::{Base, Registry, TestContext, project};

/// How many letters go on a line of the terminal.
const WIDTH: u16 = 100;

/// Runs a command with a terminal of its own for standard error, and gives what is written to that.
fn on_terminal(command: &mut Command) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: WIDTH, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let mut child = command.stdout(std::process::Stdio::null()).stderr(terminal).spawn().unwrap();
    // The command keeps its end open as long as it is there.
    command.stderr(std::process::Stdio::null());
    let mut told = Vec::new();
    let mut part = [0; 4096];
    let mut screen = File::from(screen);
    // The last program to let go of a terminal makes reading from it fail.
    while let Ok(length @ 1..) = screen.read(&mut part) {
        told.extend_from_slice(&part[..length]);
    }
    child.wait().unwrap();
    String::from_utf8(told).unwrap()
}

/// The lines that are left on a screen of endless height, of what programs like ours write.
fn left_on_screen(written: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![String::new()], 0_usize, 0_usize);
    let mut letters = written.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => row += 1,
            '\r' => column = 0,
            '\u{1b}' => {
                assert_eq!(letters.next(), Some('['));
                let mut number = String::new();
                let action = loop {
                    match letters.next().unwrap() {
                        digit @ ('0'..='9' | '?' | ';') => number.push(digit),
                        action => break action,
                    }
                };
                let count = number.parse().unwrap_or(1);
                match action {
                    'A' => row -= count,
                    'B' => row += count,
                    'K' if number == "2" => lines[row].clear(),
                    'K' => lines[row] = lines[row].chars().take(column).collect(),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row] = lines[row].chars().take(column).collect();
                    }
                    other => panic!("what is {other:?} in {written:?}?"),
                }
            }
            letter => {
                // It goes on below only with the letter that finds no room.
                if column == usize::from(WIDTH) {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), String::new());
                }
                let line: &mut String = &mut lines[row];
                let mut cells: Vec<char> = line.chars().collect();
                cells.resize(cells.len().max(column + 1), ' ');
                cells[column] = letter;
                *line = cells.into_iter().collect();
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), String::new());
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Layers that take a while, and a package that is not there.
fn large() -> TestContext {
    let context = TestContext::with_manifest(
        "[build.one]\nbase = \"scratch\"\npackages = [\"large1\"]\n[build.two]\nbase = \"scratch\"\npackages = [\"large2\"]\n\
         [build.bad]\nbase = \"scratch\"\npackages = [\"missing\"]\n",
    );
    context.write_large("large1", 40 << 20, 0);
    context.write_large("large2", 40 << 20, 1);
    context
}

#[test]
fn on_a_terminal_what_goes_on_is_drawn_and_gone_at_the_end() {
    let context = large();
    let mut build = context.oci();
    let told = on_terminal(build.env("TERM", "xterm").args(["build", "-j1"]));
    assert!(told.contains("packing large1") && told.contains("packing large2") && told.contains(" MB"), "{told:?}");
    let left = left_on_screen(&told);
    assert!(!left.iter().any(|line| line.contains("packing")), "{left:#?}");
    for line in ["packed large1 (", "packed large2 (", "2 of 3 images built in "] {
        assert_eq!(left.iter().filter(|left| left.starts_with(line)).count(), 1, "{line}: {left:#?}");
    }
    assert!(left.iter().any(|line| line.contains("oci::layer::")), "{left:#?}");
    // Nothing to draw, nothing drawn.
    let again = on_terminal(context.oci().env("TERM", "xterm").args(["build", "one"]));
    assert!(!again.contains('\u{1b}') && again.starts_with("1 image built in "), "{again:?}");
}

#[test]
fn where_nobody_watches_there_are_lines() {
    let context = large();
    let plain = |settings: &[(&str, &str)], arguments: &[&str]| {
        let mut build = context.oci();
        build.env("TERM", "xterm").envs(settings.iter().copied()).args(["build", "one", "two", "--no-cache"]);
        on_terminal(build.args(arguments))
    };
    for (settings, arguments) in [
        (&[("CI", "true")][..], &[][..]),
        (&[("TERM", "dumb")], &[]),
        (&[("OCI_PROGRESS", "plain")], &[]),
        (&[], &["--progress", "plain"]),
        (&[], &["--json"]),
    ] {
        let told = plain(settings, arguments);
        assert!(!told.contains('\u{1b}') && !told.contains("packing"), "{settings:?} {arguments:?} {told:?}");
        assert!(told.contains("packed large1 (") && told.contains("2 images built in "), "{told:?}");
    }
    let told = plain(&[], &["--progress", "none"]);
    assert!(told.starts_with("2 images built in "), "{told:?}");
    assert_eq!(plain(&[], &["--quiet"]), "");
}

#[test]
fn an_interrupt_leaves_a_clean_screen() {
    let context = large();
    let told = on_terminal(
        // The kernel sends what a person at the keyboard would.
        Command::new("timeout")
            .env_clear()
            .envs(context.environment())
            .env("TERM", "xterm")
            .current_dir(context.project())
            .args(["--signal=INT", "0.15", env!("CARGO_BIN_EXE_oci"), "build", "-j1", "one", "two"]),
    );
    let left = left_on_screen(&told);
    assert!(!left.iter().any(|line| line.contains("packing")), "{left:#?}");
}

#[test]
fn what_is_fetched_is_shown_with_what_it_will_be() {
    let registry = Registry::start();
    let context = project::on_base(&registry, Base::Busybox, "busybox", "");
    let told = on_terminal(context.oci().env("TERM", "xterm").args(["fetch"]));
    assert!(told.contains("resolving ") && told.contains("fetching busybox"), "{told:?}");
    let left = left_on_screen(&told);
    assert!(left.iter().any(|line| line.starts_with("fetched busybox")), "{left:#?}");
    assert!(!left.iter().any(|line| line.contains("fetching") || line.contains("resolving")), "{left:#?}");
}
