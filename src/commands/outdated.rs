//! `oci outdated` lists bases whose tag or layout has moved since it was pinned, and bases that are older than the
//! policy allows. It writes nothing.

mod age;

use serde_json::json;

use super::{Session, project};
use crate::cli::OutdatedArguments;
use crate::diagnostic::Failure;
use crate::fs::FileError;
use crate::manifest::{Base, Pin};
use crate::model::{Digest, Origin};
use crate::sanitize;
use age::Ages;

/// A base whose tag or layout stands for another image than the pinned one.
struct Moved {
    name: String,
    /// The tag or layout that moved, with the word `tag` or `layout`.
    pin: (&'static str, String),
    /// The pinned digest. `None` if the base was never pinned as the manifest asks now.
    locked: Option<Digest>,
    current: Digest,
}

pub(super) fn run(session: &Session, arguments: &OutdatedArguments) -> Result<(), Failure> {
    let mut pins = session.manifest.pins();
    pins.retain(|_, (base, pin)| what_moves(base, pin).is_some());
    session.may_ask("oci outdated", &pins)?;
    let (current, errors) = session.resolver().current(&pins);
    let moved: Vec<Moved> = {
        let moved = current.into_iter().filter_map(|(name, current)| moved(session, pins.get(&name)?, name, current));
        moved.collect()
    };
    let ages = Ages::of_bases(session);
    let mut failures: Vec<Failure> = errors.into_iter().map(Failure::from).collect();
    if moved.is_empty() && failures.is_empty() {
        session.reporter.note("no tag has moved");
    }
    print(session, &moved, ages.as_ref())?;
    let is_old = ages.as_ref().is_some_and(|ages| !ages.old.is_empty());
    failures.extend(ages.into_iter().flat_map(|ages| ages.failures));
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None if arguments.exit_code && (is_old || !moved.is_empty()) => Err(super::no()),
        None => Ok(()),
    }
}

/// The tag or layout of a pin, if it can move.
fn what_moves(base: &Base, pin: &Pin) -> Option<(&'static str, String)> {
    match (&base.origin.value, &pin.tag, &pin.digest) {
        (Origin::Registry(_), tag, _) => Some(("tag", tag.as_ref()?.to_string())),
        (Origin::Layout(path), _, None) => Some(("layout", path.to_string())),
        (Origin::Layout(_), _, Some(_)) => None,
    }
}

/// The base as outdated. Returns `None` if it still is what is pinned.
fn moved(session: &Session, (base, pin): &(&Base, &Pin), name: String, current: Digest) -> Option<Moved> {
    let is_current = project::is_current(&session.lock, &name, (base, pin));
    let locked = session.lock.entries.get(&name).filter(|_| is_current).map(|entry| entry.digest);
    (locked != Some(current)).then_some(Moved { name, pin: what_moves(base, pin)?, locked, current })
}

fn print(session: &Session, moved: &[Moved], ages: Option<&Ages>) -> Result<(), FileError> {
    if session.json {
        let bases: Vec<_> = moved
            .iter()
            .map(|base| {
                let (kind, pin) = &base.pin;
                json!({ "name": base.name, *kind: pin, "locked": base.locked, "current": base.current })
            })
            .collect();
        let mut found = json!({ "outdated": bases });
        if let Some(ages) = ages {
            found["too-old"] = ages.old.iter().map(age::Old::as_json).collect();
            found["unknown-age"] = ages.unknown.iter().map(String::as_str).collect();
        }
        return super::print(&format!("{found}\n"));
    }
    if let Some(ages) = ages.filter(|ages| !ages.unknown.is_empty()) {
        session.reporter.note(&format!("of unknown age, for they do not say when they were made: {}", ages.unknown()));
    }
    let lines = moved.iter().map(|base| {
        let locked = base.locked.map_or_else(|| "none".to_owned(), |digest| digest.short());
        format!("{}  {}  {locked} -> {}\n", base.name, sanitize::name(&base.pin.1), base.current.short())
    });
    let old = ages.into_iter().flat_map(|ages| &ages.old).map(|base| format!("{base}\n"));
    super::print(&lines.chain(old).collect::<String>())
}
