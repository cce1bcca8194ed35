//! `oci cache verify` reads everything in the cache, and moves damaged files aside.

use std::fmt::{Display, Write as _};
use std::path::Path;

use serde_json::json;

use crate::cli::Global;
use crate::containers::rootfs;
use crate::containers::trees::{self, KeptTree, TreeKind};
use crate::diagnostic::Failure;
use crate::fs::FileError;
use crate::process::{IdMap, signal};
use crate::prune::PruneError;
use crate::store::{Condition, Store};

/// How many objects of one kind there were, and which of them were damaged.
struct Checked {
    kind: &'static str,
    number: usize,
    damaged: Vec<String>,
}

pub(super) fn run(global: &Global, folder: &Path) -> Result<(), Failure> {
    let store = Store::open(folder)?;
    let workers = super::super::settings::workers(global);
    let map = IdMap::detect();
    let roots = trees::list(folder)?.into_iter().filter(|tree| tree.kind == TreeKind::Rootfs);
    let mut checked = vec![
        check("blobs", &store.digests()?, workers, |digest| store.check(digest))?,
        check("records", &store.record_names()?, workers, |name| store.check_record(name))?,
    ];
    let roots: Vec<KeptTree> = roots.collect();
    if !roots.is_empty() {
        // Each is read on all processors.
        checked.push(check("root filesystems", &roots, 1, |tree| {
            let is_whole = rootfs::check(&tree.folder(folder), &map)?;
            Ok(if is_whole { Condition::Whole } else { Condition::Damaged })
        })?);
    }
    print(global, &checked)?;
    if checked.iter().all(|checked| checked.damaged.is_empty()) { Ok(()) } else { Err(super::super::no()) }
}

/// Checks all of a kind, several at once, until a signal asks to end.
fn check<T: Display + Sync>(
    kind: &'static str,
    things: &[T],
    workers: usize,
    check: impl Fn(&T) -> Result<Condition, FileError> + Sync,
) -> Result<Checked, PruneError> {
    let verdicts = crate::parallel::map(things, workers, |thing| match signal::pending() {
        Some(_) => Err(PruneError::Interrupted),
        None => Ok(check(thing)?),
    });
    let mut damaged = Vec::new();
    for (thing, verdict) in things.iter().zip(verdicts) {
        // An object that was removed meanwhile is not damaged.
        if verdict? == Condition::Damaged {
            damaged.push(thing.to_string());
        }
    }
    Ok(Checked { kind, number: things.len(), damaged })
}

fn print(global: &Global, checked: &[Checked]) -> Result<(), FileError> {
    let damaged: Vec<&String> = checked.iter().flat_map(|checked| &checked.damaged).collect();
    if global.json {
        let number: usize = checked.iter().map(|checked| checked.number).sum();
        let kinds: serde_json::Map<_, _> =
            checked.iter().map(|checked| (checked.kind.to_owned(), json!(checked.number))).collect();
        return super::super::print(&format!("{}\n", json!({ "checked": number, "kinds": kinds, "damaged": damaged })));
    }
    let mut text = String::new();
    for damaged in &damaged {
        let _ = writeln!(text, "{damaged}  damaged, and set aside");
    }
    let mut read: Vec<String> = checked.iter().map(|checked| format!("{} {}", checked.number, checked.kind)).collect();
    let last = read.pop().unwrap_or_default();
    let _ = writeln!(text, "read {} and {last}, {} damaged", read.join(", "), damaged.len());
    super::super::print(&text)
}
