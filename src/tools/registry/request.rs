//! The requests of the distribution spec that are made in process.

use std::fmt;

use crate::model::Reference;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Put,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The registry itself: whether it is one, and which login it wants.
    Base,
    Manifest,
    Blob,
}

/// One request of the distribution spec, as its first line says it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) kind: Kind,
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) name: String,
    /// The content to put, with its media type.
    pub(super) body: Option<(String, Vec<u8>)>,
}

impl Request {
    pub(super) fn new(method: Method, kind: Kind, reference: &Reference) -> Self {
        let name = match reference {
            Reference::Tag(_, tag) => tag.to_string(),
            Reference::Digest(_, digest) => digest.to_string(),
        };
        Self { method, kind, repository: reference.repository().path().to_owned(), name, body: None }
    }

    /// Puts a manifest or an index there (distribution spec, "Pushing Manifests").
    pub(super) fn put(reference: &Reference, media_type: &str, bytes: &[u8]) -> Self {
        let body = Some((media_type.to_owned(), bytes.to_vec()));
        Self { body, ..Self::new(Method::Put, Kind::Manifest, reference) }
    }

    /// What a token has to allow for this request.
    pub(super) fn actions(&self) -> &'static str {
        if self.method == Method::Put { "pull,push" } else { "pull" }
    }

    /// The question that skopeo begins with, too (distribution spec, "Determining Support").
    pub(super) fn base() -> Self {
        Self { method: Method::Get, kind: Kind::Base, repository: String::new(), name: String::new(), body: None }
    }

    pub(super) fn path(&self) -> String {
        let kind = match self.kind {
            Kind::Base => return "/v2/".to_owned(),
            Kind::Manifest => "manifests",
            Kind::Blob => "blobs",
        };
        format!("/v2/{}/{kind}/{}", self.repository, self.name)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Put => "PUT",
        };
        write!(formatter, "{method} {}", self.path())
    }
}
