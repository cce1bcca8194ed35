//! The trees that a step stands on, and those of what it mounts of images.

use crate::containers::rootfs::dates::Dates;
use crate::containers::rootfs::{self, LayerBlob, Rootfs, RootfsError, RootfsRequest};
use crate::containers::step::{StepRequest, Steps};
use crate::image::Layer;
use crate::sandbox::Overlays;

impl Steps<'_> {
    /// The layers below a step, unpacked.
    pub(super) fn unpack(&self, request: &StepRequest<'_>, overlays: Overlays) -> Result<Rootfs, RootfsError> {
        let blobs: Vec<LayerBlob> = request.below.iter().map(|layer| self.blob(layer)).collect();
        let (base, own) = blobs.split_at(request.from_elsewhere);
        let verify = |digest: &_| self.store.verify(digest);
        let request = self.rootfs((base, own), overlays, request.base_created, &verify, request.subject);
        rootfs::prepare(&request)
    }

    /// One layer, unpacked, with this time for all its files.
    pub(super) fn unpack_layer(&self, layer: &Layer, time: i64, subject: &str) -> Result<Rootfs, RootfsError> {
        let verify = |digest: &_| self.store.verify(digest);
        let blobs = [self.blob(layer)];
        rootfs::prepare_layer(&self.rootfs((&[], &blobs), Overlays::OnDisk, None, &verify, subject), time)
    }

    fn rootfs<'b>(
        &'b self,
        (base, own): (&'b [LayerBlob], &'b [LayerBlob]),
        overlays: Overlays,
        created: Option<&'b str>,
        verify: &'b dyn Fn(&crate::model::Digest) -> Result<bool, crate::fs::FileError>,
        subject: &'b str,
    ) -> RootfsRequest<'b> {
        RootfsRequest {
            base,
            own,
            dates: Dates { created, epoch: self.epoch },
            cache: self.store.root(),
            map: self.map,
            overlays,
            umoci: self.umoci,
            verify,
            reporter: self.reporter,
            subject,
        }
    }

    fn blob(&self, layer: &Layer) -> LayerBlob {
        LayerBlob {
            descriptor: layer.descriptor.clone(),
            diff_id: layer.diff_id,
            path: self.store.blob_path(&layer.descriptor.digest),
        }
    }
}
