//! Checks the age of pinned bases, as their configs have it, against `[policy] max-age-days`.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Session, project};
use crate::bases::BaseError;
use crate::diagnostic::Failure;
use crate::lock::LockEntry;
use crate::manifest::{Base, Pin};
use crate::model::{Digest, Tag};
use crate::parallel;

/// How many configs are fetched at once.
const LIMIT: usize = 16;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// A base that was made longer ago than the policy allows.
pub(super) struct Old {
    name: String,
    tag: Option<Tag>,
    digest: Digest,
    days: i64,
}

impl Old {
    pub(super) fn as_json(&self) -> Value {
        let tag = self.tag.as_ref().map(Tag::as_str);
        json!({ "name": self.name, "tag": tag, "locked": self.digest, "age-days": self.days })
    }
}

/// A line for people.
impl fmt::Display for Old {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = self.tag.as_ref().map_or_else(|| self.digest.short(), ToString::to_string);
        write!(formatter, "{}  {pinned}  {} days old", self.name, self.days)
    }
}

/// The ages of the bases.
pub(super) struct Ages {
    pub(super) old: Vec<Old>,
    /// Bases whose configs have no time, as reproducible images may have none.
    pub(super) unknown: Vec<String>,
    pub(super) failures: Vec<Failure>,
}

impl Ages {
    /// Checks every base that is pinned as the manifest asks. If no policy limits the age, none is checked. Only
    /// configs that the cache lacks are fetched.
    pub(super) fn of_bases(session: &Session) -> Option<Self> {
        let limit = session.manifest.policy.max_age_days?;
        let now = Timestamp::now();
        let pins: Vec<_> = session.manifest.pins().into_iter().collect();
        let created = parallel::map(&pins, LIMIT, |(name, (base, pin))| {
            let entry = session.lock.entries.get(name)?;
            project::is_current(&session.lock, name, (base, pin)).then(|| created(session, name, base, entry))
        });
        let mut ages = Self { old: Vec::new(), unknown: Vec::new(), failures: Vec::new() };
        for ((name, (_, pin)), created) in pins.into_iter().zip(created) {
            let (Some(created), Some(entry)) = (created, session.lock.entries.get(&name)) else { continue };
            match created.map(|created| days(created.as_deref(), now)) {
                Ok(None) => ages.unknown.push(name),
                Ok(Some(days)) if days > limit => ages.old.push(old(name, pin, entry, days)),
                Ok(Some(_)) => {}
                Err(error) => ages.failures.push(session.executor().bases().blame(error, &pin.place).into()),
            }
        }
        Some(ages)
    }

    /// The names of the bases of unknown age.
    pub(super) fn unknown(&self) -> String {
        self.unknown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

fn old(name: String, pin: &Pin, entry: &LockEntry, days: i64) -> Old {
    Old { name, tag: pin.tag.clone(), digest: entry.digest, days }
}

/// The time in the config of a base. One platform speaks for all.
fn created(session: &Session, name: &str, base: &Base, entry: &LockEntry) -> Result<Option<String>, BaseError> {
    let used = session.manifest.project.platforms.iter().find(|platform| entry.platforms.contains_key(*platform));
    let Some(platform) = used.or_else(|| entry.platforms.keys().next()) else { return Ok(None) };
    let image = session.executor().bases().load(name, base, entry, platform)?.image;
    Ok(image.config.created().map(str::to_owned))
}

/// How many whole days ago a time was. Returns `None` for a text that is no time, and for the epoch of a reproducible
/// build.
fn days(created: Option<&str>, now: Timestamp) -> Option<i64> {
    let created: Timestamp = created?.parse().ok()?;
    let is_told = created.as_second() > 0;
    is_told.then(|| (now.as_second() - created.as_second()).div_euclid(SECONDS_A_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_whole_days() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        for (created, age) in [
            (Some("2026-03-01T11:59:59Z"), Some(0)),
            (Some("2026-02-28T12:00:00Z"), Some(1)),
            (Some("2026-02-28T12:00:01Z"), Some(0)),
            (Some("2025-03-01T13:00:00.123456789+01:00"), Some(365)),
            (Some("2026-03-03T00:00:00Z"), Some(-2)),
            (Some("1970-01-01T00:00:00Z"), None),
            (Some("0001-01-01T00:00:00Z"), None),
            (Some("yesterday"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(days(created, now), age, "{created:?}");
        }
    }
}
