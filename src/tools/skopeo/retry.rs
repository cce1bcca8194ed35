//! Makes calls again if what went wrong may pass. skopeo's own retries cover less than half of such failures.
//!
//! The waits grow, and there are limits to the number of tries and to their time. A note comes before each further try.
//! A failure that will not pass is reported at once: no access, nothing there, a bad certificate, bytes that do not
//! have their digest.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::process::{self, seconds};
use crate::tools::Cause;
use crate::tools::error::ToolError;

/// How often a call is made at most.
const TRIES: u32 = 5;
/// How often a call is made at most if nothing listens at the address, or no route leads there: that seldom changes in
/// a moment.
const TRIES_OF_ABSENT: u32 = 3;
/// How often a call is made at most if no answer comes, which takes long to find out, and if skopeo has already waited
/// as long as the registry asked it to.
const TRIES_OF_SLOW: u32 = 2;
/// The wait before the second try. It doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// No question is asked again later than this after the first time. Transfers may break off at any time,
/// and go on with what is missing.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Is called before each further try.
pub(crate) type OnRetry = Box<dyn Fn(&Retry<'_>) + Send + Sync>;

/// A call that failed, and is about to be made again.
#[derive(Debug)]
pub(crate) struct Retry<'a> {
    error: &'a ToolError,
    wait: Duration,
    /// The number of the next try.
    next: u32,
    tries: u32,
}

/// A line for people.
impl fmt::Display for Retry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, wait, next, tries } = self;
        write!(formatter, "{error}; trying again in {} (try {next} of {tries})", seconds(*wait))
    }
}

/// The registries at which all tries failed. Until such a registry answers again, each call to it is made once only, so
/// that a project with many bases in a broken registry does not wait for each of them.
#[derive(Default)]
pub(super) struct Patience {
    lost_with: Mutex<BTreeSet<String>>,
}

impl Patience {
    /// Makes the call to this registry until it succeeds, or fails for good; no try begins after `limit`.
    /// An interrupt ends a wait at once, with the last error.
    pub(super) fn persist<T>(
        &self,
        registry: &str,
        limit: Option<Duration>,
        on_retry: &OnRetry,
        mut call: impl FnMut() -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let started = Instant::now();
        let mut wait = FIRST_WAIT;
        let mut tried = 1;
        loop {
            let error = match call() {
                Ok(value) => {
                    self.lost_with().remove(registry);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let tries = error.cause().map_or(1, tries);
            if tries > 1 && (tried >= tries || limit.is_some_and(|limit| started.elapsed() + wait > limit)) {
                self.lost_with().insert(registry.to_owned());
            }
            if tries == 1 || self.lost_with().contains(registry) {
                return Err(error.after(tried).with_unread_login());
            }
            on_retry(&Retry { error: &error, wait, next: tried + 1, tries });
            if process::wait(wait).is_err() {
                return Err(error.after(tried));
            }
            wait *= 2;
            tried += 1;
        }
    }

    /// True if all tries failed at this registry, and it has not answered since.
    pub(super) fn is_lost(&self, registry: &str) -> bool {
        self.lost_with().contains(registry)
    }

    fn lost_with(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.lost_with.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a call is made that fails for this cause.
fn tries(cause: &Cause) -> u32 {
    match cause {
        Cause::Refused { .. } | Cause::Unreachable => TRIES_OF_ABSENT,
        Cause::TimedOut { .. } | Cause::Stalled { .. } | Cause::RateLimited => TRIES_OF_SLOW,
        cause if cause.is_transient() => TRIES,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::model::{Reference, Repository, Tag};
    use crate::process::Invocation;
    use crate::tools::{Subject, ToolTask};

    fn error(cause: Cause) -> ToolError {
        let repository = Repository::parse("registry.example.com/app").unwrap();
        let subject = Subject::Image(Reference::Tag(repository, Tag::parse("v1").unwrap()));
        let task = ToolTask { tool: "skopeo", stage: "resolve", subject, logs: Path::new("/nonexistent") };
        ToolError::untrue(&task, &Invocation::new("skopeo"), cause, "it is a test".to_owned())
    }

    /// Fails with these causes in turn, then succeeds: how often it was called, how it ended, what was told.
    fn persist_through(causes: &[Cause]) -> (usize, Result<(), ToolError>, Vec<String>) {
        call("registry.example.com", &Patience::default(), causes)
    }

    fn call(registry: &str, patience: &Patience, causes: &[Cause]) -> (usize, Result<(), ToolError>, Vec<String>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&told);
        let on_retry: OnRetry = Box::new(move |retry| lines.lock().unwrap().push(retry.to_string()));
        let calls = Cell::new(0);
        let result = patience.persist(registry, Some(LIMIT), &on_retry, || {
            let cause = causes.get(calls.replace(calls.get() + 1));
            cause.map_or(Ok(()), |cause| Err(error(cause.clone())))
        });
        let told = told.lock().unwrap().clone();
        (calls.get(), result, told)
    }

    #[test]
    fn what_passes_is_tried_again_and_told() {
        let started = Instant::now();
        let (calls, result, told) = persist_through(&[Cause::Reset, Cause::ServerError { status: 503 }]);
        assert!(result.is_ok());
        assert_eq!(calls, 3);
        assert_eq!(
            told,
            [
                "`registry.example.com` ended the connection before its answer was complete; \
                 trying again in 500 ms (try 2 of 5)",
                "`registry.example.com` failed with HTTP status 503; trying again in 1 s (try 3 of 5)",
            ]
        );
        assert!(started.elapsed() >= Duration::from_millis(1500));
    }

    #[test]
    fn what_stays_is_told_at_once() {
        let causes = [
            Cause::Unauthorised,
            Cause::Forbidden,
            Cause::Certificate,
            Cause::DigestNotFound,
            Cause::NoSuchRepository,
            Cause::DigestMismatch,
            Cause::ServerError { status: 501 },
            Cause::Failed,
        ];
        for cause in causes {
            let (calls, result, told) = persist_through(&[cause.clone(), cause.clone()]);
            assert_eq!((calls, result.unwrap_err().cause(), told.len()), (1, Some(&cause), 0));
        }
    }

    #[test]
    fn gives_up_and_says_how_often_it_was_tried() {
        let refused = || Cause::Refused { address: "127.0.0.1:1".to_owned() };
        let (calls, result, told) = persist_through(&[refused(), refused(), refused(), refused()]);
        assert_eq!((calls, told.len()), (3, 2));
        let shown = crate::diagnostic::rendered(&result.unwrap_err());
        assert!(shown.contains("it was tried 3 times"), "{shown}");
    }

    #[test]
    fn loses_patience_with_a_registry_until_it_answers() {
        let refused = || Cause::Refused { address: "127.0.0.1:1".to_owned() };
        let broken = [refused(), refused(), refused(), refused()];
        let patience = Patience::default();
        let tries = |registry: &str, causes: &[Cause]| call(registry, &patience, causes).0;
        assert_eq!(tries("a.example.com", &broken), 3);
        assert_eq!(tries("a.example.com", &broken), 1);
        assert_eq!(tries("b.example.com", &[refused()]), 2);
        assert_eq!(tries("a.example.com", &[]), 1);
        assert_eq!(tries("a.example.com", &[refused()]), 2);
        // A fault that no further try could change says nothing about the registry.
        assert_eq!(tries("a.example.com", &[Cause::Forbidden]), 1);
        assert_eq!(tries("a.example.com", &[refused()]), 2);
    }
}
