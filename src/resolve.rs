//! What a tag or digest in a registry is, as an entry of the lockfile.
//!
//! skopeo serves the bytes; they are hashed here, parsed here, and kept in the store, so that a build
//! does not ask for them again.

use std::collections::BTreeMap;

use crate::lock::Entry;
use crate::manifest::{Base, Pin};
use crate::model::config::ConfigError;
use crate::model::document::DocumentError;
use crate::model::{Digest, Document, ImageConfig, Reference};
use crate::parallel;
use crate::report::{Reporter, Stage};
use crate::source::At;
use crate::store::Store;
use crate::tools::skopeo::{Access, Skopeo};
use crate::tools::{Cause, ToolError};

/// How many questions are asked at once.
const LIMIT: usize = 8;

/// Why a base could not be resolved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum ResolveError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::fs::FileError),
    #[error("`{reference}` is no image")]
    #[diagnostic(
        code(oci::resolve::not_an_image),
        help("look at what the registry has there: `skopeo inspect --raw docker://{reference}`")
    )]
    Document { reference: String, source: DocumentError },
    #[error("`{reference}` has no configuration that can be read")]
    #[diagnostic(
        code(oci::resolve::not_an_image),
        help("look at what the registry has there: `skopeo inspect --config --raw docker://{reference}`")
    )]
    Config { reference: String, source: ConfigError },
    #[error("`{reference}` names no platform that it is for")]
    #[diagnostic(
        code(oci::resolve::no_platform),
        help("if it is an index, pin one of the images in it by its own digest")
    )]
    NoPlatform { reference: String },
}

impl ResolveError {
    /// True if the tag or digest is to blame; else it is the registry or repository.
    fn is_about_reference(&self) -> bool {
        match self {
            Self::Tool(error) => error.cause().is_some_and(Cause::is_about_reference),
            _ => true,
        }
    }
}

/// What resolves, and remembers.
pub(crate) struct Resolver<'a> {
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) store: &'a Store,
    pub(crate) reporter: &'a dyn Reporter,
}

/// A pin with its name in the lockfile.
pub(crate) type Named<'a> = (String, &'a Base, &'a Pin);

impl Resolver<'_> {
    /// Resolves pins, several at a time; those that ask for the same image are asked for once.
    pub(crate) fn resolve(&self, pins: &[Named<'_>]) -> (BTreeMap<String, Entry>, Vec<At<ResolveError>>) {
        let mut questions: BTreeMap<(Reference, bool), Vec<&Named<'_>>> = BTreeMap::new();
        for pin in pins {
            questions.entry((reference(pin.1, pin.2), pin.1.anonymous)).or_default().push(pin);
        }
        let questions: Vec<_> = questions.into_iter().collect();
        let answers = parallel::map(&questions, LIMIT, |((reference, anonymous), pins)| {
            let names: Vec<&str> = pins.iter().map(|(name, ..)| name.as_str()).collect();
            let activity = self.reporter.begin(Stage::Resolve, names.join(", "));
            let access = Access { anonymous: *anonymous, ..Access::default() };
            let answer = self.ask(reference, &access);
            if answer.is_ok() {
                activity.done();
            }
            answer
        });
        let mut entries = BTreeMap::new();
        let mut errors = Vec::new();
        for ((_, pins), answer) in questions.into_iter().zip(answers) {
            match answer {
                Ok(answer) => entries.extend(pins.into_iter().map(|(name, base, pin)| {
                    let entry = Entry {
                        repository: base.repository.value.clone(),
                        tag: pin.tag.clone(),
                        digest: answer.digest,
                        media_type: answer.media_type.clone(),
                        platforms: answer.platforms.clone(),
                    };
                    (name.clone(), entry)
                })),
                Err(error) => {
                    if let Some((_, base, pin)) = pins.first() {
                        let place = if error.is_about_reference() { &pin.place } else { &base.repository.place };
                        errors.push(At::new(error, place, ""));
                    }
                }
            }
        }
        (entries, errors)
    }

    fn ask(&self, reference: &Reference, access: &Access) -> Result<Answer, ResolveError> {
        let bytes = self.skopeo.inspect_raw(reference, access)?;
        let shown = || reference.to_string();
        let document =
            Document::parse(&bytes).map_err(|source| ResolveError::Document { reference: shown(), source })?;
        let digest = self.store.put(&bytes)?;
        let platforms = match &document {
            Document::Index(index) => index.platforms(),
            Document::Manifest(manifest) => {
                let config =
                    self.skopeo.inspect_config(reference.repository(), &digest, &manifest.config.digest, access)?;
                let parsed = ImageConfig::parse(&config)
                    .map_err(|source| ResolveError::Config { reference: shown(), source })?;
                self.store.put(&config)?;
                Some(parsed.platform())
                    .filter(|platform| !platform.is_unknown())
                    .map(|platform| (platform, digest))
                    .into_iter()
                    .collect()
            }
        };
        if platforms.is_empty() {
            return Err(ResolveError::NoPlatform { reference: shown() });
        }
        Ok(Answer { digest, media_type: document.media_type().to_owned(), platforms })
    }
}

struct Answer {
    digest: Digest,
    media_type: String,
    platforms: BTreeMap<crate::model::Platform, Digest>,
}

/// A pinned digest is asked for as such, whatever tag it once had.
fn reference(base: &Base, pin: &Pin) -> Reference {
    let repository = base.repository.value.clone();
    match (&pin.digest, &pin.tag) {
        (Some(digest), _) => Reference::Digest(repository, *digest),
        (None, Some(tag)) => Reference::Tag(repository, tag.clone()),
        (None, None) => unreachable!("the manifest's validation asks for one of them"),
    }
}
