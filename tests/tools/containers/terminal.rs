//! A terminal of one's own: what a person at a desk has, without a person.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::*;

/// A run whose controlling terminal is ours to type at and to read.
pub(super) struct Terminal {
    pub(super) child: Child,
    screen: BufReader<File>,
}

impl Terminal {
    /// Starts the command as the foreground of a new terminal.
    pub(super) fn start(command: &Command) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        set_size(&screen, 40, 120);
        let terminal: OwnedFd = File::options().read(true).write(true).open(name).unwrap().into();
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        Self { child, screen: BufReader::new(File::from(screen)) }
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.screen.read_line(&mut line).unwrap();
        line
    }

    /// As when its window changes.
    pub(super) fn resize(&mut self, rows: u16, columns: u16) {
        set_size(self.screen.get_ref(), rows, columns);
    }

    pub(super) fn press(&mut self, keys: &[u8]) {
        self.screen.get_mut().write_all(keys).unwrap();
    }

    /// The exit status, and what is shown until then.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        let mut part = [0; 4096];
        // The last program to let go of a terminal makes reading from it fail.
        while let Ok(length @ 1..) = self.screen.read(&mut part) {
            rest.extend_from_slice(&part[..length]);
        }
        (self.child.wait().unwrap().code(), String::from_utf8_lossy(&rest).into_owned())
    }
}

fn set_size(screen: impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(screen, size).unwrap();
}
