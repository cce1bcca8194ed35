//! Stories: a project, what a person does in it, and everything that comes of it, as one text for a snapshot.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use super::{TestContext, images};

/// The files that a story shows with their content are not longer, in bytes.
const SHOWN: usize = 4096;

/// A project, and what has happened in it so far.
pub(crate) struct Story {
    context: TestContext,
    told: String,
    /// The files of the project as they were last told, by their paths in it.
    files: BTreeMap<String, Vec<u8>>,
}

impl Story {
    /// Begins with a project that has this `oci.toml`.
    pub(crate) fn of(manifest: &str) -> Self {
        let story = Self { context: TestContext::new(), told: String::new(), files: BTreeMap::new() };
        story.with("oci.toml", manifest)
    }

    /// The person writes a file.
    pub(crate) fn with(mut self, path: &str, content: &str) -> Self {
        self.context.write(path, content);
        let verb = if self.files.contains_key(path) { "changes" } else { "writes" };
        writeln!(self.told, "## The person {verb} {path}").unwrap();
        self.files = files(&self.context.project());
        self
    }

    /// The person removes a file.
    pub(crate) fn without(mut self, path: &str) -> Self {
        fs::remove_file(self.context.project().join(path)).unwrap();
        writeln!(self.told, "## The person removes {path}").unwrap();
        self.files = files(&self.context.project());
        self
    }

    /// The person types a command, which ends with this status. No argument may have a space in it.
    #[track_caller]
    pub(crate) fn types(mut self, line: &str, status: i32) -> Self {
        let arguments = line.strip_prefix("oci ").unwrap().split(' ');
        let outcome = self.context.finish(self.context.oci().args(arguments)).failure(status);
        writeln!(self.told, "$ {line}\n{outcome}").unwrap();
        self.tell_files();
        self
    }

    /// Something happens outside of the project.
    pub(crate) fn meanwhile(mut self, what: &str, happens: impl FnOnce()) -> Self {
        happens();
        writeln!(self.told, "## Meanwhile {what}").unwrap();
        self
    }

    /// Tells what the command has made of the project's files. Of the layout `.oci/` the blobs are counted.
    fn tell_files(&mut self) {
        let now = files(&self.context.project());
        let told = |path: &&String| !path.starts_with(".oci/blobs/");
        for (path, content) in now.iter().filter(|(path, _)| told(path)) {
            let verb = match self.files.get(path) {
                None => "new",
                Some(before) if before != content => "changed",
                Some(_) => continue,
            };
            writeln!(self.told, "----- {verb}: {path}").unwrap();
            if !path.starts_with(".oci/") && content.len() <= SHOWN {
                self.told.push_str(&String::from_utf8_lossy(content));
            }
        }
        for path in self.files.keys().filter(told).filter(|path| !now.contains_key(*path)) {
            writeln!(self.told, "----- gone: {path}").unwrap();
        }
        let blobs = |files: &BTreeMap<String, Vec<u8>>| files.keys().filter(|path| !told(path)).count();
        if blobs(&now) != blobs(&self.files) {
            writeln!(self.told, "----- .oci/blobs: {} in place of {}", blobs(&now), blobs(&self.files)).unwrap();
        }
        self.files = now;
    }
}

/// The whole story. This machine's architecture is taken out.
impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = images::architecture();
        formatter.write_str(&self.told.replace(&format!("linux/{architecture}"), "linux/[HOST]"))
    }
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let path = entry.path().strip_prefix(folder).unwrap().display().to_string();
                    found.insert(path, fs::read(entry.path()).unwrap());
                }
            }
        }
    }
    found
}
