//! What is known of the images that an image needs, without reading layers that were not read before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Forecast, Foreseen, Readiness};
use crate::bases::BaseImage;
use crate::contents::LayerLinks;
use crate::contents::image::ImageTree;
use crate::executor::BuildError;
use crate::executor::files::Sources;
use crate::executor::layers::Part;
use crate::executor::links::{LINKS, below};
use crate::image::Layer;
use crate::layer::{Below, Look};
use crate::model::ImageName;
use crate::plan::{Node, NodeId, PlannedImage};
use crate::report::WorkKind;
use crate::source::Placed;

impl Forecast<'_> {
    /// What is known of the image below, as far as its layers were looked into before; and a stage to fetch
    /// them, if they are what is missing.
    pub(super) fn look(&mut self, look: Look, node: &Node<'_>) -> Result<Option<Below>, BuildError> {
        let (layers, base) = match node.base.map(|base| &self.known[base]) {
            None => return Ok(Some(Below::default())),
            Some(None) => return Ok(None),
            Some(Some(known)) => (&known.image.layers, &known.base),
        };
        let elsewhere = base.as_ref().map_or(0, |base| base.image.layers.len());
        let start = if look == Look::Everywhere { 0 } else { elsewhere };
        let mut links = Vec::new();
        for layer in &layers[start..] {
            // Of foreign layers nothing is known, wherever they are.
            links.push(match layer.descriptor.is_foreign() {
                true => Some(LayerLinks::default()),
                false => LINKS.recall(self.executor.store, &layer.descriptor.digest)?,
            });
        }
        let links: Option<Vec<LayerLinks>> = links.into_iter().collect();
        if let (None, Some(base), Look::Everywhere) = (&links, base, look) {
            let fetch = self.fetch(base, node, "where a package goes, or what is above it, depends on them");
            self.stages.extend(fetch);
        }
        Ok(links.map(|links| below(&links, elsewhere - start)))
    }

    /// The stage that brings the layers of a base, if they are not all here.
    fn fetch(&self, base: &BaseImage, node: &Node<'_>, reason: &str) -> Option<Foreseen> {
        let is_absent = |layer: &Layer| !self.executor.store.has(&layer.descriptor);
        base.image.layers.iter().any(is_absent).then(|| Foreseen {
            kind: WorkKind::Fetch,
            name: base.name().to_owned(),
            platform: Some(node.platform.clone()),
            layer: Some("layers".to_owned()),
            state: Readiness::Needed(vec![reason.to_owned()]),
            commands: self.executor.command_to_fetch(base).into_iter().collect(),
        })
    }

    /// What is not known before the image below is there.
    pub(super) fn unplaced(&mut self, image: &PlannedImage<'_>, node: &Node<'_>, parts: &[Part]) {
        let reason = format!("where its packages go is known once the layers of `{}` are", image.build.base.value);
        let titles = parts.iter().filter(|part| !part.tree.is_empty()).map(|part| part.title().to_owned());
        self.unknown(image, node, titles, &reason);
    }

    fn unknown(
        &mut self,
        image: &PlannedImage<'_>,
        node: &Node<'_>,
        titles: impl IntoIterator<Item = String>,
        reason: &str,
    ) {
        for title in titles {
            self.push(WorkKind::Layer, image, node, Some(title), Readiness::Unknown(reason.to_owned()));
        }
        self.steps_on_new_layers(image, node, &Readiness::Unknown("the layers below it are not known yet".to_owned()));
        self.push(WorkKind::Assemble, image, node, None, Readiness::Unknown("its layers are not known yet".to_owned()));
    }

    /// What the images hold that packages take files from; where one is not known, neither are the layers.
    pub(super) fn sources(&mut self, image: &PlannedImage<'_>, node: &Node<'_>) -> Result<Option<Sources>, BuildError> {
        let mut sources = Sources::new();
        // The first mention in the image counts.
        let mentions: BTreeMap<&ImageName, _> =
            image.takes_from.iter().rev().map(|mention| (&mention.value, *mention)).collect();
        for (name, source) in &node.sources {
            let files = match mentions.get(name) {
                Some(mention) => self.files(mention, node, *source)?,
                None => None,
            };
            match files {
                Some(files) => drop(sources.insert((*name).clone(), files)),
                None => {
                    let titles = self.executor.titles(image.build, node.platform);
                    self.unknown(image, node, titles, &format!("what `{name}` holds is not known yet"));
                    return Ok(None);
                }
            }
        }
        Ok(Some(sources))
    }

    fn files(
        &mut self,
        mention: &Placed<ImageName>,
        node: &Node<'_>,
        source: NodeId,
    ) -> Result<Option<Arc<ImageTree>>, BuildError> {
        if let Some(known) = self.files.get(&source) {
            return Ok(known.clone());
        }
        let Some(known) = &self.known[source] else { return Ok(None) };
        let files = self.executor.known_files(mention, &known.image)?.map(Arc::new);
        let fetch = match (&files, &known.base) {
            (None, Some(base)) => self.fetch(base, node, "a package takes files of the image"),
            _ => None,
        };
        self.stages.extend(fetch);
        self.files.insert(source, files.clone());
        Ok(files)
    }
}
