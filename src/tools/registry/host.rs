//! One registry: how it is reached, the logins that it gets, and the exchange of one request.
//!
//! The first question finds out whether the registry works at all, and whether an insecure one speaks TLS; other
//! questions wait for that. If a repository asks for credentials, the first question to it brings them, and other
//! questions to the repository wait for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, header};

use super::Access;
use super::authorization::{self, Challenge};
use super::connection::{self, Trouble};
use super::credentials::{Basic, Places};
use super::request::{Kind, Method, Request};
use super::token_server;
use crate::fs;
use crate::model::document::media_type;
use crate::model::{Reference, Repository};

/// The most bytes of a document: skopeo and the registries themselves have this limit, too.
const LARGEST_DOCUMENT: u64 = 4 << 20;
/// The fewest bytes a second of a blob's download. A slower one is given up.
const SLOWEST: u64 = 20_000;
const CONTENT_DIGEST: &str = "docker-content-digest";

/// What a registry answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The digest in the header of the answer.
    pub(super) digest: Option<String>,
    /// The body; empty if it was too long.
    pub(super) bytes: Vec<u8>,
    challenge: Option<Challenge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// The login for one repository of a registry.
#[derive(Clone, PartialEq, Eq, Default)]
enum Session {
    #[default]
    Stranger,
    /// The value of the header, which is a secret.
    Known(String),
    /// The registry did not accept the login.
    Refused,
}

type Sessions = BTreeMap<(String, &'static str), Arc<Mutex<Session>>>;

/// A registry.
pub(super) struct Host {
    /// One of the registry's repositories, for the questions that need one.
    repository: Repository,
    access: Access,
    /// The registries, as `host[:port]`, of which the user says that they need no certificate.
    insecure: Arc<BTreeSet<String>>,
    /// How long a request may take.
    limit: Duration,
    /// `None` if it is not known how skopeo would reach the registry.
    agent: OnceLock<Option<Agent>>,
    /// The first question holds this until it has found out how to reach the registry.
    scheme: Mutex<Option<Scheme>>,
    /// By repository and the actions that a token has to allow. A question holds a session while it brings credentials.
    sessions: Mutex<Sessions>,
    /// The token server that the registry names, if credentials may not go there. Unset until the registry was asked.
    refused_realm: OnceLock<Option<String>>,
    lost: AtomicBool,
}

/// Shows it without its secrets.
impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("registry", &self.repository.registry()).finish_non_exhaustive()
    }
}

impl Host {
    /// The registry of this repository. Nothing is read or asked yet.
    pub(super) fn new(
        repository: &Repository,
        access: Access,
        insecure: Arc<BTreeSet<String>>,
        limit: Duration,
    ) -> Self {
        Self {
            repository: repository.clone(),
            access,
            insecure,
            limit,
            agent: OnceLock::new(),
            scheme: Mutex::default(),
            sessions: Mutex::default(),
            refused_realm: OnceLock::new(),
            lost: AtomicBool::new(false),
        }
    }

    /// True if the registry is not to be asked any more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// The answer to a request, whatever its status.
    pub(super) fn send(&self, request: &Request) -> Result<Reply, Trouble> {
        let known = lock(&self.scheme);
        match *known {
            Some(scheme) => {
                drop(known);
                self.introduced(scheme, request)
            }
            None => self.find(request, known),
        }
    }

    /// Sends the first request. As skopeo does, an insecure registry is tried with TLS first.
    fn find(&self, request: &Request, mut known: MutexGuard<'_, Option<Scheme>>) -> Result<Reply, Trouble> {
        if self.is_lost() {
            return Err(Trouble::Unclear);
        }
        let (scheme, reply) = match self.introduced(Scheme::Https, request) {
            Err(_) if self.is_insecure() => (Scheme::Http, self.introduced(Scheme::Http, request)),
            reply => (Scheme::Https, reply),
        };
        match &reply {
            Ok(_) => *known = Some(scheme),
            Err(Trouble::Unclear) => self.lose(),
            Err(Trouble::Reset | Trouble::Stranger | Trouble::TokenServer(_) | Trouble::TooMuch) => {}
        }
        reply
    }

    /// Sends a request, with credentials if they are asked for.
    fn introduced(&self, scheme: Scheme, request: &Request) -> Result<Reply, Trouble> {
        let session =
            Arc::clone(lock(&self.sessions).entry((request.repository.clone(), request.actions())).or_default());
        let before = lock(&session).clone();
        if before == Session::Refused {
            return Err(Trouble::Stranger);
        }
        let reply = self.exchange(scheme, request, &before)?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let after = {
            let mut session = lock(&session);
            // Another question may have got the login meanwhile.
            if *session == before {
                *session = match &reply.challenge {
                    Some(challenge) => self.introduce(scheme, challenge, request)?,
                    None => Session::Refused,
                };
            }
            session.clone()
        };
        let reply = if after == Session::Refused { reply } else { self.exchange(scheme, request, &after)? };
        if reply.status == 401 {
            *lock(&session) = Session::Refused;
        }
        Ok(reply)
    }

    fn introduce(&self, scheme: Scheme, challenge: &Challenge, request: &Request) -> Result<Session, Trouble> {
        let repository = request.repository.as_str();
        let credentials = match self.access.anonymous {
            true => None,
            false => self.credentials(repository)?,
        };
        let header = match challenge {
            Challenge::Basic => credentials.map(Basic::into_header),
            Challenge::Bearer { realm, service } => {
                if credentials.is_some() && !self.may_have_credentials(realm, scheme) {
                    return Err(Trouble::TokenServer(realm.clone()));
                }
                let agent = self.agent()?;
                Some(authorization::token(
                    agent,
                    realm,
                    service.as_deref(),
                    (repository, request.actions()),
                    credentials,
                )?)
            }
        };
        Ok(header.map_or(Session::Refused, Session::Known))
    }

