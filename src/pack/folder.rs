//! Packages of files of this machine: a file, a folder's content, or what a glob matches in one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::contents::glob::{Globs, PathGlob};
use crate::fs::Stamp;
use crate::fs::host::LastLink;
use crate::layer::LayerError;
use crate::layer::tree::{Claim, Entry, HostFile, Kind, Packed, folder_mode};
use crate::model::LayerPath;
use crate::pack::filter::{Filter, names_own};
use crate::pack::host::{Named, kind_of_special, normal};
use crate::pack::package::{LINK_MODE, PackProblem, PackageScan, file_mode, refuse_reserved};
use crate::pack::walk::Walk;
use crate::sanitize;
use crate::source::{At, Placed};

impl PackageScan<'_> {
    /// A file, or a folder's content.
    pub(crate) fn path(
        &mut self,
        written: &Placed<String>,
        to: Option<&Placed<String>>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<Packed, PackProblem> {
        let last = if self.package.follow { LastLink::Follow } else { LastLink::Keep };
        let Some(Named { host, found }) = self.find(written, written, last)? else { return Ok(Packed::Other) };
        let stat = found.stat;
        let relative = Some(normal(Path::new(&written.value))).filter(|path| path.is_relative());
        let name = relative.as_deref().and_then(Path::file_name).map(OsStr::as_bytes);
        let no_destination =
            || At::new(LayerError::NoDestination { path: sanitize::name(written) }, &written.place, "");
        match found.kind() {
            FileType::RegularFile => {
                self.refuse_slash(written, &host)?;
                let path = match to {
                    Some(to) if to.ends_with('/') => {
                        let name = host.file_name().ok_or_else(no_destination)?;
                        self.destination_root(to)?.join(name.as_bytes())
                    }
                    Some(to) => self.destination(to)?,
                    None => LayerPath::root().join(name.ok_or_else(no_destination)?),
                };
                refuse_reserved(&path).map_err(|error| At::new(error, &written.place, ""))?;
                let (folder, name) = (host.parent().unwrap_or(&host), host.file_name().unwrap_or_default());
                let host = HostFile::new(folder.into(), name, &path);
                let kind = Kind::File { host, stamp: Stamp::of(&stat) };
                self.add(path, kind, file_mode(stat.st_mode));
                Ok(Packed::Files)
            }
            FileType::Directory => {
                let root = match to {
                    Some(to) => self.destination_root(to)?,
                    None => LayerPath::root().join(name.ok_or_else(no_destination)?),
                };
                refuse_reserved(&root).map_err(|error| At::new(error, &written.place, ""))?;
                if !self.walk(written, Named { host, found }, &root, None, problems)? && !self.package.optional {
                    return Err(At::new(LayerError::NothingLeft { path: sanitize::name(written) }, &written.place, ""));
                }
                Ok(Packed::Other)
            }
            FileType::Symlink => {
                let target = sanitize::name(&String::from_utf8_lossy(found.target.as_deref().unwrap_or_default()));
                let error = LayerError::LinkLeaves { path: self.shown(&host), target };
                Err(At::new(error, &written.place, "the package is the link alone"))
            }
            other => {
                let error = LayerError::SpecialFile { path: self.shown(&host), kind: kind_of_special(other) };
                Err(At::new(error, &written.place, ""))
            }
        }
    }

    /// Packs what a glob matches.
    pub(crate) fn selection(
        &mut self,
        written: &Placed<String>,
        to: Option<&Placed<String>>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<Packed, PackProblem> {
        let selection = PathGlob::compile(written)?;
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

    /// Packs what is in the folder. Returns `false` if the folder holds nothing to pack and nothing that is an error.
    pub(crate) fn walk(
        &mut self,
        written: &Placed<String>,
        folder: Named,
        root: &LayerPath,
        selection: Option<&PathGlob>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<bool, PackProblem> {
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
            any_links: self.package.any_links,
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
            // The folders are added before their content, so that the entries are in order already.
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
