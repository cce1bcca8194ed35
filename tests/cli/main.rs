//! End-to-end tests: the binary with real tools, real registries and real images. A module for each
//! command or promise; what they share is in [`support`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod add;
mod archives;
mod build;
mod cache;
mod causes;
mod check;
mod completions;
mod conflict;
mod crash;
mod diagnostics;
mod disk;
mod dry_run;
mod errors;
mod example;
mod examples;
mod faults;
mod fetch;
mod graph;
mod interop;
mod keys;
mod large;
mod layout;
mod lock;
mod lock_many;
mod mirrors;
mod outdated;
mod progress;
mod publish;
mod readme;
mod registries;
mod reproducible;
mod retry;
mod rootless;
mod run;
mod schemas;
mod signatures;
mod silence;
mod stages;
mod steps;
mod support;
mod surroundings;
mod taken;
mod unpack;
mod update;
