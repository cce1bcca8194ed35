//! Gives the nodes of a graph and the images of a plan numbers of different types, so that they cannot be mixed up.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that is only an index into lists of its own kind.
pub(crate) trait Id: Copy {
    fn at(number: usize) -> Self;
    fn number(self) -> usize;
}

/// The number of a node of a [`Graph`](super::Graph).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// The number of an image of a [`Plan`](super::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageId(usize);

impl Id for NodeId {
    fn at(number: usize) -> Self {
        Self(number)
    }

    fn number(self) -> usize {
        self.0
    }
}

impl Id for ImageId {
    fn at(number: usize) -> Self {
        Self(number)
    }

    fn number(self) -> usize {
        self.0
    }
}

/// A list with an item for each node, or for each image.
#[derive(Clone, Debug)]
pub(crate) struct ById<I, T> {
    items: Vec<T>,
    id: PhantomData<fn() -> I>,
}

impl<I: Id, T> ById<I, T> {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self { items: Vec::new(), id: PhantomData }
    }

    /// Appends an item, and returns its number.
    pub(crate) fn push(&mut self, item: T) -> I {
        let id = self.next_id();
        self.items.push(item);
        id
    }

    /// The number that the next item will have.
    pub(crate) fn next_id(&self) -> I {
        I::at(self.items.len())
    }

    /// All items, in their order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.items.iter()
    }

    /// All items in their order, with their numbers.
    pub(crate) fn enumerate(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(number, item)| (I::at(number), item))
    }

    /// A list of the results of `change`, in this order.
    pub(crate) fn map<U>(&self, change: impl FnMut(&T) -> U) -> ById<I, U> {
        self.items.iter().map(change).collect()
    }
}

impl<I: Id, T> Index<I> for ById<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.items[id.number()]
    }
}

impl<I: Id, T> IndexMut<I> for ById<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.number()]
    }
}

impl<I, T> FromIterator<T> for ById<I, T> {
    fn from_iter<F: IntoIterator<Item = T>>(items: F) -> Self {
        Self { items: items.into_iter().collect(), id: PhantomData }
    }
}

impl<I, T> IntoIterator for ById<I, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}
