//! Globs as `oci.toml` has them: `*` and `?` do not cross `/`, `**` does, `[x]` is a set, names that
//! begin with a dot match. Braces and backslashes are just characters.

use globset::{Candidate, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::source::{At, Placed};

/// A pattern that is none.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{pattern}` is no glob: {reason}")]
#[diagnostic(code(oci::layer::invalid_glob), help("write `[[]` for a bracket"))]
pub(crate) struct GlobError {
    pub(crate) pattern: String,
    pub(crate) reason: String,
}

/// True if `text` is a glob and not the name of one thing.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Several globs; what matches one of them matches.
#[derive(Debug, Default)]
pub(crate) struct Globs {
    set: GlobSet,
}

impl Globs {
    pub(crate) fn compile<'a>(patterns: impl IntoIterator<Item = &'a Placed<String>>) -> Result<Self, At<GlobError>> {
        let mut builder = GlobSetBuilder::new();
        let mut last = None;
        for pattern in patterns {
            let glob = parse(pattern).map_err(|error| invalid(pattern, &error))?;
            builder.add(glob);
            last = Some(pattern);
        }
        match builder.build() {
            Ok(set) => Ok(Self { set }),
            Err(error) => last.map_or_else(|| Ok(Self::default()), |pattern| Err(invalid(pattern, &error))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        !self.set.is_empty() && self.set.is_match_candidate(&Candidate::from_bytes(path))
    }
}

/// The glob of a package's `path`, taken apart.
#[derive(Debug)]
pub(crate) struct PathGlob {
    /// The leading components without a glob in them: the package's folder.
    pub(crate) folder: String,
    /// Whether there is a `**`: what matches then keeps its path below the folder.
    pub(crate) is_deep: bool,
    whole: GlobMatcher,
    /// Patterns for folders: only in a folder that matches can something match. There is one pattern for each number of
    /// components, up to the first `**`.
    leading: Vec<GlobMatcher>,
}

impl PathGlob {
    pub(crate) fn compile(pattern: &Placed<String>) -> Result<Self, At<GlobError>> {
        let components: Vec<&str> = pattern.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
        let fixed = components.iter().take_while(|component| !is_pattern(component)).count();
        let root = if pattern.starts_with('/') { "/" } else { "" };
        let folder = format!("{root}{}", components[..fixed].join("/"));
        let globs = &components[fixed..];
        let compile = |components: &[&str]| {
            let glob = parse(&components.join("/")).map_err(|error| invalid(pattern, &error))?;
            Ok(glob.compile_matcher())
        };
        let shallow = globs.iter().take_while(|component| !component.contains("**")).count();
        let leading = (1..=shallow.min(globs.len() - 1)).map(|count| compile(&globs[..count]));
        Ok(Self {
            folder,
            is_deep: shallow < globs.len(),
            whole: compile(globs)?,
            leading: leading.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the path, relative to the folder, is selected.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        self.whole.is_match_candidate(&Candidate::from_bytes(path))
    }

    /// Whether something within the folder at this path may be selected.
    pub(crate) fn may_match_within(&self, path: &[u8]) -> bool {
        let depth = path.split(|byte| *byte == b'/').count();
        match self.leading.get(depth - 1) {
            Some(matcher) => matcher.is_match_candidate(&Candidate::from_bytes(path)),
            None => self.is_deep,
        }
    }
}

fn parse(pattern: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(&without_braces(pattern)).literal_separator(true).backslash_escape(false).build()
}

/// Makes braces characters like any other: globset would take them for a choice.
fn without_braces(pattern: &str) -> String {
    let mut escaped = String::with_capacity(pattern.len());
    // How many characters a set has so far, its `!` not counted: a `]` that comes first is in it.
    let mut set: Option<usize> = None;
    for character in pattern.chars() {
        match (character, &mut set) {
            ('{' | '}', None) => {
                escaped.extend(['[', character, ']']);
                continue;
            }
            ('[', None) => set = Some(0),
            ('!' | '^', Some(0)) => {}
            (']', Some(length)) if *length > 0 => set = None,
            (_, Some(length)) => *length += 1,
            _ => {}
        }
        escaped.push(character);
    }
    escaped
}

fn invalid(pattern: &Placed<String>, error: &globset::Error) -> At<GlobError> {
    let reason = error.kind().to_string();
    At::new(GlobError { pattern: pattern.value.clone(), reason }, &pattern.place, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn placed(pattern: &str) -> Placed<String> {
        Placed::new(pattern.to_owned(), Source::new("oci.toml", pattern).place(0..pattern.len()))
    }

    #[test]
    fn matches_by_the_rules() {
        for (pattern, path, matches) in [
            ("*.py", "a.py", true),
            ("*.py", ".py", true),
            ("*.py", "d/a.py", false),
            ("**/*.py", "a.py", true),
            ("**/*.py", "d/e/.a.py", true),
            ("d/**", "d", false),
            ("d/**", "d/e", true),
            ("**/tests/**", "tests/a", true),
            ("**/tests", "x/tests", true),
            ("[[]a]", "[a]", true),
            ("[]a]", "]", true),
            ("a{b,c}", "ab", false),
            ("a{b,c}", "a{b,c}", true),
            ("[{]", "{", true),
            ("a\\*", "a\\b", true),
            ("?", "/", false),
            ("*", "\u{e9}", true),
        ] {
            let globs = Globs::compile([&placed(pattern)]).unwrap();
            assert_eq!(globs.matches(path.as_bytes()), matches, "{pattern} {path}");
        }
        assert!(Globs::compile([&placed("*")]).unwrap().matches(b"\xff"));
        assert!(!Globs::compile([]).unwrap().matches(b"a"));
        assert!(matches!(Globs::compile([&placed("[a")]).unwrap_err().error(), GlobError { .. }));
    }

    #[test]
    fn a_selection_knows_where_to_look() {
        let selection = PathGlob::compile(&placed("./dist/x*/lib/*.so")).unwrap();
        assert_eq!((selection.folder.as_str(), selection.is_deep), ("dist", false));
        assert!(selection.matches(b"x1/lib/a.so"));
        for (folder, may) in [("x1", true), ("y", false), ("x1/lib", true), ("x1/bin", false), ("x1/lib/a.so", false)] {
            assert_eq!(selection.may_match_within(folder.as_bytes()), may, "{folder}");
        }
        let deep = PathGlob::compile(&placed("/src/a*/**/*.py")).unwrap();
        assert_eq!((deep.folder.as_str(), deep.is_deep), ("/src", true));
        for (folder, may) in [("a", true), ("b", false), ("a/b/c", true)] {
            assert_eq!(deep.may_match_within(folder.as_bytes()), may, "{folder}");
        }
    }
}
