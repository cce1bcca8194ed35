//! A tool's standard error, made fit to be shown: the line that decides, in plain text.
//!
//! The Go tools log as `time="…" level=fatal msg="…"` with the message quoted as Go quotes strings, or as `FATA[0000]
//! …`; umoci marks an error with `⨯`. Warnings and notes about retries may come before it. Escape sequences are
//! removed, and secrets are struck out: URLs hold them as credentials and in queries.

use crate::{sanitize, secrets};

/// The deciding line: the last fatal one, else the last error, else the last line. `None` if there is no line.
pub(crate) fn deciding_line(stderr: &str) -> Option<String> {
    let lines: Vec<Line> = stderr.lines().map(Line::parse).filter(|line| !line.text.trim().is_empty()).collect();
    let gravest = lines.iter().map(|line| line.level).max()?;
    let line = lines.iter().rev().find(|line| line.level == gravest)?;
    // A message may have line feeds of its own, which quoting hid.
    Some(line.text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// All of a tool's output, safe to keep and to show.
pub(crate) fn clean(output: &[u8]) -> String {
    let text = sanitize::foreign(&String::from_utf8_lossy(output));
    strike_out_urls(&secrets::strike_out(&text))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Other,
    Error,
    Fatal,
}

struct Line {
    level: Level,
    text: String,
}

impl Line {
    fn parse(line: &str) -> Self {
        let Some((level, text)) = fields(line).or_else(|| prefixed(line)).or_else(|| marked(line)) else {
            // A Go program that crashes first says why, and then prints a long trace.
            let crashed = line.starts_with("panic: ") || line.starts_with("fatal error: ");
            return Self { level: if crashed { Level::Fatal } else { Level::Other }, text: line.to_owned() };
        };
        let level = match level {
            "fatal" | "panic" | "FATA" | "PANI" => Level::Fatal,
            "error" | "ERRO" | "⨯" => Level::Error,
            _ => Level::Other,
        };
        Self { level, text }
    }
}

/// `time="…" level=fatal msg="…" more=…`
fn fields(line: &str) -> Option<(&str, String)> {
    let (_, rest) = line.split_once("level=")?;
    let (level, rest) = rest.split_once(' ')?;
    let message = rest.strip_prefix("msg=")?;
    Some(match message.strip_prefix('"') {
        Some(quoted) => (level, unquote(quoted)),
        // logrus leaves a single word unquoted.
        None => (level, message.split(' ').next().unwrap_or_default().to_owned()),
    })
}

/// `FATA[0000] …`, also `ERRO[0012]`
fn prefixed(line: &str) -> Option<(&str, String)> {
    let (level, rest) = line.split_once('[')?;
    let (seconds, text) = rest.split_once(']')?;
    let is_level = level.len() == 4 && level.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_level && seconds.bytes().all(|byte| byte.is_ascii_digit())).then(|| (level, text.trim_start().to_owned()))
}

/// `   ⨯ …`, among `   • …`
fn marked(line: &str) -> Option<(&str, String)> {
    let (mark, text) = line.trim_start().split_once(' ')?;
    matches!(mark, "⨯" | "•").then(|| (mark, text.trim().to_owned()))
}

/// Undoes Go's `strconv.Quote` up to the closing quote.
fn unquote(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n' | 't' | 'r') => text.push(' '),
                // Bytes that are no text, and control characters, are not worth showing.
                Some('x') => skip(&mut characters, 2),
                Some('u') => skip(&mut characters, 4),
                Some('U') => skip(&mut characters, 8),
                Some('a' | 'b' | 'f' | 'v') | None => {}
                Some(other) => text.push(other),
            },
            other => text.push(other),
        }
    }
    text
}

fn skip(characters: &mut std::str::Chars<'_>, count: usize) {
    characters.by_ref().take(count).for_each(drop);
}

/// Removes credentials and queries from URLs: upload sessions (`?_state=…`) and signed addresses of blobs
/// (`?X-Amz-Signature=…`) are as good as a password while they last.
fn strike_out_urls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + "://".len());
        clean.push_str(before);
        let end = after
            .find(|character: char| character.is_whitespace() || matches!(character, '"' | '\\' | ')' | '>' | '`'));
        let (url, behind) = after.split_at(end.unwrap_or(after.len()));
        let authority = url.find(['/', '?']).unwrap_or(url.len());
        let address = match url[..authority].rfind('@') {
            Some(at) => {
                clean.push_str("…@");
                &url[at + 1..]
            }
            None => url,
        };
        match address.split_once('?') {
            // A URL in a message may be followed by the message's own colon.
            Some((address, query)) => {
                clean.push_str(address);
                clean.push_str(if query.ends_with(':') { "?…:" } else { "?…" });
            }
            None => clean.push_str(address),
        }
        rest = behind;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line_that_decides() {
        let cases = [
            (r#"time="2026-01-01T00:00:00Z" level=fatal msg="a \"b\" c""#, Some("a \"b\" c")),
            ("FATA[0000] a b", Some("a b")),
            ("ERRO[0012] one\nWARN[0013] two", Some("one")),
            (
                "time=\"x\" level=warning msg=\"Failed, retrying in 1s ... (1/2). Error: EOF\"\n\
                 time=\"x\" level=fatal msg=\"it is over\"\ntime=\"x\" level=info msg=bye",
                Some("it is over"),
            ),
            (r#"time="x" level=fatal msg=EOF"#, Some("EOF")),
            (
                r#"time="x" level=fatal msg="(Mirrors also failed: [a: b]\n[c]): d\x1b\u0007""#,
                Some("(Mirrors also failed: [a: b] [c]): d"),
            ),
            ("panic: oh\n\ngoroutine 1", Some("panic: oh")),
            ("   ⨯ tag is not found: none   \n   • bye", Some("tag is not found: none")),
            ("plain\n\n", Some("plain")),
            (r#"time="x" level=fatal msg="cut of"#, Some("cut of")),
            (" \n", None),
            ("", None),
        ];
        for (stderr, line) in cases {
            assert_eq!(deciding_line(stderr).as_deref(), line, "{stderr}");
        }
    }

    #[test]
    fn strikes_out_what_may_be_secret() {
        for (text, shown) in [
            ("Put \"http://r:1/v2/a?_state=SECRET&x\": EOF", "Put \"http://r:1/v2/a?…\": EOF"),
            ("to http://r/v2/?_state=S: EOF", "to http://r/v2/?…: EOF"),
            (r#"msg="Get \"https://u:p@r/x?s=1\": no""#, r#"msg="Get \"https://…@r/x?…\": no""#),
            ("docker://r/a:b", "docker://r/a:b"),
            ("https://r?token=x and https://b/c", "https://r?… and https://b/c"),
            ("https://r/a@sha256:00", "https://r/a@sha256:00"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(clean(text.as_bytes()), shown);
        }
        assert_eq!(clean(b"\x1b[31mred\xff"), "red\u{fffd}");
    }
}
