//! A plan as a graph: a node for each platform of each image, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ImageName, Platform};
use crate::plan::Plan;
use crate::source::Placed;

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
    /// The images that it takes files from.
    pub(crate) sources: BTreeMap<&'a ImageName, usize>,
    /// All that has to be there first: the base and the sources.
    pub(crate) needs: BTreeSet<usize>,
}

/// Where an image comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin<'a> {
    /// Elsewhere. This is where the first image in the plan that asks for it names it, and the image's number.
    Elsewhere(&'a Placed<ImageName>, usize),
    /// It is made here, and has this number in [`Plan::images`].
    Made(usize),
}

impl<'a> Node<'a> {
    /// One that needs nothing.
    fn new(platform: &'a Platform, origin: Origin<'a>) -> Self {
        Self { platform, origin, base: None, sources: BTreeMap::new(), needs: BTreeSet::new() }
    }
}

impl<'a> Graph<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>) -> Self {
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut known: BTreeMap<(String, &Platform), usize> = BTreeMap::new();
        for (number, image) in plan.images.iter().enumerate() {
            for platform in &image.platforms {
                let mut find = |named: &'a Placed<ImageName>| {
                    if named.value == ImageName::Scratch {
                        return None;
                    }
                    let next = nodes.len();
                    let node = *known.entry((named.to_string(), platform)).or_insert(next);
                    if node == next {
                        nodes.push(Node::new(platform, Origin::Elsewhere(named, number)));
                    }
                    Some(node)
                };
                let base = find(&image.build.base);
                let sources: BTreeMap<_, _> =
                    image.takes_from.iter().filter_map(|named| Some((&named.value, find(named)?))).collect();
                let needs = base.into_iter().chain(sources.values().copied()).collect();
                nodes.push(Node { base, sources, needs, ..Node::new(platform, Origin::Made(number)) });
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
