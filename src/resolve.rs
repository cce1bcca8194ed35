//! Resolves a tag or digest in a registry, or an image in a layout, to an entry of the lockfile.
//!
//! The registry sends the documents, unless it only has to confirm that a tag still stands for a document in the store.
//! Documents are hashed, parsed and kept in the store, so that a build does not fetch them again. Layouts are read in
//! process, by [`layout`](crate::layout).

use std::collections::BTreeMap;
use std::path::Path;

use crate::layout::{Layout, LayoutError, Pinned};
use crate::lock::{Lock, LockEntry};
use crate::manifest::{Base, Pin};
use crate::model::config::ConfigError;
use crate::model::document::DocumentError;
use crate::model::{Digest, Document, ImageManifest, Origin, Reference};
use crate::report::{Reporter, WorkKind};
use crate::source::At;
use crate::store::Store;
use crate::tools::skopeo::{Access, Skopeo};
use crate::tools::{Cause, ToolError};
use crate::{image, parallel};

/// How many questions a registry is asked at once, and so how many connections to it are open. If an answer takes 50
/// ms, 100 tags take seven answers' time; with twice as many connections they would take four.
const LIMIT: usize = 16;
/// How many registries are asked at once.
const REGISTRIES: usize = 8;

/// Why a base could not be resolved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum ResolveError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::fs::FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layout(#[from] LayoutError),
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
    #[diagnostic(code(oci::resolve::no_platform))]
    NoPlatform {
        reference: String,
        #[help]
        help: String,
    },
}

/// Resolves pins with what it may ask and where it keeps the documents.
pub(crate) struct Resolver<'a> {
    pub(crate) skopeo: &'a Skopeo,
    pub(crate) store: &'a Store,
    pub(crate) reporter: &'a dyn Reporter,
    /// The manifest's folder. Paths of layouts are relative to it.
    pub(crate) folder: &'a Path,
    /// The lockfile as it was before the command.
    pub(crate) lock: &'a Lock,
}

/// Pins by their name in the lockfile.
pub(crate) type Pins<'a> = BTreeMap<String, (&'a Base, &'a Pin)>;

/// A question to a registry.
struct Question<'a> {
    reference: &'a Reference,
    access: Access,
    /// The entry that was pinned for this tag before.
    known: Option<Digest>,
}

