//! End-to-end tests: the binary with real tools, real registries and real images. A module for each
//! command or promise; what they share is in [`support`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod add;
mod build;
mod causes;
mod check;
mod conflict;
mod diagnostics;
mod errors;
mod example;
mod faults;
mod fetch;
mod interop;
mod keys;
mod lock;
mod lock_many;
mod mirrors;
mod outdated;
mod publish;
mod readme;
mod registries;
mod reproducible;
mod retry;
mod rootless;
mod run;
mod silence;
mod support;
mod surroundings;
mod update;
