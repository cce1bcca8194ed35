//! `oci lock`: every base pinned to a digest.

use serde_json::json;

use super::Session;
use crate::diagnostic::Failure;
use crate::lock::LockChange;

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let old = session.lock.clone();
    session.lock_all()?;
    let changes = old.changes(&session.lock);
    if session.json {
        let lines: Vec<_> = changes.iter().map(as_json).collect();
        return Ok(super::print(&format!("{}\n", json!({ "changed": lines })))?);
    }
    if changes.is_empty() {
        session.reporter.note(&format!("oci.lock is current: {} pinned", session.lock.entries.len()));
    }
    Ok(super::print(&changes.iter().map(|change| format!("{change}\n")).collect::<String>())?)
}

fn as_json(change: &LockChange<'_>) -> serde_json::Value {
    let digest = |entry: Option<&crate::lock::Entry>| entry.map(|entry| entry.digest);
    let tag = change.new.or(change.old).and_then(|entry| entry.tag.as_ref()).map(ToString::to_string);
    json!({ "name": change.name, "tag": tag, "old": digest(change.old), "new": digest(change.new) })
}
