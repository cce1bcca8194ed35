//! Calls that are made again, because what went wrong may pass: skopeo's own retries cover less than half
//! of it.
//!
//! The waits grow, there is a limit to the tries and one to the time of all of them, and whoever waits is
//! told before each. What will not pass is told at once: no access, nothing there, a bad certificate,
//! bytes that are not those of their digest.

use std::fmt;
use std::time::{Duration, Instant};

use crate::tools::Cause;
use crate::tools::error::ToolError;
use crate::tools::process::{self, seconds};

/// How often a call is made at most.
const TRIES: u32 = 5;
/// The same where nobody listens or no way leads: it is seldom otherwise a moment later.
const TRIES_OF_ABSENT: u32 = 3;
/// Before the second try; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// No try begins later than this after the first.
const LIMIT: Duration = Duration::from_secs(60);

/// Whoever is told of tries to come.
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

/// Makes the call until it succeeds, or fails for good. An interrupt ends a wait at once, with the last
/// error.
pub(super) fn persist<T>(on_retry: &OnRetry, mut call: impl FnMut() -> Result<T, ToolError>) -> Result<T, ToolError> {
    let started = Instant::now();
    let mut wait = FIRST_WAIT;
    let mut tried = 1;
    loop {
        let error = match call() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let tries = error.cause().map_or(1, tries);
        if tried >= tries || started.elapsed() + wait > LIMIT {
            return Err(error.after(tried));
        }
        on_retry(&Retry { error: &error, wait, next: tried + 1, tries });
        if process::wait(wait).is_err() {
            return Err(error.after(tried));
        }
        wait *= 2;
        tried += 1;
    }
}

/// How often a call is made that fails for this cause.
fn tries(cause: &Cause) -> u32 {
    match cause {
        Cause::Refused { .. } | Cause::Unreachable => TRIES_OF_ABSENT,
        cause if cause.is_transient() => TRIES,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::{Reference, Repository, Tag};
    use crate::tools::{Invocation, Subject, Task};

    fn error(cause: Cause) -> ToolError {
        let repository = Repository::parse("registry.example.com/app").unwrap();
        let subject = Subject::Image(Reference::Tag(repository, Tag::parse("v1").unwrap()));
        let task = Task { tool: "skopeo", stage: "resolve", subject, logs: Path::new("/nonexistent") };
        ToolError::untrue(&task, &Invocation::new("skopeo"), cause, "it is a test".to_owned())
    }

    /// Fails with these causes in turn, then succeeds: how often it was called, how it ended, what was told.
    fn persist_through(causes: &[Cause]) -> (usize, Result<(), ToolError>, Vec<String>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&told);
        let on_retry: OnRetry = Box::new(move |retry| lines.lock().unwrap().push(retry.to_string()));
        let calls = Cell::new(0);
        let result = persist(&on_retry, || {
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
}
