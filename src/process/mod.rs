//! This process, and what the machine tells it.

pub(crate) mod signal;