impl Resolver<'_> {
    /// The command that asks what a pin stands for.
    pub(crate) fn command(&self, (base, pin): (&Base, &Pin)) -> Option<String> {
        let reference = pinned(base, pin)?;
        let access = self.skopeo.access(reference.repository(), base.anonymous);
        let (reference, access) = self.skopeo.first(&reference, &access);
        Some(self.skopeo.planned(&self.skopeo.inspect_raw_command(&reference, &access)))
    }

    /// The entry of every pin, and an error for each pin that has none.
    pub(crate) fn resolve(&self, pins: &Pins<'_>) -> (BTreeMap<String, LockEntry>, Vec<At<ResolveError>>) {
        let (mut answers, mut errors) = self.ask_all(pins, pinned, |question: &Question<'_>| self.ask(question));
        let look = |layout: &Layout, pin: &Pin| layout.pin(pin.digest.as_ref(), self.store);
        self.look_at_all(pins, look, (&mut answers, &mut errors));
        let entries = answers.into_iter().filter_map(|(name, answer)| {
            let (base, pin) = pins.get(&name)?;
            let entry = LockEntry {
                origin: base.origin.value.clone(),
                tag: pin.tag.clone(),
                digest: answer.digest,
                media_type: answer.media_type,
                platforms: answer.platforms,
            };
            Some((name, entry))
        });
        (entries.collect(), errors)
    }

    /// What the tag or layout of every pin stands for now, even if a digest is pinned. Nothing is kept.
    pub(crate) fn current(&self, pins: &Pins<'_>) -> (BTreeMap<String, Digest>, Vec<At<ResolveError>>) {
        let tagged = |base: &Base, pin: &Pin| Some(Reference::Tag(base.origin.repository()?.clone(), pin.tag.clone()?));
        let ask = |question: &Question<'_>| match question.known.filter(|digest| self.stands_for(question, digest)) {
            Some(digest) => Ok(digest),
            None => Ok(Digest::of(&self.skopeo.inspect_raw(question.reference, &question.access)?)),
        };
        let (mut current, mut errors) = self.ask_all(pins, tagged, ask);
        self.look_at_all(pins, |layout, _| layout.choose(None), (&mut current, &mut errors));
        (current, errors)
    }

    /// Looks into the layout of every pin that has one.
    fn look_at_all<T>(
        &self,
        pins: &Pins<'_>,
        look: impl Fn(&Layout, &Pin) -> Result<T, LayoutError>,
        (found, errors): (&mut BTreeMap<String, T>, &mut Vec<At<ResolveError>>),
    ) {
        for (name, (base, pin)) in pins {
            let Origin::Layout(path) = &base.origin.value else { continue };
            match Layout::open(path, self.folder).and_then(|layout| look(&layout, pin)) {
                Ok(answer) => drop(found.insert(name.clone(), answer)),
                Err(error) => errors.push(At::new(error.into(), &pin.place, "")),
            }
        }
    }

    /// Asks about every pin, several at a time. Pins of one image share a question.
    fn ask_all<T: Clone + Send>(
        &self,
        pins: &Pins<'_>,
        reference: impl Fn(&Base, &Pin) -> Option<Reference>,
        ask: impl Fn(&Question<'_>) -> Result<T, ResolveError> + Sync,
    ) -> (BTreeMap<String, T>, Vec<At<ResolveError>>) {
        let mut registries: BTreeMap<String, BTreeMap<(Reference, bool), Vec<&str>>> = BTreeMap::new();
        for (name, (base, pin)) in pins {
            if let Some(reference) = reference(base, pin) {
                let questions = registries.entry(reference.repository().registry().to_owned()).or_default();
                questions.entry((reference, base.anonymous)).or_default().push(name);
            }
        }
        let registries: Vec<Vec<_>> =
            registries.into_values().map(|questions| questions.into_iter().collect()).collect();
        let answers = parallel::map(&registries, REGISTRIES, |questions| {
            parallel::map(questions, LIMIT, |((reference, anonymous), names)| {
                let activity = self.reporter.begin(WorkKind::Resolve, names.join(", "));
                let access = self.skopeo.access(reference.repository(), *anonymous);
                let mut entries = names.iter().filter_map(|name| self.lock.entries.get(*name));
                let known = entries.find(|entry| is_of(entry, reference)).map(|entry| entry.digest);
                let answer = ask(&Question { reference, access, known })?;
                activity.done();
                Ok(answer)
            })
        });
        let mut found = BTreeMap::new();
        let mut errors = Vec::new();
        for ((_, names), answer) in registries.iter().flatten().zip(answers.into_iter().flatten()) {
            match answer {
                Ok(answer) => found.extend(names.iter().map(|name| ((*name).to_owned(), T::clone(&answer)))),
                Err(error) => {
                    if let Some((base, pin)) = names.first().and_then(|name| pins.get(*name)) {
                        let place = if is_about_reference(&error) { &pin.place } else { &base.origin.place };
                        errors.push(At::new(error, place, ""));
                    }
                }
            }
        }
        (found, errors)
    }

    /// True if the registry confirms that the tag still stands for this digest.
    fn stands_for(&self, question: &Question<'_>, digest: &Digest) -> bool {
        self.skopeo.stands_for(question.reference, digest, &question.access)
    }

    /// The document that the tag stood for, if the store has it and the registry confirms that the tag still stands for
    /// it.
    fn kept(&self, question: &Question<'_>) -> Result<Option<Vec<u8>>, ResolveError> {
        let Some(digest) = question.known else { return Ok(None) };
        let kept = self.store.read(&digest)?;
        Ok(kept.filter(|_| self.stands_for(question, &digest)))
    }

    fn ask(&self, question: &Question<'_>) -> Result<Pinned, ResolveError> {
        let Question { reference, access, .. } = question;
        let bytes = match self.kept(question)? {
            Some(bytes) => bytes,
            None => self.skopeo.inspect_raw(reference, access)?,
        };
        let shown = || reference.to_string();
        let document =
            Document::parse(&bytes).map_err(|source| ResolveError::Document { reference: shown(), source })?;
        let digest = self.store.put(&bytes)?;
        let platforms = image::platforms(&document, digest, &Asked { resolver: self, question })?;
        if platforms.is_empty() {
            let help = no_platform_help(&document, &shown());
            return Err(ResolveError::NoPlatform { reference: shown(), help });
        }
        Ok(Pinned { digest, media_type: document.media_type().to_owned(), platforms })
    }
}

