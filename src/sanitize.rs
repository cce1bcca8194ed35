//! Makes foreign text (of tools, registries, checkouts and file names) safe to show.
//!
//! All text for the terminal passes through here last: errors in `diagnostic`, events in `report`, results in
//! `commands::print`. Code that puts a foreign name into a message may clean it before, but need not.

use std::borrow::Cow;
use std::path::Path;

/// Removes terminal escapes, control characters and characters that cannot be seen; line feeds and tabs stay.
pub(crate) fn foreign(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        clean.extend(rest[..at].chars().filter(|character| !is_hidden(*character)));
        rest = &rest[at + 1..];
        rest = &rest[sequence(rest)..];
    }
    clean.extend(rest.chars().filter(|character| !is_hidden(*character)));
    clean
}

/// A path or name for a message, cleaned as by [`foreign`], on one line.
pub(crate) fn name(text: &str) -> String {
    foreign(text).replace(['\n', '\t'], "\u{fffd}")
}

/// A path on this machine for a message: relative to `folder` where it is within.
pub(crate) fn path(path: &Path, folder: &Path) -> String {
    name(&path.strip_prefix(folder).unwrap_or(path).display().to_string())
}

/// Removes what a terminal would obey or not show, but keeps the visible rest of an escape sequence. This is for text
/// that is partly ours: an escape sequence that begins in one foreign name cannot swallow our words up to where another
/// name ends it. Line feeds and tabs stay.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    match text.contains(is_hidden) {
        true => Cow::Owned(text.chars().filter(|character| !is_hidden(*character)).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Cleans text as [`composed`] does, and puts it on one line.
pub(crate) fn composed_line(text: &str) -> String {
    composed(text).replace(['\n', '\t'], " ")
}

/// JSON text in which everything that a terminal would obey or not show is escaped. Its value does not change.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    use std::fmt::Write;

    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if !is_hidden(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// True for control characters except line feed and tab, and for invisible characters that change how other text is
/// shown: overrides of the writing direction, separators, joiners, fillers, byte order marks and tags.
pub(crate) fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => character.is_control(),
    }
}

/// The length of the escape sequence that an ESC before `rest` begins. Returns 0 if the sequence has no valid end.
fn sequence(rest: &str) -> usize {
    let mut bytes = rest.bytes().enumerate();
    match bytes.next().map(|(_, byte)| byte) {
        // CSI: parameters, intermediates, and one final byte.
        Some(b'[') => match bytes.find(|(_, byte)| !(0x20..=0x3f).contains(byte)) {
            Some((at, 0x40..=0x7e)) => at + 1,
            _ => 0,
        },
        // OSC and other strings: up to BEL or ST, on this line.
        Some(b']' | b'P' | b'_' | b'^' | b'X') => {
            let line = rest.split('\n').next().unwrap_or_default();
            let bell = line.find('\u{7}').map(|at| at + 1);
            let end = line.find("\u{1b}\\").map(|at| at + 2);
            bell.into_iter().chain(end).min().unwrap_or_default()
        }
        // Two characters in all, such as `ESC c`, or three if the first is an intermediate.
        Some(0x20..=0x2f) => match bytes.next() {
            Some((at, 0x30..=0x7e)) => at + 1,
            _ => 0,
        },
        Some(0x30..=0x7e) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_escapes_out() {
        for (text, clean) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;x\u{1b}\\b", "ab"),
            ("a\rb\u{0}c\u{202e}d", "abcd"),
            ("a\n\tb\u{1b}", "a\n\tb"),
            ("\u{1b}(Ba\u{1b}cb\u{1b}Éc", "abÉc"),
            // A sequence without an end hides nothing.
            ("\u{1b}]0;title\nnext", "]0;title\nnext"),
            ("\u{1b}[31\u{e9}x", "[31éx"),
            ("\u{9b}31mred\u{200d}\u{feff}\u{2066}\u{e0041}", "31mred"),
        ] {
            assert_eq!(foreign(text), clean);
        }
        assert_eq!(name("a\nb"), "a\u{fffd}b");
    }

    #[test]
    fn what_is_partly_ours_loses_nothing_that_can_be_seen() {
        assert_eq!(composed("a `\u{1b}]0;x` is not `y\u{7}`\n"), "a `]0;x` is not `y`\n");
        assert_eq!(composed_line("a\nhelp: b\u{85}"), "a help: b");
        assert!(matches!(composed("plain é 🦀"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "a\u{202e}": "\u{9b}\u{1b}\u{e0041}é" });
        let text = value.to_string();
        let safe = json(&text);
        assert!(safe.is_ascii() || !safe.contains(is_hidden), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
