//! Finds and opens the files of a layout or an archive.

use std::io::{self, Read};
use std::path::Path;

use super::LayoutError;
use super::container::{Container, Content, OpenError};
use crate::fs::FileError;
use crate::fs::host::{self, LastLink, Links, Lost};
use crate::model::LayoutPath;
use crate::model::origin::LayoutKind;
use crate::process::signal;
use crate::sanitize;

/// The largest size, in bytes, of a manifest, index or config.
pub(super) const LARGEST_DOCUMENT: u64 = 32 << 20;
const LARGEST_BLOCK: usize = 256 << 10;

/// The files, and their path as errors show it.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) path: String,
    container: Container,
}

impl Files {
    /// Opens the files at the longest path that exists. The rest of the text is the image's name.
    pub(super) fn open<'a>(path: &'a LayoutPath, folder: &Path) -> Result<(Self, Option<&'a str>), LayoutError> {
        let mut shortest = "";
        for (written, name) in path.readings() {
            shortest = written;
            let full = folder.join(written);
            let shown = sanitize::name(written);
            if let Err(Lost::Leaves(leaves)) =
                host::find(folder, Path::new(written), LastLink::Follow, Links::StayInside)
            {
                return Err(LayoutError::Leaves(leaves));
            }
            match Container::open(&full) {
                Ok(container) => return Ok((Self { path: shown, container }, name)),
                Err(OpenError::Absent) => {}
                Err(OpenError::NotTar(Some(by))) => return Err(LayoutError::Compressed { path: shown, by }),
                Err(OpenError::NotTar(None)) => return Err(LayoutError::Unrecognised { path: shown }),
                Err(OpenError::Damaged(members)) => {
                    return Err(LayoutError::DamagedArchive { path: shown, members });
                }
                Err(OpenError::Io(error)) => return Err(FileError::new("read", &full, error).into()),
            }
        }
        Err(LayoutError::not_found(shortest, folder))
    }

    /// The kind of the files. Returns an error if the manifest asked for another kind.
    pub(super) fn kind(&self, said: Option<LayoutKind>) -> Result<LayoutKind, LayoutError> {
        let path = || self.path.clone();
        let has = |member: &str| Ok::<bool, LayoutError>(self.member(member)?.is_some());
        let is_folder = matches!(self.container, Container::Folder(_));
        let is_docker = !is_folder && has("manifest.json")?;
        let found = match (has("oci-layout")? && has("index.json")?, is_docker) {
            // Since its version 25, Docker writes both kinds into one archive.
            (_, true) if said == Some(LayoutKind::DockerArchive) => LayoutKind::DockerArchive,
            (true, _) if is_folder => LayoutKind::Folder,
            (true, _) => LayoutKind::OciArchive,
            (false, true) => LayoutKind::DockerArchive,
            (false, false) => return Err(LayoutError::Unrecognised { path: path() }),
        };
        match said {
            Some(said) if said != found => Err(LayoutError::OtherKind { path: path(), found, prefix: said.prefix() }),
            _ => Ok(found),
        }
    }

    pub(super) fn member(&self, name: &str) -> Result<Option<Content<'_>>, LayoutError> {
        self.container.member(name).map_err(|error| LayoutError::unreadable(name, &self.path, error))
    }

    /// The bytes of a small member.
    pub(super) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, LayoutError> {
        let Some(mut content) = self.member(name)? else { return Ok(None) };
        if content.size > LARGEST_DOCUMENT {
            let error = io::Error::other(format!("it has {} bytes, more than any document of an image", content.size));
            return Err(LayoutError::unreadable(name, &self.path, error));
        }
        let mut bytes = Vec::new();
        self.each_block(name, &mut content, |block| {
            bytes.extend_from_slice(block);
            Ok(())
        })?;
        Ok(Some(bytes))
    }

    /// Passes the bytes of a member on, block by block. On `Ok` all of them were passed on. A signal that ends the
    /// program ends this with an error.
    pub(super) fn each_block(
        &self,
        name: &str,
        content: &mut Content<'_>,
        mut take: impl FnMut(&[u8]) -> Result<(), LayoutError>,
    ) -> Result<(), LayoutError> {
        let unreadable = |error| LayoutError::unreadable(name, &self.path, error);
        let mut block = vec![0; usize::try_from(content.size).unwrap_or(usize::MAX).clamp(1, LARGEST_BLOCK)];
        let mut left = content.size;
        while left > 0 {
            if let Some(signal) = signal::pending() {
                return Err(unreadable(io::Error::other(format!("interrupted by signal {signal}"))));
            }
            let length = content.read(&mut block).map_err(unreadable)?;
            if length == 0 {
                return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            take(&block[..length])?;
            left = left.saturating_sub(length as u64);
        }
        Ok(())
    }
}
