//! A jar: what its manifest says, how it falls into layers, and what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::fs::{FileError, LARGEST_TEXT, create_folder, parent};

/// The most bytes that a jar may unpack to.
const MOST: u64 = 8 << 30;

/// A jar that is open.
pub(super) struct Jar {
    zip: zip::ZipArchive<File>,
    /// The main section of its manifest.
    manifest: Vec<(String, String)>,
}

/// Why a jar cannot be taken apart.
#[derive(Debug)]
pub(super) enum JarError {
    NotThere,
    NotAJar(io::Error),
    File(FileError),
}

impl Jar {
    pub(super) fn open(path: &Path) -> Result<Self, JarError> {
        let file = match crate::fs::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(JarError::NotThere),
            file => file.map_err(JarError::NotAJar)?,
        };
        let mut jar = Self { zip: zip::ZipArchive::new(file).map_err(not_a_jar)?, manifest: Vec::new() };
        let text = jar.text("META-INF/MANIFEST.MF")?.unwrap_or_default();
        jar.manifest = main_section(&text);
        Ok(jar)
    }

    /// The class that is run.
    pub(super) fn main(&self) -> Option<String> {
        self.said("Main-Class")
    }

    /// The libraries and folders beside it that its manifest names, as paths from its folder, in their order. They are
    /// relative URLs (JAR File Specification, "Class-Path Attribute"); one that ends in `/` is a folder.
    pub(super) fn class_path(&self) -> Vec<String> {
        let written = self.said("Class-Path").unwrap_or_default();
        let is_beside = |path: &&str| !path.contains(':') && !path.starts_with('/');
        let paths = written.split_whitespace().filter(is_beside);
        paths.map(|path| decoded(path.trim_start_matches("./"))).filter(|path| !path.is_empty()).collect()
    }

    /// The layers that it names itself, lowest first, each with paths and folders; empty if it names none.
    pub(super) fn layers(&mut self) -> Result<Vec<(String, Vec<String>)>, JarError> {
        let Some(name) = self.said("Spring-Boot-Layers-Index") else { return Ok(Vec::new()) };
        Ok(self.text(&name)?.map(|text| index(&text)).unwrap_or_default())
    }

    /// Unpacks every file of it into the folder that `folder` gives for its name.
    pub(super) fn unpack(&mut self, mut folder: impl FnMut(&str) -> PathBuf) -> Result<(), JarError> {
        let mut left = MOST;
        for number in 0..self.zip.len() {
            let mut entry = self.zip.by_index(number).map_err(not_a_jar)?;
            if entry.is_dir() {
                continue;
            }
            // A name that leads out of the jar is no name.
            let Some(name) = entry.enclosed_name().and_then(|name| name.to_str().map(str::to_owned)) else {
                let name = entry.name().to_owned();
                let error = format!("it has a file of the name `{}`", crate::sanitize::name(&name));
                return Err(JarError::NotAJar(io::Error::other(error)));
            };
            let to = folder(&name).join(&name);
            create_folder(parent(&to)).map_err(|error| impossible(error, &name))?;
            let mut file = match crate::fs::create_private(&to) {
                Ok(file) => file,
                // Of two entries with one name Java takes the first.
                Err(_) if to.is_file() => continue,
                Err(error) => return Err(impossible(error, &name)),
            };
            let copied = io::copy(&mut entry.by_ref().take(left), &mut file)
                .map_err(|error| JarError::File(FileError::new("unpack", &to, error)))?;
            left = left.saturating_sub(copied);
            if left == 0 {
                return Err(JarError::NotAJar(io::Error::other("it holds more than 8 GiB")));
            }
        }
        Ok(())
    }

    fn said(&self, key: &str) -> Option<String> {
        self.manifest.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim().to_owned())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, JarError> {
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(not_a_jar(error)),
        };
        let mut text = String::new();
        entry.take(LARGEST_TEXT).read_to_string(&mut text).map_err(JarError::NotAJar)?;
        Ok(Some(text))
    }
}

/// The error for a file of a jar that could not be made. Where the names of the jar itself are why, the jar is at fault.
fn impossible(error: FileError, name: &str) -> JarError {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
    let name = crate::sanitize::name(name);
    match error.source.kind() {
        AlreadyExists | IsADirectory | NotADirectory => {
            JarError::NotAJar(io::Error::other(format!("a file and a folder in it have one name, at `{name}`")))
        }
        InvalidFilename => JarError::NotAJar(io::Error::other(format!("a name in it is too long: `{name}`"))),
        _ => JarError::File(error),
    }
}

/// A path of which the URL is this text: `%20` is a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn not_a_jar(error: zip::result::ZipError) -> JarError {
    JarError::NotAJar(io::Error::other(error.to_string()))
}

/// The attributes of the first section of a manifest (JAR File Specification, "Manifest Specification"): a line that
/// begins with a space goes on with the one before it.
fn main_section(text: &str) -> Vec<(String, String)> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match (line.strip_prefix(' '), attributes.last_mut()) {
            (Some(more), Some((_, value))) => value.push_str(more),
            _ => attributes.extend(line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))),
        }
    }
    attributes
}

/// The layers of an index of Spring Boot: a list of names, and below each a list of paths.
fn index(text: &str) -> Vec<(String, Vec<String>)> {
    let mut layers: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        let name = |line: &str| line.trim().trim_start_matches("- ").trim_end_matches(':').trim_matches('"').to_owned();
        if line.starts_with("- ") {
            layers.push((name(line), Vec::new()));
        } else if let (true, Some((_, paths))) = (line.trim().starts_with("- "), layers.last_mut()) {
            paths.push(name(line));
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_section_of_a_manifest() {
        let text = "Manifest-Version: 1.0\r\nMain-Class: a.very.lon\r\n g.Name\r\nClass-Path: lib/a.jar\r\n  lib/b.jar\r\n\r\nName: x\r\nMain-Class: other\r\n";
        let section = main_section(text);
        let expected =
            [("Manifest-Version", "1.0"), ("Main-Class", "a.very.long.Name"), ("Class-Path", "lib/a.jar lib/b.jar")];
        assert_eq!(section, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_class_path_is_written_as_urls() {
        for (text, path) in
            [("my%20lib.jar", "my lib.jar"), ("a.jar", "a.jar"), ("100%.jar", "100%.jar"), ("%c3%a9", "é")]
        {
            assert_eq!(decoded(text), path);
        }
    }

    #[test]
    fn reads_the_index_of_layers() {
        let text = "- \"dependencies\":\n  - \"BOOT-INF/lib/\"\n- \"snapshot-dependencies\":\n- \"application\":\n  - \"BOOT-INF/classes/\"\n  - \"META-INF/\"\n";
        let expected = [
            ("dependencies".to_owned(), vec!["BOOT-INF/lib/".to_owned()]),
            ("snapshot-dependencies".to_owned(), vec![]),
            ("application".to_owned(), vec!["BOOT-INF/classes/".to_owned(), "META-INF/".to_owned()]),
        ];
        assert_eq!(index(text), expected);
    }
}
