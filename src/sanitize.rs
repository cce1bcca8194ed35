//! Text that others wrote (tools, registries, file names), made safe to show.

/// Removes terminal escapes and control characters; line feeds and tabs stay.
pub(crate) fn foreign(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' | '\t' => clean.push(character),
            _ if character.is_control() => {}
            // Overrides of the writing direction can make a line read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ => clean.push(character),
        }
    }
    clean
}

/// A path or name for a message: as [`foreign`], on one line.
pub(crate) fn name(text: &str) -> String {
    foreign(text).replace(['\n', '\t'], "\u{fffd}")
}

fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        // CSI: up to its final byte.
        Some('[') => while characters.next().is_some_and(|next| !('\u{40}'..='\u{7e}').contains(&next)) {},
        // OSC and other strings: up to BEL or ST.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(next) = characters.next() {
                if next == '\u{7}' || (next == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
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
        ] {
            assert_eq!(foreign(text), clean);
        }
        assert_eq!(name("a\nb"), "a\u{fffd}b");
    }
}