/// The help for an image that does not name its platform.
fn no_platform_help(document: &Document, reference: &str) -> String {
    match document {
        Document::Index(_) => format!("look at what is in the index: `skopeo inspect --raw docker://{reference}`"),
        Document::Manifest(_) => format!(
            "its configuration has no `os` and `architecture`: give it an index that says so, with `docker manifest create \
             INDEX {reference}`, `docker manifest annotate --os linux --arch amd64 INDEX {reference}` and `docker manifest \
             push INDEX`"
        ),
    }
}

/// The documents of an image that is resolved. Each document that is read is also stored.
struct Asked<'a> {
    resolver: &'a Resolver<'a>,
    question: &'a Question<'a>,
}

impl Asked<'_> {
    /// A document from the store. If it is missing there, it is fetched.
    fn document(
        &self,
        digest: &Digest,
        ask: impl FnOnce(&Reference) -> Result<Vec<u8>, ToolError>,
    ) -> Result<Vec<u8>, ResolveError> {
        if let Some(kept) = self.resolver.store.read(digest)? {
            return Ok(kept);
        }
        let bytes = ask(&Reference::Digest(self.question.reference.repository().clone(), *digest))?;
        self.resolver.store.put(&bytes)?;
        Ok(bytes)
    }
}

impl image::Documents for Asked<'_> {
    type Error = ResolveError;

    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, ResolveError> {
        self.document(digest, |reference| self.resolver.skopeo.inspect_raw(reference, &self.question.access))
    }

    fn config(&self, digest: &Digest, manifest: &ImageManifest) -> Result<Vec<u8>, ResolveError> {
        let wanted = manifest.config.digest;
        let (skopeo, access) = (self.resolver.skopeo, &self.question.access);
        self.document(&wanted, |reference| skopeo.inspect_config(reference.repository(), digest, &wanted, access))
    }

    fn bad_document(&self, source: DocumentError) -> ResolveError {
        ResolveError::Document { reference: self.question.reference.to_string(), source }
    }

    fn bad_config(&self, source: ConfigError) -> ResolveError {
        ResolveError::Config { reference: self.question.reference.to_string(), source }
    }
}

/// True if the entry was resolved from this tag.
fn is_of(entry: &LockEntry, reference: &Reference) -> bool {
    let Reference::Tag(repository, tag) = reference else { return false };
    entry.origin.repository() == Some(repository) && entry.tag.as_ref() == Some(tag)
}

/// The reference of a pin. A pinned digest is asked for by digest, whatever tag it once had.
fn pinned(base: &Base, pin: &Pin) -> Option<Reference> {
    let repository = base.origin.repository()?.clone();
    match (&pin.digest, &pin.tag) {
        (Some(digest), _) => Some(Reference::Digest(repository, *digest)),
        (None, Some(tag)) => Some(Reference::Tag(repository, tag.clone())),
        // The manifest's validation has made sure that there is a tag or a digest.
        (None, None) => None,
    }
}

/// True if the tag or digest is to blame. Otherwise the registry or repository is.
fn is_about_reference(error: &ResolveError) -> bool {
    match error {
        ResolveError::Tool(error) => error.cause().is_some_and(Cause::is_about_reference),
        _ => true,
    }
}
