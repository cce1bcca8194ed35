//! Stages: one kind of work each.

pub(crate) mod base;
