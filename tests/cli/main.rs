//! End-to-end tests: the binary with real tools, real registries and real images. A module for each
//! command or promise; what they share is in [`support`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;
mod causes;
mod diagnostics;
mod errors;
mod example;
mod faults;
mod fetch;
mod interop;
mod lock;
mod publish;
mod readme;
mod reproducible;
mod rootless;
mod run;
mod support;
mod surroundings;
