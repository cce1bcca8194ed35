//! `oci outdated`: which bases' tags and layouts have moved since they were pinned. Writes nothing.

use serde_json::json;

use super::{Session, project};
use crate::cli::OutdatedArguments;
use crate::diagnostic::Failure;
use crate::fs::FileError;
use crate::manifest::{Base, Pin};
use crate::model::{Digest, Origin};
use crate::sanitize;

/// A base whose tag or layout is not what is pinned.
struct Moved {
    name: String,
    /// What it moved from under: `tag` or `layout`, and which.
    pin: (&'static str, String),
    /// Nothing if it was never pinned as the manifest asks now.
    locked: Option<Digest>,
    current: Digest,
}

pub(super) fn run(session: &Session, arguments: &OutdatedArguments) -> Result<(), Failure> {
    let mut pins = session.manifest.pins();
    pins.retain(|_, (base, pin)| what_moves(base, pin).is_some());
    session.may_ask("oci outdated", &pins)?;
    let (current, errors) = session.resolver().current(&pins);
    let moved: Vec<Moved> = current.into_iter().filter_map(|(name, current)| moved(session, name, current)).collect();
    if moved.is_empty() && errors.is_empty() {
        session.reporter.note("no tag has moved");
    }
    print(session, &moved)?;
    match Failure::all(errors.into_iter().map(Failure::from)) {
        Some(failure) => Err(failure),
        None if arguments.exit_code && !moved.is_empty() => Err(super::no()),
        None => Ok(()),
    }
}

/// The tag, or the layout, that may stand for another image one day.
fn what_moves(base: &Base, pin: &Pin) -> Option<(&'static str, String)> {
    match (&base.origin.value, &pin.tag, &pin.digest) {
        (Origin::Registry(_), tag, _) => Some(("tag", tag.as_ref()?.to_string())),
        (Origin::Layout(path), _, None) => Some(("layout", path.to_string())),
        (Origin::Layout(_), _, Some(_)) => None,
    }
}

/// The base, if it is no longer what is pinned.
fn moved(session: &Session, name: String, current: Digest) -> Option<Moved> {
    let (base, pin) = session.manifest.pins().get(&name).copied()?;
    let is_current = project::is_current(&session.lock, &name, (base, pin));
    let locked = session.lock.entries.get(&name).filter(|_| is_current).map(|entry| entry.digest);
    (locked != Some(current)).then_some(Moved { name, pin: what_moves(base, pin)?, locked, current })
}

fn print(session: &Session, moved: &[Moved]) -> Result<(), FileError> {
    if session.json {
        let bases: Vec<_> = moved
            .iter()
            .map(|base| {
                let (kind, pin) = &base.pin;
                json!({ "name": base.name, *kind: pin, "locked": base.locked, "current": base.current })
            })
            .collect();
        return super::print(&format!("{}\n", json!({ "outdated": bases })));
    }
    let lines = moved.iter().map(|base| {
        let locked = base.locked.map_or_else(|| "none".to_owned(), |digest| digest.short());
        format!("{}  {}  {locked} -> {}\n", base.name, sanitize::name(&base.pin.1), base.current.short())
    });
    super::print(&lines.collect::<String>())
}
