//! What a build and a run consist of: each stage turns things in the store into other things.

pub(crate) mod rootfs;
pub(crate) mod run;
pub(crate) mod runs;

#[cfg(test)]
mod tests;
