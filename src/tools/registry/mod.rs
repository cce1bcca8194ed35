//! Small questions to a registry, asked in process: starting skopeo for each would take longer than the answer.
//!
//! This is a shortcut for plain answers: a document whose bytes have the right digest, or a registry that says that a
//! tag still stands for the known digest. Anything else (a refusal, a certificate that is not accepted, settings or
//! credentials that are not understood here) counts as no answer. skopeo, which reads the same files and gets the same
//! flags, then asks again, decides and explains. Only three things are errors here: a fault that may pass, which counts
//! as the first of skopeo's tries, so that a registry in trouble is not asked twice as often; credentials that would go
//! to a token server which nothing vouches for; and an answer of a registry that skopeo cannot show.
//!
//! The second use is what registries and engines do, and skopeo does not: an index that was refused is put again
//! ([`Client::put_index`]), and layers of types that skopeo does not take are downloaded ([`Client::blob`]).
//!
//! ```text
//! Client ── a Host for each registry ── ureq::Agent      connections that are kept (connection)
//!                   └── a Session for each repository    the login that the registry gets (authorization, credentials)
//! ```
//!
//! Each question is asked on a thread of its own, so that the waiting thread notices an interrupt and the time limit.

mod authorization;
mod connection;
pub(super) mod credentials;
mod host;
mod request;
mod token_server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::document::media_type;
use crate::model::{Descriptor, Digest, Document, Reference, RegistryMirror, Repository};
use crate::process::{TICK, signal};
use crate::tools::{Cause, transcript};
use connection::Trouble;
use credentials::Places;
pub(super) use credentials::refuse_endless;
pub(crate) use credentials::{Known as KnownCredentials, known as known_credentials, learn as learn_credentials};
use host::{Host, Reply};
use request::{Kind, Method, Request};

/// How long a shortcut may take. A registry that is slower is not broken, but a shortcut saves no time there.
const LIMIT: Duration = Duration::from_secs(10);

/// How much of a registry's message is shown, in bytes.
const LONGEST_WORDS: usize = 1000;

/// How a registry is to be talked to; paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Plain HTTP and any certificate are accepted. For loopback addresses they always are.
    pub(crate) insecure: bool,
    /// It is insecure because a project says so, and the user's own settings do not: no credentials are sent, unless
    /// the registry is on this machine.
    pub(crate) withholds_credentials: bool,
    /// Send no credentials.
    pub(crate) anonymous: bool,
    /// A folder with the certificate authority's `ca.crt`.
    pub(crate) certificates: Option<PathBuf>,
    /// The file with the credentials, instead of where skopeo looks by itself.
    pub(crate) credentials: Option<PathBuf>,
    /// The mirrors, which are asked first, in this order; each by its own registry's settings.
    pub(crate) mirrors: Vec<RegistryMirror>,
}

/// The answer to a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What was asked for, verified.
    Bytes(Vec<u8>),
    /// The registry could not answer now, and may a moment later. The text says what it did.
    Fault(Cause, String),
    /// skopeo must not be asked either, for this reason.
    Refused(Cause),
    /// The answer is not plain: skopeo has to ask.
    Unclear,
}

/// Asks registries. Any number of threads may use it at once; connections are kept and shared.
#[derive(Debug)]
pub(crate) struct Client {
    limit: Duration,
    /// The registries, as `host[:port]`, of which the user says that they need no certificate.
    insecure: Arc<BTreeSet<String>>,
    /// The hosts, by registry and by whether credentials stay out of it.
    hosts: Mutex<BTreeMap<(String, bool), Arc<Host>>>,
}

impl Client {
    /// `limit` is how long a registry may be silent, if that is less than it may be anyway; `insecure` has the
    /// registries, as `host[:port]`, of which the user says that they need no certificate.
    pub(crate) fn new(limit: Option<Duration>, insecure: BTreeSet<String>) -> Self {
        let limit = limit.map_or(LIMIT, |limit| limit.min(LIMIT));
        Self { limit, insecure: Arc::new(insecure), hosts: Mutex::default() }
    }

    /// The exact bytes of the manifest or index (OCI distribution spec, "Pulling manifests"). For a digest, the bytes
    /// have it. For a tag, they have the digest that the registry states, if it states one, and are a document.
    pub(crate) fn manifest(&self, reference: &Reference, access: &Access) -> Answer {
        let wanted = match reference {
            Reference::Tag(..) => None,
            Reference::Digest(_, digest) => Some(*digest),
        };
        self.get(Kind::Manifest, reference, access, move |reply| {
            let found = Digest::of(&reply.bytes);
            let is_as_said = reply.digest.as_ref().is_none_or(|said| *said == found.to_string());
            is_as_said && wanted.is_none_or(|wanted| wanted == found) && Document::parse(&reply.bytes).is_ok()
        })
    }

    /// The exact bytes of the config, which have its digest ("Pulling blobs").
    pub(crate) fn config(&self, repository: &Repository, digest: &Digest, access: &Access) -> Answer {
        let wanted = *digest;
        let reference = Reference::Digest(repository.clone(), wanted);
        self.get(Kind::Blob, &reference, access, move |reply| Digest::of(&reply.bytes) == wanted)
    }

    /// True if the registry plainly says that the tag stands for this digest. Nothing of it is downloaded.
    pub(crate) fn is(&self, reference: &Reference, digest: &Digest, access: &Access) -> bool {
        let request = Request::new(Method::Head, Kind::Manifest, reference);
        let reply = self.ask(reference.repository(), access, move |host| host.send(&request));
        reply.is_some_and(|reply| {
            reply.is_ok_and(|reply| reply.status == 200 && reply.digest.as_deref() == Some(&*digest.to_string()))
        })
    }

