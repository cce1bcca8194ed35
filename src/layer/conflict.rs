//! Paths that two packages write differently, as errors.

use std::collections::BTreeMap;

use crate::layer::LayerError;
use crate::layer::error::AlsoDisputed;
use crate::model::LayerPath;
use crate::source::{At, Place};

/// Paths that two packages write differently, gathered so that each pair is one error.
#[derive(Default)]
pub(crate) struct Conflicts(BTreeMap<(usize, usize), Conflict>);

struct Conflict {
    path: LayerPath,
    others: Vec<AlsoDisputed>,
    first: Place,
    second: Place,
}

impl Conflicts {
    pub(crate) fn add(&mut self, path: &LayerPath, first: &Place, second: &Place) {
        self.0
            .entry((first.span.start, second.span.start))
            .and_modify(|conflict| conflict.others.push(AlsoDisputed(path.clone())))
            .or_insert_with(|| Conflict {
                path: path.clone(),
                others: Vec::new(),
                first: first.clone(),
                second: second.clone(),
            });
    }

    pub(crate) fn into_errors(self) -> Vec<At<LayerError>> {
        let error = |conflict: Conflict| {
            let error = LayerError::Conflict { path: conflict.path, others: conflict.others };
            At::new(error, &conflict.first, "written here").also(&conflict.second, "and here")
        };
        self.0.into_values().map(error).collect()
    }
}
