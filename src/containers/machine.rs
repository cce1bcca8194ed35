//! What this machine can do for containers: found when it is first needed, once, and handed down.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::containers::rootfs::dates::Dates;
use crate::containers::rootfs::{self, LayerBlob, Rootfs, RootfsError, RootfsRequest};
use crate::containers::{overlays, runtime};
use crate::fs::FileError;
use crate::image::Layer;
use crate::process::IdMap;
use crate::report::Reporter;
use crate::sandbox::Overlays;
use crate::store::Store;
use crate::tools::Umoci;
use crate::tools::runc::Runtime;

/// The programs that containers need, and what the system lets them do.
pub(crate) struct Machine {
    umoci: Umoci,
    runc: PathBuf,
    map: OnceLock<IdMap>,
    runtime: OnceLock<Runtime>,
    overlays: OnceLock<Overlays>,
}

/// The layers of an image, all of them in the store, lowest first.
pub(crate) struct Stack<'a> {
    /// The layers that came from elsewhere.
    pub(crate) base: &'a [Layer],
    /// The layers that were made here, on top of those.
    pub(crate) own: &'a [Layer],
    /// When the base says that it was made (RFC 3339).
    pub(crate) created: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) epoch: i64,
    /// What errors and progress call the image.
    pub(crate) subject: &'a str,
}

impl Machine {
    /// `logs` is the folder for the output of tools that fail. Nothing is looked for yet.
    pub(crate) fn new(umoci: PathBuf, runc: PathBuf, logs: PathBuf) -> Self {
        Self {
            umoci: Umoci::new(umoci, logs),
            runc,
            map: OnceLock::new(),
            runtime: OnceLock::new(),
            overlays: OnceLock::new(),
        }
    }

    /// The program that starts containers, runc or crun.
    pub(crate) fn runc(&self) -> &Path {
        &self.runc
    }

    /// Which IDs containers of this user have.
    pub(crate) fn map(&self) -> &IdMap {
        self.map.get_or_init(IdMap::detect)
    }

    /// Which kind of program starts containers.
    pub(crate) fn runtime(&self, store: &Store) -> Result<Runtime, FileError> {
        found(&self.runtime, || runtime::kind(store, &self.runc))
    }

    /// What overlays in the cache folder are good for.
    pub(crate) fn overlays(&self, store: &Store, reporter: &dyn Reporter) -> Result<Overlays, FileError> {
        found(&self.overlays, || overlays::find(store, self.map(), reporter))
    }

    /// Unpacks the layers of an image that are not unpacked yet.
    pub(crate) fn unpack(
        &self,
        store: &Store,
        reporter: &dyn Reporter,
        stack: &Stack<'_>,
    ) -> Result<Rootfs, RootfsError> {
        let overlays = self.overlays(store, reporter)?;
        self.with_request(store, reporter, stack, overlays, rootfs::prepare)
    }

    /// Unpacks one layer, with this time for all its files, in seconds since 1970.
    pub(crate) fn unpack_layer(
        &self,
        store: &Store,
        reporter: &dyn Reporter,
        (layer, epoch, subject): (&Layer, i64, &str),
        time: i64,
    ) -> Result<Rootfs, RootfsError> {
        let own = std::slice::from_ref(layer);
        let stack = Stack { base: &[], own, created: None, epoch, subject };
        let prepare = |request: &RootfsRequest<'_>| rootfs::prepare_layer(request, time);
        self.with_request(store, reporter, &stack, Overlays::OnDisk, prepare)
    }

    fn with_request<T>(
        &self,
        store: &Store,
        reporter: &dyn Reporter,
        stack: &Stack<'_>,
        overlays: Overlays,
        prepare: impl FnOnce(&RootfsRequest<'_>) -> T,
    ) -> T {
        let blobs = |layers: &[Layer]| -> Vec<LayerBlob> { layers.iter().map(|layer| blob(store, layer)).collect() };
        prepare(&RootfsRequest {
            base: &blobs(stack.base),
            own: &blobs(stack.own),
            dates: Dates { created: stack.created, epoch: stack.epoch },
            cache: store.root(),
            map: self.map(),
            overlays,
            umoci: &self.umoci,
            verify: &|digest| store.verify(digest),
            reporter,
            subject: stack.subject,
        })
    }
}

/// The answer of before, or a new one, which is kept.
fn found<T: Copy>(known: &OnceLock<T>, find: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    match known.get() {
        Some(known) => Ok(*known),
        None => find().map(|answer| *known.get_or_init(|| answer)),
    }
}

fn blob(store: &Store, layer: &Layer) -> LayerBlob {
    LayerBlob {
        descriptor: layer.descriptor.clone(),
        diff_id: layer.diff_id,
        path: store.blob_path(&layer.descriptor.digest),
    }
}
