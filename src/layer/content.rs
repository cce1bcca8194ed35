//! The content of files in archives, in the order of a layer, which differs from the archive's.
//!
//! A plain archive is read at the place of each content. From a compressed archive, the content that the layer takes is
//! unpacked once into a file without a name, at its place among the plain bytes. So the memory does not grow, and long
//! runs of zeros take no room in the file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::contents::{Archive, ArchiveError, Archived};
use crate::fs::{FileError, stamp};
use crate::layer::files::unreadable;
use crate::layer::tree::Kind;
use crate::layer::{LayerError, Tree};
use crate::sanitize;
use crate::tar::Stream;

/// The archives of a tree that is being written.
pub(crate) struct OpenArchives<'a> {
    tree: &'a Tree,
    open: Vec<Opened>,
}

struct Opened {
    archive: Arc<Archive>,
    file: File,
    /// What was unpacked of a compressed archive.
    unpacked: Option<File>,
}

impl<'a> OpenArchives<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, open: Vec::new() }
    }

    /// A file whose position is at the start of this content.
    pub(crate) fn seek(&mut self, archived: &Archived) -> Result<&mut File, LayerError> {
        let known = self.open.iter().position(|opened| Arc::ptr_eq(&opened.archive, &archived.archive));
        let index = match known {
            Some(index) => index,
            None => {
                self.open.push(self.opened(&archived.archive)?);
                self.open.len() - 1
            }
        };
        let Opened { file, unpacked, .. } = &mut self.open[index];
        let file = unpacked.as_mut().unwrap_or(file);
        let path = sanitize::path(&archived.archive.host, &self.tree.folder);
        file.seek(SeekFrom::Start(archived.offset)).map_err(|source| unreadable(path, source))?;
        Ok(file)
    }

    /// Returns an error if the archive was changed since the scan.
    pub(crate) fn check(&self, archived: &Archived) -> Result<(), LayerError> {
        let opened = self.open.iter().find(|opened| Arc::ptr_eq(&opened.archive, &archived.archive));
        opened.map_or(Ok(()), |opened| self.unchanged(opened.archive.as_ref(), &opened.file))
    }

    fn unchanged(&self, archive: &Archive, file: &File) -> Result<(), LayerError> {
        let path = || sanitize::path(&archive.host, &self.tree.folder);
        match archive.identity.is_of(file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LayerError::Changed { path: path() }),
            Err(source) => Err(unreadable(path(), source)),
        }
    }

    fn opened(&self, archive: &Arc<Archive>) -> Result<Opened, LayerError> {
        let path = || sanitize::path(&archive.host, &self.tree.folder);
        let failed = |source| unreadable(path(), source);
        let file = stamp::reopen(&archive.host).map_err(failed)?;
        self.unchanged(archive, &file)?;
        let mut stream = file.try_clone().and_then(Stream::new).map_err(failed)?;
        let unpacked = stream.is_compressed().then(|| {
            // If the archive was changed since the scan, that is the error.
            self.unpacked(archive, &mut stream).map_err(|error| self.unchanged(archive, &file).err().unwrap_or(error))
        });
        Ok(Opened { archive: Arc::clone(archive), unpacked: unpacked.transpose()?, file })
    }

    /// Unpacks the content that the tree takes of the archive, each at its place, with holes between them.
    fn unpacked(&self, archive: &Arc<Archive>, stream: &mut Stream) -> Result<File, LayerError> {
        let mut wanted: Vec<(u64, u64)> = Vec::new();
        wanted.extend(self.tree.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::Archived(archived) if Arc::ptr_eq(&archived.archive, archive) => {
                Some((archived.offset, archived.size))
            }
            _ => None,
        }));
        wanted.sort_unstable();
        wanted.dedup();
        let file = crate::fs::nameless(&archive.workplace)?;
        let mut unwritten = None;
        let unpacked = unpack(&wanted, stream, &file, &mut unwritten);
        match (unpacked, unwritten) {
            (Ok(()), _) => Ok(file),
            (Err(_), Some(error)) => Err(FileError::new("write in", &archive.workplace, error).into()),
            (Err(source), None) => {
                let archive = sanitize::path(&archive.host, &self.tree.folder);
                Err(ArchiveError::Damaged { archive, after: None, source }.into())
            }
        }
    }
}

/// Writes the stretches of the stream to where they are in it. What could not be written is `unwritten`.
fn unpack(
    wanted: &[(u64, u64)],
    stream: &mut Stream,
    file: &File,
    unwritten: &mut Option<io::Error>,
) -> io::Result<()> {
    let mut note = |written: io::Result<()>| {
        written.map_err(|error| {
            *unwritten = Some(error);
            io::Error::from(io::ErrorKind::WriteZero)
        })
    };
    let mut end = 0;
    for (offset, size) in wanted {
        stream.skip(offset.saturating_sub(stream.position()))?;
        end = *offset;
        stream.pieces(*size, |piece| {
            let is_hole = piece.iter().all(|byte| *byte == 0);
            if !is_hole {
                note(file.write_all_at(piece, end))?;
            }
            end += piece.len() as u64;
            Ok(())
        })?;
    }
    note(file.set_len(end))
}
