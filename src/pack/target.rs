//! Makes entries of a package of what a packaged target made.

use std::sync::Arc;

use crate::layer::tree::Packed;
use crate::pack::package::{PackProblem, PackageScan};
use crate::source::Placed;

impl PackageScan<'_> {
    /// Adds an output of a target: the layer that the request names, or all its layers.
    pub(crate) fn target(
        &mut self,
        target: &Placed<String>,
        output: usize,
        to: Option<&Placed<String>>,
        problems: &mut Vec<PackProblem>,
    ) -> Result<Packed, PackProblem> {
        let made = self.request.targets.get(&target.value).map(Arc::clone);
        // The manifest names no output that a target lacks, and a target that failed is not packed.
        let Some(output) = made.as_ref().and_then(|made| made.outputs.get(output)) else { return Ok(Packed::Other) };
        let path = target.clone().map(|_| output.path.clone());
        let mut packed = Packed::Other;
        for (number, layer) in output.layers.iter().enumerate() {
            if self.request.layer.is_none_or(|wanted| wanted == number) {
                packed = self.take_of(&layer.tree, &path, to, problems)?;
            }
        }
        Ok(if output.layers.len() == 1 { packed } else { Packed::Other })
    }
}
