//! One carrying out of a plan: what is done in which order, and what has come of it so far.
//!
//! For each platform of an image: its packages are looked at, at once, since that needs nobody but the
//! images that they take files from; what may
//! stand on a link waits for the links of the image below; then each of its layers is a task, and the
//! last one is to assemble it, once the image below is whole. A layer that several images have is made
//! once: the second one waits for the first and finds it. What an image needs and is not there failed,
//! and was told when it did.

mod notes;
mod outcome;
mod sources;
mod tasks;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::layers::{Part, Record};
use super::schedule::{Pool, Schedule, Ticket};
use super::steps::Make;
use super::{BuildError, BuiltImage, Executor, Outcome, Tally};
use crate::bases::BaseImage;
use crate::contents::image::ImageTree;
use crate::image::{Image, Layer};
use crate::model::{Descriptor, Digest, Platform};
use crate::plan::{ById, Graph, ImageId, Node, NodeId, Origin, Plan};
use crate::process::signal;

/// How many bases are asked for or fetched at once.
const NETWORK_LIMIT: usize = 8;

/// A task, by the number of a node of the graph, or of an image of the plan.
///
/// Of several that could be done the first in this order is: what is nearly done lets go of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// The index of an image, over its platforms.
    Index(ImageId),
    /// Config and manifest of a node.
    Assemble(NodeId),
    /// One layer of a node.
    Layer(NodeId, usize),
    /// What of a node stands on links of the image below is put where they lead.
    Follow(NodeId),
    /// A node's packages are looked at.
    Scan(NodeId),
    /// What is a link in a base.
    Links(NodeId),
    /// A base's layers, if it is not known what is a link in them.
    Fetch(NodeId),
    /// What an image holds that packages take files from: if that is known; else its layers are brought,
    /// and then read.
    RecallFiles(NodeId),
    FetchFiles(NodeId),
    ReadFiles(NodeId),
    /// A base's manifest and config.
    Load(NodeId),
}

/// What is known of a node so far.
#[derive(Default)]
struct Progress {
    /// The task with which it is whole.
    last: OnceLock<Ticket>,
    /// For a base: the task after which its links are known, if anybody asks.
    links: Mutex<Option<Ticket>>,
    /// For a base: its links are known, or can be read from its layers.
    fetched: OnceLock<()>,
    /// For a base: its links are known.
    linked: OnceLock<()>,
    /// Its layers are here, for what it holds to be read.
    complete: OnceLock<()>,
    /// What it holds, where packages take files from it.
    files: OnceLock<Arc<ImageTree>>,
    /// The task after which that is known, if anybody asks.
    read: OnceLock<Ticket>,
    /// What waits for the links of the image below.
    parts: Mutex<Vec<Part>>,
    packed: OnceLock<Packed>,
    /// As far as they came.
    steps: OnceLock<Tally>,
    /// In a rehearsal: the first of its steps that would run.
    first_step: OnceLock<usize>,
    whole: OnceLock<Whole>,
}

/// The layers of a node, once it is known which there are.
struct Packed {
    program: Option<String>,
    layers: Vec<PackedLayer>,
}

struct PackedLayer {
    key: Digest,
    created_by: String,
    /// The path of the image's first package, if that is one file without an executable bit.
    first: Option<String>,
    /// Taken by whoever makes it.
    part: Mutex<Option<Part>>,
    /// With whether it was made now.
    layer: OnceLock<(Layer, bool)>,
}

/// A node's image.
enum Whole {
    Elsewhere(BaseImage),
    Made(BuiltImage),
}

impl Whole {
    fn image(&self) -> &Image {
        match self {
            Self::Elsewhere(base) => &base.image,
            Self::Made(built) => &built.image,
        }
    }

    /// Of its manifest.
    fn digest(&self) -> Digest {
        match self {
            Self::Elsewhere(base) => base.digest,
            Self::Made(built) => built.manifest.digest,
        }
    }

    /// The base from elsewhere that it is or stands on.
    fn base(&self) -> Option<&BaseImage> {
        match self {
            Self::Elsewhere(base) => Some(base),
            Self::Made(built) => built.base.as_ref(),
        }
    }
}

