//! What a command of the manifest prints: shown line by line as it comes, kept in a log, secrets struck out of both.

mod strike;

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::fs::Unnamed;
use crate::report::Reporter;
use crate::sanitize;
pub(crate) use strike::{SHORTEST, Strike};

/// How many lines an error repeats.
const LAST: usize = 12;
/// How many characters of a line it repeats.
const MOST_REPEATED: usize = 400;
/// A line that is longer is shown in pieces.
const LONGEST: usize = 16 << 10;

/// What programs say that find no network, in lower case.
const NO_NETWORK: [&str; 18] = [
    "temporary failure resolving",
    "temporary failure in name resolution",
    "could not resolve",
    "couldn't resolve",
    "could not look up",
    "name or service not known",
    "name does not resolve",
    "nodename nor servname",
    "failed to resolve",
    "no address associated with",
    "unable to resolve host",
    "no such host",
    "bad address",
    "failed to lookup address",
    "network is unreachable",
    "network unreachable",
    "getaddrinfo",
    "eai_again",
];

/// Reads the output of a command while it runs.
pub(crate) struct Listener<'a> {
    subject: &'a str,
    strike: Strike,
    reporter: &'a dyn Reporter,
    log: BufWriter<Unnamed>,
    is_logged: bool,
    pending: Vec<u8>,
    last: VecDeque<String>,
    misses_network: bool,
}

/// The end of a command's output.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) last: Vec<String>,
    /// It speaks of a network that is not there.
    pub(crate) misses_network: bool,
    pub(crate) log: Option<PathBuf>,
}

/// The end of what a command printed, as a cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("it printed last:\n{}", lines.join("\n"))]
pub(crate) struct OutputEnd {
    lines: Vec<String>,
    #[source]
    log: Option<LogFile>,
}

/// The file with all that the command printed.
#[derive(Debug, thiserror::Error)]
#[error("all that it printed is in {}", path.display())]
pub(crate) struct LogFile {
    path: PathBuf,
}

/// What an exit status says of a signal, to stand behind it; empty if it says nothing. A shell reports a program that a
/// signal ended by 128 and its number.
pub(crate) fn signal(status: i32) -> String {
    match status - 128 {
        signal @ 1..=64 => format!(", as after signal {signal}"),
        _ => String::new(),
    }
}

impl Heard {
    /// The cause to name in the error of a command that failed; `None` if it printed nothing.
    pub(crate) fn into_cause(self) -> Option<OutputEnd> {
        let log = self.log.map(|path| LogFile { path });
        (!self.last.is_empty()).then_some(OutputEnd { lines: self.last, log })
    }
}

impl<'a> Listener<'a> {
    /// `log` is a file on the file system of the log that will be kept.
    pub(crate) fn new(subject: &'a str, strike: Strike, reporter: &'a dyn Reporter, log: Unnamed) -> Self {
        Self {
            subject,
            strike,
            reporter,
            log: BufWriter::new(log),
            is_logged: true,
            pending: Vec::new(),
            last: VecDeque::new(),
            misses_network: false,
        }
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut rest = &pending[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(&self.strike.out_of(&rest[..end]));
            rest = &rest[end + 1..];
        }
        self.pending = rest.to_vec();
        if self.pending.len() > LONGEST + self.strike.longest() {
            // Bytes that may begin a secret wait for the bytes that follow.
            let mut piece = self.strike.out_of(&self.pending);
            self.pending = piece.split_off(piece.len().saturating_sub(self.strike.longest()));
            self.line(&piece);
        }
    }

    fn line(&mut self, line: &[u8]) {
        // Programs that show progress overwrite a line several times. Its last text is shown.
        let left = line.rsplit(|byte| *byte == b'\r').find(|piece| !piece.is_empty()).unwrap_or_default();
        let line = sanitize::foreign(&String::from_utf8_lossy(left));
        if line.trim().is_empty() {
            return;
        }
        let small = line.to_lowercase();
        self.misses_network |= NO_NETWORK.iter().any(|phrase| small.contains(phrase));
        self.reporter.output(self.subject, &line);
        self.is_logged &= writeln!(self.log, "{line}").is_ok();
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(shortened(line));
    }

    /// Keeps the log under its name. An error is ignored: the command's own result counts.
    pub(crate) fn finish(mut self, log: &Path) -> Heard {
        let rest = std::mem::take(&mut self.pending);
        self.line(&self.strike.out_of(&rest));
        let is_kept = !self.last.is_empty()
            && self.is_logged
            && self.log.into_inner().is_ok_and(|written| written.commit(log, 0o600).is_ok());
        Heard { last: self.last.into(), misses_network: self.misses_network, log: is_kept.then(|| log.to_owned()) }
    }
}

