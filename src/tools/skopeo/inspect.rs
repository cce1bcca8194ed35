//! Questions to a registry: what a tag or digest stands for, which tags there are. Each question has a command, which
//! is run where there is no shortcut.

use std::time::Duration;

use serde::Deserialize;

use super::source::Source;
use super::{Access, QUESTION_LIMIT, Skopeo};
use crate::model::{Digest, Document, Reference, Repository};
use crate::process::Invocation;
use crate::process::bounds::Bounds;
use crate::tools::error::ToolError;
use crate::tools::registry::Client;
use crate::tools::{Cause, Subject, ToolTask};

/// How long a question that only an explanation needs may take.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(10);
/// The most bytes that skopeo may read for a question. Its own certificates and settings take less than a megabyte, and
/// a list of 100 000 tags takes a few.
const LARGEST: u64 = 64 << 20;
/// How many tags are proposed for one that does not exist.
const PROPOSALS: usize = 5;

impl Skopeo {
    /// The exact bytes of the manifest or index. If a digest was asked for, they are verified: skopeo before 1.19 does
    /// not do it.
    pub(crate) fn inspect_raw(&self, reference: &Reference, access: &Access) -> Result<Vec<u8>, ToolError> {
        let read = |source: &Source| {
            let reference = reference.of(source.repository.clone());
            let task = self.task("resolve", Subject::Image(reference.clone()));
            let command = self.inspect_raw_command(&reference, &source.access);
            let invocation = self.prepared(command.limit(self.question_limit(source)))?;
            let ask = |client: &Client| client.manifest(&reference, &source.access);
            let bytes = self.ask_at(source, &task, &invocation, ask)?;
            match &reference {
                Reference::Digest(_, digest) => verified(bytes, digest, &task, &invocation),
                // A mirror's answer that is no document is an error here. The registry's own answer is reported as it
                // is.
                Reference::Tag(..) if source.is_mirror => document(bytes, &task, &invocation),
                Reference::Tag(..) => Ok(bytes),
            }
        };
        let read = self.read(reference.repository(), access, read);
        read.map_err(|error| self.with_nearest_tags(error, reference, access))
    }

    /// The exact bytes of the config of the image with this manifest, which are verified to be `config`.
    pub(crate) fn inspect_config(
        &self,
        repository: &Repository,
        manifest: &Digest,
        config: &Digest,
        access: &Access,
    ) -> Result<Vec<u8>, ToolError> {
        self.read(repository, access, |source| {
            let reference = Reference::Digest(source.repository.clone(), *manifest);
            let task = self.task("resolve", Subject::Image(reference.clone()));
            let command = self.inspect_config_command(&reference, &source.access);
            let invocation = self.prepared(command.limit(self.question_limit(source)))?;
            let ask = |client: &Client| client.config(&source.repository, config, &source.access);
            let bytes = self.ask_at(source, &task, &invocation, ask)?;
            verified(bytes, config, &task, &invocation)
        })
    }

    /// The tags that the repository has, in the registry's order.
    pub(super) fn list_tags(
        &self,
        repository: &Repository,
        access: &Access,
        limit: Duration,
    ) -> Result<Vec<String>, ToolError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            // The list is `null` if every tag was deleted.
            tags: Option<Vec<String>>,
        }
        self.read(repository, access, |source| {
            let task = self.task("list the tags of", Subject::Repository(source.repository.clone()));
            let command = self.question("list-tags", &source.repository, &source.access);
            let command = command.limit(source.limit(limit)).argument(format!("docker://{}", source.repository));
            let invocation = self.prepared(command)?;
            self.admit(&task, &invocation, &source.repository, &source.access)?;
            // This only improves an explanation, and is not worth waiting for further tries.
            let bytes = self.run_once(&task, &invocation)?;
            let answer: Answer = serde_json::from_slice(&bytes)
                .map_err(|error| ToolError::untrue(&task, &invocation, Cause::Failed, error.to_string()))?;
            Ok(answer.tags.unwrap_or_default())
        })
    }

    /// The command of [`Skopeo::inspect_raw`].
    pub(crate) fn inspect_raw_command(&self, reference: &Reference, access: &Access) -> Invocation {
        let question = self.question("inspect", reference.repository(), access);
        question.argument("--raw").argument(format!("docker://{reference}"))
    }

    /// The command of [`Skopeo::inspect_config`].
    pub(crate) fn inspect_config_command(&self, image: &Reference, access: &Access) -> Invocation {
        let question = self.question("inspect", image.repository(), access);
        question.arguments(["--config", "--raw"]).argument(format!("docker://{image}"))
    }

    fn question(&self, command: &str, repository: &Repository, access: &Access) -> Invocation {
        let command = self.command().argument(command).arguments(access.flags(repository, ""));
        command.within(Bounds::of_reading(LARGEST))
    }

    fn question_limit(&self, source: &Source) -> Duration {
        source.limit(self.settings.timeout.unwrap_or(QUESTION_LIMIT))
    }

    /// A registry gives the same answer for an unknown tag and an unknown repository. The list of tags tells them
    /// apart, and has the tag that was meant.
    fn with_nearest_tags(&self, error: ToolError, reference: &Reference, access: &Access) -> ToolError {
        let (Some(Cause::TagNotFound { .. }), Reference::Tag(repository, tag)) = (error.cause(), reference) else {
            return error;
        };
        match self.list_tags(repository, access, EXPLANATION_LIMIT) {
            Ok(tags) => error.because(Cause::TagNotFound { nearest: nearest(tag.as_str(), tags) }),
            Err(listing) if listing.cause() == Some(&Cause::NoSuchRepository) => error.because(Cause::NoSuchRepository),
            // The registry does not list the tags, or takes too long. The tag is still not there.
            Err(_) => error,
        }
    }
}

/// The tags most like the one that was written, best first.
fn nearest(written: &str, tags: Vec<String>) -> Vec<String> {
    let mut ranked: Vec<(usize, String)> =
        tags.into_iter().map(|tag| (strsim::damerau_levenshtein(written, &tag), tag)).collect();
    ranked.sort();
    ranked.into_iter().take(PROPOSALS).map(|(_, tag)| tag).collect()
}

fn verified(bytes: Vec<u8>, digest: &Digest, task: &ToolTask, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
    let found = Digest::of(&bytes);
    if found == *digest {
        return Ok(bytes);
    }
    let evidence = format!("the answer has {found}, and should have {digest}");
    Err(ToolError::untrue(task, invocation, Cause::DigestMismatch, evidence))
}

fn document(bytes: Vec<u8>, task: &ToolTask, invocation: &Invocation) -> Result<Vec<u8>, ToolError> {
    match Document::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(ToolError::untrue(task, invocation, Cause::NotAManifest, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_the_nearest_tags_first() {
        let tags = ["3.12", "3.12-slim", "latest", "3.11-slim", "2.7", "3.13-slim", "buster"].map(str::to_owned);
        assert_eq!(nearest("3.12-slm", tags.to_vec())[..2], ["3.12-slim", "3.11-slim"]);
        assert_eq!(nearest("x", tags.to_vec()).len(), PROPOSALS);
        assert!(nearest("x", Vec::new()).is_empty());
    }
}
