//! Opens the files of a layout: in a folder, or in a tar archive that is never unpacked.
//!
//! An archive is read once, from header to header, to find where each member is. Links in it are names for other
//! members: Docker writes layers that two images share as links. A link that leads out of the archive counts as
//! missing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::fs;
use crate::fs::host::MOST_LINKS;
use crate::tar::{self, MemberKind, Rules, Stream, StreamFormat};

/// A folder or an archive, open for any number of threads.
#[derive(Debug)]
pub(super) enum Container {
    Folder(PathBuf),
    Archive(Archive),
}

/// A tar archive and where its members are.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    /// The members by path, without `.` and `..` in it.
    members: BTreeMap<Vec<u8>, Member>,
}

#[derive(Debug)]
enum Member {
    Content {
        position: u64,
        size: u64,
    },
    /// A link to another member, or out of the archive.
    Link(Option<Vec<u8>>),
}

/// Reads the bytes of a member.
pub(super) struct Content<'a> {
    pub(super) size: u64,
    reader: Box<dyn Read + 'a>,
}

/// Why a path cannot be opened as a folder or an archive.
#[derive(Debug)]
pub(super) enum OpenError {
    Absent,
    /// The file is no tar archive. Its first bytes may show that it is compressed.
    NotTar(Option<&'static str>),
    /// The tar archive cannot be read beyond so many members.
    Damaged(usize),
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if is_absent(&error) { Self::Absent } else { Self::Io(error) }
    }
}

impl Container {
    /// Opens a folder, or an archive. The content of members is not read yet.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        // Opening a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(OpenError::NotTar(None));
        }
        let file = fs::open(path)?;
        let members = members(fs::open(path)?)?;
        Ok(Self::Archive(Archive { file, members }))
    }

    /// Opens the file of this name. A link is followed. Returns `None` if there is no such file.
    pub(super) fn member(&self, name: &str) -> io::Result<Option<Content<'_>>> {
        match self {
            Self::Folder(folder) => match folder.join(name).metadata() {
                Ok(metadata) if metadata.is_file() => {
                    let reader = Box::new(fs::open(&folder.join(name))?);
                    Ok(Some(Content { size: metadata.len(), reader }))
                }
                Ok(_) => Ok(None),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(error),
            },
            Self::Archive(archive) => Ok(archive.find(name).map(|(position, size)| {
                let reader = Box::new(Section { file: &archive.file, position, left: size });
                Content { size, reader }
            })),
        }
    }
}

