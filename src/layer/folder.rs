//! Packages that are a folder's content, or what a glob matches in one.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::fs::host::LastLink;
use crate::layer::LayerError;
use crate::layer::glob::{Filter, Globs, Selection, names_own};
use crate::layer::host::Named;
use crate::layer::path::LayerPath;
use crate::layer::scan::{LINK_MODE, PackageScan, Problem, file_mode};
use crate::layer::tree::{Claim, Entry, Kind, Packed, folder_mode};
use crate::layer::walk::Walk;
use crate::sanitize;
use crate::source::{At, Placed};

impl PackageScan<'_> {
    /// Packs what a glob matches.
    pub(super) fn selection(
        &mut self,
        written: &Placed<String>,
        to: Option<&Placed<String>>,
        problems: &mut Vec<Problem>,
    ) -> Result<Packed, Problem> {
        let selection = Selection::compile(written)?;
        let root = match to {
            Some(to) => self.destination_root(to)?,
            None if Path::new(&written.value).is_absolute() => {
                return Err(At::new(LayerError::NoDestination { path: sanitize::name(written) }, &written.place, ""));
            }
            None => LayerPath::root(),
        };
        let before = self.entries.len();
        let found = match self.find(written, &selection.folder, LastLink::Follow) {
            Ok(Some(folder)) if folder.found.kind() == FileType::Directory => {
                self.walk(written, folder, &root, Some(&selection), problems)?
            }
            Ok(_) => false,
            Err(problem) if matches!(problem.error(), LayerError::NotFound { .. }) => false,
            Err(problem) => return Err(problem),
        };
        if !found && !self.package.optional {
            let pattern = sanitize::name(written);
            let is_filtered = !self.package.include.is_empty() || !self.package.exclude.is_empty();
            let error = match is_filtered {
                true => LayerError::NothingLeft { path: pattern },
                false => LayerError::NoMatch { pattern },
            };
            return Err(At::new(error, &written.place, ""));
        }
        let is_folder = |entry: &Entry| matches!(entry.kind, Kind::Folder(Claim::Packed));
        Ok(match self.entries[before..].iter().any(is_folder) {
            true => Packed::Other,
            false => Packed::Files,
        })
    }

    /// Packs what is in the folder; false if it holds nothing to pack and nothing that is an error.
    pub(super) fn walk(
        &mut self,
        written: &Placed<String>,
        folder: Named,
        root: &LayerPath,
        selection: Option<&Selection>,
        problems: &mut Vec<Problem>,
    ) -> Result<bool, Problem> {
        let Named { host, found } = folder;
        let below = host.strip_prefix(self.request.folder).unwrap_or(Path::new(""));
        let names = |is_named: fn(&str) -> bool| {
            is_named(written) || self.package.include.iter().any(|pattern| is_named(pattern))
        };
        let filter = Filter {
            include: Globs::compile(&self.package.include)?,
            exclude: Globs::compile(&self.package.exclude)?,
            project: self.project,
            below: below.as_os_str().as_bytes().to_vec(),
            selection,
            packs_git: names(names_git),
            leaves_out_own: found.inside.as_deref() == Some(Path::new("")) && !names(names_own),
        };
        let ignored = self.ignores.in_package(self.request.folder, found.inside.as_deref());
        let ignored = ignored.map_err(|error| At::new(error, &self.package.place, ""))?;
        let walk = Walk {
            filter,
            ignores: self.ignores,
            inside: found.inside.unwrap_or_default().into_os_string().into_encoded_bytes(),
            follow: self.package.follow,
            root: root.clone(),
            folder: self.request.folder,
            place: &self.package.place,
        };
        let (found, walked) = walk.run(found.folder, &host, ignored);
        let has_problems = !walked.is_empty();
        problems.extend(walked);
        let mut found = found.peekable();
        let is_found = found.peek().is_some();
        if is_found {
            // Before what is in them, so that all is in its order already.
            let above = if selection.is_some() { Some(root.clone()) } else { root.parent() };
            let folders = std::iter::successors(above, LayerPath::parent).take_while(|path| !path.is_root());
            let folders: Vec<Entry> = folders.map(|path| Entry::implied(path, self.origin)).collect();
            self.entries.extend(folders.into_iter().rev());
        }
        for found in found {
            let default = match found.kind {
                Kind::Folder(_) => folder_mode(&found.path),
                Kind::Link(_) => LINK_MODE,
                _ => file_mode(found.mode),
            };
            self.push(found.path, found.kind, default);
        }
        Ok(is_found || has_problems)
    }
}

fn names_git(pattern: &str) -> bool {
    pattern.split('/').any(|component| component == ".git")
}
