//! A plan as a graph: a node for each platform of each image, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ImageName, Platform};
use crate::plan::Plan;

/// Every platform of every image of a plan, what is needed before what needs it.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
}

/// One platform of an image.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) platform: &'a Platform,
    pub(crate) origin: Origin<'a>,
    /// The image that it starts from; none for `scratch` and for what is from elsewhere.
    pub(crate) base: Option<usize>,
    /// All that has to be there first, the base among it.
    pub(crate) needs: BTreeSet<usize>,
}

/// Where an image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// Elsewhere. The number is that of the first image in the plan that asks for it.
    Elsewhere(&'a ImageName, usize),
    /// It is made here, and has this number in [`Plan::images`].
    Made(usize),
}

impl<'a> Graph<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>) -> Self {
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut known: BTreeMap<(String, &Platform), usize> = BTreeMap::new();
        for (number, image) in plan.images.iter().enumerate() {
            for platform in &image.platforms {
                let name = &image.build.base.value;
                let key = (name.to_string(), platform);
                let base = match (name, known.get(&key)) {
                    (ImageName::Scratch, _) => None,
                    (_, Some(base)) => Some(*base),
                    (_, None) => {
                        let origin = Origin::Elsewhere(name, number);
                        nodes.push(Node { platform, origin, base: None, needs: BTreeSet::new() });
                        known.insert(key, nodes.len() - 1);
                        Some(nodes.len() - 1)
                    }
                };
                let needs = base.into_iter().collect();
                nodes.push(Node { platform, origin: Origin::Made(number), base, needs });
                known.insert((image.name.to_owned(), platform), nodes.len() - 1);
            }
        }
        Self { nodes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{TEXT, manifest};

    #[test]
    fn what_is_needed_comes_first() {
        let manifest = manifest(TEXT);
        let plan = Plan::new(&manifest, &[], &[]).unwrap();
        let graph = Graph::new(&plan);
        let shown: Vec<String> = graph
            .nodes
            .iter()
            .map(|node| {
                let name = match node.origin {
                    Origin::Elsewhere(name, _) => name.to_string(),
                    Origin::Made(number) => plan.images[number].name.to_owned(),
                };
                format!("{name} {} {:?}", node.platform.architecture(), node.needs)
            })
            .collect();
        let expected = [
            "debian amd64 {}",
            "ground amd64 {0}",
            "debian arm64 {}",
            "ground arm64 {2}",
            "a-middle amd64 {1}",
            "a-middle arm64 {3}",
            "other amd64 {}",
            "top amd64 {4}",
            "top arm64 {5}",
        ];
        assert_eq!(shown, expected);
        assert!(graph.nodes.iter().enumerate().all(|(number, node)| node.needs.iter().all(|need| *need < number)));
    }
}