impl Archive {
    fn find(&self, name: &str) -> Option<(u64, u64)> {
        let mut path = within(b"", name.as_bytes())?;
        for _ in 0..MOST_LINKS {
            match self.members.get(&path)? {
                Member::Content { position, size } => return Some((*position, *size)),
                Member::Link(target) => path.clone_from(target.as_ref()?),
            }
        }
        None
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// A range of a file.
struct Section<'a> {
    file: &'a File,
    position: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

/// True for errors that mean that no file has this name.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// Finds where the members of a tar archive are.
fn members(mut file: File) -> Result<BTreeMap<Vec<u8>, Member>, OpenError> {
    if let Some(compression) = StreamFormat::read(&mut file)?.name() {
        return Err(OpenError::NotTar(Some(compression)));
    }
    file.rewind()?;
    let mut members = BTreeMap::new();
    let mut count = 0;
    // Some programs do not write the blocks that end an archive.
    let read = tar::members::each(&mut Stream::new(file)?, Rules::Layer, &mut |_, found| {
        count += 1;
        let Some(path) = within(b"", &found.member.name.0) else { return Ok(()) };
        let member = match &found.member.kind {
            MemberKind::File { offset, size } => Member::Content { position: *offset, size: *size },
            MemberKind::Link(target) => Member::Link(within(parent(&path), &target.0)),
            MemberKind::HardLink(target) => Member::Link(within(b"", &target.0)),
            MemberKind::Folder | MemberKind::Sparse | MemberKind::Other(_) => return Ok(()),
        };
        // If two members have one name, the last one counts, as if the archive were unpacked.
        members.insert(path, member);
        Ok(())
    });
    match read {
        Ok(()) => Ok(members),
        Err(None) => Err(OpenError::NotTar(None)),
        // The reader's own message quotes the file, and is not shown.
        Err(Some(_)) if count == 0 => Err(OpenError::NotTar(None)),
        Err(Some(_)) => Err(OpenError::Damaged(count)),
    }
}

/// The path within the archive that a link in a folder of it means. Returns `None` if it leads out.
fn within(folder: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = match path.first() {
        Some(b'/') => Vec::new(),
        _ => folder.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect(),
    };
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |slash| &path[..slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(add: impl FnOnce(&mut ::tar::Builder<File>)) -> Container {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let file = File::options().write(true).create_new(true).open(&path).unwrap();
        let mut builder = ::tar::Builder::new(file);
        add(&mut builder);
        builder.into_inner().unwrap();
        Container::open(&path).unwrap()
    }

    fn add(builder: &mut ::tar::Builder<File>, name: &[u8], link: Option<(::tar::EntryType, &str)>, content: &[u8]) {
        let mut header = ::tar::Header::new_gnu();
        // The crate's own setters refuse names that a hostile archive may have.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        if let Some((kind, target)) = link {
            header.set_entry_type(kind);
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    fn read(container: &Container, name: &str) -> Option<Vec<u8>> {
        let mut content = container.member(name).unwrap()?;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, content.size);
        Some(bytes)
    }

    #[test]
    fn members_are_found_by_every_spelling_and_through_links() {
        use ::tar::EntryType::{Link, Symlink};

        let long = "long/".repeat(40);
        let container = archive(|builder| {
            add(builder, b"./a", None, b"old");
            add(builder, b"./a", None, b"new");
            add(builder, b"x\xff/y", None, b"not text");
            add(builder, b"one/layer.tar", Some((Symlink, "../a")), b"");
            add(builder, b"two/layer.tar", Some((Symlink, "../one/layer.tar")), b"");
            add(builder, b"hard", Some((Link, "one/layer.tar")), b"");
            add(builder, b"up", Some((Symlink, "../../etc/passwd")), b"");
            add(builder, b"round", Some((Symlink, "./round")), b"");
            add(builder, b"nowhere", Some((Symlink, "gone")), b"");
            add(builder, b"../outside", None, b"outside");
            let mut header = ::tar::Header::new_gnu();
            header.set_size(4);
            builder.append_data(&mut header, format!("{long}end"), &b"deep"[..]).unwrap();
        });
        for name in ["a", "./a", "one/../a", "/a", "one/layer.tar", "two/layer.tar", "hard"] {
            assert_eq!(read(&container, name).as_deref(), Some(&b"new"[..]), "{name}");
        }
        assert_eq!(read(&container, &format!("{long}end")).as_deref(), Some(&b"deep"[..]));
        for name in ["up", "round", "nowhere", "../outside", "outside", "one", "b", ""] {
            assert_eq!(read(&container, name), None, "{name}");
        }
    }

    #[test]
    fn folders_have_files_and_nothing_that_waits() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "content").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let container = Container::open(folder.path()).unwrap();
        assert_eq!(read(&container, "link").as_deref(), Some(&b"content"[..]));
        for name in ["pipe", "b", "a/b", "."] {
            assert_eq!(read(&container, name), None, "{name}");
        }
        assert!(matches!(Container::open(&folder.path().join("pipe")), Err(OpenError::NotTar(None))));
        for name in ["b", "a/b", &"long".repeat(100)] {
            assert!(matches!(Container::open(&folder.path().join(name)), Err(OpenError::Absent)), "{name}");
        }
    }

    #[test]
    fn what_is_no_archive_or_cut_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, "no tar\n".repeat(200)).unwrap();
        assert!(matches!(Container::open(&path), Err(OpenError::NotTar(None))));
        let mut header = ::tar::Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_size(9000);
        header.set_cksum();
        std::fs::write(&path, [header.as_bytes(), &b"half"[..]].concat()).unwrap();
        assert!(matches!(Container::open(&path), Err(OpenError::Damaged(1))));
    }
}
