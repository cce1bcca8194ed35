//! `oci update [NAME…]` pins bases to the digests that their tags stand for now.

use std::collections::BTreeSet;

use super::Session;
use crate::cli::UpdateArguments;
use crate::diagnostic::Failure;
use crate::manifest::Manifest;
use crate::suggest;

/// A name that no base has.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no base `{name}`")]
#[diagnostic(code(oci::update::unknown_name))]
struct UnknownName {
    name: String,
    #[help]
    help: Option<String>,
}

pub(super) fn run(session: &mut Session, arguments: &UpdateArguments) -> Result<(), Failure> {
    let again = named(&session.manifest, &arguments.names)?;
    let mut pins = session.manifest.pins();
    pins.retain(|name, _| again.contains(name));
    session.may_ask("oci update", &pins)?;
    let old = session.lock_as_read();
    session.lock_all(&again)?;
    super::lock::finish(session, &old, arguments.dry_run, None)
}

/// The pins of these names: a variant, a base without variants, or all variants of a base. A base that is pinned by
/// digest does not move, and is left out.
fn named(manifest: &Manifest, names: &[String]) -> Result<BTreeSet<String>, Failure> {
    let pins = manifest.pins();
    let mut found = BTreeSet::new();
    let mut failures = Vec::new();
    for written in names {
        let name = written.strip_prefix(':').unwrap_or(written);
        let of_base = |pin: &str| pin.split_once('#').is_some_and(|(base, _)| base == name);
        let before = found.len();
        found.extend(pins.keys().filter(|pin| *pin == name || of_base(pin)).cloned());
        if found.len() == before && !found.iter().any(|pin| pin == name || of_base(pin)) {
            let known = pins.keys().map(String::as_str).chain(manifest.bases.keys().map(String::as_str));
            let known: BTreeSet<&str> = known.collect();
            let help = suggest::help("the bases are", name, known);
            failures.push(super::invalid(UnknownName { name: crate::sanitize::name(written), help }));
        }
    }
    if let Some(failure) = Failure::all(failures) {
        return Err(failure);
    }
    let is_wanted = |name: &String| names.is_empty() || found.contains(name);
    Ok(pins
        .iter()
        .filter(|(name, (_, pin))| is_wanted(name) && pin.digest.is_none())
        .map(|(name, _)| name.clone())
        .collect())
}
