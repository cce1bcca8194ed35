//! The tools that move bytes and start containers, each behind a thin wrapper.
//!
//! Every tool runs through [`process`](crate::process): arguments as a list, an explicit environment, output that is
//! read while the tool runs, a time limit, and an end that leaves no process behind.

mod call;
pub(crate) mod cause;
pub(crate) mod environment;
pub(crate) mod error;
mod explanation;
pub(crate) mod git;
pub(crate) mod program;
pub(crate) mod registry;
pub(crate) mod runc;
pub(crate) mod skopeo;
pub(crate) mod task;
pub(crate) mod transcript;
pub(crate) mod umoci;
pub(crate) mod version;

pub(crate) use cause::Cause;
pub(crate) use error::ToolError;
pub(crate) use runc::Runc;
pub(crate) use task::{Subject, ToolTask};
pub(crate) use umoci::Umoci;
pub(crate) use version::Version;