/// A line as an error repeats it; the log has all of it.
fn shortened(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(MOST_REPEATED) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::report::Event;

    #[derive(Default)]
    struct Shown(Mutex<Vec<String>>);

    impl Reporter for Shown {
        fn report(&self, event: Event<'_>) {
            if let Event::Output { subject, line } = event {
                self.0.lock().unwrap().push(format!("{subject}:{line}"));
            }
        }
    }

    fn heard(pieces: &[&[u8]], secret: &str) -> (Vec<String>, Heard, String) {
        let folder = tempfile::tempdir().unwrap();
        let shown = Shown::default();
        let log = folder.path().join("step.log");
        let mut listener =
            Listener::new("a", Strike::new([secret.as_bytes()]), &shown, Unnamed::new(folder.path()).unwrap());
        pieces.iter().for_each(|piece| listener.hear(piece));
        let heard = listener.finish(&log);
        let logged = std::fs::read_to_string(&log).unwrap_or_default();
        (shown.0.into_inner().unwrap(), heard, logged)
    }

    #[test]
    fn lines_are_shown_whole_and_without_secrets() {
        let (shown, heard, logged) =
            heard(&[b"one\n\ntw", b"o se", b"cret\r\n\x1b[1mbold\x1b[0m \xff\nlast se", b"cret"], "secret");
        assert_eq!(shown, ["a:one", "a:two ***", "a:bold \u{fffd}", "a:last ***"]);
        assert_eq!(logged, "one\ntwo ***\nbold \u{fffd}\nlast ***\n");
        assert_eq!((heard.last.len(), heard.misses_network, heard.log.is_some()), (4, false, true));
        let (shown, heard, _) = super::tests::heard(&[], "secret");
        assert!(shown.is_empty() && heard.last.is_empty() && heard.log.is_none());
    }

    #[test]
    fn of_a_line_that_is_written_over_its_end_is_shown() {
        let (shown, ..) = heard(&[b"read 5%\rread 50%", b"\rread all\nfetched 9%\r", b"fetched\r", b"\n1\r\r"], "");
        assert_eq!(shown, ["a:read all", "a:fetched", "a:1"]);
    }

    #[test]
    fn a_line_without_an_end_is_shown_in_pieces_and_no_secret_falls_between() {
        let whole = [vec![b'x'; 3 * LONGEST - 3], b"secret".to_vec(), vec![b'y'; 3 * LONGEST]].concat();
        assert_eq!(shortened("é".repeat(MOST_REPEATED + 1)), "é".repeat(MOST_REPEATED) + "…");
        assert_eq!(shortened("é".repeat(MOST_REPEATED)), "é".repeat(MOST_REPEATED));
        for size in [1000, LONGEST, LONGEST + 5] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (shown, heard, logged) = heard(&pieces, "secret");
            assert!(!logged.contains("secret") && logged.contains("***"), "{size}");
            assert!(shown.len() > 2 && heard.last.len() <= LAST);
            let length: usize = logged.lines().map(str::len).sum();
            assert_eq!(length, whole.len() - "secret".len() + "***".len());
        }
    }

    #[test]
    fn programs_that_miss_a_network_are_heard() {
        for line in [
            "Temporary failure resolving 'deb.example'",
            "curl: (6) Could not resolve host: a.example",
            "wget: bad address 'a.example'",
            "connect: Network is unreachable",
            "npm ERR! errno EAI_AGAIN",
            "Err:1 http://deb.example stable InRelease\n  Temporary failure resolving 'deb.example'",
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            "WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection: \
             [Errno -2] Name or service not known')'",
            "NameResolutionError(\": Failed to resolve 'index.example' ([Errno -3])\")",
            "fatal: unable to access 'https://git.example/': Could not resolve host: git.example",
            "ssh: Could not resolve hostname git.example: Try again",
            "error: getaddrinfo ENOTFOUND registry.example",
            "dial tcp: lookup proxy.example on 10.0.0.1:53: dial udp: connect: network is unreachable",
            "wget: unable to resolve host address 'a.example'",
            "failed to lookup address information: Try again",
            "java.net.SocketException: Network is unreachable (connect failed)",
        ] {
            let (_, heard, _) = heard(&[line.as_bytes(), b"\n", b"more\n".repeat(LAST + 1).as_slice()], "");
            assert!(heard.misses_network && heard.last.len() == LAST, "{line}");
        }
    }
}
