//! Whole manifests: what they come to mean, and every problem that they can have, as it is shown.

mod examples;
mod long;
mod mutation;
mod problems;
mod templates;
mod values;

use std::path::Path;

use crate::manifest::schema::tests::objections;
use crate::manifest::{Manifest, parse};
use crate::problem::Problem;
use crate::source::Source;

fn read(text: &str) -> Result<Manifest, Vec<Problem>> {
    parse(&Source::new("oci.toml", text), Path::new("/project"))
}

/// A manifest that is right, for the program and for editors.
fn good(text: &str) -> Manifest {
    assert_eq!(objections(text), Vec::<String>::new(), "{text}");
    read(text).unwrap_or_else(|problems| panic!("{problems:#?}\nin\n{text}"))
}

/// The messages for a manifest with problems, in the order of the file.
fn messages(text: &str) -> Vec<String> {
    read(text).map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

fn codes(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| miette::Diagnostic::code(problem).unwrap().to_string()).collect()
}
