//! The lock of a session: entries that commands need are resolved and written, unless a flag forbids that.

use std::collections::BTreeSet;

use super::Session;
use crate::commands::invalid;
use crate::commands::project::{self, Drift};
use crate::diagnostic::Failure;
use crate::lock::{LOCK_NAME, Lock};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resolve::Pins;

/// A flag forbids what the command always does.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{command}` does what `{flag}` forbids")]
#[diagnostic(code(oci::cli::forbidden))]
struct ForbiddenError {
    command: &'static str,
    flag: &'static str,
    #[help]
    help: String,
}

/// The lockfile would have to change, and a flag forbids that.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(oci::lock::stale), help("run `oci lock`, and commit `oci.lock`"))]
struct StaleError {
    message: String,
}

impl Session {
    /// Resolves what these names need and the lock does not have, and writes the lockfile if it changed.
    pub(in crate::commands) fn lock_needed(&mut self, names: &BTreeSet<String>) -> Result<(), Failure> {
        match self.resolve_needed(names)? {
            true => self.save_lock(),
            false => Ok(()),
        }
    }

    /// Resolves what a plan needs and the lock does not have, and writes the lockfile if it changed. A base that cannot
    /// be resolved stops only the images that need it. Returns the plan without those images, and the errors.
    pub(in crate::commands) fn lock_reachable<'p>(
        &mut self,
        plan: &Plan<'p>,
    ) -> Result<(Plan<'p>, Option<Failure>), Failure> {
        let needed = self.unresolved(&plan.bases())?;
        let (entries, errors) = self.resolver().resolve(&needed);
        let missing = needed.into_keys().filter(|name| !entries.contains_key(name)).collect();
        if !entries.is_empty() || self.are_carried(&plan.bases()) {
            self.lock.entries.extend(entries);
            self.save_lock()?;
        }
        Ok((plan.without(&missing), Failure::all(errors.into_iter().map(Failure::from))))
    }

    /// Resolves what these names need and the lock does not have. The lockfile is not written. Returns true if
    /// [`Session::save_lock`] has something to write.
    pub(in crate::commands) fn resolve_needed(&mut self, names: &BTreeSet<String>) -> Result<bool, Failure> {
        let manifest = self.manifest.clone();
        let mut needed = manifest.pins();
        needed.retain(|name, pin| names.contains(name) && !project::is_current(&self.lock, name, *pin));
        self.resolve(&needed)?;
        Ok(!needed.is_empty() || self.are_carried(names))
    }

    /// True if one of these entries has another name in the lockfile.
    fn are_carried(&self, names: &BTreeSet<String>) -> bool {
        self.carried.renames.keys().any(|name| names.contains(name))
    }

    /// The entries of these that would have to be resolved. Returns an error for each if that is forbidden.
    pub(in crate::commands) fn unresolved(&self, names: &BTreeSet<String>) -> Result<Pins<'_>, Failure> {
        let mut needed = self.manifest.pins();
        needed.retain(|name, pin| names.contains(name) && !project::is_current(&self.lock, name, *pin));
        self.may_change(&needed)?;
        Ok(needed)
    }

    /// Resolves every base of the manifest that the lock lacks, and those in `again` even if they are current. Entries
    /// of other bases are removed. The file is not written: [`Session::save_lock`] does that.
    pub(in crate::commands) fn lock_all(&mut self, again: &BTreeSet<String>) -> Result<(), Failure> {
        let manifest = self.manifest.clone();
        let mut pins = manifest.pins();
        let differences = project::differences(&manifest, &self.lock);
        let gone = differences.into_iter().filter(|difference| difference.drift == Drift::Gone);
        let gone: BTreeSet<String> = gone.map(|difference| difference.name).collect();
        if self.locked && !gone.is_empty() {
            let gone: Vec<String> = gone.into_iter().collect();
            let message = format!("`{LOCK_NAME}` pins `{}`, which `oci.toml` no longer has", gone.join("`, `"));
            return Err(StaleError { message }.into());
        }
        pins.retain(|name, pin| again.contains(name) || !project::is_current(&self.lock, name, *pin));
        self.resolve(&pins)?;
        self.lock.entries.retain(|name, _| !gone.contains(name));
        Ok(())
    }

    /// The lock as the file has it, before anything is resolved.
    pub(in crate::commands) fn lock_as_read(&self) -> Lock {
        match self.carried.renames.is_empty() {
            true => self.lock.clone(),
            false => self.carried.before.clone(),
        }
    }

    /// Writes the lockfile, if it differs, and says what was carried over to new names. On `Ok` it is on disk.
    pub(in crate::commands) fn save_lock(&self) -> Result<(), Failure> {
        for (name, was) in &self.carried.renames {
            self.reporter.note(&format!("{LOCK_NAME}: the pin of `{was}` is carried over to `{name}`, its new name"));
        }
        Ok(self.lock.save(&self.lock_path)?)
    }

    /// Returns an error if a flag forbids a command that always asks registries what these pins are now. Layouts on the
    /// disk may be looked into.
    pub(in crate::commands) fn may_ask(&self, command: &'static str, pins: &Pins<'_>) -> Result<(), Failure> {
        let only_layouts = !pins.is_empty() && pins.values().all(|(base, _)| base.origin.repository().is_none());
        let flag = match (self.locked, self.offline) {
            (_, true) if !only_layouts => "--offline",
            (true, _) => "--locked",
            (false, _) => return Ok(()),
        };
        let help = format!("leave `{flag}` out; whether `oci.lock` is current is told by `oci lock --check`");
        Err(invalid(ForbiddenError { command, flag, help }))
    }

    /// Returns an error if a flag forbids to push: a registry is asked for each image.
    pub(in crate::commands) fn may_publish(&self) -> Result<(), Failure> {
        if !self.offline {
            return Ok(());
        }
        let help =
            "nothing was published: leave `--offline` or `--frozen` out, or build alone with `oci build`".to_owned();
        Err(invalid(ForbiddenError { command: "oci publish", flag: "--offline", help }))
    }

    /// Returns an error for each of these entries if a flag forbids to ask registries, or to change entries. Layouts on
    /// the disk may be looked into.
    fn may_change(&self, pins: &Pins<'_>) -> Result<(), Failure> {
        if !self.locked && !self.offline {
            return Ok(());
        }
        let flag = if self.locked { "`--locked` forbids to change it" } else { "`--offline` forbids to ask" };
        let mut differences = project::differences(&self.manifest, &self.lock);
        differences.retain(|difference| {
            let pin = pins.get(&difference.name);
            pin.is_some_and(|(base, _)| self.locked || base.origin.repository().is_some())
        });
        let problems = differences.iter().filter_map(|difference| {
            let problem = Problem::new("oci::lock::stale", format!("{difference}, and {flag}"), difference.place?, "");
            Some(problem.help("run `oci lock`, and commit `oci.lock`".to_owned()))
        });
        Failure::all(problems.map(Failure::from)).map_or(Ok(()), Err)
    }

    /// Asks registries and layouts about these pins, and takes the answers into the lock.
    fn resolve(&mut self, pins: &Pins<'_>) -> Result<(), Failure> {
        self.may_change(pins)?;
        let (entries, errors) = self.resolver().resolve(pins);
        match Failure::all(errors.into_iter().map(Failure::from)) {
            Some(failure) => Err(failure),
            None => {
                self.lock.entries.extend(entries);
                Ok(())
            }
        }
    }
}
