//! The tools that move bytes and start containers, each behind a thin wrapper.
//!
//! Everything that runs goes through [`process`]: arguments as a list, an explicit environment,
//! output drained while the tool runs, a time limit, and an end that leaves nothing behind.

pub(crate) mod process;
pub(crate) mod signal;

pub(crate) use process::{Invocation, ProcessError};
