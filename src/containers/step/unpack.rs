//! The trees that a step stands on, and those of what it mounts of images.

use crate::containers::machine::Stack;
use crate::containers::rootfs::{Rootfs, RootfsError};
use crate::containers::step::{StepRequest, Steps};
use crate::image::Layer;

impl Steps<'_> {
    /// The layers below a step, unpacked.
    pub(super) fn unpack(&self, request: &StepRequest<'_>) -> Result<Rootfs, RootfsError> {
        let (base, own) = request.below.split_at(request.from_elsewhere);
        let (created, subject) = (request.base_created, request.subject);
        self.machine.unpack(self.store, self.reporter, &Stack { base, own, created, epoch: self.epoch, subject })
    }

    /// One layer, unpacked, with this time for all its files.
    pub(super) fn unpack_layer(&self, layer: &Layer, time: i64, subject: &str) -> Result<Rootfs, RootfsError> {
        self.machine.unpack_layer(self.store, self.reporter, (layer, self.epoch, subject), time)
    }
}