    /// Downloads a blob into a new file, which is then as long as its descriptor says. Its digest is not verified. The
    /// error is `None` where there is no plain answer.
    pub(crate) fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        to: &Path,
        access: &Access,
    ) -> Result<(), Option<Cause>> {
        let reference = Reference::Digest(repository.clone(), blob.digest);
        let host = self.host(repository, access);
        let (size, to) = (blob.size, to.to_owned());
        let (sender, receiver) = mpsc::sync_channel(1);
        let download = move || drop(sender.send(host.download(&reference, size, &to)));
        thread::Builder::new().spawn(download).map_err(|_| None)?;
        while signal::pending().is_none() {
            match receiver.recv_timeout(TICK) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Trouble::TooMuch)) => return Err(Some(Cause::TooMuch { layer: Some((blob.digest, size)) })),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Err(Some(Cause::Interrupted))
    }

    /// Puts an index under a tag or its digest. Everything that the index names has to be there. `None` means that there
    /// is no plain answer. An error has its cause, and the registry's own words.
    pub(crate) fn put_index(
        &self,
        reference: &Reference,
        bytes: &[u8],
        access: &Access,
    ) -> Option<Result<(), (Cause, String)>> {
        let request = Request::put(reference, media_type::INDEX, bytes);
        let asked = request.to_string();
        let cause = match self.ask(reference.repository(), access, move |host| host.send(&request))? {
            Ok(reply) if matches!(reply.status, 200..300) => return Some(Ok(())),
            Ok(reply) => {
                let words = transcript::clean(&reply.bytes[..reply.bytes.len().min(LONGEST_WORDS)]);
                let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
                let said = format!("it answered `{asked}` with HTTP status {}: {words}", reply.status);
                let cause = match reply.status {
                    401 => Cause::Unauthorised,
                    403 => Cause::Forbidden,
                    404 => Cause::NoSuchRepository,
                    429 => Cause::RateLimited,
                    status @ 500.. => Cause::ServerError { status },
                    _ => Cause::Failed,
                };
                (cause, said)
            }
            Err(Trouble::Reset) => (Cause::Reset, format!("it ended the connection on which it was asked `{asked}`")),
            Err(Trouble::TokenServer(realm)) => (Cause::TokenServer { realm }, format!("it was asked `{asked}`")),
            Err(Trouble::Stranger) => (Cause::Unauthorised, format!("it was asked `{asked}`")),
            Err(Trouble::TooMuch | Trouble::Unclear) => return None,
        };
        Some(Err(cause))
    }

    /// Returns a reason if skopeo must not be run with this access: it would send credentials where they may not go. If
    /// there are no credentials, the registry is not asked.
    pub(crate) fn refusal(&self, repository: &Repository, access: &Access) -> Option<Cause> {
        if access.anonymous {
            return None;
        }
        let places = Places::of_environment(access.credentials.as_deref());
        if matches!(places.find(repository.registry(), repository.path()), Ok(None)) {
            return None;
        }
        let answer = self.ask(repository, access, Host::refused_realm)?;
        answer.ok().flatten().map(|realm| Cause::TokenServer { realm })
    }

    fn get(
        &self,
        kind: Kind,
        reference: &Reference,
        access: &Access,
        is_right: impl FnOnce(&Reply) -> bool + Send + 'static,
    ) -> Answer {
        let request = Request::new(Method::Get, kind, reference);
        let asked = request.to_string();
        let reply = self.ask(reference.repository(), access, move |host| host.send(&request));
        match reply {
            Some(Ok(reply)) if reply.status == 200 && is_right(&reply) => Answer::Bytes(reply.bytes),
            Some(Ok(reply)) => {
                let said = format!("it answered `{asked}` with HTTP status {}", reply.status);
                fault(reply.status).map_or(Answer::Unclear, |cause| Answer::Fault(cause, said))
            }
            Some(Err(Trouble::Reset)) => {
                Answer::Fault(Cause::Reset, format!("it ended the connection on which it was asked `{asked}`"))
            }
            Some(Err(Trouble::TokenServer(realm))) => Answer::Refused(Cause::TokenServer { realm }),
            Some(Err(Trouble::Stranger | Trouble::TooMuch | Trouble::Unclear)) | None => Answer::Unclear,
        }
    }

    /// Asks on a thread, and waits for the answer until the limit, or until an interrupt.
    fn ask<T: Send + 'static>(
        &self,
        repository: &Repository,
        access: &Access,
        question: impl FnOnce(&Host) -> Result<T, Trouble> + Send + 'static,
    ) -> Option<Result<T, Trouble>> {
        let host = self.host(repository, access);
        if host.is_lost() {
            return None;
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let asked = Arc::clone(&host);
        // If no thread can be started, fall back to skopeo.
        thread::Builder::new().spawn(move || drop(sender.send(question(&asked)))).ok()?;
        let started = Instant::now();
        while signal::pending().is_none() && started.elapsed() < self.limit {
            match receiver.recv_timeout(TICK) {
                Ok(answer) => {
                    // A registry that could not be talked to at all is not tried again.
                    if matches!(answer, Err(Trouble::Unclear)) {
                        host.lose();
                    }
                    return Some(answer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        host.lose();
        None
    }

    fn host(&self, repository: &Repository, access: &Access) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts
            .entry((repository.registry().to_owned(), access.anonymous))
            .or_insert_with(|| Arc::new(Host::new(repository, access.clone(), Arc::clone(&self.insecure), self.limit)));
        Arc::clone(host)
    }
}

/// What a status says about a registry that may answer better a moment later.
fn fault(status: u16) -> Option<Cause> {
    let cause = match status {
        429 => Cause::RateLimited,
        500.. => Cause::ServerError { status },
        _ => return None,
    };
    cause.is_transient().then_some(cause)
}
