//! A plan as a graph. Each platform of each image, and of each target that packages name, is a node, and knows the
//! nodes that it waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Build, Target};
use crate::model::{ImageName, Platform};
use crate::plan::{ById, ImageId, NodeId, Plan, PlannedImage};
use crate::source::Placed;

/// Every platform of every image of a plan. A node stands behind the nodes that it needs.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) nodes: ById<NodeId, Node<'a>>,
    /// The nodes of each image, in their order.
    pub(crate) made: ById<ImageId, Vec<NodeId>>,
}

/// One platform of an image.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// The platform of the programs that run in it.
    pub(crate) platform: &'a Platform,
    /// The platform that is built. It differs from `platform` only for stages that run on this machine's platform.
    pub(crate) target: &'a Platform,
    pub(crate) origin: NodeOrigin<'a>,
    /// The image that it starts from. `None` for `scratch`, and for an image from elsewhere.
    pub(crate) base: Option<NodeId>,
    /// The image from elsewhere that it is, or that it stands on, however far down.
    pub(crate) bottom: Option<NodeId>,
    /// Where the manifest first names it as an image that files are taken from.
    pub(crate) mention: Option<&'a Placed<ImageName>>,
    /// The images that it takes files from.
    pub(crate) sources: BTreeMap<&'a ImageName, NodeId>,
    /// The targets that its packages name.
    pub(crate) targets: BTreeMap<&'a str, NodeId>,
    /// The nodes that have to be whole first: the base, the sources and the targets.
    pub(crate) needs: BTreeSet<NodeId>,
}

/// Where an image comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeOrigin<'a> {
    /// The image is from elsewhere. The place is where the first image of the plan that asks for it names it; the
    /// number is of that image.
    Elsewhere(&'a Placed<ImageName>, ImageId),
    /// The image is made here, for this image of the plan.
    Made(ImageId),
    /// It is no image, but a target that packages take files from, and is made on this machine.
    Target(&'a str, &'a Target),
}

impl<'a> Node<'a> {
    /// A node that needs no other.
    fn new(platform: &'a Platform, origin: NodeOrigin<'a>) -> Self {
        Self {
            platform,
            target: platform,
            origin,
            base: None,
            bottom: None,
            mention: None,
            sources: BTreeMap::new(),
            targets: BTreeMap::new(),
            needs: BTreeSet::new(),
        }
    }
}

