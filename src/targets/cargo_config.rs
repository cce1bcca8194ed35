//! What cargo's own settings say: files above a project, and in the user's home.

use std::path::{Path, PathBuf};

use crate::fs::LARGEST_TEXT;
use crate::model::{Digest, canonical_json};

/// The settings that cargo reads for a project, as far as they matter here.
pub(super) struct CargoConfig {
    /// It differs with the content of each file.
    pub(super) digest: Digest,
    /// `[build] rustflags`, if no file has flags for the target, which count in its place.
    pub(super) flags: Vec<String>,
}

impl CargoConfig {
    /// Reads the files for a project in this folder (the Cargo Book, "Hierarchical structure").
    pub(super) fn read(folder: &Path, triple: &str) -> Self {
        let folders = folder.ancestors().map(|above| above.join(".cargo")).chain(cargo_home());
        let files = folders.flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(name)));
        let mut texts = Vec::new();
        for file in files {
            // The home is above most projects, and read once.
            if let Ok(text) = crate::fs::read_text(&file, LARGEST_TEXT)
                && !texts.contains(&text)
            {
                texts.push(text);
            }
        }
        let tables: Vec<toml::Table> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let has_own = tables.iter().any(|table| has_flags_for(table, triple));
        let flags = |table: &toml::Table| table.get("build").and_then(|build| build.get("rustflags")).map(words);
        // The nearest file stands last in what cargo joins.
        let joined = tables.iter().rev().filter(|_| !has_own).filter_map(flags).flatten().collect();
        Self { digest: Digest::of(&canonical_json(&texts)), flags: joined }
    }
}

/// True if a file has flags for the target triple, or for a kind of targets.
fn has_flags_for(table: &toml::Table, triple: &str) -> bool {
    let targets = table.get("target").and_then(|targets| targets.as_table());
    let mut targets = targets.into_iter().flatten();
    targets.any(|(name, table)| (name == triple || name.starts_with("cfg(")) && table.get("rustflags").is_some())
}

/// The words of a list, or of a text.
fn words(flags: &toml::Value) -> Vec<String> {
    match (flags.as_array(), flags.as_str()) {
        (Some(list), _) => list.iter().filter_map(|flag| flag.as_str()).map(str::to_owned).collect(),
        (None, Some(text)) => text.split_whitespace().map(str::to_owned).collect(),
        (None, None) => Vec::new(),
    }
}

/// The folder of cargo's own files.
pub(super) fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_for_all_targets_count_unless_there_are_some_for_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            std::fs::create_dir_all(folder.path().join("a/.cargo")).unwrap();
            std::fs::write(folder.path().join("a/.cargo/config.toml"), text).unwrap();
            CargoConfig::read(&folder.path().join("a/b"), "x86_64-unknown-linux-musl")
        };
        let first = write("[build]\nrustflags = [\"-Ca=b\", \"-Cc\"]\n");
        assert!(first.flags.ends_with(&["-Ca=b".to_owned(), "-Cc".to_owned()]));
        let second = write("[build]\nrustflags = \"-Cx\"\n[target.'cfg(unix)']\nrustflags = []\n");
        assert!(second.flags.is_empty() && first.digest != second.digest);
    }
}
