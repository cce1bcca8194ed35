//! What steps mount of other images: a layer each, made as a package's would be, and only unpacked.

use std::collections::BTreeMap;

use super::layers::Part;
use super::steps::{Make, Stack};
use super::{BuildError, Executor};
use crate::image::Layer;
use crate::layer::Tree;
use crate::manifest::Step;
use crate::manifest::package::expand;
use crate::manifest::step::StepMount;
use crate::model::Compression;
use crate::pack::ScanRequest;
use crate::source::Placed;

impl Executor<'_> {
    /// The layers of a step's mounts of images, in their order; nothing if one is not known and may not be made.
    pub(super) fn mounted(&self, step: &Step, stack: &Stack<'_>, make: Make) -> Result<Option<Vec<Layer>>, BuildError> {
        let mut layers = Vec::new();
        for mount in &step.mounts {
            let StepMount::Image { image, path, .. } = &mount.value else { continue };
            // The task that failed to read it has reported the error.
            let Some(files) = stack.sources.get(&image.value) else { return Ok(None) };
            let path = Placed::new(expand(path, stack.target), mount.place.clone());
            let request = ScanRequest {
                targets: &BTreeMap::new(),
                layer: None,
                packages: &[],
                folder: &self.manifest.folder,
                exclude: &[],
                ignore: &[],
                platform: stack.platform,
                store: self.store,
                records: make == Make::Missing,
                images: &BTreeMap::new(),
            };
            let tree = Tree::mounted(&request, files, &path)?;
            let compression = Compression::None;
            let key = self.layer_key(&tree, compression);
            let record = match make {
                Make::Nothing => self.recorded_layer(&key)?.filter(|record| record.fits(stack.platform)),
                Make::Missing => {
                    let part = Part::new(tree, format!("oci: {} of {}", *path, image.value));
                    Some(self.layer(&part, &key, (stack.platform, compression), stack.complete)?)
                }
            };
            let Some(record) = record else { return Ok(None) };
            layers.push(record.layer);
        }
        Ok(Some(layers))
    }
}