    fn credentials(&self, repository: &str) -> Result<Option<Basic>, Trouble> {
        let places = Places::of_environment(self.access.credentials.as_deref());
        places.find(self.repository.registry(), repository).map_err(|_| Trouble::Unclear)
    }

    /// True if the server that gives tokens may be sent credentials.
    fn may_have_credentials(&self, realm: &str, scheme: Scheme) -> bool {
        let is_verified = scheme == Scheme::Https && !self.is_insecure();
        token_server::may_have_credentials(realm, &self.repository, is_verified, &self.insecure)
    }

    /// The token server that the registry names, if credentials may not go there. skopeo would send them: it asks the
    /// registry in this way, too.
    pub(super) fn refused_realm(&self) -> Result<Option<String>, Trouble> {
        if let Some(known) = self.refused_realm.get() {
            return Ok(known.clone());
        }
        let known = *lock(&self.scheme);
        let ask = |scheme| (scheme, self.exchange(scheme, &Request::base(), &Session::Stranger));
        let (scheme, reply) = match known.map_or_else(|| ask(Scheme::Https), ask) {
            (_, Err(_)) if known.is_none() && self.is_insecure() => ask(Scheme::Http),
            answered => answered,
        };
        let refused = match reply?.challenge {
            Some(Challenge::Bearer { realm, .. }) if !self.may_have_credentials(&realm, scheme) => Some(realm),
            _ => None,
        };
        Ok(self.refused_realm.get_or_init(|| refused).clone())
    }

    fn is_insecure(&self) -> bool {
        self.access.insecure || self.repository.is_loopback()
    }

    fn agent(&self) -> Result<&Agent, Trouble> {
        let made = self.agent.get_or_init(|| connection::agent(&self.repository, &self.access, self.limit));
        made.as_ref().ok_or(Trouble::Unclear)
    }

    /// Downloads a blob into a file. On `Ok` the file is as long as its descriptor says. The caller has to verify its
    /// digest.
    pub(super) fn download(&self, reference: &Reference, size: u64, to: &Path) -> Result<(), Trouble> {
        // This question finds out how to reach the registry, and brings credentials if it asks for them.
        let head = Request::new(Method::Head, Kind::Blob, reference);
        if self.send(&head)?.status != 200 {
            return Err(Trouble::Unclear);
        }
        let scheme = (*lock(&self.scheme)).ok_or(Trouble::Unclear)?;
        let session = lock(&self.sessions).get(&(head.repository.clone(), head.actions())).cloned();
        let request = Request { method: Method::Get, ..head };
        let mut message = self.agent()?.get(self.url(scheme, &request));
        if let Some(Session::Known(secret)) = session.map(|session| lock(&session).clone()) {
            message = message.header(header::AUTHORIZATION, secret);
        }
        let limit = self.limit + Duration::from_secs(size / SLOWEST);
        let mut response = message.config().timeout_global(Some(limit)).build().call()?;
        if response.status() != 200 {
            return Err(Trouble::Unclear);
        }
        let file = fs::create_private(to).map_err(|_| Trouble::Unclear)?;
        let body = response.body_mut().with_config().limit(size.saturating_add(1)).reader();
        let copied = std::io::copy(&mut body.take(size.saturating_add(1)), &mut &file);
        match copied.map_err(|error| Trouble::from(ureq::Error::from(error)))? {
            length if length == size => Ok(()),
            length if length > size => Err(Trouble::TooMuch),
            _ => Err(Trouble::Reset),
        }
    }

    fn url(&self, scheme: Scheme, request: &Request) -> String {
        let scheme = match scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        format!("{scheme}://{}{}", connection::server(self.repository.registry()), request.path())
    }

    fn exchange(&self, scheme: Scheme, request: &Request, session: &Session) -> Result<Reply, Trouble> {
        let url = self.url(scheme, request);
        let agent = self.agent()?;
        let fit = |mut headers: ureq::http::request::Builder| {
            if request.kind == Kind::Manifest {
                headers = headers.header(header::ACCEPT, ACCEPTED.join(", "));
            }
            if let Session::Known(secret) = session {
                headers = headers.header(header::AUTHORIZATION, secret);
            }
            headers
        };
        let message = fit(ureq::http::Request::builder().uri(url));
        let mut response = match (request.method, &request.body) {
            (Method::Put, Some((media_type, bytes))) => {
                let message = message.method("PUT").header(header::CONTENT_TYPE, media_type);
                agent.run(message.body(bytes.as_slice()).map_err(|_| Trouble::Unclear)?)?
            }
            (method, _) => {
                let method = if method == Method::Head { "HEAD" } else { "GET" };
                agent.run(message.method(method).body(()).map_err(|_| Trouble::Unclear)?)?
            }
        };
        let bytes = match response.body_mut().with_config().limit(LARGEST_DOCUMENT).read_to_vec() {
            Err(ureq::Error::BodyExceedsLimit(_)) => Vec::new(),
            bytes => bytes?,
        };
        let headers = response.headers();
        Ok(Reply {
            status: response.status().as_u16(),
            digest: text(headers, CONTENT_DIGEST).map(str::to_owned),
            bytes,
            challenge: headers
                .get_all(header::WWW_AUTHENTICATE)
                .iter()
                .find_map(|value| Challenge::parse(value.to_str().ok()?)),
        })
    }
}

/// The media types that a registry may answer with. Without them it may convert the document, which changes its digest.
const ACCEPTED: [&str; 4] =
    [media_type::INDEX, media_type::MANIFEST, media_type::DOCKER_LIST, media_type::DOCKER_MANIFEST];

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
