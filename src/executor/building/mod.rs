//! Carries out a plan: which task comes after which, and what each has produced so far.
//!
//! Each platform of an image is a node of the graph. Its packages are looked at first; that needs only the images that
//! they take files from. If a package may stand on a link of the image below, the node then waits for the links of that
//! image. After that each layer of the node is a task. The last task assembles the image, once the image below is
//! whole. A layer that several images have is made once: the second task waits for the first, and finds the layer made.
//!
//! A task looks for its result first, and makes it if it is not there. How far tasks may go is the [`Reach`] of the
//! build: in a dry run they look, and tell what they would make ([`forecast`]).
//!
//! A task returns early if an input is missing: the task that should have made the input has reported the error, or in
//! a dry run has told why the input is not known.

mod forecast;
mod notes;
mod outcome;
mod progress;
mod sources;
mod targets;
mod tasks;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use forecast::Slot;
use progress::{Packed, PackedLayer, Progress, StepsDone, Whole};

use super::layers::Record;
use super::schedule::{Pool, Schedule, Ticket};
use super::{BuildError, BuiltImage, Executor, Foreseen, Outcome};
use crate::bases::BaseImage;
use crate::image::Image;
use crate::model::{Descriptor, Digest, Platform};
use crate::plan::{ById, Graph, ImageId, Node, NodeId, NodeOrigin, Plan};
use crate::process::signal;

/// How many bases are asked for or fetched at once.
const NETWORK_LIMIT: usize = 8;

/// A task, for a node of the graph or for an image of the plan.
///
/// Of the tasks that could begin, the first in this order begins: an image that is nearly done lets go of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// The index of an image, over its platforms.
    Index(ImageId),
    /// Config and manifest of a node.
    Assemble(NodeId),
    /// One layer of a node.
    Layer(NodeId, usize),
    /// Puts entries of a node that stand on links of the image below where the links lead.
    Follow(NodeId),
    /// Looks at the packages of a node.
    Scan(NodeId),
    /// Makes a packaged target.
    Target(NodeId),
    /// Reads which paths are links in a base.
    Links(NodeId),
    /// Brings the layers of a base, unless its links are known.
    Fetch(NodeId),
    /// Finds what an image holds that packages take files from. If the store does not know it, the second task brings
    /// the image's layers, and the third reads them.
    RecallFiles(NodeId),
    FetchFiles(NodeId),
    ReadFiles(NodeId),
    /// Brings a base's manifest and config.
    Load(NodeId),
}

/// How far the tasks of a build go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// They look whether their results are there. Nothing is written, started or asked of a registry.
    Look,
    /// They make everything, but run no step: an image of which one is not recorded is not made.
    Layers,
    /// They make everything.
    All,
}

