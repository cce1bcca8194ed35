//! A file as the rules see it: its code is apart from its tests, comments and quotes.

/// A file of the repository.
pub(crate) struct File {
    /// From the repository's top, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Whether it is compiled for tests alone.
    pub(crate) test_only: bool,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), test_only: false }
    }

    /// Where the modules are that this file declares for tests alone: paths without `.rs` or `/`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let own = self.path.trim_end_matches(".rs");
        let folder = ["mod", "lib", "main"].iter().find_map(|name| own.strip_suffix(&format!("/{name}")));
        let mut lines = self.text.lines().map(str::trim);
        let mut found = Vec::new();
        while lines.by_ref().any(|line| line == "#[cfg(test)]") {
            let declared = lines.next().and_then(|line| line.split("mod ").nth(1)?.strip_suffix(';'));
            found.extend(declared.map(|name| format!("{}/{name}", folder.unwrap_or(own))));
        }
        found
    }

    /// The text up to its unit tests; nothing of a file of tests.
    pub(crate) fn without_tests(&self) -> &str {
        if self.test_only {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// The code without tests, comments and what is in quotes; lines stay lines.
    pub(crate) fn code(&self) -> String {
        bare(self.without_tests())
    }

    /// The module of `src` that it belongs to.
    pub(crate) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split('/').next()?.split('.').next()
    }

    pub(crate) fn complain(&self, complaint: impl std::fmt::Display) -> String {
        format!("{}: {complaint}", self.path)
    }

    /// A complaint for each of these words in the code.
    pub(crate) fn complain_of(&self, words: &[&str], why: &str) -> Vec<String> {
        let code = self.code();
        words.iter().filter(|word| code.contains(*word)).map(|word| self.complain(format!("`{word}`: {why}"))).collect()
    }
}

/// Rust code with comments, strings and character literals emptied.
pub(crate) fn bare(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(|last: char| last.is_alphanumeric())) {
            length
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            character(rest)
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().filter(|character| *character == '\n'));
        rest = &rest[length..];
    }
    out
}

/// The length of the string that begins here, to its closing quote.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|character| *character == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&close).map_or(text.len(), |end| 2 + hashes + end + close.len()))
}

/// The length of a character literal, or 1 for the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[2..].find('\'').and_then(|_| text[3..].find('\'')).map_or(1, |end| 4 + end),
        Some((_, _)) => match characters.next() {
            Some((index, '\'')) => index + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[test]
fn modules_for_tests_are_told_from_others() {
    let text =
        "mod a;\n#[cfg(test)]\nmod testing;\nmod b;\n#[cfg(test)]\npub(crate) mod c;\n\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(File::new("src/layer/mod.rs", text).test_modules(), ["src/layer/testing", "src/layer/c"]);
    assert_eq!(File::new("src/fs.rs", text).test_modules(), ["src/fs/testing", "src/fs/c"]);
}

#[test]
fn code_is_told_from_comments_and_quotes() {
    assert_eq!(bare("a // b\nc /* d\ne */ f"), "a \nc \n f");
    assert_eq!(bare(r#"a("b \" c"); d"#), "a(); d");
    assert_eq!(bare("a(r#\"b \" c\"#); bar\"x\""), "a(); bar");
    assert_eq!(bare(r"x('\''); y('\n'); z('\u{1f}'); fn a<'b>(c: &'b str) {}"), "x(); y(); z(); fn a<b>(c: &b str) {}");
}
