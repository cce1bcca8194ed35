//! `.oci/`: a standard OCI image layout (OCI image spec, "Image Layout") with the newest result of
//! every build.
//!
//! Other tools read it, and only `oci` writes it: changes are made under a lock, blobs first and
//! `index.json` last. Blobs are the store's own files under a second name.
//!
//! It lies in a checkout, which may hold anything under these names. A symbolic link, or anything else that we would
//! not have made, is an error and never followed. Files that we did not make stay where they are, and are reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fs::{
    FileContext, FileError, FileLock, Linked, create_folder, link_or_copy, read_own, sync_folder, write_atomically,
};
use crate::model::{Descriptor, Digest, Document, Index, canonical_json};
use crate::store::Store;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const LOCK: &str = ".lock";
/// Held while a command of a packaged target works in the project.
const PROJECT_LOCK: &str = ".project.lock";
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout folder.
#[derive(Clone, Debug)]
pub(crate) struct LayoutFolder {
    folder: PathBuf,
}

/// A layout that cannot be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum LayoutFolderError {
    #[error("`{}` is not the index of an OCI layout", path.display())]
    #[diagnostic(code(oci::store::bad_layout), help("delete the folder, and run the command again"))]
    Index { path: PathBuf, source: serde_json::Error },
    #[error("`{}` was not made by `oci`: it is {kind}", path.display())]
    #[diagnostic(
        code(oci::store::foreign_layout),
        help("nothing was read or written there; remove it, and `oci` makes its own")
    )]
    Foreign { path: PathBuf, kind: &'static str },
    #[error("the cache's copy of `{digest}` was damaged, and is set aside")]
    #[diagnostic(code(oci::store::damaged_blob), help("run the command again: it fetches or builds it anew"))]
    Damaged { digest: Digest },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

/// The most bytes that are read of an index or a manifest; ours are far shorter.
const DOCUMENT_LIMIT: u64 = 64 << 20;

impl LayoutFolder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts images in under their names, and drops those that `keep` refuses.
    ///
    /// Blobs that the store has are linked. Blobs that it lacks, such as the layers of a shallow base, stay absent.
    /// Blobs that nothing in the layout names any more are removed. Returns the names below `blobs` that are no
    /// digests: they were not put there by us, and stay. An index of ours that was damaged is written anew.
    pub(crate) fn update(
        &self,
        store: &Store,
        images: &BTreeMap<String, Descriptor>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Vec<PathBuf>, LayoutFolderError> {
        self.check()?;
        let is_ours = self.is_marked();
        self.create()?;
        let _lock = FileLock::exclusive(&self.folder.join(LOCK), || {})?;
        let old = self.index()?;
        let mut new = match names(old.as_deref()) {
            Ok(names) => names,
            Err(_) if is_ours => BTreeMap::new(),
            Err(source) => return Err(LayoutFolderError::Index { path: self.index_path(), source }),
        };
        new.retain(|name, _| keep(name));
        new.extend(images.iter().map(|(name, descriptor)| (name.clone(), descriptor.clone())));
        let mut needed = BTreeSet::new();
        for descriptor in new.values() {
            self.link_tree(store, descriptor, &mut needed)?;
        }
        let index = index(&new);
        if old.as_ref() == Some(&index) {
            return Ok(Vec::new());
        }
        // Blobs are linked before the index is written, so that the index never names what is not there.
        sync_folder(&self.folder.join("blobs/sha256"))?;
        write_atomically(&self.index_path(), &index, 0o644)?;
        crate::fs::sweep(&self.folder);
        Ok(self.sweep(&needed)?)
    }

    /// The path of the lock that commands which work in the project hold, one at a time. On `Ok` its folder is there.
    pub(crate) fn project_lock(&self) -> Result<PathBuf, LayoutFolderError> {
        self.check()?;
        self.create()?;
        Ok(self.folder.join(PROJECT_LOCK))
    }

    /// On `Ok` every name of ours that is there is the kind of file that we make.
    fn check(&self) -> Result<(), LayoutFolderError> {
        let path = |name: &str| if name.is_empty() { self.folder.clone() } else { self.folder.join(name) };
        let folders = ["", "blobs", "blobs/sha256"].map(|name| (path(name), true));
        let files = ["index.json", "oci-layout", ".gitignore", LOCK, PROJECT_LOCK].map(|name| (path(name), false));
        for (path, is_folder) in folders.into_iter().chain(files) {
            let kind = match path.symlink_metadata().map(|found| found.file_type()) {
                Ok(kind) if kind.is_symlink() => "a symbolic link",
                Ok(kind) if kind.is_dir() && !is_folder => "a folder",
                Ok(kind) if kind.is_file() && is_folder => "a file",
                Ok(kind) if !kind.is_dir() && !kind.is_file() => "neither a file nor a folder",
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError::new("look at", &path, error).into());
                }
                _ => continue,
            };
            return Err(LayoutFolderError::Foreign { path, kind });
        }
        Ok(())
    }

    /// Makes a layout for a tool. It names these images, and their blobs are elsewhere.
    pub(crate) fn create_private(&self, images: &BTreeMap<String, Descriptor>) -> Result<(), FileError> {
        write_atomically(&self.marker_path(), OCI_LAYOUT, 0o644)?;
        write_atomically(&self.index_path(), &index(images), 0o644)
    }

    /// The bytes of `index.json`, if it is there.
    fn index(&self) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.index_path();
        match read_own(&path, DOCUMENT_LIMIT) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path, error)),
        }
    }

    /// True if the folder's `oci-layout` file is the one that we write.
    fn is_marked(&self) -> bool {
        read_own(&self.marker_path(), OCI_LAYOUT.len() as u64).is_ok_and(|bytes| bytes == OCI_LAYOUT)
    }

    fn marker_path(&self) -> PathBuf {
        self.folder.join("oci-layout")
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.json")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    fn create(&self) -> Result<(), FileError> {
        create_folder(&self.folder.join("blobs/sha256"))?;
        if self.is_marked() {
            return Ok(());
        }
        write_atomically(&self.folder.join(".gitignore"), b"*\n", 0o644)?;
        write_atomically(&self.marker_path(), OCI_LAYOUT, 0o644)
    }

    /// Links a manifest or index and every blob that it names. Layers of a base may be absent.
    fn link_tree(
        &self,
        store: &Store,
        top: &Descriptor,
        needed: &mut BTreeSet<Digest>,
    ) -> Result<(), LayoutFolderError> {
        let mut pending = vec![top.clone()];
        while let Some(descriptor) = pending.pop() {
            if !needed.insert(descriptor.digest) {
                continue;
            }
            self.link(store, &descriptor)?;
            let Ok(bytes) = read_own(&self.blob_path(&descriptor.digest), DOCUMENT_LIMIT) else { continue };
            match Document::parse(&bytes) {
                Ok(Document::Index(index)) => pending.extend(index.manifests),
                Ok(Document::Manifest(manifest)) => {
                    for blob in manifest.layers.iter().chain([&manifest.config]) {
                        needed.insert(blob.digest);
                        self.link(store, blob)?;
                    }
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Links a blob of the store. A file under its name that cannot be the blob is removed. A blob that the store
    /// lacks, or has only in part, stays absent.
    fn link(&self, store: &Store, blob: &Descriptor) -> Result<(), LayoutFolderError> {
        let (from, to) = (store.blob_path(&blob.digest), self.blob_path(&blob.digest));
        let may_be = |found: &Metadata| found.is_file() && found.len() == blob.size;
        let stored = std::fs::symlink_metadata(&from).ok().filter(may_be);
        let linked = match std::fs::symlink_metadata(&to) {
            Err(_) => None,
            Ok(linked) if linked.is_dir() => return Err(LayoutFolderError::Foreign { path: to, kind: "a folder" }),
            Ok(linked) if may_be(&linked) => Some(linked),
            Ok(_) => {
                std::fs::remove_file(&to).context("replace", &to)?;
                None
            }
        };
        let Some(stored) = stored else { return Ok(()) };
        if linked.as_ref().is_some_and(|linked| is_of(linked, &stored)) || store.hold(&blob.digest).is_err() {
            // A blob that another process removes at this moment is absent, like the layers of a shallow base.
            return Ok(());
        }
        if linked.is_some() {
            std::fs::remove_file(&to).context("replace", &to)?;
        }
        let is_copy = link_or_copy(&from, &to, 0o444)? == Linked::Copied;
        // If the blob had to be copied, its content has been read anyway, and the copy stays when the store's blob is
        // gone.
        if is_copy && read_digest(&to)? != Some(blob.digest) {
            std::fs::remove_file(&to).context("remove", &to)?;
            if !store.verify(&blob.digest)? {
                return Err(LayoutFolderError::Damaged { digest: blob.digest });
            }
        }
        Ok(())
    }

    /// Removes the blobs that nothing names. Returns the names that are no digests, sorted.
    fn sweep(&self, needed: &BTreeSet<Digest>) -> Result<Vec<PathBuf>, FileError> {
        let folder = self.folder.join("blobs/sha256");
        let mut strangers = Vec::new();
        for entry in std::fs::read_dir(&folder).context("read", &folder)? {
            let entry = entry.context("read", &folder)?;
            let digest = entry.file_name().to_str().and_then(|name| Digest::parse_hex(name).ok());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match digest.filter(|_| !is_folder) {
                Some(digest) if needed.contains(&digest) => {}
                Some(_) => std::fs::remove_file(entry.path()).context("remove", &entry.path())?,
                None => strangers.push(entry.path()),
            }
        }
        crate::fs::sweep(&folder);
        strangers.retain(|path| path.symlink_metadata().is_ok());
        strangers.sort_unstable();
        Ok(strangers)
    }
}

/// The images that an index names, by name; none if there is no index.
fn names(index: Option<&[u8]>) -> Result<BTreeMap<String, Descriptor>, serde_json::Error> {
    let Some(bytes) = index else { return Ok(BTreeMap::new()) };
    let index: Index = serde_json::from_slice(bytes)?;
    let named = index.manifests.into_iter().filter_map(|mut descriptor| {
        let name = descriptor.annotations.remove(REF_NAME)?;
        Some((name, descriptor))
    });
    Ok(named.collect())
}

/// The bytes of the index that names these images.
fn index(images: &BTreeMap<String, Descriptor>) -> Vec<u8> {
    let manifests = images.iter().map(|(name, descriptor)| {
        let mut descriptor = descriptor.clone();
        descriptor.annotations.insert(REF_NAME.to_owned(), name.clone());
        descriptor
    });
    canonical_json(&Index::new(manifests.collect(), BTreeMap::new()))
}

/// The digest of a file; `None` if it is gone.
fn read_digest(path: &Path) -> Result<Option<Digest>, FileError> {
    match crate::fs::open_own(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.and_then(|file| Digest::read(&file)).map(Some).context("read", path),
    }
}

/// True if the linked blob is the store's: one file with two names or, where that cannot be, a copy that is not older.
fn is_of(linked: &Metadata, stored: &Metadata) -> bool {
    if linked.dev() == stored.dev() {
        return linked.ino() == stored.ino();
    }
    !is_younger(stored, linked)
}

/// True if the first file was made after the second. The modification time says when a file was last used. It is asked
/// only on file systems that do not keep a file's birth; there a copy is sometimes made again needlessly.
fn is_younger(left: &Metadata, right: &Metadata) -> bool {
    match (left.created(), right.created()) {
        (Ok(left), Ok(right)) => left > right,
        _ => (left.mtime(), left.mtime_nsec()) > (right.mtime(), right.mtime_nsec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageManifest;
    use crate::model::document::media_type;

    fn image(store: &Store, content: &[u8]) -> Descriptor {
        let config = Descriptor::of(media_type::CONFIG, content);
        store.put(content).unwrap();
        let base = Descriptor::of(media_type::LAYER, b"a layer that is not here");
        let manifest = canonical_json(&ImageManifest::new(config, vec![base], BTreeMap::new()));
        store.put(&manifest).unwrap();
        Descriptor::of(media_type::MANIFEST, &manifest)
    }

    #[test]
    fn holds_the_newest_image_of_every_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let layout = LayoutFolder::new(folder.path().join(".oci"));
        let (one, two) = (image(&store, b"{\"a\":1}"), image(&store, b"{\"a\":2}"));
        layout
            .update(&store, &BTreeMap::from([("a".into(), one.clone()), ("b".into(), one.clone())]), |_| true)
            .unwrap();
        let named = || names(layout.index().unwrap().as_deref()).unwrap();
        assert_eq!(named().len(), 2);
        layout.update(&store, &BTreeMap::from([("a".into(), two.clone())]), |name| name == "a").unwrap();
        assert_eq!(named(), BTreeMap::from([("a".to_owned(), two.clone())]));
        let blobs = std::fs::read_dir(folder.path().join(".oci/blobs/sha256")).unwrap().count();
        assert_eq!(blobs, 2, "the manifest and the config of the one image left");
        assert!(!layout.blob_path(&one.digest).exists() && layout.blob_path(&two.digest).exists());
    }

    #[test]
    fn what_we_did_not_make_is_neither_followed_nor_removed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let image = image(&store, b"{}");
        let images = BTreeMap::from([("a".to_owned(), image.clone())]);
        let precious = folder.path().join("precious");
        std::fs::create_dir(&precious).unwrap();
        std::fs::write(precious.join(image.digest.hex()), "precious").unwrap();
        std::fs::write(precious.join("0".repeat(64)), "precious").unwrap();
        let kept = || {
            let mut names: Vec<_> = std::fs::read_dir(&precious).unwrap().map(|entry| entry.unwrap()).collect();
            names.sort_by_key(std::fs::DirEntry::file_name);
            names.iter().map(|entry| std::fs::read(entry.path()).unwrap()).collect::<Vec<_>>() == [b"precious"; 2]
        };
        let names = ["", "blobs", "blobs/sha256", "index.json", "oci-layout", ".gitignore", ".lock"];
        for (number, name) in names.into_iter().enumerate() {
            let layout = LayoutFolder::new(folder.path().join(format!("{number}/.oci")));
            let path = if name.is_empty() { layout.folder.clone() } else { layout.folder.join(name) };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let target = if number < 3 { precious.clone() } else { precious.join(image.digest.hex()) };
            symlink(&target, &path).unwrap();
            let refused = |kind: &str| {
                let error = layout.update(&store, &images, |_| true).unwrap_err();
                assert_eq!(error.to_string(), format!("`{}` was not made by `oci`: it is {kind}", path.display()));
            };
            refused("a symbolic link");
            std::fs::remove_file(&path).unwrap();
            symlink("nowhere", &path).unwrap();
            refused("a symbolic link");
            std::fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            refused("neither a file nor a folder");
            std::fs::remove_file(&path).unwrap();
            if number < 3 {
                std::fs::write(&path, "").unwrap();
                refused("a file");
                std::fs::remove_file(&path).unwrap();
            } else {
                std::fs::create_dir(&path).unwrap();
                refused("a folder");
                std::fs::remove_dir(&path).unwrap();
                // A hard link to another file counts as a file: it is replaced, and the other file is not written to.
                if name != "index.json" {
                    std::fs::hard_link(&target, &path).unwrap();
                }
            }
            assert!(layout.update(&store, &images, |_| true).unwrap().is_empty());
            assert!(kept(), "{name}");
        }
    }

    #[test]
    fn among_the_blobs_only_blobs_are_removed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let image = image(&store, b"{}");
        let images = BTreeMap::from([("a".to_owned(), image.clone())]);
        let layout = LayoutFolder::new(folder.path().join(".oci"));
        let blob = |name: &str| layout.folder.join("blobs/sha256").join(name);
        std::fs::create_dir_all(blob("photos")).unwrap();
        std::fs::create_dir_all(blob(&"2".repeat(64))).unwrap();
        std::fs::write(blob("a.jpg"), "precious").unwrap();
        std::fs::write(folder.path().join("precious"), "precious").unwrap();
        // A link with a digest for its name is removed, and its target stays.
        symlink("../../../precious", blob(&"0".repeat(64))).unwrap();
        std::fs::hard_link(folder.path().join("precious"), blob(&"1".repeat(64))).unwrap();
        symlink("../../../precious", layout.blob_path(&image.digest)).unwrap();
        let left = layout.update(&store, &images, |_| true).unwrap();
        assert_eq!(left, [blob(&"2".repeat(64)), blob("a.jpg"), blob("photos")]);
        assert_eq!(std::fs::read(folder.path().join("precious")).unwrap(), b"precious");
        assert!(blob("a.jpg").exists() && blob("photos").exists());
        assert!(!blob(&"0".repeat(64)).is_symlink() && !blob(&"1".repeat(64)).exists());
        assert!(layout.blob_path(&image.digest).symlink_metadata().unwrap().is_file());
        assert_eq!(layout.update(&store, &images, |_| true).unwrap(), Vec::<PathBuf>::new(), "said once");
    }

    #[test]
    fn what_a_checkout_brought_or_the_store_has_in_part_is_no_blob() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let image = image(&store, b"{}");
        let images = BTreeMap::from([("a".to_owned(), image.clone())]);
        let layout = LayoutFolder::new(folder.path().join(".oci"));
        layout.create().unwrap();
        std::fs::write(folder.path().join(".oci/oci-layout"), "{").unwrap();
        let shown = layout.blob_path(&image.digest);
        let whole = std::fs::read(store.blob_path(&image.digest)).unwrap();
        std::fs::write(&shown, vec![b' '; whole.len()]).unwrap();
        layout.update(&store, &images, |_| true).unwrap();
        assert_eq!(std::fs::read(&shown).unwrap(), whole, "of the right size, and another");
        assert_eq!(std::fs::read(folder.path().join(".oci/oci-layout")).unwrap(), OCI_LAYOUT);
        // Both names are one file, which lost its end.
        std::fs::remove_file(&shown).unwrap();
        std::fs::remove_file(store.blob_path(&image.digest)).unwrap();
        std::fs::write(store.blob_path(&image.digest), &whole[1..]).unwrap();
        std::fs::hard_link(store.blob_path(&image.digest), &shown).unwrap();
        layout.update(&store, &images, |_| true).unwrap();
        assert!(!shown.exists());
    }

    #[test]
    fn what_is_made_again_in_the_store_is_made_again_here() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let layout = LayoutFolder::new(folder.path().join(".oci"));
        let image = image(&store, b"{}");
        let images = BTreeMap::from([("a".to_owned(), image.clone())]);
        layout.update(&store, &images, |_| true).unwrap();
        // Both names are one file, so a bit that flips on the disk is flipped in both.
        let linked = layout.blob_path(&image.digest);
        let whole = std::fs::read(&linked).unwrap();
        std::fs::remove_file(&linked).unwrap();
        std::fs::write(&linked, vec![b' '; whole.len()]).unwrap();
        std::fs::rename(&linked, store.blob_path(&image.digest)).unwrap();
        std::fs::hard_link(store.blob_path(&image.digest), &linked).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        store.put(&whole).unwrap();
        layout.update(&store, &images, |_| true).unwrap();
        assert_eq!(std::fs::read(&linked).unwrap(), whole);
        std::fs::remove_dir_all(folder.path().join(".oci/blobs")).unwrap();
        layout.update(&store, &images, |_| true).unwrap();
        assert_eq!(std::fs::read(&linked).unwrap(), whole, "whoever removed them");
    }
}