impl<'a> Graph<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>) -> Self {
        let mut nodes: ById<NodeId, Node<'a>> = ById::new();
        let mut made: ById<ImageId, Vec<NodeId>> = plan.images.map(|_| Vec::new());
        let mut known: BTreeMap<(String, &Platform), NodeId> = BTreeMap::new();
        let images: BTreeMap<&str, &PlannedImage<'_>> = plan.images.iter().map(|image| (image.name, image)).collect();
        for (id, image) in plan.images.enumerate() {
            for target in &image.platforms {
                let platform = if image.build.host.is_some() { &plan.host } else { target };
                let mut find = |named: &'a Placed<ImageName>| {
                    if named.value == ImageName::Scratch {
                        return None;
                    }
                    let next = nodes.next_id();
                    let name = named.to_string();
                    let wanted = match images.get(name.as_str()) {
                        Some(PlannedImage { build: Build { host: Some(_), .. }, platforms, .. }) => {
                            // A stage that is made once for all targets is there for this machine's platform.
                            if platforms.contains(target) { target } else { &plan.host }
                        }
                        _ => platform,
                    };
                    let node = *known.entry((name, wanted)).or_insert(next);
                    if node == next {
                        let origin = NodeOrigin::Elsewhere(named, id);
                        nodes.push(Node { bottom: Some(node), ..Node::new(platform, origin) });
                    }
                    Some(node)
                };
                let base = find(&image.build.base);
                let sources: BTreeMap<_, _> =
                    image.takes_from.iter().filter_map(|named| Some((&named.value, (find(named)?, *named)))).collect();
                for (source, mention) in sources.values() {
                    nodes[*source].mention.get_or_insert(mention);
                }
                let sources: BTreeMap<_, _> = sources.into_iter().map(|(name, (source, _))| (name, source)).collect();
                let bottom = base.and_then(|base: NodeId| nodes[base].bottom);
                let mut targets = BTreeMap::new();
                for (name, made) in &image.targets {
                    // A target in which nothing is of the platform is made once for all.
                    let platform = if made.is_for_each_platform() { platform } else { &plan.host };
                    let next = nodes.next_id();
                    let node = *known.entry((format!(":{name}"), platform)).or_insert(next);
                    if node == next {
                        nodes.push(Node::new(platform, NodeOrigin::Target(name, made)));
                    }
                    targets.insert(*name, node);
                }
                let needs =
                    base.into_iter().chain(sources.values().copied()).chain(targets.values().copied()).collect();
                let made_here = Node::new(platform, NodeOrigin::Made(id));
                let node = nodes.push(Node { target, base, bottom, sources, targets, needs, ..made_here });
                made[id].push(node);
                known.insert((image.name.to_owned(), target), node);
            }
        }
        Self { nodes, made }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ids::Id as _;
    use crate::plan::tests::{TEXT, manifest};

    fn numbers(node: &Node<'_>) -> BTreeSet<usize> {
        node.needs.iter().map(|need| need.number()).collect()
    }

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
                    NodeOrigin::Elsewhere(name, _) => name.to_string(),
                    NodeOrigin::Made(number) => plan.images[number].name.to_owned(),
                    NodeOrigin::Target(name, _) => format!(":{name}"),
                };
                format!("{name} {} {:?}", node.platform.architecture(), numbers(node))
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
        assert!(graph.nodes.enumerate().all(|(number, node)| node.needs.iter().all(|need| *need < number)));
    }

    #[test]
    fn a_stage_for_this_machine_is_made_for_each_target_that_a_step_can_tell() {
        let manifest = manifest(
            r#"
            [project]
            platforms = ["linux/amd64", "linux/arm64"]
            [base.debian]
            repository = "docker.io/library/debian"
            tag = "12"
            [stage.plain]
            base = "debian"
            platform = "host"
            [stage.cross]
            base = "plain"
            platform = "host"
            packages = [{ image = "native", path = "/n" }]
            steps = ["make"]
            [stage.native]
            base = "scratch"
            [build.app]
            base = "scratch"
            packages = [{ image = "cross", path = "/out" }, { image = "plain", path = "/x" }]
            "#,
        );
        let shown = |names: &[String], platforms: &[Platform]| -> Vec<String> {
            let plan = Plan::new(&manifest, names, platforms).unwrap();
            let graph = Graph::new(&plan);
            let name = |node: &Node<'_>| match node.origin {
                NodeOrigin::Elsewhere(name, _) => name.to_string(),
                NodeOrigin::Made(number) => plan.images[number].name.to_owned(),
                NodeOrigin::Target(name, _) => format!(":{name}"),
            };
            let is_host = |platform: &Platform| *platform == Platform::host();
            let nodes = graph.nodes.iter().map(|node| {
                let target = if is_host(node.target) { "host".to_owned() } else { node.target.to_string() };
                format!("{} {} {target} {:?}", name(node), is_host(node.platform), numbers(node))
            });
            nodes.collect()
        };
        let other = ["linux/arm64", "linux/amd64"].map(|text| Platform::parse(text).unwrap());
        let other = other.into_iter().find(|platform| *platform != Platform::host()).unwrap();
        let expected = |last: &str| {
            let text = format!(
                "debian true host {{}}\nplain true host {{0}}\nnative true host {{}}\ncross true {other} {{1, 2}}{last}"
            );
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let app = format!("\napp false {other} {{1, 3}}");
        assert_eq!(shown(&["app".to_owned()], std::slice::from_ref(&other)), expected(&app));
        assert_eq!(shown(&["cross".to_owned()], std::slice::from_ref(&other)), expected(""));
        // If one of two platforms is this machine's, only a stage that is told its target is there twice.
        let both = shown(&["app".to_owned()], &[Platform::host(), other.clone()]);
        assert_eq!(both.iter().filter(|line| line.starts_with("cross")).count(), 2, "{both:?}");
        assert_eq!((both.len(), manifest.platforms(&manifest.stages["cross"])), (7, vec![Platform::host()]));
    }
}
