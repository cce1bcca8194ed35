//! `oci lock` pins every base to a digest.

use std::collections::BTreeSet;

use serde_json::json;

use super::Session;
use super::manifests::{self, Choice, Chosen};
use super::project::{self, Project};
use crate::cli::{Global, LockArguments};
use crate::diagnostic::Failure;
use crate::lock::{LOCK_NAME, Lock, LockChange, LockEntry};

pub(super) fn run(global: &Global, arguments: &LockArguments) -> Result<(), Failure> {
    let choice = match (arguments.changed, arguments.check) {
        (true, _) => Choice::Changed,
        (false, true) => Choice::NearestOrBelow,
        (false, false) => Choice::Nearest,
    };
    match arguments.check {
        true => manifests::each(global, choice, check),
        false => manifests::each(global, choice, |chosen| lock(chosen, arguments)),
    }
}

fn lock(chosen: &Chosen, arguments: &LockArguments) -> Result<(), Failure> {
    let global = &chosen.global;
    // A lockfile that may not change cannot be mended.
    let project = match global.locked || global.frozen {
        true => Project::open(global)?,
        false => Project::open_merging(global)?,
    };
    let disputed = project.disputed.clone();
    let mut session = Session::with(project, global)?;
    if let Some(disputed) = disputed {
        session.reporter.note(&about_conflict(&session.lock, &disputed));
    }
    let old = session.lock_as_read();
    session.lock_all(&BTreeSet::new())?;
    finish(&session, &old, arguments.dry_run, chosen.name.as_deref())
}

/// Writes the lockfile, unless the command only shows what would change, and prints what moved. If there may be several
/// manifests, each line has the manifest's name.
pub(super) fn finish(session: &Session, old: &Lock, dry_run: bool, manifest: Option<&str>) -> Result<(), Failure> {
    if !dry_run {
        session.save_lock()?;
    }
    let changes = old.changes(&session.lock, &session.carried.renames);
    if session.json {
        let changes: Vec<_> = changes.iter().map(as_json).collect();
        let data = match manifest {
            Some(manifest) => json!({ "manifest": manifest, "changed": changes }),
            None => json!({ "changed": changes }),
        };
        return Ok(super::print(&format!("{data}\n"))?);
    }
    let prefix = prefix(manifest);
    match (changes.is_empty(), dry_run) {
        (true, _) => {
            let pinned = session.lock.entries.len();
            session.reporter.note(&format!("{prefix}{LOCK_NAME} is current: {pinned} pinned"));
        }
        (false, true) => session.reporter.note("this would change; nothing was written"),
        (false, false) => {}
    }
    Ok(super::print(&changes.iter().map(|change| format!("{prefix}{change}\n")).collect::<String>())?)
}

/// The beginning of a line about a manifest, if there may be several.
fn prefix(manifest: Option<&str>) -> String {
    manifest.map(|manifest| format!("{manifest}: ")).unwrap_or_default()
}

/// Lists the differences. Nothing is written, and no registry is asked.
fn check(chosen: &Chosen) -> Result<(), Failure> {
    let project = Project::open(&chosen.global)?;
    let name = chosen.name.as_deref();
    let differences = project::differences(&project.manifest, &project.lock);
    if chosen.global.json {
        super::print(&format!("{}\n", project::as_json(&differences, name)))?;
    } else {
        let lines = differences.iter().map(|difference| {
            let was = difference.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
            format!("{}{}  {}{was}\n", prefix(name), difference.name, difference.drift.as_str())
        });
        super::print(&lines.collect::<String>())?;
    }
    if differences.is_empty() { Ok(()) } else { Err(super::no()) }
}

fn about_conflict(agreed: &Lock, disputed: &BTreeSet<String>) -> String {
    let kept = agreed.entries.len();
    let again = match disputed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>() {
        names if names.is_empty() => "nothing has to be resolved again".to_owned(),
        names => format!("to be resolved again: {}", names.join(", ")),
    };
    format!("{LOCK_NAME} has a merge conflict: kept what both sides agree on ({kept} pinned); {again}")
}

fn as_json(change: &LockChange<'_>) -> serde_json::Value {
    let digest = |entry: Option<&LockEntry>| entry.map(|entry| entry.digest);
    let tag = change.new.or(change.old).and_then(|entry| entry.tag.as_ref()).map(ToString::to_string);
    let mut data = json!({ "name": change.name, "tag": tag, "old": digest(change.old), "new": digest(change.new) });
    if let Some(was) = change.was {
        data["was"] = was.into();
    }
    data
}
