//! Lines of a `.gitignore`, written as the `ignore` crate reads them where git reads them otherwise.

/// The text without the byte order mark that git skips.
pub(crate) fn text(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A line whose pattern means to the `ignore` crate what the given line means to git: braces are characters, more
/// than two stars are two, and `[[:alpha:]]` and its like are sets.
pub(crate) fn line(line: &str) -> String {
    let mut written = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => {
                written.push(char);
                written.extend(rest.next());
            }
            '{' | '}' => written.extend(['\\', char]),
            '*' if written.ends_with("**") && !written.ends_with("\\**") => {}
            '[' => match set(rest.as_str()) {
                Some((set, behind)) => {
                    written.push_str(&set);
                    rest = behind.chars();
                }
                None => written.push(char),
            },
            _ => written.push(char),
        }
    }
    written
}

/// The set of characters that begins behind a bracket, and the text after it. Returns `None` if the set has no end.
fn set(text: &str) -> Option<(String, &str)> {
    let mut set = String::from("[");
    let mut rest = text;
    if let Some(inner) = rest.strip_prefix(['!', '^']) {
        set.push('!');
        rest = inner;
    }
    if let Some(inner) = rest.strip_prefix(']') {
        set.push(']');
        rest = inner;
    }
    loop {
        if let Some((name, behind)) = rest.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) {
            set.push_str(class(name)?);
            rest = behind;
            continue;
        }
        let mut chars = rest.chars();
        let char = chars.next()?;
        set.push(char);
        rest = chars.as_str();
        if char == ']' {
            return Some((set, rest));
        }
    }
}

/// The characters of a class, as they are written in a set. Returns `None` for a name that git does not know.
fn class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "a-zA-Z0-9",
        "alpha" => "a-zA-Z",
        "blank" => " \t",
        "cntrl" => "\u{1}-\u{1f}\u{7f}",
        "digit" => "0-9",
        "graph" => "\"-~!",
        "lower" => "a-z",
        "print" => " -~",
        // The first range does not begin with `!`, which would invert the set.
        "punct" => ":-@!-/[-`{-~",
        "space" => " \t-\r",
        "upper" => "A-Z",
        "xdigit" => "0-9a-fA-F",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stars_and_classes_are_those_of_git() {
        let same = ["*.log", "!keep", "/a/**/b", "\\{a\\}", "[ab]", "[{]", "a[", "[[:alpha:", "\\***", "[!a]"];
        assert_eq!(same.map(line), same);
        assert_eq!(line("{a,b}.log"), "\\{a,b\\}.log");
        assert_eq!(line("***/a"), "**/a");
        assert_eq!(line("a/*****"), "a/**");
        assert_eq!(line("[[:digit:]_][^[:upper:]]"), "[0-9_][!A-Z]");
        assert_eq!(line("[]x]{"), "[]x]\\{");
        assert_eq!(text("\u{feff}*.log"), "*.log");
        assert_eq!(text("*.log"), "*.log");
    }
}
