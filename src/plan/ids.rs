//! The numbers of a graph's nodes and of a plan's images, as types of their own: one is never taken for the other.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that only lists of its own kind take.
pub(crate) trait Id: Copy {
    fn at(number: usize) -> Self;
    fn number(self) -> usize;
}

/// A node of a [`Graph`](super::Graph).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// An image of a [`Plan`](super::Plan).
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

/// A list by number: something for each node, or for each image.
#[derive(Clone, Debug)]
pub(crate) struct ById<I, T> {
    items: Vec<T>,
    id: PhantomData<fn() -> I>,
}

impl<I: Id, T> ById<I, T> {
    /// A list of nothing.
    pub(crate) fn new() -> Self {
        Self { items: Vec::new(), id: PhantomData }
    }

    /// Appends one, and gives its number.
    pub(crate) fn push(&mut self, item: T) -> I {
        let id = self.next_id();
        self.items.push(item);
        id
    }

    /// The number that the next one will have.
    pub(crate) fn next_id(&self) -> I {
        I::at(self.items.len())
    }

    /// All, in their order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.items.iter()
    }

    /// All, with their numbers.
    pub(crate) fn enumerate(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(number, item)| (I::at(number), item))
    }

    /// A list of what `change` makes of each.
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