/// The state of one build: the schedule, and what each node has produced.
pub(super) struct Building<'a> {
    executor: &'a Executor<'a>,
    reach: Reach,
    /// In a dry run: the bases that are to be resolved first.
    unresolved: Option<&'a BTreeSet<String>>,
    plan: &'a Plan<'a>,
    graph: Graph<'a>,
    schedule: Schedule<Work>,
    progress: ById<NodeId, Progress>,
    indexes: ById<ImageId, OnceLock<Descriptor>>,
    /// By a layer's key: the last task that makes the layer, or that will find it made.
    makers: Mutex<BTreeMap<Digest, Ticket>>,
    /// By a layer's key: the layers of this build, whether or not the store may keep them under the key.
    made: Mutex<BTreeMap<Digest, Record>>,
    /// By what failed, in an order that does not depend on which thread was first.
    errors: Mutex<BTreeMap<(Cause, Work), Vec<BuildError>>>,
    /// Notes and warnings that were shown, so that several platforms show each only once.
    told: Mutex<BTreeSet<String>>,
    /// In a dry run: the outcome of each task that a person is told of, in the order of the plan.
    foreseen: Mutex<BTreeMap<(NodeId, Slot), Foreseen>>,
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
            reach: Reach::All,
            unresolved: None,
            plan,
            schedule: Schedule::new(executor.workers, NETWORK_LIMIT),
            progress: graph.nodes.map(|_| Progress::default()),
            indexes: plan.images.map(|_| OnceLock::new()),
            graph,
            makers: Mutex::default(),
            made: Mutex::default(),
            errors: Mutex::default(),
            told: Mutex::default(),
            foreseen: Mutex::default(),
        }
    }

    pub(super) fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    pub(super) fn run(self) -> Outcome {
        self.do_tasks();
        self.outcome()
    }

    /// Adds all tasks, and does them as far as the build's reach goes.
    fn do_tasks(&self) {
        self.add_tasks();
        self.schedule.run(|work| self.work(work));
    }

    /// Adds the tasks that are known before any package is looked at.
    fn add_tasks(&self) {
        let mut lasts: ById<ImageId, Vec<Ticket>> = self.plan.images.map(|_| Vec::new());
        for (number, node) in self.graph.nodes.enumerate() {
            let last = match node.origin {
                // If the store has the base already, no second thread is needed for it.
                NodeOrigin::Elsewhere(name, _) => match self.executor.recall(name, node.platform) {
                    Some(base) if self.reach != Reach::Look => {
                        let _ = self.progress[number].whole.set(Whole::Elsewhere(base));
                        self.schedule.add_done(Work::Load(number))
                    }
                    _ => self.schedule.add(Pool::Network, Work::Load(number), []),
                },
                NodeOrigin::Target(..) => self.schedule.add(Pool::Processor, Work::Target(number), []),
                NodeOrigin::Made(image) => {
                    let files = node.sources.values().filter_map(|source| self.files_task(*source));
                    let targets = node.targets.values().filter_map(|target| self.progress[*target].last.get().copied());
                    let first: Vec<Ticket> = files.chain(targets).collect();
                    let scan = self.schedule.add(Pool::Processor, Work::Scan(number), first);
                    let below = node.needs.iter().filter_map(|need| self.progress[*need].last.get().copied());
                    let last = self.schedule.add(Pool::Processor, Work::Assemble(number), below.chain([scan]));
                    lasts[image].push(last);
                    last
                }
            };
            let _ = self.progress[number].last.set(last);
        }
        let images: Vec<ImageId> = self.plan.images.enumerate().map(|(image, _)| image).collect();
        for (image, lasts) in images.into_iter().zip(lasts) {
            self.schedule.add(Pool::Processor, Work::Index(image), lasts);
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
            Work::Target(node) => (Cause::Node(node), self.target(node)),
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

    /// The task after which the links of a base are known. It is added once, however many nodes ask.
    fn links_task(&self, base: NodeId) -> Option<Ticket> {
        let load = *self.progress[base].last.get()?;
        Some(*self.progress[base].links.task.get_or_init(|| {
            let fetch = self.schedule.add(Pool::Network, Work::Fetch(base), [load]);
            self.schedule.add(Pool::Processor, Work::Links(base), [fetch])
        }))
    }

    /// The task after which it is known what an image holds. It is added once, however many nodes ask.
    fn files_task(&self, source: NodeId) -> Option<Ticket> {
        let whole = *self.progress[source].last.get()?;
        Some(*self.progress[source].files.task.get_or_init(|| {
            let recall = self.schedule.add(Pool::Processor, Work::RecallFiles(source), [whole]);
            let fetch = self.schedule.add(Pool::Network, Work::FetchFiles(source), [recall]);
            self.schedule.add(Pool::Processor, Work::ReadFiles(source), [fetch])
        }))
    }

    /// Makes a node that is not whole yet wait for another task, too.
    fn hold(&self, number: NodeId, ticket: Ticket) {
        if let Some(last) = self.progress[number].last.get() {
            self.schedule.hold(*last, ticket);
        }
    }

    /// All platforms of an image, if they are whole.
    fn platforms(&self, image: ImageId) -> Option<BTreeMap<Platform, BuiltImage>> {
        let nodes = self.graph.made[image].iter().map(|node| (&self.graph.nodes[*node], &self.progress[*node]));
        // A stage with `platform = "host"` is one image: the one whose target is this machine's platform.
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