/// See above.
pub(super) struct Building<'a> {
    executor: &'a Executor<'a>,
    /// Whether steps are run; an image of which one is not there is not made then.
    steps: Make,
    plan: &'a Plan<'a>,
    graph: Graph<'a>,
    schedule: Schedule<Work>,
    progress: ById<NodeId, Progress>,
    indexes: ById<ImageId, OnceLock<Descriptor>>,
    /// By key: the task that makes it, or that will find it made.
    makers: Mutex<BTreeMap<Digest, Ticket>>,
    /// By key, whether or not the store may keep them under it.
    made: Mutex<BTreeMap<Digest, Record>>,
    /// By what they came of, in an order that does not depend on who was first.
    errors: Mutex<BTreeMap<(Cause, Work), Vec<BuildError>>>,
    /// Notes and warnings that were shown: each is shown for one platform only.
    told: Mutex<BTreeSet<String>>,
}

/// What an error came of. Behind all nodes the order matters little: an index can only fail by the disk's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Node(NodeId),
    Image(ImageId),
    /// A signal asked the program to end.
    Signal,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Building<'a> {
    pub(super) fn new(executor: &'a Executor<'a>, plan: &'a Plan<'a>) -> Self {
        let graph = Graph::new(plan);
        Self {
            executor,
            steps: Make::Missing,
            plan,
            schedule: Schedule::new(executor.workers, NETWORK_LIMIT),
            progress: graph.nodes.map(|_| Progress::default()),
            indexes: plan.images.map(|_| OnceLock::new()),
            graph,
            makers: Mutex::default(),
            made: Mutex::default(),
            errors: Mutex::default(),
            told: Mutex::default(),
        }
    }

    pub(super) fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    pub(super) fn run(self) -> Outcome {
        self.add_tasks();
        self.schedule.run(|work| self.work(work));
        self.outcome()
    }

    /// What can be known of before anything is looked at.
    fn add_tasks(&self) {
        let mut lasts: ById<ImageId, Vec<Ticket>> = self.plan.images.map(|_| Vec::new());
        let later: ById<ImageId, Vec<BuildError>> = self
            .plan
            .images
            .map(|image| self.executor.manifest.not_yet(image.build).into_iter().map(BuildError::from).collect());
        let is_later: ById<ImageId, bool> = later.map(|errors| !errors.is_empty());
        let can_be_made = |node: &&Node<'_>| matches!(node.origin, Origin::Made(image) if !is_later[image]);
        let wanted: BTreeSet<NodeId> =
            self.graph.nodes.iter().filter(can_be_made).flat_map(|node| node.needs.iter().copied()).collect();
        for (number, node) in self.graph.nodes.enumerate() {
            let last = match node.origin {
                // What is asked for by nobody who can be built is not asked for.
                Origin::Elsewhere(..) if !wanted.contains(&number) => continue,
                Origin::Made(image) if is_later[image] => continue,
                // Where all is known, little work is done without a second thread.
                Origin::Elsewhere(name, _) => match self.executor.recall(name, node.platform) {
                    Some(base) => {
                        let _ = self.progress[number].whole.set(Whole::Elsewhere(base));
                        self.schedule.add_done(Work::Load(number))
                    }
                    None => self.schedule.add(Pool::Network, Work::Load(number), []),
                },
                Origin::Made(image) => {
                    let files = node.sources.values().filter_map(|source| self.files_task(*source));
                    let scan = self.schedule.add(Pool::Processor, Work::Scan(number), files.collect::<Vec<_>>());
                    let below = node.needs.iter().filter_map(|need| self.progress[*need].last.get().copied());
                    let last = self.schedule.add(Pool::Processor, Work::Assemble(number), below.chain([scan]));
                    lasts[image].push(last);
                    last
                }
            };
            let _ = self.progress[number].last.set(last);
        }
        let images: Vec<ImageId> = self.plan.images.enumerate().map(|(image, _)| image).collect();
        for (image, (lasts, later)) in images.into_iter().zip(lasts.into_iter().zip(later)) {
            if later.is_empty() {
                self.schedule.add(Pool::Processor, Work::Index(image), lasts);
            } else if let Some(node) = self.graph.made[image].first() {
                self.fail((Cause::Node(*node), Work::Scan(*node)), later);
            }
        }
    }

    fn work(&self, work: Work) {
        if signal::pending().is_some() {
            self.schedule.stop();
            return self.fail((Cause::Signal, work), vec![BuildError::Interrupted]);
        }
        let (cause, result) = match work {
            Work::Load(node) => (Cause::Node(node), self.load(node)),
            Work::Fetch(node) => (Cause::Node(node), self.fetch(node)),
            Work::RecallFiles(node) => (Cause::Node(node), self.recall_files(node)),
            Work::FetchFiles(node) => (Cause::Node(node), self.fetch_files(node)),
            Work::ReadFiles(node) => (Cause::Node(node), self.read_files(node)),
            Work::Links(node) => (Cause::Node(node), self.links(node)),
            Work::Scan(node) => (Cause::Node(node), self.scan(node)),
            Work::Follow(node) => (Cause::Node(node), self.follow(node)),
            Work::Layer(node, layer) => (Cause::Node(node), self.layer(node, layer)),
            Work::Assemble(node) => (Cause::Node(node), self.assemble(node)),
            Work::Index(image) => (Cause::Image(image), self.index(image)),
        };
        if let Err(errors) = result {
            self.fail((cause, work), errors);
        }
    }

    fn fail(&self, of: (Cause, Work), errors: Vec<BuildError>) {
        locked(&self.errors).entry(of).or_default().extend(errors);
        if self.executor.options.fail_fast {
            self.schedule.stop();
        }
    }

    /// The image that a node starts from, if it is there.
    fn below(&self, node: &Node<'_>) -> Option<(Cow<'_, Image>, Option<&BaseImage>)> {
        match node.base {
            None => Some((Cow::Owned(Image::scratch(node.platform)), None)),
            Some(base) => {
                let whole = self.progress[base].whole.get()?;
                Some((Cow::Borrowed(whole.image()), whole.base()))
            }
        }
    }

    /// The task after which the links of a base are known; the same one for all who ask.
    fn links_task(&self, base: NodeId) -> Option<Ticket> {
        let load = *self.progress[base].last.get()?;
        let mut task = locked(&self.progress[base].links);
        Some(*task.get_or_insert_with(|| {
            let fetch = self.schedule.add(Pool::Network, Work::Fetch(base), [load]);
            self.schedule.add(Pool::Processor, Work::Links(base), [fetch])
        }))
    }

    /// The task after which it is known what an image holds; the same one for all who ask.
    fn files_task(&self, source: NodeId) -> Option<Ticket> {
        let whole = *self.progress[source].last.get()?;
        Some(*self.progress[source].read.get_or_init(|| {
            let recall = self.schedule.add(Pool::Processor, Work::RecallFiles(source), [whole]);
            let fetch = self.schedule.add(Pool::Network, Work::FetchFiles(source), [recall]);
            self.schedule.add(Pool::Processor, Work::ReadFiles(source), [fetch])
        }))
    }

    /// Makes a node that is not whole yet wait for this, too.
    fn hold(&self, number: NodeId, ticket: Ticket) {
        if let Some(last) = self.progress[number].last.get() {
            self.schedule.hold(*last, ticket);
        }
    }

    /// All platforms of an image, if they are whole.
    fn platforms(&self, image: ImageId) -> Option<BTreeMap<Platform, BuiltImage>> {
        let nodes = self.graph.made[image].iter().map(|node| (&self.graph.nodes[*node], &self.progress[*node]));
        // A stage for this machine alone is one image to whoever names it: the one that is for this machine, too.
        let is_host = self.plan.images[image].build.host.is_some();
        let own = self.plan.images[image].platforms.iter().find(|target| **target == Platform::host());
        let nodes = nodes.filter(|(node, _)| !is_host || own.is_none_or(|own| node.target == own));
        let whole = nodes.map(|(node, progress)| match progress.whole.get()? {
            Whole::Made(built) => Some((node.platform.clone(), built.clone())),
            Whole::Elsewhere(_) => None,
        });
        whole.collect()
    }
}
