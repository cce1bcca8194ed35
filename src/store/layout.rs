//! `.oci/`: a standard OCI image layout (OCI image spec, "Image Layout") with the newest result of
//! every build.
//!
//! Other tools read it, nobody else writes it: changes are made under a lock, blobs first and
//! `index.json` last. Blobs are the store's own files under a second name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fs::{FileContext, FileError, Lock, create_folder, link_or_copy, sync_folder, write_atomically};
use crate::model::{Descriptor, Digest, Document, Index, canonical_json};
use crate::store::Store;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

/// A layout that cannot be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum LayoutError {
    #[error("`{}` is not the index of an OCI layout", path.display())]
    #[diagnostic(code(oci::store::bad_layout), help("delete the folder, and run the command again"))]
    Index { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

impl Layout {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the layout names, by name; nothing where there is no layout yet.
    pub(crate) fn images(&self) -> Result<BTreeMap<String, Descriptor>, LayoutError> {
        let path = self.index_path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(FileError::new("read", &path, error).into()),
        };
        let index: Index = serde_json::from_slice(&bytes).map_err(|source| LayoutError::Index { path, source })?;
        let named = index.manifests.into_iter().filter_map(|mut descriptor| {
            let name = descriptor.annotations.remove(REF_NAME)?;
            Some((name, descriptor))
        });
        Ok(named.collect())
    }

    /// Puts images in under their names, and drops those that `keep` refuses.
    ///
    /// Blobs that the store has are linked; those it lacks (a shallow base's layers) stay absent.
    /// Blobs that nothing in the layout names any more are removed.
    pub(crate) fn update(
        &self,
        store: &Store,
        images: &BTreeMap<String, Descriptor>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), LayoutError> {
        self.create()?;
        let _lock = Lock::exclusive(&self.folder.join(".lock"), || {})?;
        let old = self.images()?;
        let mut new = old.clone();
        new.retain(|name, _| keep(name));
        new.extend(images.iter().map(|(name, descriptor)| (name.clone(), descriptor.clone())));
        let mut needed = BTreeSet::new();
        for descriptor in new.values() {
            self.link_tree(store, descriptor, &mut needed)?;
        }
        if old != new || !self.index_path().exists() {
            // What the index names is there whenever the index is.
            sync_folder(&self.folder.join("blobs/sha256"))?;
            self.write_index(&new)?;
            self.sweep(&needed)?;
            crate::fs::sweep(&self.folder);
        }
        Ok(())
    }

    /// Makes a layout for a tool: it names these images, and its blobs are elsewhere.
    pub(crate) fn create_private(&self, images: &BTreeMap<String, Descriptor>) -> Result<(), FileError> {
        write_atomically(&self.folder.join("oci-layout"), OCI_LAYOUT, 0o644)?;
        self.write_index(images)
    }

    fn write_index(&self, images: &BTreeMap<String, Descriptor>) -> Result<(), FileError> {
        let manifests = images.iter().map(|(name, descriptor)| {
            let mut descriptor = descriptor.clone();
            descriptor.annotations.insert(REF_NAME.to_owned(), name.clone());
            descriptor
        });
        let index = Index::new(manifests.collect(), BTreeMap::new());
        write_atomically(&self.index_path(), &canonical_json(&index), 0o644)
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.json")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    fn create(&self) -> Result<(), FileError> {
        create_folder(&self.folder.join("blobs/sha256"))?;
        let marker = self.folder.join("oci-layout");
        if marker.exists() {
            return Ok(());
        }
        write_atomically(&self.folder.join(".gitignore"), b"*\n", 0o644)?;
        write_atomically(&marker, OCI_LAYOUT, 0o644)
    }

    /// Links a manifest or index and all that it names. Layers of a base may be absent.
    fn link_tree(&self, store: &Store, top: &Descriptor, needed: &mut BTreeSet<Digest>) -> Result<(), LayoutError> {
        let mut pending = vec![top.digest];
        while let Some(digest) = pending.pop() {
            if !needed.insert(digest) {
                continue;
            }
            self.link(store, &digest)?;
            let Ok(bytes) = std::fs::read(self.blob_path(&digest)) else { continue };
            match Document::parse(&bytes) {
                Ok(Document::Index(index)) => pending.extend(index.manifests.iter().map(|manifest| manifest.digest)),
                Ok(Document::Manifest(manifest)) => {
                    for blob in manifest.layers.iter().chain([&manifest.config]) {
                        needed.insert(blob.digest);
                        self.link(store, &blob.digest)?;
                    }
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn link(&self, store: &Store, digest: &Digest) -> Result<(), FileError> {
        let (from, to) = (store.blob_path(digest), self.blob_path(digest));
        match (std::fs::symlink_metadata(&from), std::fs::symlink_metadata(&to)) {
            (Err(_), _) => Ok(()),
            // A younger blob replaced one that was damaged, and this may be that one's second name.
            (Ok(stored), Ok(linked)) if stored.len() == linked.len() && !is_younger(&stored, &linked) => Ok(()),
            // What others remove at this moment is absent, as what a base lacks.
            (Ok(_), _) if store.hold(digest).is_err() => Ok(()),
            (Ok(_), linked) => {
                if linked.is_ok() {
                    std::fs::remove_file(&to).context("replace", &to)?;
                }
                link_or_copy(&from, &to, 0o444)
            }
        }
    }

    fn sweep(&self, needed: &BTreeSet<Digest>) -> Result<(), FileError> {
        let folder = self.folder.join("blobs/sha256");
        let names: BTreeSet<String> = needed.iter().map(Digest::hex).collect();
        for entry in std::fs::read_dir(&folder).context("read", &folder)? {
            let entry = entry.context("read", &folder)?;
            if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                let path = entry.path();
                std::fs::remove_file(&path).context("remove", &path)?;
            }
        }
        Ok(())
    }
}

/// True if the one came to be after the other. When it was modified says when it was used last, and is
/// asked only where the file system does not know better: then a copy is made again now and then.
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
        let layout = Layout::new(folder.path().join(".oci"));
        let (one, two) = (image(&store, b"{\"a\":1}"), image(&store, b"{\"a\":2}"));
        layout
            .update(&store, &BTreeMap::from([("a".into(), one.clone()), ("b".into(), one.clone())]), |_| true)
            .unwrap();
        assert_eq!(layout.images().unwrap().len(), 2);
        layout.update(&store, &BTreeMap::from([("a".into(), two.clone())]), |name| name == "a").unwrap();
        assert_eq!(layout.images().unwrap(), BTreeMap::from([("a".to_owned(), two.clone())]));
        let blobs = std::fs::read_dir(folder.path().join(".oci/blobs/sha256")).unwrap().count();
        assert_eq!(blobs, 2, "the manifest and the config of the one image left");
        assert!(!layout.blob_path(&one.digest).exists() && layout.blob_path(&two.digest).exists());
    }

    #[test]
    fn what_is_made_again_in_the_store_is_made_again_here() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let layout = Layout::new(folder.path().join(".oci"));
        let image = image(&store, b"{}");
        let images = BTreeMap::from([("a".to_owned(), image.clone())]);
        layout.update(&store, &images, |_| true).unwrap();
        // Both names are one file; a disk that flips a bit flips it in both.
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
