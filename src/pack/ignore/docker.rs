//! `.dockerignore`, by the rules that Docker documents and its `patternmatcher` carries out.
//!
//! Patterns are relative to the project's folder. `*` and `?` do not cross `/`, `**` does. A pattern that matches a
//! folder also matches everything in it. The last pattern that matches decides. A pattern that begins with `!` puts
//! back in what an earlier one left out, also within a folder that is left out.

use std::sync::Arc;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// The patterns of a file.
#[derive(Debug)]
pub(crate) struct Docker {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// The pattern begins with `!`.
    puts_back: bool,
}

/// For each pattern, whether it matches a folder above the path.
pub(crate) type Above = Arc<[bool]>;

impl Docker {
    /// Reads the patterns. The error is the number, from 1, of a line that is no pattern.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, usize> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        let mut patterns = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (line, puts_back) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            if line.is_empty() {
                return Err(number + 1);
            }
            let regex = regex(&clean(line)).ok_or(number + 1)?;
            patterns.push(Pattern { regex, puts_back });
        }
        Ok(Self { patterns })
    }

    /// The state of a folder that has none above it.
    pub(crate) fn top(&self) -> Above {
        vec![false; self.patterns.len()].into()
    }

    /// Which patterns match the folder `path` or one above it.
    pub(crate) fn within(&self, above: &Above, path: &[u8]) -> Above {
        self.patterns.iter().zip(above.iter()).map(|(pattern, above)| *above || pattern.regex.is_match(path)).collect()
    }

    /// Whether the path is left out.
    pub(crate) fn leaves_out(&self, above: &Above, path: &[u8]) -> bool {
        let mut is_out = false;
        for (pattern, above) in self.patterns.iter().zip(above.iter()) {
            if pattern.puts_back == is_out && (*above || pattern.regex.is_match(path)) {
                is_out = !pattern.puts_back;
            }
        }
        is_out
    }

    /// Whether something in a folder that is left out may be put back.
    pub(crate) fn puts_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.puts_back)
    }
}

/// The path without `.`, `..` and doubled `/`, as Go's `filepath.Clean` has it, and without a `/` in front.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            ".." if path.starts_with('/') => {}
            _ => names.push(name),
        }
    }
    names.join("/")
}

/// The regular expression that Docker makes of a pattern. Returns `None` if the text is no pattern.
fn regex(pattern: &str) -> Option<Regex> {
    let mut text = String::from(r"(?s-u)\A");
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                text.push_str(if rest.peek().is_none() { ".*" } else { "(?:.*/)?" });
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("(?u:[^/])"),
            '[' => put_class(&mut rest, &mut text)?,
            // A backslash at the end is an ordinary character.
            '\\' => put_literal(rest.next().unwrap_or('\\'), &mut text),
            _ => put_literal(character, &mut text),
        }
    }
    text.push_str(r"\z");
    Regex::builder().syntax(syntax::Config::new().utf8(false)).build(&text).ok()
}

/// Reads a set such as `[a-z]` or `[^/]`. Returns `None` if its end is missing.
fn put_class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, text: &mut String) -> Option<()> {
    text.push_str("(?u:[");
    if rest.next_if_eq(&'^').is_some() {
        text.push('^');
    }
    let mut is_empty = true;
    loop {
        match rest.next()? {
            ']' if is_empty => return None,
            ']' => break,
            '-' => text.push('-'),
            '\\' => put_literal(rest.next()?, text),
            character => put_literal(character, text),
        }
        is_empty = false;
    }
    text.push_str("])");
    Some(())
}

fn put_literal(character: char, text: &mut String) {
    // Every character that means something to a regular expression is ASCII.
    if character.is_ascii() {
        text.push_str(&format!(r"\x{:02x}", u32::from(character)));
    } else {
        text.push_str(&format!("(?u:{character})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is left out, its folders taken into account.
    fn out(text: &str, path: &str) -> bool {
        let docker = Docker::parse(text.as_bytes()).unwrap();
        let mut above = docker.top();
        for (end, _) in path.match_indices('/') {
            above = docker.within(&above, &path.as_bytes()[..end]);
        }
        docker.leaves_out(&above, path.as_bytes())
    }

    #[test]
    fn what_docker_documents() {
        for (text, path, is_out) in [
            // docs.docker.com, "Building context", `.dockerignore` files.
            ("# comment\n*/temp*", "somedir/temporary.txt", true),
            ("# comment\n*/temp*", "somedir/temp", true),
            ("*/temp*", "temp", false),
            ("*/temp*", "a/b/temp", false),
            ("*/*/temp*", "somedir/subdir/temporary.txt", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("temp?", "d/tempa", false),
            ("**/*.go", "main.go", true),
            ("**/*.go", "a/b/main.go", true),
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README.md", "OTHER.md", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README-x.md", false),
            ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
            ("/foo/bar", "foo/bar", true),
            ("foo/bar", "foo/bar", true),
            ("foo", "d/foo", false),
            // Patterns that match folders.
            ("node_modules", "node_modules/a/b", true),
            ("node_modules/", "node_modules/a", true),
            ("**/node_modules", "a/node_modules/b", true),
            ("dir\n!dir/keep", "dir/keep", false),
            ("dir\n!dir/keep", "dir/keep/x", false),
            ("dir\n!dir/keep", "dir/other", true),
            ("*\n!src\n!go.mod", "src/a/b.c", false),
            ("*\n!src\n!go.mod", "go.mod", false),
            ("*\n!src\n!go.mod", "x/go.mod", true),
            ("*\n!src\nsrc/gen", "src/gen/x", true),
            ("**", "a/b", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            // Byte order marks, spaces, `#` and doubled slashes.
            ("\u{feff}foo", "foo", true),
            ("  foo  \r\n", "foo", true),
            (" # no comment", "# no comment", true),
            ("! foo\n", "foo", false),
            ("./foo/../bar//", "bar/x", true),
            ("../foo", "foo", false),
            ("[a-c]x", "bx", true),
            ("[^a]x", "bx", true),
            ("[^a]x", "ax", false),
            ("[!a]x", "!x", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a.b", "axb", false),
            ("a{b,c}", "ab", false),
            ("caf\u{e9}?", "caf\u{e9}\u{e9}", true),
        ] {
            assert_eq!(out(text, path), is_out, "{text:?} {path}");
        }
    }

    #[test]
    fn lines_that_are_no_patterns() {
        for (text, line) in [("a\n[b\n", 2), ("!\n", 1), ("a\n\n[]\n", 3), ("[z-a]", 1)] {
            assert_eq!(Docker::parse(text.as_bytes()).unwrap_err(), line, "{text:?}");
        }
        assert!(!Docker::parse(b"caf\xe9\n").unwrap().leaves_out(&vec![false].into(), b"x"));
    }

    #[test]
    fn many_stars_take_no_time() {
        let docker = Docker::parse("*a".repeat(200).as_bytes()).unwrap();
        assert!(!docker.leaves_out(&docker.top(), "a".repeat(190).as_bytes()));
    }
}
